"""The compiled loops never leave their arrays: with Numba's bounds checks, all run and give the same numbers."""

import os
import subprocess
import sys
from pathlib import Path

import kernels_at_work
import numpy as np
import pytest

CHECKED = {**os.environ, "NUMBA_BOUNDSCHECK": "1"}

BEYOND = """
import numpy as np
from ratecore.system import compilation
from ratecore.rate.dynamics import kernels, live

def refused(loop, *args):
    try:
        loop(*args)
    except IndexError:
        return 1
    return 0

x = np.zeros(5, np.float32)
entries = live.LiveMatrix(3, np.float32).take(np.eye(3, dtype=np.float32))
rows = np.zeros(3 * live.LANES, np.float32)
add = live.add_live_product
fits = refused(kernels.apply_phi, x, 0, x.copy()) + refused(add, *entries.parts, rows, rows.copy())
beyond = refused(kernels.apply_phi, x, 0, x[:3].copy()) + refused(add, *entries.parts, rows[:20], rows)
print(fits, beyond, compilation.cache_folder().name)
"""


def in_a_process(*command, env):
    done = subprocess.run([sys.executable, *command], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_switch_finds_a_read_outside_an_array_and_has_its_own_cache():
    fits, beyond, folder = in_a_process("-c", BEYOND, env=CHECKED).split()
    assert (fits, beyond) == ("0", "2")  # neither through indices nor through pointers
    usual = {name: value for name, value in CHECKED.items() if name != "NUMBA_BOUNDSCHECK"}
    name = "from ratecore.system.compilation import cache_folder; print(cache_folder().name)"
    assert in_a_process("-c", name, env=usual).strip() == folder.removesuffix("-checked") != folder


@pytest.mark.slow
def test_no_loop_leaves_its_arrays(tmp_path):
    program = Path(kernels_at_work.__file__)
    in_a_process(str(program), str(tmp_path / "checked.npz"), env=CHECKED)
    usual, checked = kernels_at_work.everything(), np.load(tmp_path / "checked.npz")
    assert usual.keys() == set(checked.files) and len(usual) > 200
    for name, value in usual.items():
        # To rounding: checked loops are no vectors and sum in another order
        assert np.allclose(checked[name], value, rtol=1e-3, atol=1e-5, equal_nan=True), name
