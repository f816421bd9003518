"""Spikes of the networks of a grid: those that the conversion scored, for arrays, pynapple, tables and files."""

import io
import shutil

import numpy as np
import pytest
from test_convert import CONFIG, do, experiment_in, runs_of

import ratecore as rate
from ratecore import figures
from ratecore.experiment.stages.convert import convert_run
from ratecore.spiking import rate_model
from ratecore.spiking.activity import trial_spikes
from ratecore.spiking.conversion import convert

pytest.importorskip("xarray")


def done(experiment):
    """The experiment with all stages done, without figures, and its configuration as the workflow keeps it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("conversion_figures", "run_figures"):
            patch.setattr(figures, name, nothing)
        do(runs_of(experiment))
    with_config(experiment.root, experiment)
    return experiment


def nothing(*_, **__):
    return {}


def with_config(root, experiment):
    """What the workflow keeps with the results."""
    import yaml

    from ratecore.experiment.configurations import CONFIG as FILE

    (root / FILE).parent.mkdir(exist_ok=True)
    (root / FILE).write_text(yaml.safe_dump(experiment.given()))


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """Networks of two sizes, with and without a lesion and stimulation; the last one is not trained."""
    experiment = experiment_in(
        tmp_path_factory.mktemp("results"),
        grid={
            "N": [10, 12],
            "conversion.lesion.fraction": [0, 0.3],
            "spiking.stimulation.mode": ["none", "exc"],
        },
    )
    return done(experiment)


@pytest.fixture(scope="module")
def results(grid):
    return rate.open_results(grid.root)


def test_spikes_are_those_that_the_conversion_scored(grid, results):
    spikes = results.spikes(threads=2)
    assert spikes.networks == list(range(8)) and len(spikes) == 8
    for row, run in enumerate(runs_of(grid)):
        s, end, found = run.settings, run.outcome("convert"), spikes.arrays(row)
        assert found.scaling_factor == end["lambda"]
        assert found.correct.mean() == end["spiking_accuracy"] and len(found.correct) == 12
        exc = np.array([kind == "E" for kind in found.unit_type])
        for units, name in ((exc, "mean_rate_exc"), (~exc, "mean_rate_inh")):
            assert (found.counts[:, units].mean(1) / found.seconds).mean() == end[name]
        if row in (0, 7):  # once more from the parts that the stage is made of
            task, model = s.create_task(), rate_model(run.network)
            _, scored = convert(model, task, s.conversion, s.spiking, seed=s.seed)
            again = trial_spikes(task, scored, s.spiking, end["lambda"], s.seed, range(12))
            np.testing.assert_array_equal(again.times, found.times)
            np.testing.assert_array_equal(again.units, found.units)


def test_variants_differ_and_labels_tell_them_apart(results):
    spikes = results.spikes(N=12, trials=3)
    assert len(spikes) == 4 and len({spikes.arrays(row).times.tobytes() for row in spikes}) == 4
    assert {own["N"] for own in spikes.labels} == {12} and {own["task"] for own in spikes.labels} == {"go-nogo"}
    assert len({tuple(own.values()) for own in spikes.labels}) == 4


def test_networks_tested_elsewhere_and_perturbed(tmp_path):
    changes = {
        "task_settings": {"stim_on": 8},
        "input_gain": 0.5,
        "perturbation": {"lesion_units": "all", "lesion_fraction": 0.2},
    }
    grid = {"conversion.input_gain": [1, 0.5], "conversion.task_settings.T": [30, 40]}
    conversion = {**CONFIG["conversion"], "n_trials": 8, **changes}
    experiment = done(experiment_in(tmp_path, conversion=conversion, grid=grid))
    spikes = rate.open_results(experiment.root).spikes()
    assert spikes.sizes["time"] == 40 and len(spikes) == 4
    for row, run in enumerate(runs_of(experiment)):
        found, end = spikes.arrays(row), run.outcome("convert")
        assert found.duration[0] == pytest.approx((run.settings.conversion.task_settings["T"] - 1) * 5)
        assert found.correct.mean() == end["spiking_accuracy"]
        exc = np.array([kind == "E" for kind in found.unit_type])
        model = spikes._sources[row].tested()[1]
        assert model.silent.sum() == 2  # a fifth of twelve units
        assert not found.counts[:, model.silent].any() and not model.silent[found.units].any()
        rates = found.counts[:, exc & ~model.silent].mean(1) / found.seconds
        assert rates.mean() == end["mean_rate_exc"]


def test_fresh_trials_are_those_that_were_scored(tmp_path):
    experiment = experiment_in(tmp_path, conversion={**CONFIG["conversion"], "fresh_trials": 5})
    (run,) = runs_of(done(experiment))
    found = rate.open_results(experiment.root).spikes().arrays(0)
    assert found.numbers.tolist() == [12, 13, 14, 15, 16]
    assert found.correct.mean() == run.outcome("convert")["spiking_accuracy"]


def test_trials_of_the_evaluation_have_its_stimuli(results):
    rates = results.activity(trials=4, N=10).isel(network=[0])
    spikes = results.spikes(trials=4, N=10, stream_name="evaluation").arrays(0)
    assert spikes.condition == rates.condition.values[0].tolist()


def test_pynapple(results):
    nap = pytest.importorskip("pynapple")
    spikes = results.spikes(N=10, trials=[2, 0, 5])
    found, (units, trials) = spikes.arrays(0), spikes.to_pynapple(0)
    assert isinstance(units, nap.TsGroup) and isinstance(trials, nap.IntervalSet)
    assert trials["trial_number"].tolist() == [2, 0, 5] and trials["condition"].tolist() == found.condition
    np.testing.assert_allclose(trials.start, [0, 0.15, 0.3])
    np.testing.assert_allclose(trials.end - trials.start, 0.145)  # a step less than T = 30
    assert units["unit_type"].tolist() == found.unit_type
    np.testing.assert_array_equal(units["tau"], found.tau)
    for k in range(10):
        own = found.units == k
        expected = found.trials[own] * 0.15 + found.times[own] / 1000
        np.testing.assert_allclose(units[k].t, expected, atol=1e-9)
    alone, trial = spikes.to_pynapple(0, 1)
    for k in range(10):
        np.testing.assert_allclose(alone[k].t * 1000, found.times[(found.units == k) & (found.trials == 1)], atol=1e-6)
    assert trial.start.tolist() == [0]
    for wrong in (-1, 3, True):
        with pytest.raises(ValueError, match=f"trial = {wrong}: it must be from 0 to 2"):
            spikes.to_pynapple(0, wrong)


def test_labelled_rates_and_counts(results):
    spikes = results.spikes(trials=3)
    ds = spikes.dataset(bin_ms=20)
    assert ds.firing_rate.chunks is not None and ds.firing_rate.dims == ("network", "trial", "unit")
    counts, rates = spikes.counts(20), spikes.rates()
    assert counts.dims == ("network", "trial", "time", "unit") and counts.sizes["time"] == 8
    assert counts.time.values.tolist() == [20.0 * k for k in range(8)]
    loaded, rates, ds = counts.load(), rates.load(), ds.load()
    for place, row in enumerate(spikes):
        found = spikes.arrays(row)
        n = len(found.unit_type)
        np.testing.assert_array_equal(rates.sel(network=row)[:, :n], found.rates)
        assert np.isnan(rates.sel(network=row)[:, n:]).all()
        np.testing.assert_array_equal(loaded.sel(network=row)[..., :n], found.binned(20))
        assert loaded[place].sum() == found.times.size
        np.testing.assert_array_equal(ds.o[place, :, :, 0], found.o)
        assert ds.unit_type[place, :n].values.tolist() == found.unit_type
        assert ds.condition[place].values.tolist() == found.condition
        assert ds["lambda"][place] == found.scaling_factor
    table = rates.to_dataframe()
    assert "firing_rate" in table and table.index.names == ["network", "trial", "unit"]
    with pytest.raises(ValueError, match="bin_ms = 0.03: it must be a whole number of LIF steps of 0.05 ms"):
        spikes.counts(0.03)


def test_one_network_is_kept(results, monkeypatch):
    import ratecore.spiking.activity as activity

    calls, whole = [], activity.trial_spikes

    def counted(*given, **options):
        calls.append(1)
        return whole(*given, **options)

    monkeypatch.setattr(activity, "trial_spikes", counted)
    spikes = results.spikes(trials=1)
    assert not calls  # nothing before it is asked for
    first = spikes.arrays(3)
    assert spikes.arrays(3) is first and len(calls) == 1
    spikes.arrays(4)
    assert spikes.arrays(3) is not first and len(calls) == 3


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"trials": "evaluation"}, "trials = 'evaluation'; it must be 'conversion', for those on which"),
        ({"trials": 0}, "trials = 0; it must be"),
        ({"trials": [1, -1]}, "trials = .*; it must be"),
        ({"trials": True}, "trials = .*; it must be"),
        ({"trials": []}, "trials = .*; it must be"),
        ({"stream_name": "lif"}, "stream_name = 'lif'; it must be one of initialisation"),
        ({"N": 11}, "N = 11: no network has it"),
        ({"task": "mante"}, "task = 'mante': no network has it"),
    ],
)
def test_wrong_arguments(results, given, says):
    with pytest.raises(ValueError, match=says):
        results.spikes(**given)


def test_no_such_network(results):
    with pytest.raises(ValueError, match="network = 40: it must be an index in the table, one of 0, 1, 2"):
        results.spikes(trials=1).arrays(40)


def test_networks_that_were_not_converted_are_named(grid, tmp_path):
    """A copy in which one network has no conversion, and one is not trained."""
    root = tmp_path / "copy"
    shutil.copytree(grid.root, root)
    some, none = runs_of(grid)[1], runs_of(grid)[-1]
    shutil.rmtree(root / none.folder.relative_to(grid.root))
    (root / some.conversion.relative_to(grid.root)).unlink()
    results = rate.open_results(root)
    lost = [k for k, run in enumerate(runs_of(grid)) if run.folder == none.folder]
    with pytest.warns(UserWarning, match="networks that were not converted are left out, by their row: ") as warned:
        spikes = results.spikes(trials=1)
    (warning,) = warned
    assert "1 (not done" in str(warning.message) and all(f"{k} (not done)" in str(warning.message) for k in lost)
    assert warning.filename == __file__
    assert set(spikes) == set(range(8)) - {1, *lost}
    with pytest.raises(ValueError, match="no network of this selection was converted to a spiking one, by its row: 4 "):
        results.spikes(N=12)


def test_networks_that_were_not_trained_are_named(tmp_path):
    settings = {**CONFIG["training"], "n_trials": 4, "loss_threshold": 1e-9}
    experiment = experiment_in(tmp_path, training=settings)
    (run,) = runs_of(experiment)
    do([run], "train", "evaluate", "export")
    convert_run(run, log=io.StringIO())
    with_config(experiment.root, experiment)
    with pytest.raises(ValueError, match=r"was converted to a spiking one, by its row: 0 \("):
        rate.open_results(experiment.root).spikes()


def test_a_single_mat_with_lambda(grid):
    run = runs_of(grid)[0]
    mat = run.named(run.outcome("export")["mat"])
    one = rate.open_results(mat).spikes(trials=2).arrays(0)
    found = rate.open_results(grid.root).spikes(trials=2).arrays(0)
    lam = rate.open_results(mat).table["lambda"][0]
    again = trial_spikes(run.settings.create_task(), rate_model(run.network), run.settings.spiking, lam, 0, range(2))
    np.testing.assert_array_equal(one.times, again.times)
    assert one.condition == found.condition
    with pytest.raises(ValueError, match="no network of this selection was converted"):
        rate.open_results(run.network).spikes()
