"""A stage takes what another grid has done for the same network, and only that."""

import io
import json
import os

import numpy as np
import pytest

from ratecore.experiment.grid import Experiment
from ratecore.experiment.runs import Run
from ratecore.experiment.stages import convert, evaluate, running, taken
from ratecore.experiment.stages.running import StageError, do_stage
from ratecore.formats import load_mat
from ratecore.system import links
from ratecore.system.files import sha256_of
from ratecore.system.links import link_or_copy

pytestmark = pytest.mark.usefixtures("figures_are_not_rendered")
CONFIG = {
    "experiment": "paper",
    "network": {"N": 12, "P_inh": 0.3},
    # A criterion that any network meets: what is tested here does not depend on how well it does.
    "training": {"n_trials": 1500, "eval_freq": 1500, "eval_tr": 20, "loss_threshold": 1e6, "accuracy_threshold": 0},
    "evaluation": {"n_trials": 6},
    "task_settings": {"T": 30, "stim_on": 5, "stim_dur": 5},
    "conversion": {"n_trials": 12, "scaling_factors": [2, 4, 8], "trials_shown": 2},
    "analyses": ["spectrum"],
}
FIG6A = {"refractory": [2, 5]}
COMBINED = [
    {"name": "fig6a", "refractory": [2, 5]},
    {"name": "fig6b", "refractory": [2], "tau_rise": [0, 2]},
    {"name": "more", "evaluation.n_trials": [6, 7]},
]
STAGES = ("train", "evaluate", "export", "convert", "analyse")


def runs_in(folder, grid, **changes):
    e = Experiment.from_config({**CONFIG, "results": str(folder), "grid": grid, **changes})
    return e, [Run.at(e, point, 0) for point in e.grid_points]


def do(e, runs, *stages):
    return {stage: do_stage(stage, runs, e.settings) for stage in stages or STAGES}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """The results of the grid of one figure."""
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ratecore.figures.png", lambda figure: b"drawn")
        e, runs = runs_in(folder, FIG6A)
        do(e, runs)
    return folder, runs


@pytest.fixture
def done(first, tmp_path):
    import shutil

    shutil.copytree(first[0], tmp_path / "results", symlinks=True)
    return tmp_path / "results", runs_in(tmp_path / "results", FIG6A)[1]


@pytest.fixture
def work(monkeypatch):
    """The variants for which something is computed."""
    computed = []
    for module, name in ((convert, "convert_run"), (evaluate, "evaluate_run")):
        real = getattr(module, name)

        def spy(run, *args, real=real, name=name, **options):
            computed.append((name, run.settings.spiking.refractory, run.settings.spiking.tau_rise))
            return real(run, *args, **options)

        monkeypatch.setattr(module, name, spy)
    return computed


def ends(run):
    return run.record.newest("end")


def test_a_combined_grid_computes_only_what_is_new(done, work):
    folder, old = done
    e, runs = runs_in(folder, COMBINED)
    assert [run.variants["convert"] for run in runs] == [
        "evaluation_n_trials~6/refractory~2/tau_rise~2", "evaluation_n_trials~6/refractory~5/tau_rise~2",
        "evaluation_n_trials~6/refractory~2/tau_rise~0", "evaluation_n_trials~7/refractory~2/tau_rise~2",
    ]  # fmt: skip
    do(e, runs)
    # The evaluation of 6 trials and the conversions of 2 and 5 ms are there; the last point has the first's conversion.
    assert work == [("evaluate_run", 2.0, 2.0), ("convert_run", 2.0, 0.0)]
    for new, same, step in ((0, 0, "refractory~2"), (1, 1, "refractory~5"), (3, 0, None)):
        for name in ("conversion", "comparison"):
            assert runs[new].file(name).read_bytes() == old[same].file(name).read_bytes()
        end, source = ends(runs[new])[runs[new].step("convert")], ends(old[same])[old[same].step("convert")]
        assert end["taken_from"].startswith("convert ") and (step is None or end["taken_from"] == f"convert {step}")
        for key in ("identity", "code_hash", "lambda", "spiking_accuracy", "search", "reads", "status"):
            assert end[key] == source[key]
    assert runs[0].evaluation.read_bytes() == old[0].evaluation.read_bytes()
    assert ends(runs[0])[runs[0].step("evaluate")]["taken_from"] == "evaluate"
    assert all(run.outcome(stage) for run in runs for stage in STAGES)
    # Each variant has a `.mat` of its own, with its own lambda.
    for run in runs:
        found = load_mat(
            run.named(run.outcome("export")["mat"]), ("opt_scaling_factor", "all_perfs", "scaling_factors")
        )
        saved = json.loads(run.conversion.read_text())
        assert found["opt_scaling_factor"].item() == run.outcome("convert")["lambda"] == saved["lambda"]
        np.testing.assert_array_equal(found["all_perfs"].ravel(), saved["all_perfs"])
    mats = [run.named(run.outcome("export")["mat"]) for run in (old[0], runs[0])]
    assert mats[0].read_bytes() == mats[1].read_bytes() and not os.path.samefile(*mats)
    # Nothing is left to do, in either grid.
    work.clear()
    before = [len(run.record.events()) for run in runs]
    do(e, runs)
    do(runs_in(folder, FIG6A)[0], old)
    assert not work and [len(run.record.events()) for run in runs] == before


def test_a_grid_without_variants_takes_from_one_with_variants(done, work):
    folder, old = done
    e, (alone, other) = runs_in(folder, {"N": [12, 13]})
    assert "convert" not in alone.variants and alone.folder == old[0].folder
    do(e, [alone])
    assert not work and alone.outcome("convert")["taken_from"] == "convert refractory~2"
    assert alone.conversion.parent == alone.folder and other.folder != alone.folder


@pytest.mark.parametrize(
    "damage",
    ["settings", "code", "gone", "changed", "skipped", "broken", "network"],
)
def test_only_what_is_the_same_is_taken(done, monkeypatch, damage):
    folder, old = done
    changes = {"conversion": {**CONFIG["conversion"], "n_trials": 13}} if damage == "settings" else {}
    _, (run, *_) = runs_in(folder, COMBINED, **changes)
    if damage == "code":
        monkeypatch.setattr(Run, "code_hash", lambda self, stage: "other")
    elif damage == "gone":
        old[0].comparison.unlink()
    elif damage == "changed":
        old[0].conversion.write_text("{}")
    elif damage in ("skipped", "broken"):
        end = {k: v for k, v in ends(old[0])["convert refractory~2"].items() if k not in ("event", "stage", "time")}
        more = {"skipped": "not trained"} if damage == "skipped" else {"status": "broken"}
        old[0].record.append("end", "convert refractory~2", **{**end, **more})
    elif damage == "network":
        run.network.write_bytes(b"another")
    assert taken.finished_elsewhere("convert", run) is None
    undamaged = "evaluate" if damage in ("settings", "gone", "changed", "skipped", "broken") else None
    assert undamaged is None or taken.finished_elsewhere(undamaged, run).step == "evaluate"
    assert taken.finished_elsewhere("train", run) is taken.finished_elsewhere("export", run) is None


def test_a_killed_job_takes_again(done, work, monkeypatch):
    folder, _ = done
    e, runs = runs_in(folder, [COMBINED[0], {"name": "none", "tau_rise": [0.5]}])
    do(e, runs[:1], "evaluate", "export")
    real, calls = running.link_or_copy, []

    def killed_at_the_second(source, path):
        calls.append(path)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(source, path)

    monkeypatch.setattr(running, "link_or_copy", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        do(e, runs[:1], "convert")
    assert runs[0].outcome("convert") is None and ends(runs[0])[runs[0].step("convert")]["status"] == "interrupted"
    monkeypatch.setattr(running, "link_or_copy", real)
    do(e, runs[:1], "convert")
    assert not work and runs[0].outcome("convert")["taken_from"] == "convert refractory~2"


def test_without_an_export_nothing_is_done(done):
    folder, _ = done
    e, runs = runs_in(folder, COMBINED)
    with pytest.raises(StageError, match="the network is not exported"):
        do(e, runs[:1], "convert")
    assert runs[0].outcome("convert") is None


def test_the_log_says_what_was_taken(done, monkeypatch):
    folder, _ = done
    e, runs = runs_in(folder, COMBINED)
    log = io.StringIO()
    monkeypatch.setattr("sys.stderr", log)
    do(e, runs[:1], "evaluate")
    assert "evaluate takes the results of 'evaluate', which has the same settings" in log.getvalue()


@pytest.mark.parametrize("links_work", [True, False])
def test_a_file_gets_a_second_name_whole_or_not_at_all(tmp_path, monkeypatch, links_work):
    source, path = tmp_path / "a", tmp_path / "deep" / "b"
    source.write_bytes(b"data")
    if not links_work:
        monkeypatch.setattr(links.os, "link", lambda *args: (_ for _ in ()).throw(OSError("no links")))
    for _ in range(2):  # the second time it has the name already
        link_or_copy(source, path)
        assert path.read_bytes() == b"data" and os.listdir(path.parent) == ["b"]
    assert os.path.samefile(source, path) is links_work and sha256_of(path) == sha256_of(source)
    (tmp_path / "link").symlink_to(source)
    link_or_copy(tmp_path / "link", path)
    assert not path.is_symlink() and path.read_bytes() == b"data"
    with pytest.raises(FileNotFoundError):
        link_or_copy(tmp_path / "nothing", path)
    assert path.read_bytes() == b"data"
