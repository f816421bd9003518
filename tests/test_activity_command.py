"""`ratecore activity`: files of what `exp.activity` and `exp.spikes` give, and what is said of wrong arguments."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import scipy.io
from test_convert import experiment_in
from test_spikes import done

import ratecore as rate
from ratecore.cli import main
from ratecore.cli.activity import trials_in, variables_in

xr = pytest.importorskip("xarray")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    grid = {"N": [10, 12], "seed": [0, 1]}
    evaluation = {"n_trials": 6, "psychometric_trials": 0}
    return done(experiment_in(tmp_path_factory.mktemp("results"), grid=grid, evaluation=evaluation)).root


def run(*argv):
    return main(["activity", *map(str, argv)])


def read(path):
    return xr.open_dataset(path, engine="h5netcdf") if path.suffix == ".nc" else xr.open_zarr(path)


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_a_file_has_what_python_gives(root, tmp_path, capsys, suffix):
    path = tmp_path / f"a{suffix}"
    assert run(root, "--out", path, "--spikes", "--bin", 20) == 0
    assert capsys.readouterr().out == f"4 networks, 4 of them with spikes: {path}\n"
    exp = rate.open_results(root)
    expected, spikes = exp.activity().load(), exp.spikes()
    with read(path) as found:
        for name in (*expected.data_vars, *expected.coords):
            given, there = expected[name].values, found[name].values
            if given.dtype == np.float32:
                given, there = given.view("u4"), there.view("u4")
                assert found[name].dtype == np.float32 and name not in ("unit", "trial")
            np.testing.assert_array_equal(there, given)
        for place, row in enumerate(spikes):
            own = found.isel(spike=found.spike_network.values == place)
            np.testing.assert_array_equal(own.spike_time, spikes.arrays(row).times)
            np.testing.assert_array_equal(own.spike_unit, spikes.arrays(row).units)
            n = len(spikes.arrays(row).unit_type)
            np.testing.assert_array_equal(found.spike_count[place, ..., :n], spikes.arrays(row).binned(20))


def test_a_selection(root, tmp_path, capsys):
    path = tmp_path / "a.mat"
    assert run(root, "--out", path, "--where", "N=12", "--where", "seed=[1]", "--trials", "4,1", "--variables", "r,o",
               "--task", "go-nogo") == 0  # fmt: skip
    assert capsys.readouterr().out == f"1 network: {path}\n"
    expected = rate.open_results(root).activity(trials=[4, 1], N=12, seed=1)
    found = scipy.io.loadmat(path, simplify_cells=True)
    np.testing.assert_array_equal(found["r"].view("u4"), expected.r[0].values.view("u4"))
    assert found["trial_number"].tolist() == [4, 1] and not {"x", "u", "target"} & found.keys()
    assert found["network"]["N"] == 12 and found["r"].dtype == np.float32


def test_spikes_alone_in_a_folder_of_nwb(root, tmp_path, capsys):
    pynwb = pytest.importorskip("pynwb")
    path = tmp_path / "some" / "a.nwb"
    assert run(root, "--out", path, "--variables", "none", "--spikes", "--trials", 2) == 0
    names = sorted(os.listdir(tmp_path / "some" / "a"))
    assert names == [f"go-nogo_N~{N}_seed~{seed}.nwb" for N in (10, 12) for seed in (0, 1)]
    assert capsys.readouterr().out == f"4 networks: {tmp_path / 'some' / 'a'}/, 4 files .nwb\n"
    spikes = rate.open_results(root).spikes(trials=2, N=12, seed=0).arrays(2)
    with pynwb.NWBHDF5IO(tmp_path / "some" / "a" / names[2], "r") as io:
        file = io.read()
        assert len(file.trials) == 2 and "rate_network" not in file.processing
        counts = [len(times) for times in file.units["spike_times"][:]]
        assert counts == np.bincount(spikes.units, minlength=12).tolist()


def test_double_precision_and_one_file(root, tmp_path):
    mat = next((root / "models").rglob("*.mat"))
    assert run(mat, "--out", tmp_path / "a.nc", "--dtype", "float64", "--trials", 3) == 0
    with read(tmp_path / "a.nc") as found:
        assert found.r.dtype == np.float64
        np.testing.assert_array_equal(found.r, rate.open_results(mat).activity(trials=3).r.values.astype(float))


def test_networks_that_were_not_converted_are_a_note(root, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    next(copy.glob("runs/*/*10/**/conversion.json")).unlink()
    assert run(copy, "--out", tmp_path / "a.nc", "--spikes", "--variables", "o", "--trials", 1) == 0
    said = capsys.readouterr()
    assert said.err.startswith("note: networks that were not converted are left out, by their row: ")
    assert said.err.count("\n") == 1 and said.out.startswith("4 networks, 3 of them with spikes: ")
    with read(tmp_path / "a.nc") as found:
        assert int(np.isnan(found["lambda"]).sum()) == 1


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--out", "a.csv"], "a.csv: unknown suffix '.csv'; it must be one of .nc (NetCDF"),
        (["--out", "a"], "a: unknown suffix ''; it must be one of .nc"),
        (["--out", "there.nc"], "there.nc: it exists already; overwrite (--overwrite) replaces it"),
        (["--out", "there.nc/a.nc"], "there.nc: this is a file, not a folder to write in"),
        (["--out", "a.nc", "--trials", "x"], "--trials x: it must be evaluation, how many of its trials"),
        (["--out", "a.nc", "--trials", "0"], "--trials 0: it must be"),
        (["--out", "a.nc", "--trials", "1,-2"], "--trials 1,-2: it must be"),
        (["--out", "a.nc", "--variables", "r,y"], "--variables r,y: 'y' must be one of x, r, o, u, target"),
        (["--out", "a.nc", "--variables", "r,r"], "--variables r,r: r is given twice"),
        (["--out", "a.nc", "--variables", "none"], "--variables none: there is nothing to write; give --spikes"),
        (["--out", "a.nc", "--bin", "5"], "--bin 5: spikes are counted in bins; give --spikes, too"),
        (["--out", "a.nc", "--bin", "0.03", "--spikes"], "bin_ms = 0.03: it must be a whole number of LIF steps"),
        (["--out", "a.nc", "--where", "N"], "--where N: it must be KEY=VALUE"),
        (["--out", "a.nc", "--where", "N=11"], "N = 11: no network has it"),
        (["--out", "a.nc", "--where", "M=11"], "there is no column 'M'"),
        (["--out", "a.nc", "--where", "task=mante"], "choose the task with --task mante"),
        (["--out", "a.nc", "--task", "mante"], "task = 'mante': no network has it"),
    ],
)
def test_wrong_arguments_give_one_line(root, tmp_path, monkeypatch, capsys, argv, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.nc").write_text("mine")
    assert run(root, *argv) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ") and said.err.count("\n") == 1 and says in said.err and not said.out
    assert os.listdir(tmp_path) == ["there.nc"] and (tmp_path / "there.nc").read_text() == "mine"


def test_no_such_results(tmp_path, capsys):
    assert run(tmp_path / "nowhere", "--out", tmp_path / "a.nc") == 2
    assert "nowhere" in capsys.readouterr().err


def test_a_missing_extra_is_one_line(tmp_path):
    code = (
        "import sys\nsys.modules['h5netcdf'] = None\nfrom ratecore.cli import main\n"
        f"sys.exit(main(['activity', 'nowhere', '--out', {str(tmp_path / 'a.nc')!r}]))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 2
    assert found.stderr == "error: .nc files need h5netcdf, which is not installed: pip install 'ratecore[analysis]'\n"


@pytest.mark.parametrize(
    ("text", "trials"), [("evaluation", "evaluation"), ("20", 20), ("1,4,9", [1, 4, 9]), ("4,", [4]), ("0,2", [0, 2])]
)
def test_trials(text, trials):
    assert trials_in(text) == trials


def test_variables():
    assert variables_in(None) == ("x", "r", "o", "u", "target") and variables_in("r, o") == ("r", "o")
