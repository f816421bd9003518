"""One row for each setting of a network that is newer than the first ones: an example of a value, by name."""

from pathlib import Path

from ratecore import NetworkSettings

FOLDER = Path(__file__).parent / "data" / "networks"  # files for networks of 12 units

ROWS = {
    "noise_sd": {"noise_sd": 0.25},
    "x0_sd": {"x0_sd": 0.3},
    "input_noise_sd": {"input_noise_sd": 0.5},
    "autapses": {"autapses": False},
    "areas": {"areas": {"b": 5, "a": 7}, "P_rec": 0.5},
    "area_density": {"areas": {"b": 0.5, "a": 0.5}, "area_density": {"within": 0.9, "b->a": 0.4}},
    "matrix": {"areas": {"b": 0.5, "a": 0.5}, "area_density": ((0.9, 0.2), (0.6, 0.5)), "apply_dale": False},
    "long_range": {"areas": {"b": 5, "a": 7}, "long_range": "all", "P_rec": 0.5},
    "feedback": {"areas": {"b": 5, "a": 7}, "feedback": False, "P_rec": 0.5},
    "mask_file": {"mask_file": str(FOLDER / "mask.npy"), "P_rec": 0.8},
    "input_units": {"input_units": ("exc", "inh")},
    "input_area": {"areas": {"b": 5, "a": 7}, "input_units": ("a.exc",), "P_rec": 0.5, "som_N": 1},
}


def test_each_newer_setting_has_a_row():
    given = {key for row in ROWS.values() for key in row}
    assert set(NetworkSettings.newer) <= given
