"""Writes the results in docs/paper.md, between its marks, from a finished `make paper`, with pictures and claims.

    python docs/paper.py results/paper --took "2 h 10 min"     # takes pictures and claims from the results
    python docs/paper.py                                       # writes the page again from those in docs/

What was examined about a figure is in docs/paper_notes.yaml.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from ratecore.analysis.claims import Outcome
from ratecore.experiment.claims_files import MARKS, by_source, counted_outcomes, with_interval

DOCS = Path(__file__).parent
PAGE, CLAIMS, RUN, NOTES = (DOCS / f"paper{end}" for end in (".md", "_claims.csv", "_run.json", "_notes.yaml"))
IMAGES = DOCS / "images/paper"
START, END = "<!-- results: written by docs/paper.py -->", "<!-- end of results -->"
WIDTH, COLOURS = 1200, 128  # of a picture in the page: pixels, and colours of its palette
VARIANT = "_noise"
KINDS = {"": "no noise (equation 3)", VARIANT: "noise of 0.1 mV (released code)"}


def take(results: Path, took: str) -> None:
    """Take what the page needs from a finished experiment.

    Args:
        results: folder of the experiment.
        took: how long it took, in words.
    """
    from PIL import Image

    IMAGES.mkdir(parents=True, exist_ok=True)
    for old in IMAGES.glob("*.png"):
        old.unlink()
    captions = {}
    for path in sorted((results / "figures/panels").glob("*.png")):
        picture = Image.open(path).convert("RGB")
        picture.thumbnail((WIDTH, 10 * WIDTH))
        picture.quantize(COLOURS).save(IMAGES / path.name, optimize=True)
        captions[path.stem] = caption(path.with_suffix(".rst").read_text())
    claims = pd.read_csv(results / "claims.csv")
    claims.to_csv(CLAIMS, index=False)
    RUN.write_text(json.dumps({**about(results), "took": took, "captions": captions}, indent=1) + "\n")


def caption(text: str) -> str:
    """The caption of a panel without its title, which is the heading, and without what only its folder needs."""
    said = [part for part in text.strip().split("\n\n")[1:] if not part.startswith("Draw it again")]
    return re.sub(r" Shown are networks with product [\w-]+\.", "", "\n\n".join(said))


def about(results: Path) -> dict[str, Any]:
    """What a reader needs to know about the run: networks, seeds, core-hours, commit, machine."""
    from ratecore import open_results

    experiment = open_results(results)
    table = experiment.table
    seconds: Counter[str] = Counter()
    for path in (results / "benchmarks").rglob("*.tsv"):
        row = pd.read_csv(path, sep="\t", na_values="-").iloc[-1]
        seconds[path.relative_to(results / "benchmarks").parts[0].removesuffix(".tsv")] += float(row["cpu_time"])
    return {
        "rows": len(table),
        "networks": int(table["folder"].map(lambda f: str(f).split("/")[-1]).nunique()),
        "seeds": int(table["seed"].nunique()),
        "core_hours": {stage: round(found / 3600, 2) for stage, found in sorted(seconds.items())},
        "commits": sorted({_provenance(results / folder)["git_commit"][:10] for folder in table["folder"]}),
        "machine": _machine(),
    }


def _provenance(folder: Path) -> dict[str, Any]:
    """What the first line of a network's record says about its code."""
    with open(folder / "record.jsonl", encoding="utf-8") as file:
        found: dict[str, Any] = json.loads(file.readline())["provenance"]
    return found


def _machine() -> str:
    """The cores of this machine, on which the command ran."""
    names = re.findall(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return f"{len(names)} cores ({names[0]})"


def page() -> str:
    """The results as Markdown."""
    run, claims = json.loads(RUN.read_text()), by_source(pd.read_csv(CLAIMS))
    notes: dict[str, str] = yaml.safe_load(NOTES.read_text()) or {}
    configurations = {path.stem: yaml.safe_load(path.read_text()) for path in (DOCS.parent / "config/paper").glob("*")}
    bases = sorted({re.sub(f"{VARIANT}$", "", name) for name in configurations}, key=_in_order)
    if unknown := notes.keys() - set(bases):
        raise SystemExit(f"{NOTES.name}: no figure is named {', '.join(sorted(unknown))}")
    parts = [_head(run, claims), *(_figure(base, configurations, run, claims, notes.get(base, "")) for base in bases)]
    return "\n\n".join(parts) + "\n"


def _in_order(name: str) -> tuple[int, str]:
    """Figures 1 to 7, then those of the supplement, then the others."""
    return (0 if re.match(r"fig\d", name) else 1 if name.startswith("fig") else 2, name)


def _head(run: dict[str, Any], claims: pd.DataFrame) -> str:
    hours = run["core_hours"]
    stages = ", ".join(f"{stage} {found:.1f}" for stage, found in hours.items() if found >= 0.05)
    return (
        f"`make paper` at {', '.join(run['commits'])} on {run['machine']}: {run['networks']:,} trained networks, "
        f"{run['rows']:,} with their conversions, up to {run['seeds']} at each grid point, in {run['took']}: at "
        f"least {sum(hours.values()):.1f} core-hours ({stages}).\n\n"
        f"{counted_outcomes(claims)}. In brackets is the 95 % confidence interval; accuracies are in [0, 1]. "
        "Pictures of two kinds of spiking networks stand side by side: without noise on the membrane, as in equation 3 "
        "and Table S1, and with the noise of the released code. All numbers: [paper_claims.csv](paper_claims.csv)."
    )


def _figure(base: str, configurations: dict[str, Any], run: dict[str, Any], claims: pd.DataFrame, note: str) -> str:
    """The section of a figure and of its variant with noise."""
    variants = [name for name in (base, base + VARIANT) if name in configurations]
    panels = {name: [p for p in configurations[name].get("panels", {}) if p in run["captions"]] for name in variants}
    shown = [panel for name in variants for panel in panels[name]]
    title = next(iter(configurations[base]["panels"].values()))
    lines = [f"### {title['source']}: {title['title']}" if base != "noise" else "### The noise on the membrane"]
    if len(variants) == 2 and all(len(panels[name]) == 1 for name in variants):
        pictures = [_picture(panels[name][0]) for name in variants]
        lines.append("| " + " | ".join(KINDS.values()) + " |\n|---|---|\n| " + " | ".join(pictures) + " |")
    else:
        lines += [_picture(panel) for panel in shown]
    lines += [run["captions"][panel] for panel in shown[:1]]
    own = claims[claims["grid"].isin(variants)]
    if len(own):
        lines.append(_claims(own, variants))
    return "\n\n".join([*lines, *([note.strip()] if note else [])])


def _picture(panel: str) -> str:
    return f"![{panel}](images/paper/{panel}.png)"


def _claims(claims: pd.DataFrame, variants: list[str]) -> str:
    """The claims of a figure, those of both variants below each other."""
    rows = ["| | claim | published | ours | n |", "|---|---|---|---|---|"]
    for row in claims.to_dict("records"):
        kind = f" ({KINDS[VARIANT].partition(' (')[0]})" if str(row["grid"]).endswith(VARIANT) else ""
        mark, _ = MARKS[Outcome(row["outcome"])]
        n = "" if pd.isna(row["n"]) else f"{row['n']:.0f}"
        ours = with_interval(row, "ours", "ci_low", "ci_high") or str(row["reason"])
        rows.append(f"| {mark} {row['outcome']} | {row['says']}{kind} | {row['published']} | {ours} | {n} |")
    return "\n".join(rows)


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="?", type=Path, help="folder of the finished experiment")
    parser.add_argument("--took", default="", help="how long the command took, in words")
    given = parser.parse_args()
    if given.results:
        take(given.results, given.took)
    text = PAGE.read_text()
    before, after = text.split(START)[0], text.split(END)[1]
    PAGE.write_text(f"{before}{START}\n\n{page()}\n{END}{after}")


if __name__ == "__main__":
    main()
