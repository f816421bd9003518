"""`ratecore panels`: the figures of an experiment in the terms of a paper, drawn from what is done."""

from __future__ import annotations

import argparse
from pathlib import Path


def panels_command(args: argparse.Namespace) -> int:
    """Draws the chosen panels. Nothing is drawn before all arguments are known to be right.

    Raises:
        ValueError: a panel or a configuration that cannot be used; the message names it.
        OSError: the results cannot be read, or a file cannot be written.
    """
    from ratecore.experiment.opened import open_experiment
    from ratecore.experiment.panels.drawing import Source, write_panel
    from ratecore.settings.base import did_you_mean
    from ratecore.settings.reading import load_yaml
    from ratecore.system.extras import needed

    needed("pandas", "analysis", "panels")
    root = Path(args.results).expanduser()
    panels = None
    if args.config is not None:
        config = load_yaml(args.config)
        panels = config.get("panels") if isinstance(config, dict) else None
        if not panels:
            raise ValueError(f"--config {args.config}: it has no section panels")
    experiment = open_experiment(root, args.task_file, panels)
    known = experiment.settings.panels
    if not known:
        raise ValueError(f"{root}: its configuration has no section panels; name another with --config")
    for name in args.only:
        if name not in known:
            raise ValueError(
                f"--only {name}: there is no such panel{did_you_mean(name, known)}; panels: {', '.join(known)}"
            )
    source = Source(experiment, partial=True)
    for name in args.only or known:
        paths = write_panel(source, name, args.out)
        print(f"{name}: {paths[0]}")
    return 0
