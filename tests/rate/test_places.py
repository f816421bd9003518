"""Places of units, whose distances a penalty may count (docs/model.md 3.4)."""

import numpy as np
import pytest
import scipy.io
from conftest import small_settings
from network_rows import FOLDER
from scipy.spatial.distance import cdist

from ratecore import NetworkSettings
from ratecore.experiment.exporting import export
from ratecore.rate.penalties import places_of_units, positions
from ratecore.rate.training import Training, train
from ratecore.settings.run import RunSettings

AREAS = {"N": 12, "areas": {"b": 5, "a": 7}, "P_inh": 0.4}
FILE = str(FOLDER / "positions.csv")


def test_areas_are_cubes_side_by_side_or_around_their_centres():
    random = positions(3, 12)
    np.testing.assert_array_equal(places_of_units(NetworkSettings(N=12), 3), random)
    beside = places_of_units(NetworkSettings(**AREAS, positions="areas"), 3)
    assert ((beside > 0) & (beside < 1))[:5].all() and ((beside[5:] > [1, 0, 0]) & (beside[5:] < [2, 1, 1])).all()
    np.testing.assert_allclose(beside - np.floor(beside), random)
    centres = {"a": [-4, 0, 7], "b": [0.5, 0.5, 0.5]}
    around = places_of_units(NetworkSettings(**AREAS, positions=centres), 3)
    np.testing.assert_allclose(around[:5], random[:5])
    assert (np.abs(around[5:] - [-4, 0, 7]) < 0.5).all()


def test_places_of_a_file_are_what_the_penalty_counts(tmp_path):
    given = np.loadtxt(FILE, delimiter=",")
    network = {"N": 12, "P_inh": 0.4, "positions_file": FILE}
    training = {"n_trials": 40, "eval_tr": 2, "penalties": {"distance": 30.0}}
    settings = small_settings(network=network, training=training)
    counted = Training(settings, "cpu").distances
    np.testing.assert_allclose(counted.numpy(), cdist(given, given), rtol=1e-6, atol=1e-9)
    result = train(settings)
    other = train(small_settings(network={**network, "positions_file": None}, training=training))
    assert np.abs((result.net.w - other.net.w).detach().numpy()).max() > 1e-4
    mat, _ = export(tmp_path, settings, result, result.last_test)
    np.testing.assert_array_equal(scipy.io.loadmat(mat)["positions"], given)


def test_the_content_of_a_file_is_part_of_the_identity(tmp_path):
    given = np.loadtxt(FILE, delimiter=",")
    np.save(tmp_path / "same.npy", given)
    np.save(tmp_path / "other.npy", given + 1)
    identities = [
        RunSettings(network={"N": 12, "positions_file": path}).identity("training")
        for path in (FILE, str(tmp_path / "same.npy"), str(tmp_path / "other.npy"), None)
    ]
    assert identities[0] == identities[1] and len(set(identities)) == 3


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"positions": "areas"}, "positions = 'areas': it needs areas"),
        ({"positions": "grid"}, "positions = 'grid': it must be random, areas, or centres of the areas"),
        ({**AREAS, "positions": {"b": [0, 0, 0]}}, "positions = .*it must have the centre of each area: b, a"),
        ({**AREAS, "positions": {"b": [0, 0], "a": [1, 1, 1]}}, "positions = .*a list of three numbers"),
        ({**AREAS, "positions": {"b": [0, 0, "x"], "a": [1, 1, 1]}}, "positions"),
        (
            {**AREAS, "positions": "areas", "positions_file": FILE},
            "positions = 'areas': with positions_file it must be",
        ),
        ({"N": 13, "positions_file": FILE}, r"positions_file = .*its array has shape \(12, 3\); it must be \(13, 3\)"),
        ({"positions_file": "none.csv"}, "positions_file = 'none.csv': there is no such file"),
    ],
    ids=str,
)
def test_wrong_places(network, message):
    with pytest.raises(ValueError, match=message):
        RunSettings(network=network)
