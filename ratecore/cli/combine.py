"""`ratecore combine`: one configuration from several."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from ratecore.settings.base import SettingsError
from ratecore.system.files import write_atomic


def combine_command(args: argparse.Namespace) -> int:
    """Prints or writes the combined configuration. Returns 0.

    Raises:
        SettingsError: files that cannot be combined.
    """
    from ratecore.cli.networks import settings_in
    from ratecore.experiment.combine import as_text, combine

    if args.output and any(os.path.realpath(args.output) == os.path.realpath(file) for file in args.files):
        raise SettingsError(f"-o {args.output}: it is one of the files to combine; name another")
    seeds: Any = settings_in([f"seed={args.seeds}"], "--seeds")["seed"] if args.seeds is not None else None
    seeds = [seeds] if isinstance(seeds, int) else seeds
    config = combine(args.files, args.experiment, seeds)
    words = ["ratecore", "combine", *args.files]
    words += [] if args.experiment is None else ["--experiment", args.experiment]
    words += [] if args.seeds is None else ["--seeds", args.seeds]
    text = as_text(config, [f"Written by `{shlex.join(words)}`; a change of those files is not seen here."])
    if args.output:
        Path(args.output).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(args.output, text.encode())
        print(f"{args.output}: {len(config['grid'])} products", file=sys.stderr)
    else:
        print(text, end="")
    return 0
