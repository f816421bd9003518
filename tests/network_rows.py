"""One row for each setting of a network that is newer than the first ones: an example of a value, by name."""

from ratecore import NetworkSettings

ROWS = {
    "noise_sd": {"noise_sd": 0.25},
    "x0_sd": {"x0_sd": 0.3},
    "input_noise_sd": {"input_noise_sd": 0.5},
}


def test_each_newer_setting_has_a_row():
    given = {key for row in ROWS.values() for key in row}
    assert set(NetworkSettings.newer) <= given
