"""Writes docs/analysis.md, the page about stage `analyse`, with a section for each analysis from its row in the table.

python docs/analysis.py > docs/analysis.md
"""

from pathlib import Path

from ratecore.experiment.analyses.table import ROWS, Analysis
from ratecore.settings.analysis import AnalysisSettings

DOCS = Path(__file__).parent
EXAMPLE = (DOCS / "examples/own_analysis.py").read_text().partition("\nif __name__")[0].rstrip() + "\n"

INTRODUCTION = """# Analyses of trained networks

The stage `analyse` asks every trained network of a grid the same questions: where its fixed points are, how long its
units remember, what can be decoded from them. Analyses are chosen by name, and none is done by default:

```yaml
analyses: [spectrum, learning]
analysis:
  spectrum: {margin: 0.2}
training: {keep_weights: 100}          # `learning` looks at these copies of the weights
```

Each analysis has its settings in a section of its name, and each setting can be an axis of the grid, such as
`analysis.spectrum.margin: [0.1, 0.3]`. No network is trained, scored or converted again for it. The stage runs after
`train`, or after `convert` if an analysis is of spikes; it can be run alone: `snakemake --until analyse`.

A network that was not trained to criterion is analysed, too, as far as an analysis is of rates. The columns `trained`
and `status` of the table tell them apart.

## What is analysed

- **The network as the evaluation tests it.** Activity is that of the first trials of the evaluation, and of those that
  would follow: `n_trials` of an analysis may be larger than `evaluation.n_trials`. Settings of the section `evaluation`
  (other settings of the task, other noise, a perturbation) hold for the analyses of activity, and its axes repeat them.
  All analyses of a network look at the same trials, which are drawn once.
- **The spiking network as the conversion scores it**, at its lambda, for analyses of spikes. They need `convert: true`.
- **The weights** before, after and, with `training.keep_weights`, during training.

Each analysis is identified by its own settings, those of the sections that it depends on, its code and the files that
it reads. Choosing another analysis, or changing the settings of one, does that one alone: what is done is kept. So is
what was done before a kill. An axis over the settings of one analysis repeats only this one, and the other analyses of
a network are done once for all of its variants. An analysis whose code has changed is done again; new code of figures
only redraws them.

## Results

- `summary.csv` has a column `<analysis>_<number>` for a handful of numbers of each analysis, to six digits.
- `runs/.../analysis.npz`, in the folder of the network or of its variant, has all arrays under
  `<analysis>/<name>`; the shapes are below. `np.load` reads it, and `ratecore.formats.load_analysis(path)` gives
  `{analysis: {name: array}}` after checking the file.
- The record has all numbers in `numbers` of the stage's `end`, under `<analysis>/<number>`.
- MLflow has them as metrics `analysis/<analysis>/<number>`, with the variant before the name of the analysis if the
  grid has axes after training, and the tag `analysis` with the settings.
- `figures/` of each grid point has the figures of each analysis over its seeds; the report shows them under
  *Analyses*, and figures of the grid for some columns under *Summary*. The functions of `ratecore.figures` that draw
  them take arrays and an axis.

A number that is not defined for a network is empty in the table, as is everything of an analysis that the network
cannot have: `left_out` of the stage's `end` and a tag in MLflow say why. If an analysis fails for a network, the others
are done. The reason is in `errors` of the `end`, in the column `error` of the table, in MLflow and in the log of the
job; it is tried again when its code or its settings change. What the machine could not do (a full disk, too little
memory) breaks the stage, as for all stages: the same command tries again.

"""

OWN = """## An analysis of your own

`analysis_file` is a Python file that registers a function of the recorded material. This one is
[docs/examples/own_analysis.py](examples/own_analysis.py):

```python
EXAMPLE```

```yaml
analysis_file: own_analysis.py
analyses: [active, spectrum]
analysis:
  active: {least: 0.2}
grid:
  analysis.active.least: [0.1, 0.2]    # as any setting of an analysis
```

- **`analyse(material, settings)`** returns numbers by name; or a tuple of numbers and arrays by name; or a text that
  says why the network is left out. A number that is not defined is NaN. `material` has `settings` (of the run),
  `task`, `net` (after training), `tested_net` (as the evaluation tests it), `weights` and `initial_weights` (N, N),
  `inhibitory` (N,), `activity(n_trials)` with `x`, `r` (trials, steps, units), `o`, `u` and `scores`,
  `spikes(n_trials)` (of a converted network; `not_converted` says why there are none), and `kept_weights`. Its arrays
  are shared and must not be changed.
- **`register_analysis(name, analyse, numbers=...)`** says what each number is. The first six are columns
  `<name>_<number>` of `summary.csv`; all are in the record and in MLflow, and the arrays in `analysis.npz`.
  `settings` has a default for each setting, and a value must have the type of its default. `of` says what the
  analysis looks at: `activity` (the default), `weights` or `spikes`, and so after which stage it runs and which
  settings do it again: with `weights` neither `task` nor `activity` can be read, and spikes only with `spikes`.
  `seconds` is the time that it takes for a network.
- **`draw(networks)`**, if there is one, returns a matplotlib figure of the arrays of a grid point's networks by their
  label: `figures/.../<name>_own.png` and a place in the report.
- **Random numbers**: `random`, `np.random` and torch have the same state each time. Take a generator of your own for
  more.

The file is loaded, and what it registers is checked, before any job starts: the error names the file, the function
and what is wrong. Its source, and that of files in its folder that it imports, is part of the identity of its
analyses alone: a change does these again, and trains nothing. What the function raises for a network, or returns by
mistake, is one line in `errors` of the stage's `end` and in the column `error` of the table, with the file, the
function and the line; the other analyses are done. Results can be opened where the file is missing; columns of its
analyses are missing then.

## A further analysis of ratecore

An analysis of ratecore itself is one file, one row and one class of settings:

1. `ratecore/experiment/analyses/<name>.py` with two functions: `analyse(material, settings)` takes a `Material`
   (`net`, `weights`, `task`, `activity(n_trials)`, `spikes(n_trials)`, `kept_weights` ...) and returns an
   `AnalysisResult(numbers, arrays)`, or `AnalysisResult(skipped="why not")`; `draw(networks)` takes the arrays of one
   or several networks by their label and returns figures by name.
2. A row in `ratecore/experiment/analyses/table.py`: its numbers and arrays in words, columns of the table and figures.
3. Its settings in `ratecore/settings/analysis.py`. `depends_on` says which sections change its numbers: `evaluation`
   if it draws activity (the default), `spiking` and `conversion` if it draws spikes.
4. A caption in `workflow/report/` for each figure, and a row in `config/README.md`. This page is written by
   `python docs/analysis.py > docs/analysis.md`, and the schema by `make schema`.

What is computed belongs into `ratecore/analysis/`, as functions of arrays, which are then useful without a grid.

## Time

"""


def section(row: Analysis) -> str:
    """The section of one analysis: its settings, numbers, arrays and figures."""
    model = type(getattr(AnalysisSettings(), row.name))
    lines = [f"## `{row.name}`: {row.title}", ""]
    needs = {("evaluation",): "activity", (): "weights alone"}.get(model.depends_on, "spikes")
    lines += [
        f"Of {needs}."
        + (f" Needs `pip install 'ratecore[analysis]'` ({', '.join(row.packages)})." * bool(row.packages))
    ]
    if model.model_fields:
        lines += ["", "| setting | default | meaning |", "|---|---|---|"]
        for key, field in model.model_fields.items():
            lines.append(f"| `{key}` | {_shown(field.default)} | {_cell(field.description or '')} |")
    lines += ["", "| number | column | meaning |", "|---|---|---|"]
    columns = {number: column for column, number in row.summary.items()}
    for key, words in row.numbers.items():
        column = columns.get(f"{row.name}/{key}")
        lines.append(f"| `{key}` | {f'`{column}`' if column else ''} | {_cell(words)} |")
    if row.arrays:
        lines += ["", "| array | shape and meaning |", "|---|---|"]
        lines += [f"| `{row.name}/{key}` | {_cell(words)} |" for key, words in row.arrays.items()]
    figures = [*row.figures, *(figure.name for figure in row.grid_figures)]
    if figures:
        lines += ["", "Figures: " + ", ".join(f"`{name}`" for name in figures) + "."]
    return "\n".join([*lines, "", ""])


def _cell(words: str) -> str:
    """Text in a table, where a bar would end the cell."""
    return words.replace("|", "\\|")


def _shown(value: object) -> str:
    if value is None or value in ((), {}):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return str(list(value)) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)


def page() -> str:
    """The whole page."""
    overview = ["| analysis | of what |", "|---|---|"]
    overview += [f"| [`{row.name}`](#{row.name}-{_anchor(row.title)}) | {row.title} |" for row in ROWS]
    return (
        INTRODUCTION
        + "\n".join(overview)
        + "\n\n"
        + "".join(map(section, ROWS))
        + OWN.replace("EXAMPLE", EXAMPLE)
        + TIME
    )


def _anchor(title: str) -> str:
    kept = "".join(c for c in title.lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


TIME = """Processor time of `python benchmarks/analyses.py`: twelve networks of 200 units (go-nogo and mante, six seeds
each, default settings, weights kept every 200 trials), on one of two quiet cores (`lscpu`: AMD EPYC),
with compiled loops in their cache. The ratio says more than the seconds, and both vary by a tenth.

| step | go-nogo | mante | both | a network |
|---|---|---|---|---|
| training | 10.5 s | 25.7 s | 36.3 s | 3.02 s |
| `spectrum` | 0.2 s | 0.1 s | 0.3 s | 0.03 s |
| `fixed_points` | 1.2 s | 2.2 s | 3.4 s | 0.28 s |
| `dimensionality` | 0.1 s | 0.2 s | 0.3 s | 0.02 s |
| `tdr` | 0.1 s | 0.3 s | 0.4 s | 0.03 s |
| `dpca` | 0.3 s | 1.4 s | 1.8 s | 0.15 s |
| `decoding` | 0.3 s | 2.4 s | 2.7 s | 0.22 s |
| `selectivity` | 0.0 s | 0.0 s | 0.1 s | 0.01 s |
| `timescales` | 0.4 s | 1.6 s | 2.0 s | 0.17 s |
| `balance` | 0.5 s | 1.2 s | 1.7 s | 0.14 s |
| `learning` | 0.5 s | 0.5 s | 1.0 s | 0.08 s |
| `spike_trains` | 0.2 s | 0.8 s | 1.0 s | 0.09 s |
| `spike_timescales` | 0.2 s | 0.3 s | 0.4 s | 0.04 s |
| `spike_balance` | 0.5 s | 1.2 s | 1.7 s | 0.15 s |
| trials that analyses share | 0.6 s | 1.0 s | 1.6 s | 0.14 s |
| spiking trials | 1.8 s | 4.2 s | 6.0 s | 0.50 s |
| start of the process, reading and writing files | 1.0 s | 1.1 s | 2.1 s | 0.17 s |
| all analyses | 7.9 s | 18.6 s | 26.5 s | 2.21 s |
| their figures | 3.8 s | 4.5 s | 8.3 s | 0.69 s |
| analyses and figures | 11.6 s | 23.1 s | 34.8 s | 2.90 s |
| share of the training | 1.10 | 0.90 | 0.96 | |

All analyses with their figures take about as long as the training of such small and quickly trained networks. Their
time hardly depends on how long a network was trained. The defaults are what the numbers of a network need:

- `spike_trains` and `spike_timescales` take 50 trials, which is half of the simulation that 100 trials took. Firing
  rates differ by 1 to 2 %. `least_intervals` is 5, as the 10 of 100 trials, so that the same units count; LV and
  CV2 then differ by less than 0.05. The Fano factors of a network depend less on the number of trials than a mean
  over windows did ([docs/spike_trains.md](spike_trains.md)).
- `balance` and `spike_balance` take 25 trials. With 50, correlations of six mante networks differ by 0.02 at most,
  inhibitory currents by 5 %, excitatory ones, which are small, by 13 %, and the lags, which a tenth of the units
  have, by up to 7 ms.
- `fixed_points` searches from 40 states and 10 random ones. In all twelve networks, 100 and 20 found as many fixed
  points of each kind. Time constants along lines of slow points (`line_ms`) differ by up to a third. A network of many
  fixed points needs more: `n_starts` is a setting.
- The penalty of `dpca` is chosen from three choices of the trials left out. With five, two of the twelve networks have
  the next penalty.
"""

if __name__ == "__main__":
    print(page(), end="")
