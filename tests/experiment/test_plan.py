"""Messages before the first job: the plan with its units, and settings that are probably not intended."""

import itertools
from pathlib import Path

import pytest

from ratecore.experiment.grid import Experiment
from ratecore.experiment.plan import announcement, find_cautions, plan
from ratecore.experiment.plan_grid import network_words
from ratecore.settings.reading import load_yaml

ROOT = Path(__file__).parents[2]


def experiment(grid=None, **changes) -> Experiment:
    return Experiment.from_config({"experiment": "test", "grid": grid or {}, **changes})


def test_the_plan_counts_networks_and_gives_units():
    grid = {
        "task": ["go-nogo", "mante"],
        "taus": [[4, 20], 4],
        "refractory": [0, 2.5],
        "threshold": [None, -45],
        "task_settings.stim_on": [50, 60],
        "apply_dale": [True],
        "seed": "3..12",
    }
    assert plan(experiment(grid)) == [
        "test: 2 tasks (go-nogo, mante) x 2 choices of time constants (20 to 100 ms, 20 ms) x 2 values of stim_on "
        "(250 ms, 300 ms) x 10 seeds (3..12) = 80 networks: 200 units, apply_dale = True, each scored or converted in "
        "4 ways: 2 refractory periods (0, 2.5 ms) x 2 spike thresholds (default, -45 mV)"
    ]
    assert plan(experiment()) == ["test: 1 network: go-nogo, 200 units, time constants 20 to 100 ms, seed 0"]


@pytest.mark.parametrize(
    ("grid", "part"),
    [
        ({"taus": [[4, 30], [4, 40]]}, "2 ranges of time constants (20 to 150 ms, 20 to 200 ms) = 2 networks"),
        ({"taus": [4, 7]}, "2 fixed time constants (20 ms, 35 ms) = 2 networks: go-nogo"),
        ({"taus": [7]}, "1 network: go-nogo, 200 units, time constant 35 ms, seed 0"),
        ({"gain": [1, 1.5, 2], "P_inh": [0.2, 0.3]}, "3 gains (1, 1.5, 2) x 2 shares of inhibitory units (0.2, 0.3) ="),
        ({"N": range(10, 1010, 10)}, "100 network sizes (10, 20, 30, 40 ... 1000 units) = 100 networks"),
        ({"seed": list(range(0, 5000, 7))}, "715 seeds (0, 7, 14, 21 ... 4998) = 715 networks"),
        ({"schedule_factor": [0.1, 0.2]}, "2 values of schedule_factor (0.1, 0.2) = 2 networks"),
    ],
    ids=str,
)
def test_axes_have_plain_names_and_long_ones_are_cut(grid, part):
    (line,) = plan(experiment({name: list(values) for name, values in grid.items()}))
    assert part in line and len(line) < 200


def test_a_list_of_products_has_a_line_for_each_of_the_first():
    products = [{"name": f"p{k}", "N": [10, 20], "gain": [1, 1 + k], "seed": "0..2"} for k in range(1, 10)]
    lines = plan(experiment(products))
    assert lines[0] == "test: 60 networks of 9 products"
    assert lines[1] == (
        "  p1: 2 network sizes (10, 20 units) x 2 gains (1, 2) x 3 seeds (0..2) = 12 networks: go-nogo, time constants "
        "20 to 100 ms"
    )
    assert lines[2].endswith("; 6 of them shared with products above") and len(lines) == 8
    assert lines[-1] == "  ... and 3 more products with 18 other networks"


def test_a_network_under_way_is_named_by_what_the_grid_sweeps():
    e = experiment({"taus": [[4, 30], 4], "N": [100], "gain": [1, 2], "seed": [0, 1, 2]})
    point = next(point for point in e.grid_points if point.values["taus"] == "4_30" and point.values["gain"] == "2")
    assert network_words(e, point, [1]) == "go-nogo, 20 to 150 ms, gain 2, seed 1"
    assert network_words(e, point, [0, 1, 2]) == "go-nogo, 20 to 150 ms, gain 2, seeds 0..2"


@pytest.mark.parametrize(("taus", "printed"), [
    ([4, 20], "grid.taus = [4, 20] asks for networks of one fixed time constant, 20 ms or 100 ms; time constants "
              "trained from 20 to 100 ms are [[4, 20]]"),
    ([20, 100], "time constants trained from 100 to 500 ms are [[20, 100]]"),
    ([[20, 100]], "network.taus is in steps of 5 ms, which makes 100 to 500 ms; if ms were meant, 20 to 100 ms are [4"),
    ([[20, 100], [20, 50]], "grid.taus is in steps of 5 ms, which makes 100 to 500 ms, 100 to 250 ms; if ms"),
    ([[4, 10], [10, 300]], "grid.taus is in steps of 5 ms, which makes 50 to 1500 ms; if ms were meant, 10 to 300 ms"),
    ([50], "network.taus is in steps of 5 ms, which makes 250 ms; if ms were meant, 50 ms is [10]"),
])  # fmt: skip
def test_time_constants_that_look_like_a_slip_are_pointed_out(taus, printed):
    assert any(printed in sentence for sentence in find_cautions(experiment({"taus": taus})))


@pytest.mark.parametrize(
    "taus", [[[4, 20]], [7, [4, 10]], [4], [10], [4, 10, 20], [[4, 10], [4, 200]], [20, 4]], ids=str
)
def test_time_constants_as_in_the_paper_are_not(taus):
    assert find_cautions(experiment({"taus": taus})) == []


SLIPS = [
    # Times in another unit.
    (dict(task_settings={"T": 1000}), "task_settings of go-nogo: T = 1000 is in steps of 5 ms; if ms were mea"),
    (
        dict(task="xor", task_settings={"stim_dur": 250, "delay": 50, "T": 1500}),
        "task_settings of xor: stim_dur = 250, delay = 50, T = 1500 are in steps of 5 ms; "
        "if ms were meant, write 50, 10",
    ),
    (dict(spiking={"refractory": 0.002}), "spiking.refractory = 0.002 is in ms and less than 0.05 ms; if seconds were"),
    (dict(spiking={"tau_m": 0.01}), "spiking.tau_m = 0.01 is in ms and less than 1 ms; if seconds were meant, wr"),
    (dict(spiking={"dt": 5e-5}), "spiking.dt = 5e-05 is in ms and less than 0.001 ms; if seconds were meant, wr"),
    (dict(spiking={"threshold": -0.04}), "spiking.threshold = -0.04 is in mV; if volts were meant, write -40"),
    (
        dict(spiking={"stimulation": {"mode": "exc", "window": [0.2, 0.4]}}),
        "spiking.stimulation.window = [0.2, 0.4] is in ms; if seconds were meant, write [200, 400]",
    ),
    (dict(grid={"scaling_factors": [25, 50]}), "grid.scaling_factors = [25, 50] converts every network 2 times, each"),
    (
        dict(spiking={"stimulation": {"mode": "exc", "window": [1000, 1500]}}),
        "spiking.stimulation.window = [1000, 1500] has no effect: "
        "it begins after the end of the trial, which lasts 1000 ms",
    ),
    # Criteria that no network meets.
    (dict(training={"accuracy_threshold": 1}), "training.accuracy_threshold = 1: no accuracy is above it, so no"),
    (dict(training={"n_trials": 1000}), "training.n_trials = 1,000: go-nogo counts as trained after 1,500 trials at"),
    (dict(training={"min_trials": 9000}), "training.min_trials = 9,000 is above n_trials = 6,000, so no network"),
    (dict(training={"eval_freq": 7000}), "training.eval_freq = 7,000 is above n_trials = 6,000: networks are"),
    (dict(training={"loss_fn": "l1"}), "training.loss_fn = 'l1' is a sum over the whole trial"),
    (dict(training={"loss_fn": "mse"}), "training.loss_fn = 'mse' is a mean over the trial"),
    (dict(training={"loss_fn": "huber"}), "training.loss_fn = 'huber' is a mean over the trial"),
    # No effect.
    (dict(network={"w_dist": "gamma", "gain": 2}), "network.gain has no effect with w_dist = 'gamma'"),
    (dict(network={"areas": {"a": 0.5, "b": 0.5}, "positions": "areas"}), "network.positions has no effect without tr"),
    (dict(network={"feedback": False}), "network.feedback has no effect without areas"),
    (dict(network={"rank": 2, "P_rec": 0.5}), "network.P_rec has no effect with a rank"),
    (dict(network={"spectral_radius": 1.2, "gain": 2}), "network.gain has no effect with a spectral_radius"),
    (dict(training={"momentum": 0.9}), "training.momentum has no effect without optimizer = 'sgd'"),
    (dict(training={"revive": True}), "training.revive has no effect without optimizer = 'eg'"),
    (dict(training={"optimizer": "adamw"}), "training.optimizer = 'adamw' is 'adam' without a training.weight_decay"),
    (dict(training={"schedule_factor": 0.5}), "training.schedule_factor has no effect with schedule = 'constant'"),
    (dict(training={"stages": [{}, {"n_trials": 9, "eval_freq": 5}]}), "training.n_trials = 9: go-nogo counts as"),
    (dict(network={"apply_dale": False, "P_inh": 0.3}), "network.P_inh has no effect with apply_dale = false"),
    (dict(gpu_frac=0.4), "gpu_frac = 0.4 has no effect with device = 'cpu'"),
    (dict(jobs_per_gpu=2), "jobs_per_gpu = 2 has no effect with device = 'cpu'"),
    (dict(convert=False, spiking={"dt": 0.1}), "spiking has no effect with convert = false"),
    (dict(convert=False, conversion={"n_trials": 5}), "conversion has no effect with convert = false"),
    (dict(spiking={"stimulation": {"units": "exc"}}), "spiking.stimulation.units has no effect with mode = 'none'"),
    (dict(conversion={"lesion": {"synapses": "E-E"}}), "conversion.lesion.synapses has no effect with fraction = 0"),
    (dict(evaluation={"psychometric_trials": 5}), "evaluation.psychometric_trials has no effect: go-nogo grades no"),
    (dict(conversion={"psychometric_trials": 5}), "conversion.psychometric_trials has no effect: go-nogo grades no"),
    (dict(evaluation={"evidence_levels": [1]}), "evaluation.evidence_levels has no effect without graded evidence"),
    (
        dict(task="mante", conversion={"decision_threshold": 0.5}),
        "conversion.decision_threshold has no effect with conversion.psychometric_trials = 0",
    ),
    (
        dict(evaluation={"task_settings": {"T": 210}}, grid={"evaluation.task_settings.T": [220]}),
        "evaluation.task_settings.T has no effect: the grid overrides it",
    ),
    (dict(task_settings={"xor": {"delay": 50}}), "task_settings.xor has no effect: no grid point has that task"),
    (dict(network={"P_rec": 0}), "network.P_rec = 0 leaves every network without recurrent connections"),
    (dict(task="xor", training={"n_trials": 50, "batch_size": 100}), "training.batch_size = 100 is above n_tr"),
    (dict(grid={"N": [10]}, network={"N": 20}), "network.N has no effect: the grid overrides it"),
    (dict(grid={"dt": [0.1]}, spiking={"dt": 0.2}), "spiking.dt has no effect: the grid overrides it"),
    (
        dict(grid={"task_settings.T": [210]}, task_settings={"T": 220}),
        "task_settings.T has no effect: the grid overrides it",
    ),
    (dict(grid={"task": ["xor"]}, task="go-nogo"), "task has no effect: the grid overrides it"),
    (dict(analysis={"spectrum": {"margin": 0.2}}), "analysis.spectrum has no effect: analyses = [] does not name it"),
    (
        dict(analyses=["spectrum"], grid={"learning.n_spectra": [9]}),
        "analysis.learning has no effect: analyses = [",
    ),
    (dict(analyses=["learning"]), "analyses: learning needs copies of the weights; set training.keep_weights"),
]


@pytest.mark.parametrize(("changes", "printed"), SLIPS, ids=[str(c)[:60] for c, _ in SLIPS])
def test_settings_that_do_nothing_or_look_like_slips_are_pointed_out_and_run(changes, printed):
    sentences = find_cautions(experiment(**changes))
    assert len(sentences) == 1 and sentences[0].startswith(printed), sentences


def test_each_of_several_settings_in_si_units_is_pointed_out():
    si = {"dt": 5e-5, "tau_m": 0.01, "refractory": 0.002, "tau_rise": 0.002, "threshold": -0.04, "v_reset": -0.065}
    meant = dict(zip(si, ("0.05", "10", "2", "2", "-40", "-65"), strict=True))
    sentences = find_cautions(experiment(spiking=si))
    assert len(sentences) == len(si)
    for key, right in meant.items():
        assert any(s.startswith(f"spiking.{key} = ") and s.endswith(f" write {right}") for s in sentences), sentences


def test_a_tracking_uri_that_the_environment_overrules_is_pointed_out(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    e = experiment(tracking={"uri": "http://me:sesame@host"})
    assert find_cautions(e) == []
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///x.db")
    assert find_cautions(e) == ["tracking.uri has no effect: the environment variable MLFLOW_TRACKING_URI overrides it"]
    assert find_cautions(experiment()) == []


@pytest.mark.parametrize("changes", [
    dict(grid={"w_dist": ["gaus", "gamma"], "gain": [1.0, 2.0]}), dict(device="auto", gpu_frac=0.4),
    dict(grid={"stimulation.mode": ["none", "exc"]}, spiking={"stimulation": {"units": "exc"}}),
    dict(task="mante", evaluation={"psychometric_trials": 5}), dict(task="xor", training={"n_trials": 100}),
    dict(training={"loss_fn": "l1", "loss_threshold": 50}), dict(network={"P_inh": 0.3}), dict(convert=False),
    dict(training={"n_trials": 100, "min_trials": 0}), dict(spiking={"refractory": 0, "tau_rise": 0}),
    dict(grid={"task": ["xor", "mante"]}, task_settings={"XOR": {"delay": 50}}),
    dict(task="xor", grid={"task_settings.delay": [10, 30, 50]}),
    dict(analyses=["spectrum", "learning"], analysis={"spectrum": {"margin": 0.2}}, training={"keep_weights": 100}),
], ids=str)  # fmt: skip
def test_settings_that_have_an_effect_are_not(changes):
    assert find_cautions(experiment(**changes)) == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("config/**/*.yaml")), ids=lambda p: p.name)
def test_the_configurations_of_the_repository_have_none(path, tmp_path, monkeypatch):
    if path.name == "original.yaml":  # its networks are where users put them
        (tmp_path / "original").symlink_to(ROOT / "tests/data/original")
        monkeypatch.chdir(tmp_path)
    e = Experiment.from_config(load_yaml(path))
    assert find_cautions(e) == [] and announcement(e) == "\n".join(plan(e)) and announcement(e, quiet=True) == ""


def test_a_caution_is_reported_once_however_large_the_grid():
    e = experiment({"gain": [k / 8 for k in range(1, 50)], "refractory": [0.001, 2]}, training={"n_trials": 500})
    sentences = find_cautions(e)
    assert len(sentences) == len(set(sentences)) == 2
    assert announcement(e, quiet=True).count("WARNING: ") == 2 and all(a != b for a, b in itertools.pairwise(sentences))


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"stim_on": 250}, "(durations are in steps of 5 ms; if ms were meant, write stim_on: 50)"),
        ({"stim_on": 251}, ""),
        ({"stim_on": 5000}, ""),
    ],
)
def test_a_stimulus_that_would_fit_in_ms_says_so(settings, hint):
    from ratecore.settings.base import SettingsError
    from ratecore.settings.run import RunSettings

    with pytest.raises(SettingsError, match="the stimulus ends at step") as error:
        RunSettings(task_settings=settings)
    assert str(error.value).endswith(hint) and ("if ms were meant" in str(error.value)) == bool(hint)
