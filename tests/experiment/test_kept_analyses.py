"""What stage 'analyse' keeps: an analysis is done once for a network, whatever is chosen beside it and killed between."""

import io
import shutil
import zipfile
from collections import Counter

import numpy as np
import pytest

from ratecore.experiment.analyses import kept
from ratecore.experiment.analyses.results import AnalysisResult
from ratecore.experiment.grid import Experiment
from ratecore.experiment.runs import Run
from ratecore.experiment.stages import analyse, table
from ratecore.experiment.stages.running import StageError, do_stage
from ratecore.formats import load_analysis
from ratecore.formats.analysis_parts import load_part, part_bytes
from ratecore.formats.errors import FormatError

pytestmark = pytest.mark.usefixtures("figures_are_not_rendered")

THREE = ["spectrum", "dimensionality", "selectivity"]
CONFIG = {
    "experiment": "kept",
    "convert": False,
    "analyses": THREE,
    "network": {"N": 10},
    "training": {"n_trials": 20, "eval_freq": 10, "eval_tr": 4},
    "evaluation": {"n_trials": 6},
    "task_settings": {"T": 60, "stim_on": 10, "stim_dur": 10},
    "analysis": {"dimensionality": {"n_trials": 8}, "selectivity": {"n_trials": 30}},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    experiment = Experiment.from_config({**CONFIG, "results": str(folder)})
    do_stage("train", runs_of(experiment), experiment.settings)
    return folder


@pytest.fixture
def analysed(trained, tmp_path, monkeypatch):
    """A function that analyses the network under other settings, and gives its runs and which analyses were done."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    done = Counter()
    given = analyse._analysed

    def counted(row, material):
        done[row.name] += 1
        return given(row, material)

    monkeypatch.setattr(analyse, "_analysed", counted)

    def run(**changes):
        done.clear()
        experiment = Experiment.from_config({**CONFIG, **changes, "results": str(tmp_path)})
        runs = runs_of(experiment)
        for one in runs:
            do_stage("analyse", [one], experiment.settings)
        return runs, dict(done)

    return run


def runs_of(experiment):
    return [Run.at(experiment, point, 0) for point in experiment.grid_points]


def members(run, analysis):
    """The bytes of the arrays of an analysis, as the file has them."""
    with zipfile.ZipFile(run.file("analysis")) as file:
        return {name: file.read(name) for name in file.namelist() if name.startswith(f"{analysis}/")}


def numbers(run, analysis):
    return {key: value for key, value in run.outcome("analyse")["numbers"].items() if key.startswith(f"{analysis}/")}


# What is changed after the three analyses, and which are done for it.
CHANGES = {
    "another": ({"analyses": [*THREE, "tdr"]}, {"tdr": 1}),
    "other settings": ({"analysis": {**CONFIG["analysis"], "spectrum": {"margin": 0.5}}}, {"spectrum": 1}),
    "fewer": ({"analyses": ["selectivity"]}, {}),
    "other evaluation": ({"evaluation": {"n_trials": 6, "noise_sd": 0.3}}, {"dimensionality": 1, "selectivity": 1}),
    "another order": ({"analyses": THREE[::-1]}, {}),
    "failing": ({"analysis": {"dimensionality": {"bin_ms": 5000}, "selectivity": {"n_trials": 30}}},
                {"dimensionality": 1}),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), CHANGES.values(), ids=CHANGES)
def test_a_change_of_one_analysis_does_that_one_alone(analysed, changes, expected):
    (before,), done = analysed()
    assert done == dict.fromkeys(THREE, 1)
    old = {name: (members(before, name), numbers(before, name)) for name in THREE}
    identities = before.outcome("analyse")["analyses"]
    (after,), done = analysed(**changes)
    assert done == expected
    end = after.outcome("analyse")
    for name in after.settings.analyses:
        if name not in expected:
            assert (members(after, name), numbers(after, name)) == old[name] and len(old[name][0]) > 1
        else:
            assert (name in end["errors"]) != bool(members(after, name))
            assert end["analyses"][name] != identities.get(name)
    assert set(end["analyses"]) == set(after.settings.analyses)
    assert analysed(**changes)[1] == {}


def test_what_was_done_with_others_is_what_is_done_alone(analysed, tmp_path):
    analysed(analyses=["dimensionality"])
    (both,), done = analysed(analyses=["dimensionality", "selectivity"])
    assert done == {"selectivity": 1}
    joined = {name: (members(both, name), numbers(both, name)) for name in both.settings.analyses}
    for path in tmp_path.rglob("analysis.npz"):
        path.unlink()
    (anew,), done = analysed(analyses=["dimensionality", "selectivity"])
    assert done == {"dimensionality": 1, "selectivity": 1}
    assert {name: (members(anew, name), numbers(anew, name)) for name in joined} == joined


def test_an_axis_of_one_analysis_does_the_others_once(analysed):
    runs, done = analysed(grid={"analysis.spectrum.margin": [0.1, 0.5, 0.9]})
    assert len(runs) == 3 and done == {"spectrum": 3, "dimensionality": 1, "selectivity": 1}
    assert members(runs[0], "selectivity") == members(runs[2], "selectivity") != {}
    # `convert: false`: the evaluation is no part of the spectrum's identity
    runs, done = analysed(grid={"evaluation.noise_sd": [0.2, 0.4]})
    assert len(runs) == 2 and done == {"dimensionality": 2, "selectivity": 2}


class Killed(BaseException):
    """As a signal that ends the process."""


def test_what_was_done_before_a_kill_is_kept(analysed, monkeypatch, tmp_path):
    given = analyse._analysed

    def killed(row, material):
        if row.name == "selectivity":
            raise Killed
        return given(row, material)

    with monkeypatch.context() as patch:
        patch.setattr(analyse, "_analysed", killed)
        with pytest.raises(Killed):
            analysed()
    names = sorted(path.name for path in tmp_path.rglob("analysis*.npz"))
    assert names == ["analysis-dimensionality.npz", "analysis-spectrum.npz"]
    (run,), done = analysed()
    assert done == {"selectivity": 1}
    assert set(load_analysis(run.file("analysis"))) == set(THREE)
    assert [path.name for path in tmp_path.rglob("analysis*.npz")] == ["analysis.npz"]


@pytest.mark.parametrize("error", [OSError("No space left on device"), MemoryError()], ids=["disk", "memory"])
def test_what_was_done_before_the_machine_failed_is_kept(analysed, monkeypatch, error):
    from ratecore.experiment.analyses import dimensionality

    def fails(material, settings):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(dimensionality, "analyse", fails)
        with pytest.raises(StageError, match="1 of 1 runs broke in analyse"):
            analysed()
    assert analysed()[1] == {"dimensionality": 1, "selectivity": 1}


def test_nothing_is_kept_of_another_network_or_another_version(analysed, monkeypatch, tmp_path):
    (run,), _ = analysed()
    given = table.code_hash
    with monkeypatch.context() as patch:
        patch.setattr(table, "code_hash", lambda stage, **options: given(stage, **options)[:-1] + "~"
                      if "tdr" in options["analyses"] or options["analyses"] == ("spectrum",)
                      else given(stage, **options))  # fmt: skip
        assert analysed(analyses=[*THREE, "tdr"])[1] == {"spectrum": 1, "tdr": 1}
    wanted = kept.identities(run)
    assert len(set(wanted.values())) == len(THREE)
    with run.network.open("ab") as file:
        file.write(b" ")
    assert not set(kept.identities(run).values()) & set(wanted.values())


@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_damaged_results_are_not_kept(analysed, damage):
    (run,), _ = analysed()
    path = run.file("analysis")
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(data[:-40] if damage == "cut" else data[:100] + bytes([data[100] ^ 1]) + data[101:])
    assert analysed(analyses=[*THREE, "tdr"])[1] == dict.fromkeys([*THREE, "tdr"], 1)


def test_damaged_parts_are_not_kept(analysed):
    (run,), _ = analysed()
    path = run.file("analysis")
    wanted = kept.identities(run)
    kept.keep_part(run, "spectrum", wanted["spectrum"], kept.Done({"radius": 1.5}, {"after": np.arange(3.0)}))
    part = path.with_name("analysis-spectrum.npz")
    found = kept.done_before(run, wanted)["spectrum"]
    assert found.numbers == {"radius": 1.5} and list(found.arrays["after"]) == [0, 1, 2]
    assert kept.done_before(run, {"spectrum": "other"}) == {}
    part.write_bytes(part.read_bytes()[:-1])
    assert kept.done_before(run, wanted)["spectrum"].numbers == {
        name.removeprefix("spectrum/"): value for name, value in numbers(run, "spectrum").items()
    }


def test_records_of_older_versions_are_read(analysed):
    """They have no identities of analyses: the results are shown, and replaced when something changes."""
    (run,), _ = analysed()
    end = run.outcome("analyse")
    older = {key: value for key, value in end.items() if key not in ("event", "stage", "time", "analyses")}
    run.record.append("end", "analyse", **older)
    assert run.outcome("analyse")["numbers"] == end["numbers"]
    record = [event for event in run.record.events("end") if "analyses" not in event or event["stage"] != "analyse"]
    assert len(record) == 2  # of the training, and this one


def test_reasons_are_kept_as_results_are(analysed):
    config = {"analyses": ["learning", "dimensionality"], "analysis": {"dimensionality": {"bin_ms": 5000}}}
    (before,), done = analysed(**config)
    assert done == {"learning": 1, "dimensionality": 1}
    reasons = {key: before.outcome("analyse")[key] for key in ("left_out", "errors")}
    assert "learning" in reasons["left_out"] and "dimensionality" in reasons["errors"]
    (after,), done = analysed(**{**config, "analyses": [*config["analyses"], "spectrum"]})
    assert done == {"spectrum": 1}
    assert {key: after.outcome("analyse")[key] for key in reasons} == reasons


def test_a_part_is_read_as_it_was_written(tmp_path):
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b/c": np.array(["E", "I"]), "values": np.array([1j])}
    values = {"numbers": {"x": 0.1}, "skipped": None}
    path = tmp_path / "part.npz"
    path.write_bytes(part_bytes(arrays, values))
    found, others = load_part(path)
    assert others == values and found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
    path.write_bytes(b"something else")
    with pytest.raises(FormatError, match="not a readable part of the analyses"):
        load_part(path)


def test_results_are_rounded_once():
    done = analyse._rounded(AnalysisResult({"third": 1 / 3, "count": np.int64(3), "undefined": np.nan}))
    assert done.numbers == {"third": 0.333333, "count": 3} and isinstance(done.numbers["count"], int)
