"""Files of activity: what each format's own library reads is what was written, to the bit."""

import json
import os
import shutil
import subprocess
import warnings
import weakref

import numpy as np
import pytest
import scipy.io

from ratecore.formats import activity as files
from ratecore.formats.activity import Contents, parts, write_activity
from ratecore.formats.activity.parts import name_of
from ratecore.spiking.results import SpikeTrials
from ratecore.system import extras

xr = pytest.importorskip("xarray")
dask = pytest.importorskip("dask.array")

SIZES = (6, 4, 6)  # units of the networks
B, T, N_OUT, N_IN, N = 5, 12, 2, 3, 6
LENGTHS = [12, 9, 12, 7, 12]  # steps of the trials
CONVERTED = (0, 2)
OCTAVE = shutil.which("octave-cli") or shutil.which("octave")


def filled(rng, k, *last):
    """Activity of a network: NaN after the end of shorter trials and for units that it lacks."""
    values = rng.standard_normal((B, T, *last)).astype(np.float32)
    for trial, length in enumerate(LENGTHS):
        values[trial, length:] = np.nan
    if last == (N,):
        values[..., SIZES[k] :] = np.nan
    return values


def dataset(n=3):
    """A dataset as `exp.activity` returns it, a chunk per network."""
    rng = np.random.default_rng(0)
    lasts = {
        "x": ("unit", N),
        "r": ("unit", N),
        "o": ("output", N_OUT),
        "target": ("output", N_OUT),
        "u": ("input", N_IN),
    }
    variables = {}
    for name, (dim, size) in lasts.items():
        values = np.stack([filled(rng, k, size) for k in range(n)])
        array = dask.from_array(values, chunks=(1, B, T, size))
        variables[name] = (("network", "trial", "time", dim), array, {"units": "1"})
    of_trial, of_unit = ("network", "trial"), ("network", "unit")
    kinds = [["E"] * 3 + ["I"] * (size - 4) + ["SST"] + [""] * (N - size) for size in SIZES[:n]]
    coords = {
        "network": np.arange(n) + 40,
        "unit": np.arange(N),
        "time": ("time", np.arange(T) * 5.0, {"units": "ms"}),
        "condition": (of_trial, np.array([[("go", "não")[(k + b) % 2] for b in range(B)] for k in range(n)])),
        "choice": (of_trial, np.where(rng.random((n, B)) < 0.5, 1, -1).astype(np.int8)),
        "correct": (of_trial, rng.random((n, B)) < 0.5),
        "label": (of_trial, rng.integers(-1, 2, (n, B))),
        "trial_number": (of_trial, np.tile(np.arange(B) + 10, (n, 1))),
        "unit_type": (of_unit, np.array(kinds)),
        "tau": (of_unit, np.where(np.array(kinds) == "", np.nan, rng.uniform(20, 100, (n, N)))),
        "task": ("network", ["mante"] * n),
        "seed": ("network", np.arange(n)),
        "gain": ("network", [1.5, 1.5, 2.0][:n]),
        "folder": ("network", [f"runs/task~mante/{k}" for k in range(n)]),
    }
    return xr.Dataset(variables, coords, {"ratecore": "test"})


def spike_trials(k, seed=0):
    rng = np.random.default_rng(seed + k)
    n_trials, size = 4, SIZES[k]
    sizes = rng.integers(0, 40, n_trials)
    steps = [np.sort(rng.integers(0, 1100, n)) for n in sizes]
    return SpikeTrials(
        times=(np.concatenate(steps) + 1) * 0.05,
        units=rng.integers(0, size - 1, sizes.sum()),  # the last unit is silent
        trials=np.repeat(np.arange(n_trials), sizes),
        numbers=np.arange(n_trials),
        counts=rng.integers(0, 9, (n_trials, size)),
        o=rng.standard_normal((n_trials, N_OUT, T)).astype(np.float32).astype(float),
        condition=["a", "b", "a", "c"],
        choice=np.array([1, -1, -1, 1]),
        correct=np.array([True, True, False, False]),
        dt=0.05,
        duration=np.array([55.0, 55.0, 40.0, 55.0]),
        unit_type=["E"] * (size - 1) + ["I"],
        tau=rng.uniform(20, 100, size),
        scaling_factor=20.0 + k,
    )


class Spikes:
    """Spikes as `exp.spikes` returns them."""

    def __init__(self, positions=CONVERTED):
        self.networks, self.asked = [40 + k for k in positions], []
        self.labels = [{"task": "mante", "seed": k, "folder": f"runs/task~mante/{k}"} for k in positions]
        self.sizes = {"trial": 4, "time": T, "unit": N, "output": N_OUT}

    def arrays(self, network):
        self.asked.append(network)
        return spike_trials(network - 40)


def opened(path):
    if path.suffix == ".nc":
        return xr.open_dataset(path, engine="h5netcdf")
    return xr.open_zarr(path)


def same(found, expected, dtype="float32"):
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.dtype == dtype and found.shape == expected.shape
    np.testing.assert_array_equal(found.astype("f4").view("u4"), expected.astype("f4").view("u4"))


# -------------------------------------------------------------------------------------------------- NetCDF and Zarr


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_labelled_arrays_come_back(tmp_path, suffix):
    path, given = tmp_path / f"a{suffix}", dataset()
    assert write_activity(path, Contents(given)) == [path]
    with opened(path) as found:
        assert set(found.data_vars) == set(given.data_vars) and set(found.coords) == set(given.coords)
        for name in given.data_vars:
            assert found[name].dims == given[name].dims and found[name].attrs["units"] == "1"
            same(found[name], given[name])
        for name in given.coords:
            assert found[name].dims == given[name].dims
            np.testing.assert_array_equal(found[name].values, given[name].values)
        assert found.correct.dtype == bool and found.attrs["ratecore"] == "test" and found.time.attrs["units"] == "ms"
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_labelled_spikes_come_back(tmp_path, suffix):
    path, spikes = tmp_path / f"a{suffix}", Spikes()
    write_activity(path, Contents(dataset(), spikes, ("r",), bin_ms=10.0))
    assert spikes.asked == [40, 42]
    with opened(path) as found:
        assert {"x", "o", "u"}.isdisjoint(found.variables)
        assert dict(found.sizes) == {
            "network": 3, "trial": B, "time": T, "unit": N, "spiking_trial": 4, "bin": 6, "output": N_OUT,
            "input": N_IN, "spike": sum(spike_trials(k).times.size for k in CONVERTED),
        } or "input" not in found.sizes  # fmt: skip
        np.testing.assert_array_equal(found["lambda"], [20, np.nan, 22])
        for k in CONVERTED:
            given = spike_trials(k)
            own = found.isel(spike=found.spike_network.values == k)
            np.testing.assert_array_equal(own.spike_time, given.times)
            np.testing.assert_array_equal(own.spike_unit, given.units)
            np.testing.assert_array_equal(own.spike_trial, given.trials)
            of = found.isel(network=k)
            same(of.firing_rate[:, : SIZES[k]], given.rates)
            same(of.spiking_o, np.moveaxis(given.o, 1, 2))
            assert of.spiking_condition.values.tolist() == given.condition
            np.testing.assert_array_equal(of.spiking_correct, given.correct)
            np.testing.assert_array_equal(of.spiking_choice, given.choice)
            np.testing.assert_array_equal(of.duration, given.duration)
            # Bins counted here, from steps
            steps = np.rint(given.times / 0.05).astype(int)
            for b in range(6):
                for unit in range(SIZES[k]):
                    there = (steps > 200 * b) & (steps <= 200 * (b + 1)) & (given.units == unit)
                    wanted = np.bincount(given.trials[there], minlength=4)
                    np.testing.assert_array_equal(of.spike_count[:, b, unit], wanted)
        assert np.isnan(found.firing_rate[1]).all() and np.isnan(found.firing_rate[0, :, SIZES[0] :]).all()


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_spikes_alone(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write_activity(path, Contents(None, Spikes()))
    with opened(path) as found:
        assert found.network.values.tolist() == [40, 42] and found.seed.values.tolist() == [0, 2] and "r" not in found
        assert found.unit_type[1].values.tolist() == spike_trials(2).unit_type
        np.testing.assert_array_equal(found.tau[1], spike_trials(2).tau)
        np.testing.assert_array_equal(found.time, np.arange(T) * 5.0)


def test_a_network_without_any_spike(tmp_path):
    class Silent(Spikes):
        def arrays(self, network):
            full = super().arrays(network)
            none = {"times": full.times[:0], "units": full.units[:0], "trials": full.trials[:0]}
            return SpikeTrials(**{**vars(full), **none})

    for suffix in (".nc", ".zarr"):
        write_activity(tmp_path / f"a{suffix}", Contents(None, Silent()))
        with opened(tmp_path / f"a{suffix}") as found:
            assert found.sizes["spike"] == 0
    for suffix in (".mat", ".nwb"):
        write_activity(tmp_path / f"a{suffix}", Contents(None, Silent((0,))))


def test_double_precision(tmp_path):
    write_activity(tmp_path / "a.nc", Contents(dataset(), Spikes(), ("o",), dtype="float64"))
    with opened(tmp_path / "a.nc") as found:
        assert found.o.dtype == found.firing_rate.dtype == np.float64
        np.testing.assert_array_equal(found.o, dataset().o.values.astype(float))


@pytest.mark.parametrize("suffix", [".nc", ".zarr", ".mat", ".nwb"])
def test_one_network_is_in_memory_at_a_time(tmp_path, suffix):
    n, shape = max(8, 3 * len(os.sched_getaffinity(0))), (1, 3, 4, 5)
    alive, drawn, most = set(), [], []

    def block(block_info=None):
        place = block_info[None]["chunk-location"][0]
        values = np.full(shape, place, np.float32)
        weakref.finalize(values, alive.discard, place)
        alive.add(place)
        drawn.append(place)
        most.append(len(alive))
        return values

    chunks = ((1,) * n, *((size,) for size in shape[1:]))
    values = dask.map_blocks(block, chunks=chunks, dtype="f4", meta=np.empty((0,) * 4, "f4"))
    coords = {
        "condition": (("network", "trial"), np.full((n, 3), "a")),
        "choice": (("network", "trial"), np.ones((n, 3), np.int8)),
        "correct": (("network", "trial"), np.ones((n, 3), bool)),
        "trial_number": (("network", "trial"), np.tile(np.arange(3), (n, 1))),
        "unit_type": (("network", "unit"), np.full((n, 5), "E")),
        "tau": (("network", "unit"), np.full((n, 5), 20.0)),
        "seed": ("network", np.arange(n)),
    }
    given = xr.Dataset({"r": (("network", "trial", "time", "unit"), values)}, coords)
    write_activity(tmp_path / f"a{suffix}", Contents(given, None, ("r",)))
    assert sorted(drawn) == list(range(n))  # each once
    cores = len(os.sched_getaffinity(0))
    assert max(most) <= 2 * cores  # those that are written, and the next


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_large_networks_are_written_some_trials_at_a_time(tmp_path, monkeypatch, suffix):
    given = dataset()
    whole = given.load()
    most = []

    def load(part, **options):
        most.append(part.sizes["trial"])
        return loaded(part, **options)

    loaded = xr.Dataset.load
    monkeypatch.setattr(xr.Dataset, "load", load)
    monkeypatch.setattr(parts, "LARGEST_GROUP", 1)
    write_activity(tmp_path / f"a{suffix}", Contents(given.chunk(trial=2, network=1), Spikes(), bin_ms=5.0))
    assert most == [2, 2, 1] * 3
    with opened(tmp_path / f"a{suffix}") as found:
        for name in (*whole.data_vars, *whole.coords):
            np.testing.assert_array_equal(found[name].values, whole[name].values)
        np.testing.assert_array_equal(found["lambda"], [20, np.nan, 22])


@pytest.mark.parametrize("suffix", [".nc", ".zarr", ".mat", ".nwb"])
def test_trials_of_the_spiking_networks_may_be_longer(tmp_path, suffix):
    given = dataset(1).isel(time=slice(0, 7))
    write_activity(tmp_path / f"a{suffix}", Contents(given, Spikes((0,))))
    if suffix in (".nc", ".zarr"):
        with opened(tmp_path / f"a{suffix}") as found:
            assert found.time.values.tolist() == [5.0 * t for t in range(T)]
            same(found.r[:, :, :7], given.r)
            assert np.isnan(found.r[:, :, 7:]).all()
            same(found.spiking_o[0], np.moveaxis(spike_trials(0).o, 1, 2))
    if suffix == ".nwb":
        io, file = read_nwb(tmp_path / "a.nwb")
        with io:
            same(file.processing["rate_network"]["r"].data[:].reshape(B, 7, -1), given.r[0])
            assert file.processing["spiking_network"]["o"].starting_time == pytest.approx(B * 0.035)
            assert file.trials["start_time"][B] == pytest.approx(B * 0.035)


# ------------------------------------------------------------------------------------------------------------- MATLAB


def test_mat_of_one_network(tmp_path):
    given, path = dataset(1), tmp_path / "a.mat"
    assert write_activity(path, Contents(given, Spikes((0,)), bin_ms=5.0)) == [path]
    found = scipy.io.loadmat(path, simplify_cells=True)
    for name in ("x", "r", "o", "u", "target"):
        same(found[name], given[name][0])
    for name in ("choice", "correct", "label", "trial_number", "tau"):
        np.testing.assert_array_equal(found[name], given[name][0])
    assert "unit" not in found
    assert found["condition"].tolist() == given.condition[0].values.tolist()
    assert found["unit_type"].tolist() == given.unit_type[0].values.tolist()
    np.testing.assert_array_equal(found["time"], given.time)
    assert (found["network"]["task"], found["network"]["seed"], found["network"]["gain"]) == ("mante", 0, 1.5)
    spikes, own = found["spikes"], spike_trials(0)
    np.testing.assert_array_equal(spikes["times"], own.times)
    np.testing.assert_array_equal(spikes["units"], own.units + 1)
    np.testing.assert_array_equal(spikes["trials"], own.trials + 1)
    same(spikes["rates"], own.rates)
    same(spikes["o"], np.moveaxis(own.o, 1, 2))
    np.testing.assert_array_equal(spikes["counts"], own.binned(5.0))
    assert spikes["lambda"] == 20 and spikes["condition"].tolist() == own.condition


@pytest.mark.parametrize("suffix", [".mat", ".nwb"])
def test_a_file_per_network_in_a_folder(tmp_path, suffix):
    paths = write_activity(tmp_path / f"a{suffix}", Contents(dataset(), Spikes()))
    names = [f"mante_gain~{gain}_seed~{k}{suffix}" for k, gain in enumerate((1.5, 1.5, 2.0))]
    assert paths == [tmp_path / "a" / name for name in names]
    assert os.listdir(tmp_path) == ["a"] and sorted(os.listdir(tmp_path / "a")) == sorted(names)
    if suffix == ".mat":
        there = ["spikes" in scipy.io.loadmat(path) for path in paths]
        assert there == [True, False, True]
        same(scipy.io.loadmat(paths[2])["r"], dataset().r[2])
        same(scipy.io.loadmat(paths[1])["r"], dataset().r[1, :, :, : SIZES[1]])  # no units that it lacks
    with pytest.raises(FileExistsError, match="a: it exists already|it exists already"):
        write_activity(tmp_path / f"a{suffix}", Contents(dataset()))
    write_activity(tmp_path / f"a{suffix}", Contents(dataset(2)), overwrite=True)
    assert len(os.listdir(tmp_path / "a")) == 2


def test_names_that_would_be_the_same():
    labels = [{"task": "a/b", "seed": 1, "folder": "x"}, {"task": "a/b", "seed": 1, "folder": "y"}]
    assert name_of(labels[0], labels) == "a-b_seed~1"
    assert files._numbered([name_of(own, labels) for own in labels], ".mat") == ["a-b_seed~1_1.mat", "a-b_seed~1_2.mat"]


def test_files_of_one_network_have_no_trials_that_it_lacks(tmp_path):
    given = dataset()
    given.trial_number[1, 3:] = -1
    paths = write_activity(tmp_path / "a.mat", Contents(given))
    assert [scipy.io.loadmat(path)["r"].shape[0] for path in paths] == [B, 3, B]
    paths = write_activity(tmp_path / "b.nwb", Contents(given))
    io, file = read_nwb(paths[1])
    with io:
        assert len(file.trials) == 3 and file.processing["rate_network"]["r"].data.shape == (3 * T, SIZES[1])


@pytest.mark.skipif(not OCTAVE, reason="GNU Octave is not installed")
def test_octave_reads_the_mat(tmp_path):
    write_activity(tmp_path / "a.mat", Contents(dataset(1), Spikes((0,))))
    script = (
        f"load('{tmp_path}/a.mat'); printf('%s|%d,%d,%d|%s|%.9g|%s|', class(r), size(r), condition{{1}}, r(2,3,4), "
        "unit_type{4}); n = max(spikes.units); t = spikes.times(spikes.units == n);"
        "printf('%d|%.9g|%s|%d', n, t(1), network.task, correct(1))"
    )
    done = subprocess.run([OCTAVE, "--no-gui", "--eval", script], capture_output=True, text=True, check=True)
    given, own = dataset(1), spike_trials(0)
    last = own.units.max()
    r = f"{float(given.r[0, 1, 2, 3]):.9g}"
    expected = ["single", f"{B},{T},{N}", given.condition.values[0, 0], r, given.unit_type.values[0, 3], str(last + 1),
                f"{own.times[own.units == last][0]:.9g}", "mante", str(int(given.correct[0, 0]))]  # fmt: skip
    assert done.stdout.split("|") == expected


def test_what_does_not_fit_into_a_mat_is_refused_before_any_work(tmp_path):
    def never(block_info=None):
        raise AssertionError("computed")

    chunks = ((1,), (1000,), (3000,), (200,))
    r = dask.map_blocks(never, chunks=chunks, dtype="f4", meta=np.empty((0,) * 4, "f4"))
    big = xr.Dataset({"r": (("network", "trial", "time", "unit"), r)}, {"seed": ("network", [0])})
    says = r"r of one network has 2.2 GiB; a variable of a .mat file has less than 2 GiB: take fewer trials"
    with pytest.raises(ValueError, match=says):
        write_activity(tmp_path / "a.mat", Contents(big, None, ("r",)))
    assert not os.listdir(tmp_path)


# ---------------------------------------------------------------------------------------------------------------- NWB


def read_nwb(path):
    import pynwb

    io = pynwb.NWBHDF5IO(path, "r")
    return io, io.read()


def test_nwb_comes_back(tmp_path):
    pytest.importorskip("pynwb")
    given, own, path = dataset(1), spike_trials(0), tmp_path / "a.nwb"
    write_activity(path, Contents(given, Spikes((0,))))
    io, file = read_nwb(path)
    with io:
        rate = file.processing["rate_network"]
        for name in ("x", "r", "o", "u", "target"):
            series = rate[name]
            same(series.data[:].reshape(B, T, -1), given[name][0])
            assert (series.rate, series.starting_time, series.unit) == (200.0, 0.0, "unitless")
        assert list(rate["units"]["unit_type"][:]) == given.unit_type.values[0].tolist()
        np.testing.assert_array_equal(rate["units"]["tau"][:], given.tau[0])
        trials = file.trials.to_dataframe()
        assert trials.network_type.tolist() == ["rate"] * B + ["spiking"] * 4
        assert trials.condition.tolist() == given.condition.values[0].tolist() + own.condition
        assert trials.correct.tolist() == given.correct.values[0].tolist() + own.correct.tolist()
        assert trials.trial_number.tolist() == [10, 11, 12, 13, 14, 0, 1, 2, 3]
        np.testing.assert_allclose(trials.start_time, np.arange(9) * T * 0.005)
        lasting = [n * 0.005 for n in LENGTHS] + (own.duration / 1000).tolist()
        np.testing.assert_allclose(trials.stop_time - trials.start_time, lasting)
        units = file.units.to_dataframe()
        assert units.unit_type.tolist() == own.unit_type and units.tau.tolist() == own.tau.tolist()
        assert file.units.resolution == pytest.approx(5e-5)
        for unit, times in enumerate(units.spike_times):
            for row in range(4):  # the spikes within a row of the table are those of the trial
                start, stop = trials.start_time[B + row], trials.stop_time[B + row]
                there = (times > start) & (times <= start + T * 0.005)
                steps = np.rint((times[there] - start) * 1000 / 0.05)
                of_trial = (own.units == unit) & (own.trials == row)
                np.testing.assert_array_equal(steps, np.rint(own.times[of_trial] / 0.05))
                assert stop > start
        same(file.processing["spiking_network"]["o"].data[:].reshape(4, T, N_OUT), np.moveaxis(own.o, 1, 2))
        assert json.loads(file.notes) == {
            "network": 40, "task": "mante", "seed": 0, "gain": 1.5, "folder": "runs/task~mante/0",
            "lambda": 20.0, "dt_ms": 0.05,
        }  # fmt: skip


@pytest.mark.parametrize("kind", ["both", "activity", "spikes"])
def test_nwb_is_valid_and_passes_the_inspector(tmp_path, kind):
    pynwb = pytest.importorskip("pynwb")
    inspector = pytest.importorskip("nwbinspector")
    given = dataset(1) if kind != "spikes" else None
    write_activity(tmp_path / "a.nwb", Contents(given, Spikes((0,)) if kind != "activity" else None))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pynwb.validate(path=str(tmp_path / "a.nwb"))
        errors = found[0] if isinstance(found, tuple) else found
        assert not errors
        threshold = inspector.Importance.BEST_PRACTICE_VIOLATION
        messages = list(inspector.inspect_nwbfile(nwbfile_path=tmp_path / "a.nwb", importance_threshold=threshold))
    assert messages == []


def test_a_task_without_criterion(tmp_path):
    pytest.importorskip("pynwb")
    given = dataset(1)
    given = given.drop_vars("correct")
    for suffix in (".nc", ".mat", ".nwb"):
        write_activity(tmp_path / f"a{suffix}", Contents(given))
    io, file = read_nwb(tmp_path / "a.nwb")
    with io:
        assert np.isnan(file.trials["correct"][:]).all() and set(file.trials["choice"][:]) == {1, -1}


# ----------------------------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"dtype": "float16"}, "dtype = 'float16'; it must be one of float32, float64"),
        ({"variables": ("r", "y")}, "variables = 'y'; they must be among x, r, o, u, target"),
        ({"activity": None}, "there is nothing to write"),
        ({"bin_ms": 5.0}, "bin_ms = 5.0: spikes are counted in bins, and there are none"),
        ({"bin_ms": 0.0, "spikes": Spikes()}, "bin_ms = 0.0: it must be above 0 ms"),
        ({"spikes": Spikes((0, 7))}, r"spikes are of network 47, too; the activity has \[40, 41, 42\]"),
    ],
)
def test_contents_that_cannot_be_written(changes, says):
    with pytest.raises(ValueError, match=says):
        Contents(**{"activity": dataset(), **changes})


def test_an_unknown_suffix_names_those_that_are_known(tmp_path):
    with pytest.raises(
        ValueError, match=r"a.csv: unknown suffix '.csv'; it must be one of .nc .*, .zarr .*, .mat .*, .nwb"
    ):
        write_activity(tmp_path / "a.csv", Contents(dataset()))


def test_no_network(tmp_path):
    with pytest.raises(ValueError, match="there is no network to write"):
        write_activity(tmp_path / "a.nc", Contents(dataset().isel(network=[])))


@pytest.mark.parametrize("suffix", [".nc", ".zarr", ".mat", ".nwb"])
def test_nothing_is_written_over_and_an_error_leaves_nothing(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write_activity(path, Contents(dataset(1)))
    with pytest.raises(FileExistsError, match="it exists already"):
        write_activity(path, Contents(dataset(1)))
    write_activity(path, Contents(dataset(1), None, ("r",)), overwrite=True)

    class Broken(Spikes):
        def arrays(self, network):
            raise RuntimeError("killed")

    for name in ("b", "a"):
        with pytest.raises(RuntimeError, match="killed"):
            write_activity(tmp_path / f"{name}{suffix}", Contents(dataset(1), Broken((0,))), overwrite=True)
    assert os.listdir(tmp_path) == [path.name]
    if suffix in (".nc", ".zarr"):
        with opened(path) as found:
            assert set(found.data_vars) == {"r"}


@pytest.mark.parametrize(
    ("suffix", "package", "extra"),
    [(".nc", "h5netcdf", "analysis"), (".zarr", "zarr", "analysis"), (".nwb", "pynwb", "nwb")],
)
def test_a_missing_package_names_its_extra(tmp_path, monkeypatch, suffix, package, extra):
    whole = extras.import_module

    def without(name):
        if name.partition(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return whole(name)

    monkeypatch.setattr(extras, "import_module", without)
    says = rf"{suffix} .* need {package}, which is not installed: pip install 'ratecore\[{extra}\]'"
    with pytest.raises(ImportError, match=says):
        write_activity(tmp_path / f"a{suffix}", Contents(dataset()))
    assert not os.listdir(tmp_path)
