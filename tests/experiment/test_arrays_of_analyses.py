"""The arrays of analyses as figures read them: those of the format's own reader, and nothing of a damaged file."""

import numpy as np
import pytest

from ratecore.experiment.analyses.arrays import arrays_of
from ratecore.formats import analysis_bytes, load_analysis

ARRAYS = {
    "spectrum": {"radius": np.arange(3.0), "names": np.array(["a", "b"])},
    "learning": {"steps": np.zeros((0, 2), int), "multipliers": np.array([1 + 2j])},
}


def test_they_are_those_of_the_formats_reader(tmp_path):
    path = tmp_path / "analysis.npz"
    path.write_bytes(analysis_bytes(ARRAYS))
    found, expected = arrays_of(path), load_analysis(path)
    assert {name: set(own) for name, own in found.items()} == {name: set(own) for name, own in ARRAYS.items()}
    for name, own in expected.items():
        for key, array in own.items():
            np.testing.assert_array_equal(found[name][key], array, strict=True)


@pytest.mark.parametrize("at", [0.2, 0.5])
def test_a_damaged_file_is_refused_by_name(tmp_path, at):
    path = tmp_path / "analysis.npz"
    data = bytearray(analysis_bytes({"spectrum": {"radius": np.random.default_rng(0).random(500)}}))
    data[int(at * len(data))] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"analysis\.npz: not a readable file of analyses"):
        arrays_of(path)
