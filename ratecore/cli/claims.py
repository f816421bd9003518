"""`ratecore claims`: judges the claims of a publication by the networks of an experiment."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from ratecore.experiment.opened import OpenedExperiment

WIDTH = 100  # of the text


def claims_command(args: argparse.Namespace) -> int:
    """Prints the claims and what became of them.

    Raises:
        ValueError: the folder has no results or no claims, or networks are not done and `--partial` is not given.
        SettingsError: the configuration or a claim cannot be used.
        ImportError: pandas is not installed.
    """
    from ratecore.experiment.claims import judge_claims
    from ratecore.experiment.claims_files import by_source
    from ratecore.experiment.opened import open_experiment
    from ratecore.experiment.summary import FINISHED, partial_summary
    from ratecore.system.extras import needed

    needed("pandas", "analysis", "tables of results")
    root = Path(args.results)
    if not root.is_dir():
        raise ValueError(f"{root}: there is no such folder; it must be that of an experiment, such as results/demo")
    experiment = open_experiment(root, args.task_file)
    if args.claims is not None:
        experiment = _with_claims(experiment, args.claims)
    if not experiment.settings.claims:
        raise ValueError(f"{root}: its configuration has no claims; give a file that has them with --claims FILE")
    table, _ = partial_summary(experiment)
    undone = int((~table["status"].isin(FINISHED)).sum())
    if undone and not args.partial:
        raise ValueError(f"{root}: {undone} of {len(table)} networks are not done; give --partial to judge claims "
                         "about those that are")  # fmt: skip
    judged = judge_claims(experiment, table)
    print(judged.to_csv(index=False) if args.csv else claims_text(by_source(judged)), end="")
    return 0


def _with_claims(experiment: OpenedExperiment, path: str) -> OpenedExperiment:
    """The experiment with the claims of another configuration."""
    from ratecore.experiment.claim_groups import claimed_networks
    from ratecore.settings.base import SettingsError
    from ratecore.settings.experiment import ExperimentSettings
    from ratecore.settings.reading import load_yaml

    config = load_yaml(path)
    if not isinstance(config, dict) or not config.get("claims"):
        raise ValueError(f"{path}: it has no section claims")
    try:
        given = ExperimentSettings(experiment="claims", claims=config["claims"])
        experiment.settings = experiment.settings.model_copy(update={"claims": given.claims})
        claimed_networks(experiment)
    except SettingsError as error:
        raise SettingsError([((), f"{path}: {line}") for line in error.lines()]) from None
    return experiment


def claims_text(judged: pd.DataFrame) -> str:
    """The claims as text, one paragraph each.

    Args:
        judged: of `judge_claims`.

    Returns:
        lines of text, the last of which counts the outcomes.
    """
    from ratecore.analysis.claims import Outcome
    from ratecore.experiment.claims_files import MARKS, counted_outcomes, p_words, with_interval

    lines = []
    for row in judged.astype(object).where(judged.notna(), None).to_dict("records"):
        mark, _ = MARKS[Outcome(row["outcome"])]
        lines += [f"{mark} {row['outcome']:<15} {row['source']}  ({row['id']})"]
        ours = with_interval(row, "ours", "ci_low", "ci_high")
        facts = [f"published: {row['published']}"]
        facts += [f"ours: {ours}, n = {row['n']}"] if ours else []
        if difference := with_interval(row, "difference", "difference_low", "difference_high"):
            facts.append(f"difference: {difference}")
        facts += [f"margin: {row['margin']:g}"] if row["margin"] is not None else []
        facts += [f"{row['test']}: {p_words(row['p'])}"] if row["test"] else []
        facts += [f"about {row['n_needed']} networks are needed"] if row["n_needed"] is not None else []
        for text in (row["says"], "; ".join(facts), row["reason"]):
            lines += textwrap.wrap(str(text), WIDTH, initial_indent="    ", subsequent_indent="    ") if text else []
    return "\n".join([*lines, counted_outcomes(judged)]) + "\n"
