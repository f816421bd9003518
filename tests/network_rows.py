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
    "named_units": {"input_units": ("few",), "named_units": {"few": (1, 4, 7)}},
    "output_units": {"output_units": ("exc",)},
    "output_area": {"areas": {"b": 5, "a": 7}, "output_units": ("a",), "P_rec": 0.5},
    "readout_dale": {"readout_dale": True},
    "readout_from_exc": {"readout_dale": True, "output_units": ("exc",)},
    "trained_w_in": {"trained": ("w", "w_in", "w_out"), "input_units": ("exc",)},
    "trained_x0": {"trained": ("w", "w_out", "b_out", "taus", "x0", "w_in"), "x0_sd": 0.3},
    "trained_readout": {"trained": ("w_out",)},
    "trained_taus": {"trained": ("taus",)},
    "trained_taus_exc": {"trained": ("w", "taus_exc")},
    "trained_inputs": {"trained": ("w_in", "x0", "taus_inh")},
    "frozen": {"frozen": ("exc->exc", "inh->exc"), "P_rec": 0.6},
    "frozen_areas": {"areas": {"b": 5, "a": 7}, "frozen": ("b->a", "a.exc->b"), "P_rec": 0.7, "apply_dale": False},
    "balance": {"balance": True, "P_rec": 0.7},
    "spectral_radius": {"spectral_radius": 1.2, "P_rec": 0.7},
    "rank": {"rank": 2, "spectral_radius": 0.8, "balance": True, "autapses": False},
    "positions": {"areas": {"b": 5, "a": 7}, "positions": "areas", "P_rec": 0.5},
    "centres": {"areas": {"b": 5, "a": 7}, "positions": {"b": (0.0, 0.0, 0.0), "a": (2.0, 0.5, 0.0)}, "P_rec": 0.5},
    "positions_file": {"positions_file": str(FOLDER / "positions.csv"), "P_rec": 0.5},
    "taus_file": {"taus_file": str(FOLDER / "taus.csv"), "taus": (2.0, 20.0)},
}


def test_each_newer_setting_has_a_row():
    given = {key for row in ROWS.values() for key in row}
    assert set(NetworkSettings.newer) <= given
