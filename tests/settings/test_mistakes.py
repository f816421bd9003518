"""Typical mistakes in a configuration are reported with key, value and what was probably intended."""

import itertools
import json

import numpy as np
import pytest
import yaml

from ratecore.experiment.grid import Experiment
from ratecore.rate.training import train
from ratecore.settings.base import SettingsError
from ratecore.settings.hints import NAMES, every_setting, plain
from ratecore.settings.network import NetworkSettings
from ratecore.settings.reading import check_arguments, check_files, expanded, expanded_uri, load_yaml, read_words
from ratecore.settings.run import RunSettings
from ratecore.settings.spiking import ConversionSettings, SpikingSettings, StimulationSettings
from ratecore.settings.training import TrainingSettings
from ratecore.tasks import GoNogoTask


def lines_of(path, text: str) -> list[str]:
    """The messages of a configuration file with this text, without what precedes the key of a line."""
    named = text if text.startswith(("experiment", "\ufeff")) else "experiment: t\n" + text
    path.write_bytes(named.encode())
    with pytest.raises(SettingsError) as error:
        Experiment.from_yaml(path)
    lines = error.value.lines()
    assert all("\n" not in line and len(line) < 1000 for line in lines)
    return [line.removeprefix(f"{path}: ") for line in lines]


MISTAKES = [
    # Names of other libraries, of the paper and of the existing packages.
    ("network: {lr: 0.1}", "unknown setting 'network.lr' (did you mean 'training.learning_rate'?)"),
    ("training: {lr: 0.1}", "unknown setting 'training.lr' (did you mean 'learning_rate'?); allowed: n_trials,"),
    ("lr: 0.1", "unknown setting 'lr' (did you mean 'training.learning_rate'?)"),
    ("network: {hidden_size: 100}", "unknown setting 'network.hidden_size' (did you mean 'N'?)"),
    ("network: {n_units: 100}", "unknown setting 'network.n_units' (did you mean 'N'?)"),
    ("network: {n: 100}", "unknown setting 'network.n' (did you mean 'N'?)"),
    ("training: {epochs: 5}", "unknown setting 'training.epochs' (did you mean 'n_trials'?)"),
    ("training: {batch: 5}", "unknown setting 'training.batch' (did you mean 'batch_size'?)"),
    ("training: {optimiser: adam}", "unknown setting 'training.optimiser' (did you mean 'optimizer'?)"),
    ("training: {optimizer: exponentiated_gradient}", "(did you mean 'eg'?)"),
    ("training: {betas: [0.9, 0.99]}", "unknown setting 'training.betas'; those of Adam are always 0.9 and 0.999"),
    ("training: {curriculum: []}", "unknown setting 'training.curriculum' (did you mean 'stages'?)"),
    ("training: {wiring_cost: 1}", "(did you mean 'training.penalties.distance'?)"),
    ("training: {penalties: {rate_means: 1}}", "unknown setting 'training.penalties.rate_means' (did you mean"),
    ("training: {keep_weights: 0}", "training.keep_weights = 0: Input should be greater than or equal to 1"),
    ("network: {tau: 10}", "unknown setting 'network.tau' (did you mean 'taus'?)"),
    ("network: {taus_ms: [20, 100]}", "unknown setting 'network.taus_ms' (did you mean 'taus'?)"),
    ("network: {dale: true}", "unknown setting 'network.dale' (did you mean 'apply_dale'?)"),
    ("network: {apply_Dale: true}", "unknown setting 'network.apply_Dale' (did you mean 'apply_dale'?)"),
    ("network: {act: sigmoid}", "unknown setting 'network.act' (did you mean 'activation'?)"),
    ("network: {decay_taus: [4, 20]}", "unknown setting 'network.decay_taus' (did you mean 'taus'?)"),
    ("training: {loss: l2}", "unknown setting 'training.loss' (did you mean 'loss_fn'?)"),
    ("conversion: {lambda: [20]}", "unknown setting 'conversion.lambda' (did you mean 'scaling_factors'?)"),
    ("spiking: {refrac: 2}", "unknown setting 'spiking.refrac' (did you mean 'refractory'?)"),
    ("spiking: {DeltaT: 1}", "unknown setting 'spiking.DeltaT'; a step of the rate network is always 5 ms"),
    ("tracking: {url: x}", "unknown setting 'tracking.url' (did you mean 'uri'?); allowed: uri"),
    ("mlflow: x", "unknown setting 'mlflow' (did you mean 'tracking.uri'?)"),
    ("output_dir: x", "unknown setting 'output_dir' (did you mean 'results'?)"),
    ("gpu: 0", "unknown setting 'gpu' (did you mean 'device'?)"),
    ("cores: 4", "unknown setting 'cores' (did you mean 'threads_per_job'?)"),
    # The right name in the wrong place.
    ("N: 100", "unknown setting 'N' (did you mean 'network.N'?)"),
    ("taus: [4, 20]", "unknown setting 'taus' (did you mean 'network.taus'?)"),
    ("n_trials: 9", "(did you mean 'training.n_trials', 'evaluation.n_trials' or 'conversion.n_trials'?)"),
    ("training: {gain: 2}", "unknown setting 'training.gain' (did you mean 'network.gain'?)"),
    ("Network: {N: 3}", "unknown setting 'Network' (did you mean 'network'?)"),
    ("'network ': {N: 3}", "unknown setting 'network ' (did you mean 'network'?)"),
    ("network.N: 200", "unknown setting 'network.N' (did you mean network: {N: ...}?)"),
    ("seed: 10", "unknown setting 'seed' (did you mean 'grid.seed'?)"),
    ("seeds: 10", "unknown setting 'seeds' (did you mean 'grid.seed'?)"),
    ("nonsense: 1", "unknown setting 'nonsense'; allowed: experiment, results, grid"),
    ("delay: 10", "unknown setting 'delay' (did you mean 'task_settings.delay'?)"),
    # Words.
    ("device: gpu", "device = 'gpu': Input should be 'cpu', 'cuda' or 'auto' (did you mean 'cuda'?)"),
    ("device: CUDA:0", "device = 'CUDA:0': Input should be 'cpu', 'cuda' or 'auto' (did you mean 'cuda'?)"),
    ("device: 0", "device = 0: Input should be 'cpu', 'cuda' or 'auto' (did you mean 'cuda'?"),
    ("network: {activation: relu}", "network.activation = 'relu': Input should be 'sigmoid', 'clipped_relu' or"),
    ("network: {activation: relu}", "(did you mean 'clipped_relu'?)"),
    ("network: {activation: Sigmoid}", "(did you mean 'sigmoid'?)"),
    ("network: {activation: tanh}", "network.activation = 'tanh': Input should be 'sigmoid', 'clipped_relu'"),
    (
        "training: {loss_fn: L2}",
        "training.loss_fn = 'L2': Input should be 'l2', 'l1', 'mse', 'huber', 'cross_entropy' or 'task' "
        "(did you mean 'l2'?)",
    ),
    ("training: {loss_fn: mae}", "(did you mean 'l1'?)"),
    ("training: {loss_fn: rmse}", "(did you mean 'l2'?)"),
    ("training: {loss_fn: CrossEntropyLoss}", "(did you mean 'cross_entropy'?)"),
    ("spiking: {stimulation: {mode: no}}", "mode = False: Input should be 'none', 'exc' or 'inh' (YAML reads no, off"),
    ("experiment: yes", "experiment = True: Input should be a valid string (YAML reads yes, on and the like as True"),
    ("experiment: 2024", "experiment = 2024: Input should be a valid string (put it in quotes: '2024')"),
    ("experiment: my experiment", "make a name, as my_experiment)"),
    ("experiment: ~", "experiment = None: Input should be a valid string (it has no value)"),
    ("results: s3://bucket/x", "results = 's3://bucket/x': it must be a path on this machine, not a URI"),
    ("results: 5", "results = 5: Input should be a valid string (put it in quotes: '5')"),
    ("task: gonogo", "task: unknown task 'gonogo' (did you mean 'go-nogo'?)"),
    ("task: [go-nogo, gonogo]", "task: unknown task 'gonogo' (did you mean 'go-nogo'?)"),
    # Numbers, and true and false.
    ("network: {N: '200'}", "network.N = '200': Input should be a valid integer (write 200, without quotes)"),
    ("network: {N: 200.5}", "network.N = 200.5: Input should be a valid integer"),
    ("network: {N: \u201c200\u201d}", "Input should be a valid integer (write 200, without quotes)"),
    ("network: {P_inh: 20%}", "network.P_inh = '20%': Input should be a valid number (write 0.2)"),
    ("network: {P_inh: '0,2'}", "network.P_inh = '0,2': Input should be a valid number (write 0.2)"),
    ("network: {P_inh: 0,2}", "network.2: unknown setting; its name must be text (a decimal point is meant"),
    ("training: {n_trials: '6,000'}", "(write 6000 or 6.000, without a comma)"),
    ("training: {n_trials: 6 000}", "training.n_trials = '6 000': Input should be a valid integer (write 6000)"),
    ("spiking: {v_reset: \u221265}", "Input should be a valid number (write -65)"),
    ("spiking: {refractory: 2 ms}", "spiking.refractory = '2 ms': Input should be a valid number (write the number"),
    ("network: {taus: 20ms}", "(it is in steps of 5 ms: write 4)"),
    ("network: {gain: high}", "network.gain = 'high': Input should be a valid number"),
    ("network: {N: null}", "network.N = None: Input should be a valid integer (leave it out for 200)"),
    ("spiking: {threshold: None}", "spiking.threshold = 'None': Input should be a valid number (leave the key out"),
    ("network: {apply_dale: 'True'}", "Input should be a valid boolean (write true, without quotes)"),
    ("network: {apply_dale: 1}", "network.apply_dale = 1: Input should be a valid boolean (write true)"),
    ("network: {apply_dale: n}", "network.apply_dale = 'n': Input should be a valid boolean (write false)"),
    ("network: {N: [100, 200]}", "(one value is wanted here; to sweep it, write grid: {N: [100, 200]})"),
    ("grid: {N: [[100, 200]]}", "(one value is wanted here; to sweep it, write grid: {N: [100, 200]})"),
    ("results: [a, b]", "(one value is wanted here, the same for all runs)"),
    ("task_file: [a.py]", "(one value is wanted here, the same for all runs)"),
    (
        "training: {accuracy_threshold: 95}",
        "training.accuracy_threshold = 95: Input should be less than or equal to 1 (a fraction, not per cent: 0.95)",
    ),
    ("conversion: {confidence: 99.5}", "(a fraction, not per cent: 0.995)"),
    ("spiking: {stimulation: {probability: 50}}", "(a fraction, not per cent: 0.5)"),
    ("training: {n_trials: 10k}", "training.n_trials = '10k': Input should be a valid integer (write 10000)"),
    ("training: {n_trials: 1.5M}", "(write 1500000)"),
    ("evaluation: {trials: 10}", "unknown setting 'evaluation.trials' (did you mean 'n_trials'?)"),
    ("evaluation: {epochs: 10}", "unknown setting 'evaluation.epochs' (did you mean 'training.n_trials'?)"),
    (
        "task_settings: {go-nogo: {T: 300}, go_nogo: {T: 400}}",
        "task_settings.go_nogo: it is the task 'go-nogo', which is given already; give it once",
    ),
    ("task_settings: {delay: 10}", "task_settings: go-nogo: unknown setting 'delay'; allowed: T, stim_on, stim_dur"),
    ("grid: {lesion: [0.1]}", "unknown axis 'lesion' (did you mean 'lesion.fraction' or 'lesion.synapses'?)"),
    ("grid: {seed: 9-0}", "(did you mean 0..9?)"),
    ("seeds_per_job: 0", "seeds_per_job = 0: Input should be greater than or equal to 1"),
    ("network: {taus: {min: 4}}", "network.taus = {'min': 4}: give one time constant, or a minimum and a maximum"),
    ("network: {taus: '4 20'}", "(write a list, as [4, 20])"),
    ("network: {taus: [4, x]}", "network.taus[1] = 'x': Input should be a valid number"),
    ("conversion: {scaling_factors: '20:30:5'}", "(write a list, as [20, 25, 30])"),
    ("task_settings: {go-nogo: {T: x}}", "task_settings: go-nogo: T = 'x'; it must be a whole number of steps"),
    ("task_settings: {T: 0.5}", "task_settings: go-nogo: T = 0.5; it must be a whole number of steps"),
    # Numbers that YAML reads as others.
    ("network: {N: 010}", "network.N, line 2: 010 is read as an octal number"),
    ("grid: {taus: [4_20]}", "grid.taus, line 2: 4_20 is read as 420; write 420, or a list as [4, 20]"),
    ("grid: {seed: 1:30}", "grid.seed, line 2: 1:30 is read in base 60"),
    # The grid.
    ("grid: {n: [1]}", "grid: unknown axis 'n' (did you mean 'network.N'?); allowed: task, seed"),
    ("grid: {lr: [0.1]}", "grid: unknown axis 'lr' (did you mean 'training.learning_rate'?)"),
    ("grid: {delay: [1]}", "grid: unknown axis 'delay' (did you mean 'task_settings.delay'?)"),
    ("grid: {network: {N: [1]}}", "it must be a list of values; a setting in a section is named with it, as network.N"),
    ("grid: {network: [1]}", "grid: unknown axis 'network'; name a setting in it, as network.<key>"),
    ("grid: {device: [cpu]}", "grid: unknown axis 'device'; it is one for all runs, outside grid"),
    ("grid: {N: 100}", "grid.N = 100: it must be a list of values, as [100]"),
    ("grid: {N: 10, 20}", "grid.20: unknown setting; its name must be text (a decimal point is meant, or brackets"),
    ("grid: {N: '[10, 20]'}", "grid.N = '[10, 20]': it must be a list of values (without quotes around it)"),
    ("grid: {N: 10-20}", "grid.N = '10-20': it must be a list of values (only seed can be a range)"),
    ("grid: {N: [10, '20']}", "network.N = '20': Input should be a valid integer (write 20, without quotes)"),
    ("grid: {N: [10, ~]}", "network.N = None: Input should be a valid integer"),
    ("grid: [{N: [10]}, [gain, 1]]", "it must be a mapping of axis: list of values, or a list of such mappings"),
    ("grid: {taus: [4..20]}", "network.taus = '4..20': give one time constant, or a minimum and a maximum as [4, 20]"),
    ("grid: {taus: [4-20]}", "(write a list, as [4, 20])"),
    ("conversion: {scaling_factors: 20..30}", "(write a list, as [20, 30])"),
    ("training: '{n_trials: 300'", "it must be a mapping of settings (is a bracket closed?): n_trials, min_trials"),
    ("grid: [N, 10]", "grid = ['N', 10]: it must be a mapping of axis: list of values"),
    ("grid:", "grid = None: it must be a mapping of axis: list of values"),
    ("grid: {seed: 10}", "grid.seed = 10: it must be a list of values; 10 seeds are 0..9"),
    ("grid: {seed: 0-9}", "grid.seed = '0-9': a range of seeds is written 'first..last', as '0..99' (did you mean 0"),
    ("grid: {seed: 0\u20139}", "(did you mean 0..9?)"),
    ("grid: {seed: '0, 1, 2'}", "(did you mean [0, 1, 2]?)"),
    ("grid: {seed: 9300000000000000000..9300000000000000001}", "grid.seed = 9300000000000000001: it must be a whole"),
    ("grid: {seed: range(10)}", "(did you mean 0..9, or [10]?)"),
    ("grid: {seed: ['0..9']}", "grid.seed = '0..9': it must be a whole number >= 0 and below 2^63 (a range stands a"),
    ("grid: {seed: ['1']}", "grid.seed = '1': it must be a whole number >= 0 and below 2^63 (write 1, without quotes)"),
    # The form of the file.
    ("network:\nN: 200", "network = None: it must be a mapping of settings (N, P_inh,"),
    ("network: 200", "network = 200: it must be a mapping of settings: N, P_inh, P_rec"),
    ("network: N=200", "network = 'N=200': it must be a mapping of settings (a colon needs a space after it): N,"),
    ("network:\n  N:200", "network = 'N:200': it must be a mapping of settings (a colon needs a space after it): N,"),
    ("network: {N:200}", "unknown setting 'network.N:200' (did you mean 'N'? a colon needs a space after it)"),
    ("network:\n  - N: 200\n  - gain: 1", "it must be a mapping of settings (without the dashes in front of them)"),
    ("tracking: http://localhost:5000", "it must be a mapping of settings, as tracking: {uri: ...}"),
    ("figures: ~", "figures = None: it must be a mapping of settings (networks, grid_points) indented below figures:"),
    ("network:\n\tN: 200", "line 3: found character '\\t' that cannot start any token (indent with spaces"),
    ("network:\n  N: 200\n gain: 2", "line 4: expected <block end>"),
    ("network: {N: 200", "(is a bracket closed, and is there a comma between values?)"),
    ("network: a: b", "line 2: mapping values are not allowed here"),
    ("network\n  N: 200", "line 3: could not find expected ':' (a key is followed by a colon and a space"),
    ("network: {N: 20}\nnetwork: {gain: 1}", "network: it is given twice, in lines 2 and 3; give it once"),
    ("network:\n  N: 20\n  'N': 30\n  N: 20", "network.N: it is given 3 times, in lines 3, 4 and 5; give it once"),
    ("grid: {N: [10], N: [20]}", "grid.N: it is given twice, in lines 2 and 2"),
    ('"a\\nb": 1', "unknown setting 'a\\nb'"),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES, ids=[text[:40] for text, _ in MISTAKES])
def test_mistakes_that_people_make_are_named(tmp_path, text, message):
    lines = lines_of(tmp_path / "c.yaml", text)
    assert any(message in line for line in lines), lines


def test_each_mistake_has_a_line_of_its_own(tmp_path):
    text = """device: gpu
results: $NOWHERE/x
task_file: $NOWHERE/t.py
network: {N: '5', gain: -1, apply_dale: 1}
spiking: {stimulation: {mode: x}}
lr: 1
grid: {seed: 0-9, gian: [1], N: 10-20, tau: [1]}"""
    keys = [
        "results = ",
        "device = ",
        "task_file = ",
        "network.N = ",
        "network.gain = ",
        "network.apply_dale = ",
        "spiking.stimulation.mode = ",
        "unknown setting 'lr'",
        "grid.seed = ",
        "grid: unknown axis 'gian'",
        "grid.N = ",
        "grid: unknown axis 'tau'",
    ]
    lines = lines_of(tmp_path / "c.yaml", text)
    assert [line for key, line in zip(keys, lines, strict=True) if not line.startswith(key)] == []


@pytest.mark.parametrize(
    "uri", ["http://me:sesame@host/x", "postgresql://me:sesame/1@h/x?password=sesame", "token=sesame"]
)
def test_hints_show_no_secret(uri):
    sections = ("network", "training", "spiking", "conversion", "tracking", "figures", "evaluation")
    values = (uri, [uri], {"uri": uri}, {uri: 1}, {uri: uri})
    keys = [*(f.partition(".")[0] for f in every_setting()), uri]
    configs = [{key: value} for key in dict.fromkeys(keys) for value in values]
    configs += [{section: {key: value}} for section in sections for key in ("lr", "N", uri) for value in values]
    configs += [{"grid": {axis: value}} for axis in ("N", "seed", uri, "network") for value in (*values, [[uri]])]
    for config in configs:
        try:
            Experiment.from_config({"experiment": "t", **config})
        except SettingsError as error:
            assert "sesame" not in str(error), config


def test_a_missing_name_does_not_print_the_configuration():
    with pytest.raises(SettingsError) as error:
        Experiment.from_config({"network": {"N": 20}, "task_settings": {"T": 300}})
    assert str(error.value).startswith("experiment: it is required and missing; it is the name of the experiment")
    assert "300" not in str(error.value)


@pytest.mark.parametrize("value", ["x" * 10_000, ["x" * 10_000], {"a": "x" * 10_000}, list(range(10_000)), "a\nb\nc"])
def test_huge_and_long_values_are_cut_to_one_line(value):
    long = "a\nb" * 5000
    configs = [{"device": value}, {"network": {"N": value}}, {"network": value}, {"grid": {"N": [value]}}]
    for config in (*configs, {long: value}, {"network": {long: value}}, {"grid": {long: [1]}}, {"grid": {long: value}}):
        with pytest.raises(SettingsError) as error:
            Experiment.from_config({"experiment": "t", **config})
        assert all(len(line) < 1000 and line.isprintable() for line in error.value.lines())


# ------------------------------------------------------------------------- every section's own checks, by their keys

CHECKS = [
    # section, values, the key at fault, its value as it is shown
    ("network", dict(som_N=5, apply_dale=False), "som_N", "5"),
    ("network", dict(som_N=30, N=20), "som_N", "30"),
    ("network", dict(taus=[20, 4]), "taus", "[20, 4]"),
    ("network", dict(taus=[1, 2, 3]), "taus", "[1, 2, 3]"),
    ("network", dict(taus=0.5), "taus", "0.5"),
    ("network", dict(N=0), "N", "0"),
    ("training", dict(n_trials=0), "n_trials", "0"),
    ("evaluation", dict(n_trials=0), "n_trials", "0"),
    ("spiking", dict(dt=0.03), "dt", "0.03"),
    ("spiking", dict(dt=0.5, downsample=11), "downsample", "11"),
    ("spiking", dict(v_init_low=40.0), "v_init_low", "40"),
    ("spiking", dict(v_reset=-30.0), "v_reset", "-30"),
    ("spiking", dict(v_peak=-50.0), "v_peak", "-50"),
    ("spiking.stimulation", dict(window=[5, 2]), "window", "[5, 2]"),
    ("spiking.stimulation", dict(units=[-1]), "units", "[-1]"),
    ("spiking.stimulation", dict(probability=2), "probability", "2"),
    ("conversion", dict(scaling_factors=[0]), "scaling_factors", "[0]"),
    ("conversion", dict(scaling_factors=[5, 5]), "scaling_factors", "[5, 5]"),
    ("conversion.lesion", dict(fraction=2), "fraction", "2"),
    ("figures", dict(grid_points=-1), "grid_points", "-1"),
]
MODELS = {
    "network": NetworkSettings,
    "training": TrainingSettings,
    "spiking": SpikingSettings,
    "spiking.stimulation": StimulationSettings,
    "conversion": ConversionSettings,
}


@pytest.mark.parametrize(("section", "values", "key", "shown"), CHECKS, ids=lambda v: str(v)[:40])
def test_checks_of_sections_name_section_key_and_value(section, values, key, shown):
    nested = values
    for part in reversed(section.split(".")):
        nested = {part: nested}
    with pytest.raises(SettingsError) as error:
        Experiment.from_config({"experiment": "t", **nested})
    assert str(error.value).startswith(f"{section}.{key} = {shown}: "), str(error.value)
    if section != "figures":  # as axes of a grid, too; the API names the section below RunSettings
        grid = {f"{section}.{name}": [value] for name, value in values.items()}
        with pytest.raises(SettingsError) as error:
            Experiment.from_config({"experiment": "t", "grid": grid})
        assert str(error.value).startswith(f"{section}.{key} = "), str(error.value)
        with pytest.raises(SettingsError) as error:
            RunSettings(**nested)
        assert str(error.value).startswith(f"{section}.{key} = {shown}: ")
    if section in MODELS:
        with pytest.raises(SettingsError) as error:
            MODELS[section](**values)
        assert str(error.value).startswith(f"{key} = {shown}: ")


def test_a_check_that_names_no_setting_is_not_glued_to_its_section():
    assert SettingsError([(("spiking",), "dt is wrong"), (("a", "b"), " = 3: no"), ((), "x")]).lines() == [
        "spiking: dt is wrong",
        "a.b = 3: no",
        "x",
    ]


def test_checks_across_sections_name_theirs():
    for settings, start in [
        (dict(network={"N": 20, "som_N": 20}), "network.som_N = 20: it must be at most the number of inhibitory"),
        (dict(spiking={"stimulation": {"mode": "exc", "units": [300]}}), "spiking.stimulation.units = (300,): "),
        (dict(task="x"), "task: unknown task 'x'; available"),
        (dict(task_settings={"stim_on": 300}), "task_settings: go-nogo: the stimulus ends"),
    ]:
        with pytest.raises(SettingsError) as error:
            RunSettings(**settings)
        assert str(error.value).startswith(start)


def test_hints_name_settings_that_exist():
    settings = {
        *every_setting(),
        "grid.seed",
        "task_settings.T",
        "task_settings.stim_on",
        "task_settings.stim_dur",
        "task_settings.delay",
    }
    assert set(NAMES.values()) <= settings
    assert [word for word in NAMES if plain(word) != word] == []


# --------------------------------------------------------------------------------------------- values from a program


@pytest.mark.parametrize(("given", "plainly"), [
    (NetworkSettings(taus=np.array([4, 20])), NetworkSettings(taus=[4, 20])),
    (NetworkSettings(N=np.array(7)), NetworkSettings(N=7)),
    (RunSettings(spiking={"stimulation": {"mode": "exc", "units": np.arange(3), "window": np.array([1.0, 2.5])}}),
     RunSettings(spiking={"stimulation": {"mode": "exc", "units": [0, 1, 2], "window": [1.0, 2.5]}})),
    (ConversionSettings(scaling_factors=np.arange(20, 31, 5)), ConversionSettings(scaling_factors=[20, 25, 30])),
], ids=["taus", "scalar", "stimulation", "lambda"])  # fmt: skip
def test_arrays_are_the_numbers_in_them(given, plainly):
    assert given == plainly and repr(given) == repr(plainly)


def test_a_grid_of_a_program_may_have_arrays_ranges_tuples_and_paths(tmp_path):
    grid = {"N": np.array([10, 20]), "gain": (1.0, 2.0), "seed": range(3)}
    given = Experiment.from_config({"experiment": "t", "results": tmp_path, "grid": grid})
    grid = {"N": [10, 20], "gain": [1.0, 2.0], "seed": "0..2"}
    plainly = Experiment.from_config({"experiment": "t", "results": str(tmp_path), "grid": grid})
    assert given.seeds == plainly.seeds and given.root == plainly.root
    assert [grid_point.path for grid_point in given.grid_points] == [
        grid_point.path for grid_point in plainly.grid_points
    ]
    with pytest.raises(SettingsError, match="an axis needs at least one value"):
        Experiment.from_config({"experiment": "t", "grid": {"N": np.array([])}})


@pytest.mark.parametrize("task", [GoNogoTask, GoNogoTask()], ids=["class", "object"])
def test_a_task_for_its_name_is_told_of(task):
    with pytest.raises(SettingsError, match=r"Input should be a valid string \(write its name, 'go-nogo'\)"):
        RunSettings(task=task)


def test_train_wants_settings():
    with pytest.raises(TypeError, match=r"settings is dict; it must be a RunSettings, as RunSettings\(\*\*settings\)"):
        train({"network": {"N": 5}})


# ------------------------------------------------------------------------------------------ numbers with an exponent

NUMBERS = ["1e3", "1E3", "+1e+3", "1.0e3", "10e2", ".1e4", 1e3, 1000.0, 1000]


@pytest.mark.parametrize("value", NUMBERS, ids=repr)
def test_a_number_with_an_exponent_is_a_number_wherever_it_is_given(tmp_path, value):
    # YAML 1.1, and with it Snakemake, reads 1e3 as text; YAML 1.2 and people read a number.
    path = tmp_path / "c.yaml"
    path.write_text(
        f"experiment: t\nnetwork: {{N: {value}, gain: {value}}}\n"
        f"grid: {{training.n_trials: [{value}], seed: [{value}]}}"
    )
    (grid_point,) = Experiment.from_yaml(path).grid_points
    net, training = grid_point.settings.network, grid_point.settings.training
    assert (type(net.N), net.N, type(net.gain), net.gain) == (int, 1000, float, 1000.0)
    assert (type(training.n_trials), training.n_trials, grid_point.settings.seed) == (int, 1000, 1000)
    assert grid_point.path.endswith("/training_n_trials~1000")
    assert NetworkSettings(N=value, gain=value) == NetworkSettings(N=1000, gain=1000)
    config = {"training": {"n_trials": str(value)}}
    read_words(config, config)
    assert TrainingSettings(**config["training"]).n_trials == 1000
    assert (
        grid_point.identity(5)
        == RunSettings(network={"N": 1000, "gain": 1000}, training={"n_trials": 1000}, seed=5).identity()
    )


@pytest.mark.parametrize("value", ["1e-3", "1e400", "1e", "e3", "0x1e3", "1e3 ", "nan", "inf", 1e300, 1000.5], ids=repr)
def test_what_is_no_whole_number_is_no_count(value):
    with pytest.raises(SettingsError, match=r"^N = .*: Input should be"):
        NetworkSettings(N=value)


def test_a_name_that_looks_like_a_number_stays_a_name():
    assert Experiment.from_config({"experiment": "1e4", "results": "2e5"}).settings.experiment == "1e4"


# ---------------------------------------------------------------------------------------------- files and --config


@pytest.mark.parametrize("prefix", ["", "\ufeff"], ids=["plain", "BOM"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "windows"])
def test_files_of_other_editors_are_read(tmp_path, prefix, end):
    path = tmp_path / "c.yaml"
    text = prefix + f"experiment: t{end}network:{end}  N: 20{end}"
    for encoding in ("utf-8", *(["utf-16"] if not prefix else [])):
        path.write_bytes(text.encode(encoding))
        assert load_yaml(path) == {"experiment": "t", "network": {"N": 20}}


def test_json_is_read_with_its_tabs_and_keys_twice_are_found(tmp_path):
    path = tmp_path / "c.json"
    path.write_text('{\n\t"experiment": "t",\n\t"network": {"N": 20}\n}')
    assert load_yaml(path)["network"] == {"N": 20}
    path.write_text('{\n"experiment": "t",\n"network": {"N": 20,\n"N": 30}}')
    with pytest.raises(SettingsError, match=r"network.N: it is given twice, in lines 3 and 4"):
        load_yaml(path)


def test_keys_twice_are_found_in_every_file_at_any_depth_without_values(tmp_path):
    (tmp_path / "a.yaml").write_text("x: &x {k: 1}\ny:\n  - {<<: *x, <<: *x, k: 2}\n  - z: {'q': secret, q: secret}\n")
    (tmp_path / "b.yaml").write_text("experiment: t\ntracking: {uri: s1}\nexperiment: t\ntracking: {uri: s2}\n")
    (tmp_path / "c.yaml").write_text("a: &a\n  b: *a\n")
    with pytest.raises(SettingsError) as error:
        check_files([tmp_path / name for name in ("a.yaml", "b.yaml", "c.yaml")])
    assert [line.rpartition("yaml: ")[2] for line in error.value.lines()] == [
        "y.z.q: it is given twice, in lines 4 and 4; give it once",
        "experiment: it is given twice, in lines 1 and 3; give it once",
        "tracking: it is given twice, in lines 2 and 4; give it once",
    ]


COMMANDS = [
    ("training={n_trials: 300}", {"training": {"n_trials": 300}}),
    ("training={n_trials: 300, learning_rate: 1.0e-2, loss_fn: l1}",
     {"training": {"n_trials": 300, "learning_rate": 0.01, "loss_fn": "l1"}}),
    ("network={apply_dale: false, som_N: '0'}", {"network": {"apply_dale": False, "som_N": 0}}),
    ("grid={N: [10,20], seed: 0..9, taus: [[4, 20], 10]}",
     {"grid": {"N": [10, 20], "seed": "0..9", "taus": [[4, 20], 10]}}),
    ("convert=false", {"convert": False}), ("convert=False", {"convert": False}), ("convert=no", {"convert": False}),
    ("training={min_trials: null}", {"training": {"min_trials": None}}),
    ("training={min_trials: ~}", {"training": {"min_trials": None}}), ("task_file=", {"task_file": None}),
    ("seeds_per_job=5", {"seeds_per_job": 5}), ("experiment=trial-1", {"experiment": "trial-1"}),
    ("experiment=2024", {"experiment": "2024"}), ("experiment='2024'", {"experiment": "2024"}),
    ('network={"activation": "softplus"}', {"network": {"activation": "softplus"}}),
    ("task_settings={xor: {delay: 20}}", {"task_settings": {"xor": {"delay": 20}}}),
    ("spiking={stimulation: {units: [0, 7]}}", {"spiking": {"stimulation": {"units": [0, 7]}}}),
]  # fmt: skip


@pytest.mark.parametrize(("argument", "expected"), COMMANDS, ids=[a for a, _ in COMMANDS])
def test_the_command_line_is_read_as_yaml(argument, expected):
    # As Snakemake reads it, and as it hands it on to the processes of its jobs.
    from snakemake.cli import parse_config
    from snakemake.common import dict_to_key_value_args
    from snakemake.utils import update_config

    given = parse_config([argument])
    for words in (given, parse_config(dict_to_key_value_args(given, quote_str=False, repr_obj=True))):
        config = {"experiment": "t", "network": {"N": 20}, "training": {"eval_tr": "5"}}
        update_config(config, words)
        read_words(config, words)
        assert {key: value for key, value in config.items() if key in expected} == {
            key: {**({"N": 20} if key == "network" else {}), **({"eval_tr": "5"} if key == "training" else {}), **value}
            if isinstance(value, dict)
            else value
            for key, value in expected.items()
        }
    # What only a file says stays as it is there.
    with pytest.raises(SettingsError, match="training.eval_tr = '5'"):
        Experiment.from_config(config)


def test_keys_that_stand_twice_on_the_command_line_are_named():
    arguments = [
        "--cores",
        "1",
        "--config",
        "training={eval_tr: 5, n_trials: 3, eval_tr: 6}",
        "network={N: [}",
        "a={b: 1, b: 2}",
    ]
    with pytest.raises(
        SettingsError, match=r"^--config training: eval_tr: it is given twice, in lines 1 and 1; give it once$"
    ):
        check_arguments(arguments, {"training": {"eval_tr": "6", "n_trials": "3"}, "network": "{N: [}"})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            "--config training={eval_tr:5} --cores 1 -C convert=no",
            "--config: it is given twice on the command line; give",
        ),
        ("--configfile a.yaml --configfile b.yaml", "once, as --configfile a.yaml b.yaml"),
        (
            "-C convert=no device=cpu convert=yes",
            "--config convert: it is given twice on the command line; give it once",
        ),
        ("--config=experiment=a experiment=b", "--config experiment: it is given twice"),
        ("--config training={eval_tr:_5} training={eval_tr:_6}", "--config training.eval_tr: it is given twice on the"),
        ("--config experiment=007", "--config experiment: 007 is read as 7; give it a letter"),
    ],
)
def test_what_snakemake_would_lose_of_the_command_line_is_named(arguments, words):
    given = {"training": {}, "convert": "no", "device": "cpu", "experiment": 7 if "007" in arguments else "a"}
    with pytest.raises(SettingsError) as error:
        check_arguments([argument.replace(":_", ": ") for argument in arguments.split()], given)
    assert words in str(error.value)


def test_a_command_line_that_loses_nothing_is_right():
    given = ["training={n_trials: 3}", "training={eval_tr: 4}", "experiment=7", "results=x"]
    others = ["--resources", "device=1", "device=2", "--set-threads", "train=2"]
    arguments = ["--configfile", "a.yaml", "b.yaml", "-c1", "--config", *given, *others]
    check_arguments(arguments, {"training": {}, "experiment": 7, "results": "x", "device": "cpu"})


def test_a_misread_number_on_the_command_line_is_named():
    with pytest.raises(SettingsError, match="--config: 4_20 is read as 420"):
        read_words({"grid": {"taus": ["4_20"]}}, {"grid": {"taus": ["4_20"]}})


def test_the_schema_is_given_what_was_read():
    jsonschema = pytest.importorskip("jsonschema")
    from ratecore.settings.experiment import schema_yaml

    e = Experiment.from_config(
        {"experiment": "t", "training": {"n_trials": "1e3"}, "grid": {"N": [20], "gain": ["1e0"]}}
    )
    assert e.given() == {"experiment": "t", "training": {"n_trials": 1000}, "grid": {"N": [20], "gain": ["1e0"]}}
    jsonschema.Draft202012Validator(yaml.safe_load(schema_yaml())).validate(json.loads(json.dumps(e.given())))


# ----------------------------------------------------------------------------------------------------- ~ and $HOME


@pytest.fixture
def home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("NAME", "x")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("NOWHERE", raising=False)


@pytest.mark.parametrize(("given", "is_"), [
    ("results", "results"), ("~/res", "/home/me/res"), ("~", "/home/me"), ("$HOME/res", "/home/me/res"),
    ("${HOME}/${NAME}_1", "/home/me/x_1"), ("a/~/b", "a/~/b"), ("./~", "./~"), ("a$", "a$"), ("/a b/$NAME", "/a b/x"),
    ("~root/x", "/root/x"),
])  # fmt: skip
def test_home_and_variables_in_paths(home, given, is_):
    assert expanded(given) == is_


@pytest.mark.parametrize(("given", "is_"), [
    ("sqlite:///~/m.db", "sqlite:////home/me/m.db"), ("sqlite:///$HOME/m.db", "sqlite:////home/me/m.db"),
    ("sqlite:////$HOME/m.db", "sqlite:////home/me/m.db"), ("sqlite:////srv/$NAME.db", "sqlite:////srv/x.db"),
    ("sqlite:///$NAME.db", "sqlite:///x.db"), ("sqlite:///m.db", "sqlite:///m.db"), ("sqlite://~/m.db",) * 2,
    ("file:~/runs", "file:/home/me/runs"), ("file://~/runs", "file:///home/me/runs"),
    ("file:///$HOME/runs", "file:///home/me/runs"), ("file:///srv/runs", "file:///srv/runs"),
    ("~/mlruns", "/home/me/mlruns"), ("http://host/~me/$NAME", "http://host/~me/$NAME"),
    ("postgresql://me:pa$NOWHERE@host/x", "postgresql://me:pa$NOWHERE@host/x"), ("databricks", "databricks"),
    (None, None),
])  # fmt: skip
def test_home_and_variables_in_tracking_uris(home, given, is_):
    assert expanded_uri(given) == is_


@pytest.mark.parametrize(
    "config",
    [
        {"results": "$NOWHERE/x"},
        {"results": "${NOWHERE}"},
        {"tracking": {"uri": "sqlite:///$NOWHERE/m.db"}},
        {"task_file": "$NOWHERE/t.py"},
    ],
    ids=str,
)
def test_variables_that_are_not_set_are_named(home, config):
    with pytest.raises(
        SettingsError,
        match=r"^(results|tracking.uri|task_file) = .*: \$NOWHERE must be set in the environment and is not",
    ):
        Experiment.from_config({"experiment": "t", **config})


def test_an_empty_variable_and_an_unknown_user_are_named(home):
    with pytest.raises(ValueError, match=r"\$EMPTY, \$NOWHERE must be set in the environment and are not"):
        expanded("$NOWHERE/$EMPTY")
    with pytest.raises(ValueError, match="~nobody-here stands for no folder here: there is no user nobody-here"):
        expanded("~nobody-here/x")


def test_where_home_is_enters_neither_identity_nor_configuration(monkeypatch, tmp_path):
    task = """from ratecore.tasks import TaskFactory, XORTask
TaskFactory.register_task('mine', type('M', (XORTask,), {}))"""
    config = {"experiment": "t", "results": "~/res", "task": "mine", "task_file": "~/my task.py"}
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "my task.py").write_text(task)
    e = Experiment.from_config(config)
    assert e.root == tmp_path / "res" / "t"
    run = e.grid_points[0].settings
    assert run.task_file == "~/my task.py" and str(tmp_path) not in run.model_dump_json()
    assert config["results"] == "~/res"
    assert run.identity() == RunSettings(task="mine", task_file=str(tmp_path / "my task.py")).identity()


def test_all_mistakes_differ():
    assert len({text for text, _ in MISTAKES}) >= 100
    assert all(a != b for a, b in itertools.pairwise(MISTAKES))
