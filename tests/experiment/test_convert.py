"""Stage 'convert': its outputs, what it skips, how it resumes, and that variants share a network."""

import io
import json

import numpy as np
import pytest
import scipy.io

from ratecore.experiment import stages
from ratecore.experiment.grid import Experiment
from ratecore.experiment.point_figures import spiking_figures
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.convert import convert_run
from ratecore.experiment.stages.evaluate import evaluate_run
from ratecore.experiment.stages.export import export_run
from ratecore.experiment.stages.running import StageError, run_block
from ratecore.experiment.stages.train import train_run
from ratecore.experiment.summary import IncompleteError, summarize
from ratecore.formats import load_comparison, load_mat, load_network
from ratecore.spiking import rate_model, search_scaling
from ratecore.spiking.conversion import Search
from ratecore.system.files import read_sealed_json, sha256_of

not_rendered = pytest.mark.usefixtures("figures_are_not_rendered")

CONFIG = {
    "experiment": "spikes",
    "network": {"N": 12, "P_inh": 0.3},
    # A criterion that any network meets: what is tested here does not depend on how well it does.
    "training": {"n_trials": 1500, "eval_freq": 1500, "eval_tr": 20, "loss_threshold": 1e6, "accuracy_threshold": 0},
    "evaluation": {"n_trials": 6},
    "task_settings": {"T": 30, "stim_on": 5, "stim_dur": 5},
    "conversion": {"n_trials": 12, "scaling_factors": [2, 4, 8], "trials_shown": 2},
}
WORK = {
    "train": lambda run: train_run(run, log=io.StringIO()),
    "evaluate": evaluate_run,
    "export": export_run,
    "convert": convert_run,
}


def experiment_in(folder, **changes):
    return Experiment.from_config({**CONFIG, "results": str(folder), **changes})


def runs_of(experiment):
    return [Run.at(experiment, grid_point, seed) for grid_point in experiment.grid_points for seed in experiment.seeds]


def do(runs, *names):
    return [run_block(stage, runs, WORK[stage], io.StringIO()) for stage in names or WORK][-1]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    experiment = experiment_in(tmp_path_factory.mktemp("results"))
    return experiment, runs_of(experiment)[0], do(runs_of(experiment))[0]


def test_what_a_conversion_leaves(done):
    experiment, run, end = done
    s = run.settings
    # The search by itself, from the exported file, is the truth that everything else repeats.
    export = run.outcome("export")
    found = search_scaling(rate_model(run.named(export["mat"])), s.create_task(), s.conversion, s.spiking, seed=s.seed)
    assert end["lambda"] == found.opt_scaling_factor and end["spiking_accuracy"] == found.spiking_accuracy
    assert read_sealed_json(run.conversion) == json.loads(json.dumps(found.summary()))
    mat = scipy.io.loadmat(run.named(export["mat"]))
    assert mat["opt_scaling_factor"].item() == found.opt_scaling_factor
    assert np.array_equal(mat["all_perfs"].ravel(), found.all_perfs)
    assert np.array_equal(mat["scaling_factors"].ravel(), [2, 4, 8])
    (row,) = summarize(experiment).to_dict("records")
    assert (row["lambda"], row["spiking_accuracy"]) == (found.opt_scaling_factor, found.spiking_accuracy)
    assert (row["spiking_ci_low"], row["spiking_ci_high"]) == (found.ci_low, found.ci_high)
    assert (row["mean_rate_exc"], row["mean_rate_inh"]) == (found.mean_rate_exc, found.mean_rate_inh)
    assert load_comparison(run.comparison).scaling_factor == found.opt_scaling_factor
    names = {"scaling", "raster", "spiking_outputs", "firing_rates", "units", "components"}
    assert {path.stem for path in (run.folder_of("convert") / "figures").glob("*.png")} >= names
    assert set(spiking_figures(experiment, experiment.grid_points[0])) == names
    assert end["search"] == [[v, p] for v, p in zip(found.scaling_factors, found.all_perfs, strict=True)]
    assert not list(run.folder.glob("search-*"))


def test_a_conversion_is_not_done_twice_and_leaves_the_export_whole(done):
    _, run, _ = done
    events = len(run.record.events())
    do([run], "export", "convert")
    assert len(run.record.events()) == events
    # A file that is exported again has no lambda any more, and gets the same one.
    mat = run.named(run.outcome("export")["mat"])
    whole = mat.read_bytes()
    mat.unlink()
    with pytest.raises(StageError, match="the network is not exported, or its files were changed; run 'export' again"):
        do([run], "convert")
    do([run], "export")
    assert "opt_scaling_factor" not in load_mat(mat)
    do([run], "convert")
    assert mat.read_bytes() == whole
    # One whose first part was changed is no export of this network.
    mat.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    assert run.outcome("export") is None and run.outcome("convert") is None
    mat.write_bytes(whole)
    assert run.outcome("export") and run.outcome("convert")


def test_killed_between_the_mat_and_the_record(done):
    _, run, end = done
    lines = run.record.path.read_bytes().splitlines(keepends=True)
    last = max(k for k, line in enumerate(lines) if b'"event": "end", "stage": "convert"' in line)
    run.record.path.write_bytes(b"".join(lines[:last]))
    assert run.outcome("convert") is None and run.outcome("export")
    (again,) = do([run], "convert")
    assert again["lambda"] == end["lambda"] and again["files"] == end["files"]


@not_rendered
def test_a_network_that_was_not_trained_is_skipped_with_the_reason(tmp_path):
    experiment = experiment_in(tmp_path, training={**CONFIG["training"], "n_trials": 4, "loss_threshold": 1e-9})
    runs = runs_of(experiment)
    (end,) = do(runs)
    assert end["status"] == "done" and end["skipped"] == "the network was not trained within 4 trials"
    assert end["skipped"] == "the network was not trained within 4 trials"
    (row,) = summarize(experiment).to_dict("records")
    assert row["status"] == "not trained" and row["lambda"] is None and row["spiking_accuracy"] is None
    assert spiking_figures(experiment, experiment.grid_points[0]) == {} and not runs[0].conversion.exists()


@not_rendered
def test_without_conversion(tmp_path):
    experiment = experiment_in(tmp_path, convert=False)
    do(runs_of(experiment), "train", "evaluate", "export")
    assert "lambda" not in summarize(experiment)
    with pytest.raises(IncompleteError, match="'convert' is not done"):
        summarize(experiment_in(tmp_path))


def test_killed_in_the_middle_keeps_what_is_done(done, tmp_path, monkeypatch):
    experiment = experiment_in(tmp_path)
    (run,) = runs_of(experiment)
    do([run], "train", "evaluate", "export")
    up_to, asked = Search._up_to, []

    def killed_after_the_first_round(self, values, n):
        if asked:
            raise KeyboardInterrupt
        asked.append(n)
        up_to(self, values, n)

    with monkeypatch.context() as patch:
        patch.setattr(Search, "_up_to", killed_after_the_first_round)
        with pytest.raises(KeyboardInterrupt):
            do([run], "convert")
    (_kept,) = run.folder.glob("search-*.json")
    (run.folder / "search-01234567-89.json").touch()  # of an older version
    assert run.record.last("end", "convert")["status"] == "interrupted"
    drawn = []
    whole = stages.convert.SavedTrials.load

    def counted(self):
        found = whole(self)
        drawn.append({value: len(o) for value, o in found.items()})
        return found

    monkeypatch.setattr(stages.convert.SavedTrials, "load", counted)
    (end,) = do([run], "convert")
    assert drawn == [{2.0: 10, 4.0: 10, 8.0: 10}] and not list(run.folder.glob("search-*"))
    assert {k: end[k] for k in ("lambda", "spiking_accuracy", "ci_low", "mean_rate_exc")} == {
        k: done[2][k] for k in ("lambda", "spiking_accuracy", "ci_low", "mean_rate_exc")
    }


def test_a_damaged_file_of_kept_trials_is_named_and_left_out(done, tmp_path):
    _, run, _ = done
    kept, log = stages.convert.SavedTrials(run, log := io.StringIO()), log
    kept.path.write_text('{"4.0": [[1], [2.0], [3.0]], "checksum": 1}')
    assert kept.load() == {} and f"{kept.path}: its checksum does not match" in log.getvalue()
    kept.path.unlink()


@not_rendered
def test_what_another_version_has_exported_is_converted(tmp_path, monkeypatch):
    (run,) = runs_of(experiment_in(tmp_path))
    do([run], "train", "evaluate", "export")
    monkeypatch.setattr(stages.table, "code_hash", lambda stage: "newer")
    (end,) = do([run], "convert")
    assert end["status"] == "done" and run.outcome("export") is None and run.outcome("convert")


@not_rendered
def test_other_settings_of_what_comes_later_leave_the_exported_files_their_names(tmp_path):
    (run,) = runs_of(experiment_in(tmp_path))
    do([run])
    files = sorted(path.name for path in (tmp_path / "spikes" / "models").rglob("*.*") if path.is_file())
    (other,) = runs_of(experiment_in(tmp_path, spiking={"refractory": 5.0}, evaluation={"n_trials": 7}))
    do([other], "evaluate", "export", "convert")
    assert sorted(p.name for p in (tmp_path / "spikes" / "models").rglob("*.*") if p.is_file()) == files
    assert load_mat(other.named(other.outcome("export")["mat"]))["opt_scaling_factor"].size == 1


@not_rendered
def test_a_conversion_is_of_the_file_that_was_exported_last(tmp_path):
    (run,) = runs_of(experiment_in(tmp_path))
    do([run])
    run.named(run.outcome("export")["pth"]).unlink()
    (export,) = do([run], "export")
    assert export["mat"].endswith("_2.mat") and run.outcome("convert") is None
    with pytest.raises(IncompleteError, match="'convert' is not done"):
        summarize(experiment_in(tmp_path))
    do([run], "convert")
    assert load_mat(run.named(export["mat"]))["opt_scaling_factor"].size == 1


@not_rendered
def test_a_lesion_of_the_weights_before_training(tmp_path):
    grid = {"conversion.lesion.fraction": [0.0, 1.0]}
    whole, none = do(runs_of(experiment_in(tmp_path, grid=grid, spiking={"use_initial_weights": True})))
    assert whole["lambda"] == none["lambda"] and whole["mean_rate_exc"] != none["mean_rate_exc"]


@not_rendered
def test_variants_share_the_network_and_the_search(tmp_path, monkeypatch):
    grid = {"conversion.lesion.fraction": [0.0, 0.9], "refractory": [2.0, 20.0]}
    experiment = experiment_in(tmp_path, grid=grid)
    runs = runs_of(experiment)
    searched, run_trials = [], stages.convert.SavedTrials.load

    def load(self):
        found = run_trials(self)
        searched.append((self.path.name, bool(found)))
        return found

    monkeypatch.setattr(stages.convert.SavedTrials, "load", load)
    ends = do(runs)
    assert len({run.folder for run in runs}) == 1
    assert [e["event"] for e in runs[0].record.events() if e["stage"] == "train"].count("start") == 1
    # Lesions are scored with the lambda of the intact network, so there is one search for each refractory period.
    assert len({name for name, _ in searched}) == 2 and [found for _, found in searched] == [False, False, True, True]
    assert ends[0]["lambda"] == ends[2]["lambda"] and ends[1]["lambda"] == ends[3]["lambda"]
    assert ends[2]["mean_rate_exc"] != ends[0]["mean_rate_exc"]
    # 20 ms of refractory period leave at most 50 spikes a second.
    assert ends[1]["mean_rate_exc"] < min(50, ends[0]["mean_rate_exc"])
    table = summarize(experiment)
    assert list(table["refractory"]) == ["2", "20", "2", "20"] and table["mat"].nunique() == 4
    assert list(table["lesion_fraction"]) == ["0", "0", "0.9", "0.9"] and table["folder"].nunique() == 1
    for row, end in zip(table.to_dict("records"), ends, strict=True):
        assert load_mat(experiment.root / row["mat"])["opt_scaling_factor"].item() == end["lambda"]
        assert row["mat"].startswith(f"variants/lesion_fraction~{row['lesion_fraction']}/refractory~")
    steps = [end["stage"] for end in ends]
    assert steps[1] == "convert lesion_fraction~0/refractory~20" and len(set(steps)) == 4
    weights = [load_network(experiment.root / row).w.detach().numpy() for row in table["mat"]]
    assert all(np.array_equal(w, weights[0]) for w in weights)
    before = sha256_of(runs[0].network)
    more = runs_of(experiment_in(tmp_path, grid={**grid, "refractory": [2.0, 20.0, 5.0]}))
    do(more, "train")
    assert sha256_of(runs[0].network) == before and more[0].outcome("convert") and more[2].outcome("convert") is None


def test_figures_of_another_version_are_drawn_again_without_a_search(tmp_path, monkeypatch):
    (run,) = runs_of(experiment_in(tmp_path))
    (before,) = do([run])
    monkeypatch.setattr("ratecore.spiking.conversion.convert", None)
    monkeypatch.setattr(stages.table, "figures_hash", lambda: "another")
    (after,) = do([run], "convert")
    changed = ("time", "figures_hash", "files")
    assert {k: v for k, v in after.items() if k not in changed} == {k: v for k, v in before.items() if k not in changed}
    assert after["figures_hash"] == "another" and after["files"].keys() == before["files"].keys()
    assert {path for path, sha256 in after["files"].items() if sha256 != before["files"][path]} <= {
        path for path in before["files"] if path.endswith(".png")
    }
    assert run.outcome("convert") == after
