"""The kernels' cache on disk: filled by many processes at once, used by later ones, and never out of date."""

import os
import shutil
import subprocess
from pathlib import Path

from conftest import PATIENCE

import ratecore
from ratecore.system import compilation

USE = """
import sys
import numpy as np
from ratecore.rate.dynamics.kernels import apply_phi
kind = np.dtype(sys.argv[1])
x = np.linspace(-3, 3, 50).astype(kind)
r = np.empty_like(x)
apply_phi(x, 0, r)
assert r.dtype == kind and np.allclose(r, 1 / (1 + np.exp(-x.astype(float))), atol=1e-6), r
print(sum(apply_phi.stats.cache_misses.values()))
"""


def start(python, kind, cache):
    env = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    return subprocess.Popen([python, "-c", USE, kind], env=env, stdout=subprocess.PIPE, text=True)


def test_many_processes_fill_a_fresh_cache_at_once(python, tmp_path):
    together = [start(python, kind, tmp_path) for kind in ("float32", "float64") * 3]
    for process in together:
        process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
    for kind in ("float32", "float64"):
        after = start(python, kind, tmp_path)
        assert after.communicate(timeout=PATIENCE)[0].strip() == "0" and after.returncode == 0


def test_other_sources_have_another_cache(tmp_path, monkeypatch):
    package = Path(ratecore.__file__).parent
    for folder in ("system", "rate/dynamics", "spiking"):
        shutil.copytree(package / folder, tmp_path / folder)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(compilation, "__file__", str(tmp_path / "system" / "compilation.py"))
    before = compilation.cache_folder.__wrapped__()
    assert before.parent == tmp_path / "cache" and compilation.cache_folder.__wrapped__() == before
    folders = {before}
    for source in ("system/scalar.py", "rate/dynamics/kernels.py", "spiking/kernels.py", "spiking/noise_kernels.py"):
        with open(tmp_path / source, "a") as file:
            file.write("# another\n")
        folders.add(compilation.cache_folder.__wrapped__())
    assert len(folders) == 5 and None not in folders


def test_without_a_place_for_a_cache_nothing_is_cached(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "file" / name))
    monkeypatch.setattr(compilation, "__file__", str(tmp_path / "file" / "compilation.py"))
    assert compilation.cache_folder.__wrapped__() is None
    monkeypatch.setattr(compilation, "cache_folder", lambda: None)
    assert compilation.compiled(lambda x: x + 1)(2) == 3


UPDATE = """
import hashlib, sys
import torch
from ratecore.settings.run import RunSettings
from ratecore.rate.dynamics.kernels import States, Units, add_product, apply_phi, forward
from ratecore.rate.training import Training
from ratecore.rate.updates import make_updates
training = Training(RunSettings(network={"N": 50}))
updates = make_updates(training.result.net, training.settings.training)
if sys.argv[1] == "after others":
    one, some = torch.ones(50).numpy(), torch.ones(20, 50).numpy()
    apply_phi(one, 0, one.copy())
    add_product(torch.ones(50, 50).numpy(), one, one.copy())
    states = States(torch.zeros(21, 50).numpy(), torch.zeros(21, 50).numpy(), some.copy())
    forward(torch.ones(50, 50).numpy(), Units(one, one, one[:1], 0), some, some, states)
for _ in range(3):
    trials, x0, noise = training.draw()
    training.took(updates.update(trials.u, trials.z, x0, noise))
print(hashlib.sha256(training.result.net.w.detach().numpy().tobytes()).hexdigest())
"""


def test_numbers_do_not_depend_on_what_was_compiled_or_loaded_before(python, tmp_path):
    # The first process compiles everything, the second reads it from the cache.
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    networks = [
        subprocess.run(
            [python, "-c", UPDATE, when], env=env, capture_output=True, text=True, check=True, timeout=PATIENCE
        ).stdout
        for when in ("after others", "alone", "after others")
    ]
    assert networks[0] and set(networks) == {networks[0]}


def test_without_a_home_the_given_cache_is_used_or_none(tmp_path, monkeypatch):
    """As a user id without an entry in passwd, in a container."""

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    assert compilation.cache_folder.__wrapped__().parent == tmp_path / "cache"
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(compilation, "__file__", str(tmp_path / "file" / "compilation.py"))
    assert compilation.cache_folder.__wrapped__() is None


def test_a_cache_that_cannot_be_written_is_reported_once_and_costs_nothing_else(tmp_path, monkeypatch, capfd):
    (tmp_path / "lock").mkdir()  # for root, too, this cannot be opened to be written
    monkeypatch.setattr(compilation, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(compilation, "_print_once", compilation._print_once.__wrapped__)
    add = compilation.compiled(lambda x: x + 1)
    assert add(2) == 3
    printed = capfd.readouterr().err
    assert printed.count("compiled loops are not kept in") == 1 and str(tmp_path) in printed


def test_a_message_about_the_cache_is_printed_once(capfd):
    compilation._print_once("a cache of this test")
    compilation._print_once("a cache of this test")
    assert capfd.readouterr().err == "a cache of this test\n"
