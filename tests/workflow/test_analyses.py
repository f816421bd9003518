"""Stage `analyse` in the workflow: what it writes, what is done again for which change, and what is refused."""

import sqlite3

import numpy as np
import pytest
from checkout import Checkout

CONFIG = {
    "grid": {"task": ["go-nogo"], "analysis.spectrum.margin": [0.1, 0.5], "seed": [0, 1]},
    "convert": False,
    "analyses": ["spectrum", "learning"],
    "training": {"n_trials": 20, "eval_freq": 10, "eval_tr": 5, "keep_weights": 10},
    "task_settings": {"T": 60, "stim_on": 10, "stim_dur": 10},
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory, python):
    checkout = Checkout(tmp_path_factory.mktemp("checkout"), python)
    checkout.configure(**CONFIG)
    return checkout


@pytest.fixture(scope="module")
def done(checkout):
    done = checkout.snakemake()
    return done.stdout + done.stderr


def test_each_variant_has_its_numbers(checkout, done):
    assert "small: 2 seeds (0, 1) = 2 networks: go-nogo, 12 units" in done
    assert ", each scored or analysed in 2 ways: 2 values of spectrum_margin (0.1, 0.5)\n" in done
    rows = checkout.rows()
    assert [(row["spectrum_margin"], row["seed"]) for row in rows] == [
        ("0.1", "0"),
        ("0.1", "1"),
        ("0.5", "0"),
        ("0.5", "1"),
    ]
    for row in rows:
        path = checkout.results / row["folder"] / f"spectrum_margin~{row['spectrum_margin']}" / "analysis.npz"
        found = np.load(path)
        assert float(row["spectrum_radius"]) == pytest.approx(np.abs(found["spectrum/after"]).max(), rel=1e-5)
        limit = (1 + float(row["spectrum_margin"])) * found["spectrum/bulk"][1]
        assert float(row["spectrum_outliers"]) == (np.abs(found["spectrum/after"]) > limit).sum()
        assert list(found["learning/trials"]) == [0, 10, 20]
        assert float(row["learning_change"]) == pytest.approx(found["learning/change"][-1], rel=1e-5)
    assert rows[0]["spectrum_radius"] == rows[2]["spectrum_radius"]


def test_figures_of_grid_points_and_of_the_grid(checkout, done):
    for name in ("spectrum_radius", "learning_change", "learning_dimensionality"):
        assert (checkout.results / f"figures/{name}.png").is_file()
    for margin in ("0.1", "0.5"):
        folder = checkout.results / f"figures/task~go-nogo/N~12/taus~4_20/spectrum_margin~{margin}"
        assert {path.stem for path in folder.iterdir()} == {"spectrum_eigenvalues", "learning_course"}


def test_numbers_and_files_are_in_mlflow(checkout, done):
    with sqlite3.connect(f"file:{checkout.results.parent / 'mlflow.db'}?mode=ro", uri=True) as database:
        query = "SELECT value FROM latest_metrics WHERE key = 'analysis/spectrum_margin_0.1/spectrum/radius'"
        values = sorted(value for (value,) in database.execute(query))
    assert values == pytest.approx(sorted(float(row["spectrum_radius"]) for row in checkout.rows()[:2]))
    files = {path.relative_to(checkout.results.parent).as_posix() for path in checkout.results.parent.rglob("*.npz")}
    assert any("artifacts/analysis/spectrum_margin_0.1/analysis.npz" in path for path in files)


@pytest.mark.parametrize(("changes", "stages"), [
    ({"analysis": {"learning": {"n_spectra": 3}}}, {"analyse": 2}),
    ({"analyses": ["learning", "spectrum"]}, {}),
    ({"evaluation": {"n_trials": 7}}, {"evaluate": 1, "export": 1}),
    ({"network": {"N": 12, "P_inh": 0.4}}, {"train": 1, "evaluate": 1, "export": 1, "analyse": 2}),
], ids=["setting", "order", "evaluation", "network"])  # fmt: skip
def test_what_a_change_does_again(checkout, done, changes, stages):
    try:
        checkout.configure(**{**CONFIG, **changes})
        planned = checkout.planned()
        assert {name: n for name, n in planned.items() if name in ("train", "evaluate", "export", "analyse")} == stages
    finally:
        checkout.configure(**CONFIG)


def test_nothing_is_done_twice_and_it_can_be_done_again_alone(checkout, done):
    assert checkout.planned() == {}
    assert checkout.planned("--forcerun", "analyse") == {
        "analyse": 2,
        "plot_analyses": 2,
        "summarize": 1,
        "plot_grid": 1,
        "draw_panel": 1,
        "all": 1,
    }


def test_without_analyses_there_is_no_such_job_and_no_column(checkout, done):
    try:
        changes = {"grid": {"task": ["go-nogo"], "seed": [0, 1]}, "analyses": []}
        checkout.configure(**{**CONFIG, **changes})
        assert not {"analyse", "plot_analyses", "train"} & checkout.planned().keys()
        checkout.configure(**{**CONFIG, "analyses": ["learning"]})
        refused = checkout.snakemake("--dry-run", check=False)
        message = "analysis.spectrum.margin has no effect with analyses = ['learning']; add spectrum to them"
        assert refused.returncode and message in refused.stdout + refused.stderr
    finally:
        checkout.configure(**CONFIG)
