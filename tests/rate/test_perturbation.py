"""Perturbed rate networks against the float64 reference of docs/model.md, and the invariants of each perturbation."""

import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from network_gradients import network, parameters

import ratecore as rate
from ratecore import NetworkSettings
from ratecore.rate.dynamics import outputs, run, states
from ratecore.rate.evaluation import draw_trials
from ratecore.rate.network import RateNetwork
from ratecore.rate.perturbation import perturbed, types_of
from ratecore.rate.synapses import perturbed_weights, units_of
from ratecore.rate.tuning import mean_rates, tuned_units
from ratecore.settings.perturbation import KINDS, PerturbationSettings, RatePerturbationSettings
from ratecore.settings.training import EvaluationSettings
from ratecore.system.streams import stream
from ratecore.tasks import TaskFactory

T = 14
AREAS = {"areas": {"b": 5, "a": 7}, "P_rec": 0.6}
ROWS = {
    "dale": {},
    "no Dale": {"apply_dale": False},
    "SST": {"som_N": 1},
    "areas": {**AREAS, "som_N": 1},
    "no autapses": {"autapses": False},
    "relu": {"activation": "clipped_relu", "taus": (4.0,)},
}


def trials(net, B, seed=5):
    rng = np.random.default_rng(seed)
    return (
        rng.standard_normal((B, net.w_in.shape[1], T)),
        0.2 * rng.standard_normal((B, net.N)),
        0.1 * rng.standard_normal((B, T - 1, net.N)),
    )


def of_reference(p, drawn, current=None, window=(0, T)):
    """x, r, o of each trial; a current enters as one more input that is 1 in its window."""
    found = []
    for u, x0, noise in zip(*drawn, strict=True):
        if current is not None:
            steps = np.arange(T)
            on = (window[0] <= steps) & (steps < window[1])
            p = p | {"w_in": np.column_stack([p["w_in"][:, : len(u)], current])}
            u = np.vstack([u, on])
        found.append(reference.forward(p, u, x0, noise))
    return [np.array(values) for values in zip(*found, strict=True)]


def assert_same(net, expected, drawn, silent=(), tolerance=1e-10):
    """x, r, o of all engines; units in `silent` have the rate 0, and nobody asks what drives them."""
    x, r, o = expected
    r = r.copy()
    r[:, :, list(silent)] = 0
    kept = np.setdiff1d(np.arange(net.N), silent)
    for engine in (None, "torch", "fused"):
        own_x, own_r, own_o = (
            v.detach().double().numpy() for v in run(net, drawn[0], x0=drawn[1], noise=drawn[2], engine=engine)
        )
        np.testing.assert_allclose(own_x[:, :, kept], x[:, :, kept], rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(own_r, r, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(own_o, o, rtol=tolerance, atol=10 * tolerance)
    drawn = [torch.from_numpy(array).to(net.w.dtype) for array in drawn]
    own_x, own_r, own_o = (v.double().numpy() for v in states(net, *drawn))
    np.testing.assert_allclose(own_x[:, :, kept], x[:, :, kept], rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(own_r, r, rtol=tolerance, atol=tolerance)
    np.testing.assert_array_equal(own_o, outputs(net, *drawn).double().numpy())
    np.testing.assert_allclose(outputs(net, *drawn).double().numpy()[:, 1:], o, rtol=tolerance, atol=10 * tolerance)


# ------------------------------------------------------------------------------------------------------- lesions


@pytest.mark.parametrize("B", [1, 9])
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_lesioned_network_is_the_smaller_network_of_the_units_that_are_left(row, B):
    net, gone = network(row, torch.float64), [1, 4, 9]
    kept = np.setdiff1d(np.arange(net.N), gone)
    lesioned, drawn, p = perturbed(net, {"lesion_units": gone}), trials(net, B), parameters(net)
    for name in {"w", "m", "som_m", "conn_m"} & p.keys():
        p[name] = p[name][np.ix_(kept, kept)]
    p |= {"w_in": p["w_in"][kept], "w_out": p["w_out"][:, kept], "taus_gaus": p["taus_gaus"][kept]}
    x, r, o = of_reference(p, (drawn[0], drawn[1][:, kept], drawn[2][:, :, kept]))
    all_x, all_r = np.zeros((B, T, net.N)), np.zeros((B, T, net.N))
    all_x[:, :, kept], all_r[:, :, kept] = x, r
    assert_same(lesioned, (all_x, all_r, o), drawn, gone)
    assert not lesioned.live_synapses()[gone].any() and not lesioned.live_synapses()[:, gone].any()


def test_larger_lesions_remove_supersets_and_other_seeds_other_units():
    net = network({"N": 60}, torch.float32)
    gone = [
        set(np.flatnonzero(silent)) if (silent := perturbed(net, lesion(fraction), 3).silent) is not None else set()
        for fraction in (0, 0.25, 0.5, 1)
    ]
    exc = set(np.flatnonzero(net.exc.numpy()))
    assert [len(units) for units in gone] == [round(f * len(exc)) for f in (0, 0.25, 0.5, 1)]
    assert gone[1] < gone[2] < gone[3] == exc
    assert gone[2] != set(np.flatnonzero(perturbed(net, lesion(0.5), 4).silent))
    for seed in range(3):  # the same choice every time
        np.testing.assert_array_equal(
            perturbed(net, lesion(0.5), seed).silent, perturbed(net, lesion(0.5), seed).silent
        )


def lesion(fraction):
    return {"lesion_units": "exc", "lesion_fraction": fraction}


def test_a_list_can_be_lesioned_in_its_order():
    net = network({}, torch.float32)
    settings = {"lesion_units": [7, 2, 10, 3], "lesion_fraction": 0.5, "lesion_order": "listed"}
    assert np.flatnonzero(perturbed(net, settings).silent).tolist() == [2, 7]
    named = {**settings, "lesion_units": "best"}
    assert np.flatnonzero(perturbed(net, named, unit_sets={"best": np.array([10, 3, 1, 0])}).silent).tolist() == [3, 10]


def test_lesions_of_a_lesioned_network_add_up():
    net = network({}, torch.float64)
    twice, drawn = perturbed(perturbed(net, {"lesion_units": [1]}), {"lesion_units": [5]}), trials(net, 2)
    once = perturbed(net, {"lesion_units": [1, 5]})
    for a, b in zip(
        run(twice, drawn[0], x0=drawn[1], noise=drawn[2]), run(once, drawn[0], x0=drawn[1], noise=drawn[2]), strict=True
    ):
        assert torch.equal(a, b)


# ------------------------------------------------------------------------------------------------------ synapses


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_synapses_are_scaled_by_their_types(row):
    net = network(row, torch.float64)
    factors = {"E-E": 0.5, "I-E": 1.5, "E-I": 0.0} if row.get("apply_dale", True) else {"all": 0.7, "E-E": 2}
    p, kinds = parameters(net), ["EI"[int(inhibitory)] for inhibitory in net.inh]
    p["w"] = p["w"].copy()
    for key, factor in factors.items():
        for i in range(net.N):
            for j in range(net.N):
                if key == "all" or key == f"{kinds[j]}-{kinds[i]}":
                    p["w"][i, j] *= factor
    drawn = trials(net, 3)
    assert_same(perturbed(net, {"scale_synapses": factors}), of_reference(p, drawn), drawn)


def test_synapses_are_scaled_between_areas_and_sets():
    net = network({**AREAS, "long_range": "all"}, torch.float64)
    W, sets = net.effective_weights().detach().numpy(), {"left": np.array([0, 6])}
    a = np.arange(5, 12)  # the second area
    inh = np.flatnonzero(net.inh.numpy())
    for key, rows, columns in (("a->b", range(5), a), ("left->a.inh", np.intersect1d(a, inh), [0, 6])):
        expected = W.copy()
        expected[np.ix_(rows, columns)] *= 3
        own = perturbed(net, {"scale_synapses": {key: 3}}, unit_sets=sets).effective_weights().detach().numpy()
        np.testing.assert_allclose(own, expected, rtol=1e-12)
        assert (expected != W).any()


@pytest.mark.parametrize("keeps", ["graph", "in_degree", "out_degree", "number"])
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("which", ["all", "E-E", "E-I"])
def test_a_shuffle_keeps_weights_signs_numbers_and_degrees(keeps, row, which):
    net = network({"N": 40, **row, **({"areas": {"b": 20, "a": 20}} if "areas" in row else {})}, torch.float64)
    shuffled = perturbed(net, {"shuffle_synapses": which, "shuffle_keeps": keeps}, 2)
    W, S = (n.effective_weights().detach().numpy() for n in (net, shuffled))
    inh = net.inh.numpy()
    chosen = np.zeros(W.shape, bool)
    for key, (sender, receiver) in KINDS.items():
        block = np.ix_({"exc": ~inh, "inh": inh}[receiver], {"exc": ~inh, "inh": inh}[sender])
        np.testing.assert_array_equal(np.sort(W[block], None), np.sort(S[block], None))
        if which in ("all", key):
            chosen[block] = True
            for axis, degree in ((1, "in_degree"), (0, "out_degree")):
                if keeps in ("graph", degree):
                    np.testing.assert_array_equal((W[block] != 0).sum(axis), (S[block] != 0).sum(axis))
                if keeps == degree:  # the weights themselves stay with the unit
                    np.testing.assert_array_equal(np.sort(W[block], axis), np.sort(S[block], axis))
    np.testing.assert_array_equal(W[~chosen], S[~chosen])
    assert (W != S).any() or not (W[chosen] != 0).any()
    if keeps == "graph":
        np.testing.assert_array_equal(W != 0, S != 0)
    assert not (S != 0)[net.connection_signs(True).numpy() == 0].any()  # where there can be no connection
    if row.get("apply_dale", True):
        assert (S[:, inh] <= 0).all() and (S[:, ~inh] >= 0).all()


def test_a_shuffle_has_no_preferred_place():
    W, types = np.diag(np.arange(1.0, 7)), types_of(network({"N": 6, "P_inh": 0}, torch.float64))
    settings = PerturbationSettings(shuffle_synapses="all", shuffle_keeps="number")
    landed = np.zeros(W.shape)
    for seed in range(2000):
        landed += perturbed_weights(W, np.ones_like(W, bool), types, settings, seed) == 3
    # The weight 3 falls on each of 36 places with the same probability: chi2 with 35 degrees of freedom, p > 0.001.
    assert ((landed - 2000 / 36) ** 2 / (2000 / 36)).sum() < 66.6


def test_noise_of_weights_multiplies_them_and_changes_no_sign():
    net = network({"N": 150, "P_rec": 1}, torch.float64)
    W = net.effective_weights().detach().numpy()
    ratio = {
        sd: perturbed(net, {"weight_noise": sd}, 1).effective_weights().detach().numpy() / W for sd in (0.1, 0.2, 2)
    }
    count = W.size
    assert abs(ratio[0.1].mean() - 1) < 5 * 0.1 / np.sqrt(count) and abs(ratio[0.1].std() / 0.1 - 1) < 5 / np.sqrt(
        2 * count
    )
    np.testing.assert_allclose(ratio[0.2] - 1, 2 * (ratio[0.1] - 1), atol=1e-9)  # the same draws
    assert ratio[2].min() == 0  # at most silent
    # A normal factor 1 + 2 xi is below 0 with probability Phi(-1/2) = 0.3085.
    assert abs((ratio[2] == 0).mean() - 0.3085) < 5 * np.sqrt(0.3085 * 0.6915 / count)


# -------------------------------------------------------------------------------------- inputs, currents, noise


@pytest.mark.parametrize("units", ["exc", "inh", "a.exc", [0, 3]], ids=str)
def test_inputs_reach_the_chosen_units_alone(units):
    net = network(AREAS, torch.float64)
    chosen = {"exc": net.exc.numpy(), "inh": net.inh.numpy(), "a.exc": net.exc.numpy() & (np.arange(12) >= 5)}
    mask = np.isin(np.arange(12), units) if isinstance(units, list) else chosen[units]
    drawn, p = trials(net, 2), parameters(net)
    p["w_in"] = np.where(mask[:, None], p["w_in"], 0)
    assert_same(perturbed(net, {"inputs_to": units}), of_reference(p, drawn), drawn)


@pytest.mark.parametrize("B", [1, 9])
@pytest.mark.parametrize("window", [None, (10, 30), (25, 500)], ids=str)
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_current_is_one_more_input(row, window, B):
    net, drawn = network(row, torch.float64), trials(network(row, torch.float64), B)
    current = np.where(net.exc.numpy(), -1.3, 0)
    settings = {"stimulation_units": "exc", "stimulation_current": -1.3, "stimulation_window": window}
    steps = (0, T) if window is None else (window[0] // 5, window[1] // 5)
    assert_same(perturbed(net, settings), of_reference(parameters(net), drawn, current, steps), drawn)


def test_gradients_go_through_a_current():
    net = network({}, torch.float64)
    drawn, stimulated = trials(net, 2), perturbed(net, {"stimulation_current": 0.4})

    def value(shift):
        with torch.no_grad():
            stimulated.taus_gaus[3] += shift
        o = run(stimulated, drawn[0], x0=drawn[1], noise=drawn[2])[2].square().sum()
        with torch.no_grad():
            stimulated.taus_gaus[3] -= shift
        return o

    value(0).backward()
    difference = (value(1e-6) - value(-1e-6)).item() / 2e-6
    assert abs(stimulated.taus_gaus.grad[3].item() - difference) < 1e-6 * abs(difference)


def test_the_noise_of_chosen_units_has_another_sd_and_all_else_is_the_same():
    task = TaskFactory.create_task("go-nogo", {"T": 60, "stim_on": 5, "stim_dur": 5})
    for noise_sd in (0.1, 0.0):
        net = RateNetwork(NetworkSettings(N=30, noise_sd=noise_sd), 1, 0)
        noisy = perturbed(net, {"noise_sd": 0.5, "noise_units": [2, 3]})
        before, after = (draw_trials(task, n, [stream(1, "evaluation", k) for k in range(40)]) for n in (net, noisy))
        others = np.setdiff1d(np.arange(30), [2, 3])
        assert torch.equal(before[0].u, after[0].u) and torch.equal(before[1], after[1])
        assert torch.equal(before[2][:, :, others], after[2][:, :, others])
        own = after[2][:, :, [2, 3]].numpy()
        assert abs(own.std() / 0.5 - 1) < 5 / np.sqrt(2 * own.size) and abs(own.mean()) < 5 * 0.5 / np.sqrt(own.size)
        if noise_sd:
            np.testing.assert_allclose(own, 5 * before[2][:, :, [2, 3]].numpy(), rtol=1e-6)
        u = np.zeros((3, 1, 50))
        x = run(noisy, u, rng=0)[0].detach().numpy() - run(net, u, rng=0)[0].detach().numpy()
        assert np.abs(x[:, 1, 2:4]).max() > 0 == np.abs(x[:, 1, others]).max()  # x0 and others' noise are the same


# -------------------------------------------------------------------------------------------------- combinations

NAMES = st.sampled_from(["all", "exc", "inh", "left"])
UNITS = NAMES | st.lists(st.integers(0, 11), max_size=5, unique=True)
SYNAPSES = st.sampled_from(["all", *KINDS, "exc->left", "left->inh"])
PERTURBATIONS = st.fixed_dictionaries(
    {},
    optional={
        "lesion_units": UNITS,
        "scale_synapses": st.dictionaries(SYNAPSES, st.floats(0, 2), max_size=3),
        "shuffle_synapses": st.lists(SYNAPSES, max_size=2),
        "shuffle_keeps": st.sampled_from(["graph", "in_degree", "out_degree", "number"]),
        "weight_noise": st.floats(0, 1),
        "inputs_to": UNITS,
        "stimulation_units": UNITS,
        "stimulation_current": st.floats(-2, 2),
        "stimulation_window": st.sampled_from([None, (10, 40)]),
    },
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(given=PERTURBATIONS, row=st.sampled_from(list(ROWS.values())), seed=st.integers(0, 5), B=st.sampled_from([1, 9]))
def test_any_combination_is_the_reference_with_the_changed_arrays(given, row, seed, B):
    net, left = network(row, torch.float64), np.array([9, 0, 4])
    before, sets = {k: v.clone() for k, v in net.state_dict().items() if torch.is_tensor(v)}, {"left": left}
    changed = perturbed(net, given, seed, sets)
    assert all(torch.equal(net.state_dict()[name], value) for name, value in before.items())
    if RatePerturbationSettings(**given).changes_nothing:
        assert changed is net
    types = types_of(net)
    gone = units_of(given["lesion_units"], types, sets) if "lesion_units" in given else []
    stimulated = np.isin(np.arange(12), units_of(given.get("stimulation_units", "all"), types, sets))
    current = np.where(stimulated, given.get("stimulation_current", 0), 0)
    window = (2, 8) if given.get("stimulation_window") else (0, T)
    drawn = trials(net, B, seed)
    assert_same(changed, of_reference(parameters(changed), drawn, current, window), drawn, gone)
    single = perturbed(network(row, torch.float32), given, seed, sets)
    for name, value in changed.state_dict().items():
        if torch.is_tensor(value):
            np.testing.assert_allclose(single.state_dict()[name].double(), value.double(), rtol=1e-4, atol=1e-6)


# --------------------------------------------------------------------------------------------------------- tuning


def tuned_network():
    """Without recurrent weights and noise, a unit's rate in go trials grows with its input weight, from 0.5."""
    net = RateNetwork(NetworkSettings(N=12, P_rec=0, noise_sd=0, x0_sd=0, taus=(4.0,)), 1, 0, dtype=torch.float64)
    weights = np.array([0.5, -3, 1, 2, -0.1, 0.2, -0.3, 4, -2.5, 0.7, -0.6, 0.05])
    with torch.no_grad():
        net.w_in.copy_(torch.from_numpy(weights)[:, None])
    return net, weights


TASK = {"T": 40, "stim_on": 10, "stim_dur": 10}


@pytest.mark.parametrize("window", [None, (50, 100)], ids=str)
def test_units_are_found_by_their_tuning(window):
    net, weights = tuned_network()
    task = TaskFactory.create_task("go-nogo", TASK)
    base = {"condition_a": "go", "condition_b": "nogo", "n_trials": 30, "window": window}
    for prefers, size in (("either", np.abs(weights)), ("a", weights), ("b", -weights)):
        order = np.argsort(-size)
        found = tuned_units(net, task, {**base, "top": 0.25, "prefers": prefers}, 1).tolist()
        assert found == order[:3].tolist()
        everything = tuned_units(net, task, {**base, "top": 1.0, "prefers": prefers}, 1).tolist()
        assert everything == [k for k in order.tolist() if prefers == "either" or size[k] > 0]
    inh = net.inh.numpy()
    among = tuned_units(net, task, {**base, "top": 0.01, "among": "inh"}, 1).tolist()
    assert among == [max(np.flatnonzero(inh), key=lambda k: abs(weights[k]))]  # at least one
    swapped = tuned_units(
        net, task, {**base, "condition_a": "nogo", "condition_b": "go", "prefers": "b", "top": 0.25}, 1
    )
    assert swapped.tolist() == np.argsort(-weights)[:3].tolist()


def test_mean_rates_are_those_of_the_equations():
    net, weights = tuned_network()
    rates, conditions = mean_rates(net, TaskFactory.create_task("go-nogo", TASK), 1, 20, (50, 100))
    # x[t] after t - 10 steps of the stimulus, which begins with u[10]: w (1 - (3/4)^(t - 10)); steps 10 .. 19
    x = weights[:, None] * (1 - 0.75 ** np.arange(10))
    for row, condition in zip(rates, conditions, strict=True):
        expected = (1 / (1 + np.exp(-x))).mean(1) if condition == "go" else np.full(12, 0.5)
        np.testing.assert_allclose(row, expected, rtol=1e-10)


def test_d_prime_divides_by_variability():
    net, _ = tuned_network()
    noise = np.ones(12)
    noise[7] = 100  # the unit with the largest weight is the noisiest
    noisy = perturbed(net, {"noise_sd": 0.05})
    noisy.noise_sds = 0.05 * noise
    task, base = TaskFactory.create_task("go-nogo", TASK), {"condition_a": "go", "condition_b": "nogo", "top": 0.1}
    assert tuned_units(noisy, task, {**base, "window": (80, 100), "measure": "d_prime"}, 0).tolist() == [1]


def test_the_tuning_of_a_run_is_always_the_same():
    net = RateNetwork(NetworkSettings(N=40), 1, 0)
    task = TaskFactory.create_task("go-nogo", TASK)
    found = [tuned_units(net, task, {"condition_a": "go", "condition_b": "nogo"}, seed).tolist() for seed in (1, 1, 2)]
    assert found[0] == found[1] and len(found[0]) == 4


# -------------------------------------------------------------------------------------------------------- sweeps


def test_a_sweep_scores_all_variants_on_the_trials_of_the_evaluation():
    net, task = RateNetwork(NetworkSettings(N=30), 1, 0), TaskFactory.create_task("go-nogo", TASK)
    variants = [{}, lesion(0.5), lesion(1.0), {"noise_sd": 1.0}]
    rows = rate.perturbation_sweep(net, task, variants, 60, seed=3)
    for variant, row in zip(variants, rows, strict=True):
        of_evaluation = EvaluationSettings(n_trials=60, psychometric_trials=0)
        scores = rate.evaluate(task, perturbed(net, variant, 3), 3, of_evaluation).scores
        assert (row["accuracy"], row["loss"], row["n"]) == (scores.accuracy, scores.losses.mean(), 60)
        assert row["ci_low"] <= row["accuracy"] <= row["ci_high"]
        fraction = variant.get("lesion_fraction", 1)
        assert (row["lesion_units"], row["lesion_fraction"]) == (variant.get("lesion_units"), fraction)
    assert len({row["loss"] for row in rows}) == 4


# --------------------------------------------------------------------------------------------------- wrong inputs


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lesion_units": "pv"}, "'pv' is no group of units; allowed: all, exc, inh, som, left"),
        ({"lesion_units": "lfet"}, "'lfet' is no group of units .did you mean 'left'"),
        ({"lesion_units": [12]}, "units = .12.: they must be indices from 0 to 11"),
        ({"lesion_units": [-1]}, "lesion_units = .-1.: it must be a list of indices >= 0"),
        ({"lesion_units": 3}, "lesion_units = 3: it must be a list of indices >= 0"),
        ({"lesion_units": ["exc", 3]}, "lesion_units = .*it must be a list of indices"),
        ({"lesion_units": "exc", "lesion_fraction": 1.5}, "lesion_fraction = 1.5"),
        ({"lesion_fraction": 0.5}, "lesion_fraction = 0.5: it needs lesion_units"),
        ({"lesion_order": "first"}, "lesion_order = 'first': .*'random' or 'listed'"),
        (
            {"scale_synapses": {"E-X": 1}},
            "scale_synapses = .*'E-X' names no synapses; allowed: all, E-E, E-I, I-E, I-I",
        ),
        ({"scale_synapses": {"E-E": -1}}, "scale_synapses.E-E = -1"),
        ({"scale_synapses": {"pv->exc": 1}}, "'pv' is no group of units"),
        ({"shuffle_synapses": "EE"}, "'EE' names no synapses"),
        ({"shuffle_keeps": "degree"}, "shuffle_keeps = 'degree'"),
        ({"weight_noise": -0.1}, "weight_noise = -0.1"),
        ({"stimulation_window": [50, 20]}, "stimulation_window = .*a start >= 0 and a later end"),
        ({"stimulation_window": [0, 2]}, "stimulation_window = .*at least a step of 5 ms"),
        ({"stimulation_current": "strong"}, "stimulation_current = 'strong'"),
        ({"noise_sd": -1}, "noise_sd = -1"),
        ({"lesion": "exc"}, "unknown setting 'lesion'"),
        ({"inputs_to": "left.pv"}, "inputs_to = 'left.pv': it must be"),
    ],
    ids=str,
)
def test_wrong_perturbations(given, message):
    with pytest.raises(ValueError, match=message):
        perturbed(network({}, torch.float32), given, unit_sets={"left": np.array([0, 1])})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"condition_a": "Go"}, "condition 'Go' is that of none of 20 trials .did you mean 'go'.*they have go, nogo"),
        ({"condition_a": "nogo"}, "condition_b = 'nogo': it must be another"),
        ({"top": 0}, "top = 0"),
        ({"window": [5, 1]}, "window = "),
        ({"window": [900, 1000]}, "all of its trials end before the window"),
        ({"among": "som"}, "among = 'som': the network has no such unit"),
        ({"among": "area"}, "'area' is no group"),
        ({"n_trials": 1}, "n_trials = 1"),
        ({"prefers": "go"}, "prefers = 'go'"),
    ],
    ids=str,
)
def test_wrong_tuning(given, message):
    net, task = RateNetwork(NetworkSettings(N=12), 1, 0), TaskFactory.create_task("go-nogo", TASK)
    with pytest.raises(ValueError, match=message):
        tuned_units(net, task, {"condition_a": "go", "condition_b": "nogo", "n_trials": 20, **given})


def test_a_set_outside_the_network_is_named():
    with pytest.raises(ValueError, match="the set 'left' has units outside the network, whose indices are 0 to 11"):
        perturbed(network({}, torch.float32), {"lesion_units": "left"}, unit_sets={"left": np.array([12])})
