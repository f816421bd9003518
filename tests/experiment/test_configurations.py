"""The configuration saved with the results, and the table of an earlier grid."""

import pytest
import yaml

from ratecore.experiment.configurations import keep_configuration
from ratecore.experiment.grid import Experiment
from ratecore.settings.base import SettingsError

CONFIG = {"experiment": "e", "grid": {"N": [10, 20], "seed": "0..9"}, "training": {"n_trials": 300}}


def table(root, text):
    root.mkdir(exist_ok=True)
    (root / "summary.csv").write_text(text)


def test_the_configuration_can_be_used_again(tmp_path):
    given = {**CONFIG, "task_settings": {"go-nogo": {"T": 100.0}}, "results": "über den Wolken " * 20}
    assert keep_configuration(tmp_path, given) is None
    assert yaml.safe_load((tmp_path / "config.yaml").read_text()) == given
    assert Experiment.from_yaml(tmp_path / "config.yaml").seeds == tuple(range(10))


def test_the_same_grid_again_changes_nothing(tmp_path):
    keep_configuration(tmp_path, CONFIG)
    before = (tmp_path / "config.yaml").stat().st_mtime_ns
    table(tmp_path, "first")
    assert keep_configuration(tmp_path, CONFIG) is None
    assert (tmp_path / "config.yaml").stat().st_mtime_ns == before and not (tmp_path / "earlier").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"seeds_per_job": 3},
        {"threads_per_job": 4, "device": "auto", "gpu_frac": 0.5, "jobs_per_gpu": 2},
        {"tracking": {"uri": "http://server"}},
        {"figures": {"grid_points": 1}},
        {"results": "elsewhere"},
    ],
)
def test_how_the_work_is_done_makes_no_other_grid(tmp_path, change):
    keep_configuration(tmp_path, CONFIG)
    table(tmp_path, "first")
    assert keep_configuration(tmp_path, {**CONFIG, **change}) is None
    assert yaml.safe_load((tmp_path / "config.yaml").read_text()) == {**CONFIG, **change}


@pytest.mark.parametrize(
    "change",
    [
        {"grid": {"N": [10, 20], "seed": "0..10"}},
        {"grid": {"N": [10, 20], "gain": [1, 2], "seed": "0..9"}},
        {"training": {"n_trials": 301}},
        {"evaluation": {"n_trials": 7}},
        {"convert": False},
        {"spiking": {"refractory": 5}},
        {"task": "mante"},
    ],
)
def test_the_table_of_another_grid_is_kept_with_its_configuration(tmp_path, change):
    keep_configuration(tmp_path, CONFIG)
    table(tmp_path, "first")
    kept = keep_configuration(tmp_path, {**CONFIG, **change})
    assert kept.parent == tmp_path / "earlier" and (kept / "summary.csv").read_text() == "first"
    assert yaml.safe_load((kept / "config.yaml").read_text()) == CONFIG
    assert {path.name for path in kept.iterdir()} == {"config.yaml", "summary.csv"}
    # Back and forth: each keeps the other's newest table.
    table(tmp_path, "second")
    other = keep_configuration(tmp_path, CONFIG)
    assert other != kept and (other / "summary.csv").read_text() == "second"
    assert (kept / "summary.csv").read_text() == "first"


def test_without_a_table_there_is_nothing_to_keep(tmp_path):
    keep_configuration(tmp_path, CONFIG)
    assert keep_configuration(tmp_path, {**CONFIG, "convert": False}) is None


def test_a_configuration_edited_by_hand_is_kept_as_it_is(tmp_path):
    table(tmp_path, "first")
    (tmp_path / "config.yaml").write_text("experiment: [\n")
    kept = keep_configuration(tmp_path, CONFIG)
    assert (kept / "config.yaml").read_text() == "experiment: [\n" and (kept / "summary.csv").read_text() == "first"


@pytest.mark.parametrize(
    "uri",
    ["http://me:sesame-street@server:5000", "postgresql://me:sesame-street@db/mlflow?password=sesame-street"],
)
def test_no_password_is_kept(tmp_path, uri):
    keep_configuration(tmp_path, {**CONFIG, "tracking": {"uri": uri}})
    table(tmp_path, "first")
    keep_configuration(tmp_path, {**CONFIG, "convert": False, "tracking": {"uri": uri}})
    texts = [path.read_text() for path in tmp_path.rglob("config.yaml")]
    assert len(texts) == 2 and not any("sesame-street" in text for text in texts)
    assert all(yaml.safe_load(text)["tracking"]["uri"].count("***") for text in texts)


def test_what_is_no_configuration_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="experiment"):
        keep_configuration(tmp_path, {"grid": {}})
    assert not (tmp_path / "config.yaml").exists()
