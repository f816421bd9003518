"""Files of the existing packages and their forks are read, or refused with a clear error, by all readers alike."""

import re
import shutil

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from test_matlab import UNNEEDED, file_of, opaque, writing

from ratecore.formats import FormatError, load_mat, load_network
from ratecore.spiking import (
    LIF_network_fnc,
    evaluate_task,
    lambda_grid_search,
    load_model_and_scaling_factor,
    rate_model,
)

N = 12
TASK = {"T": 45, "stim_on": 5, "stim_dur": 10}


def network(N=N, n_in=1, seed=0) -> dict:
    """The variables of a small network as the published code saves them."""
    rng = np.random.default_rng(seed)
    inh = np.arange(N) % 4 == 0
    w, taus_gaus = np.abs(rng.normal(size=(N, N))) * (rng.random((N, N)) < 0.3), rng.normal(size=(N, 1))
    return {
        "x0": np.zeros((45, N, 1), "f4"),
        "w0": w[::-1].copy(),
        "taus_gaus0": taus_gaus + 1,
        "u": np.zeros((n_in, 45)),
        "w": w,
        "w_in": rng.normal(size=(N, n_in)),
        "w_in0": rng.normal(size=(N, n_in)),
        "o": np.zeros(44),
        "w_out": rng.normal(size=(1, N)) / N,
        "b_out": np.full((1, 1), 0.1),
        "taus_gaus": taus_gaus,
        "taus": [4.0, 20.0],
        "m": np.diag(np.where(inh, -1.0, 1.0)),
        "som_m": np.ones((N, N)),
        "N": N,
        "som_N": 0,
        "tr": 9,
        "inh": inh[:, None].astype("u1"),
        "exc": ~inh[:, None],
        "activation": "sigmoid",
        "losses": np.zeros(10),
    }


FULL = network()
INH = FULL["inh"][:, 0] == 1
SIGNS = np.where(INH, -1.0, 1.0)
FULL_SIGNS = np.tile(SIGNS, (N, 1))  # of each column


def variant(**changes) -> dict:
    return {key: value for key, value in {**FULL, **changes}.items() if value is not None}


def without(*keys) -> dict:
    return variant(**dict.fromkeys(keys))


NEGATIVE = np.where(np.arange(N * N).reshape(N, N) % 5 == 0, -FULL["w"], FULL["w"])
# Content, what is said of it (None: nothing), and what of the network's own variables is another then.
READ = {
    "plain": (FULL, None, {}),
    "no_activation": (without("activation"), "it has no activation: sigmoid is assumed", {}),
    "no_b_out": (without("b_out"), "it has no b_out: 0 is assumed", {"b_out": 0.0}),
    "no_som_N": (without("som_N"), None, {}),
    "no_som_m": (without("som_m"), "it has no som_m: no SST units", {}),
    "no_exc": (without("exc"), None, {}),
    "no_inh": (without("inh"), None, {}),
    "no_inh_no_exc": (without("inh", "exc"), None, {}),
    "no_m": (without("m"), "it has no m: the signs are those of inh and exc", {}),
    "no_N_no_example": (without("N", "x0", "o", "losses", "tr"), None, {}),
    "row_vectors": (variant(inh=INH[None], exc=~INH[None], taus_gaus=FULL["taus_gaus"].T), None, {}),
    "inh_row_only": (variant(inh=INH[None].astype("u1")), None, {}),
    "taus_gaus_row": (variant(taus_gaus=FULL["taus_gaus"].T, taus_gaus0=FULL["taus_gaus0"].T), None, {}),
    "one_tau": (variant(taus=[10.0]), None, {"taus": [10.0]}),
    "tau_scalar": (variant(taus=10.0), None, {"taus": [10.0]}),
    "one_tau_no_taus_gaus": (variant(taus=10, taus_gaus=None, taus_gaus0=None), None, {"taus": [10.0]}),
    "taus_uint8": (variant(taus=np.array([4, 20], "u1")), None, {}),
    "taus_int8_column": (variant(taus=np.array([[4], [20]], "i1")), None, {}),
    "taus_in_ms": (
        variant(taus=[20, 100]),
        "taus = 20 100 are in steps of 5 ms: 100 to 500 ms",
        {"taus": [20.0, 100.0]},
    ),
    "w_out_column": (variant(w_out=FULL["w_out"].T), None, {}),
    "w_in_row": (variant(w_in=FULL["w_in"].T), None, {}),
    "m_columns": (variant(m=FULL_SIGNS), "m of full signs is taken as their diagonal", {}),
    "m_vector": (variant(m=SIGNS), None, {}),
    "neg_w": (variant(w=NEGATIVE), f"{(NEGATIVE < 0).sum()} negative entries of w are silenced", {"w": NEGATIVE}),
    "act_upper": (variant(activation="Sigmoid"), None, {}),
    "act_in_a_cell": (variant(activation=np.array(["sigmoid"], object)), None, {}),
    "act_in_a_column": (variant(activation=np.array([[c] for c in "sigmoid"])), None, {}),
    "sparse_in_a_structure": ({"net": variant(w=scipy.sparse.csc_matrix(FULL["w"]))}, "in the structure net", {}),
    "act_with_spaces": (variant(activation="sigmoid  "), None, {}),
    "dale_off": (
        variant(inh=np.zeros(N), exc=np.ones(N), m=np.eye(N), w=FULL["w"] * SIGNS),
        "no unit is inhibitory: taken as a network without Dale's law",
        {},
    ),
    "struct_extra": (variant(params={"a": 1, "b": "x", "c": {"d": 2}}), None, {}),
    "cell_labels": (variant(eval_labels=np.array(["same", "diff"], object)), None, {}),
    "word_labels": (variant(eval_labels=["same", "diff"]), None, {}),
    "sparse_w": (variant(w=scipy.sparse.csc_matrix(FULL["w"]), w0=scipy.sparse.csc_matrix(FULL["w0"])), None, {}),
    "sparse_m": (
        variant(m=scipy.sparse.csc_matrix(FULL["m"]), som_m=scipy.sparse.csc_matrix(np.ones((N, N)))),
        None,
        {},
    ),
    "logical": (variant(inh=INH[:, None], exc=~INH[:, None], som_m=np.ones((N, N), bool)), None, {}),
    "single": ({k: np.asarray(v, "f4") if np.asarray(v).dtype == float else v for k, v in FULL.items()}, None, {}),
    "int_m": (variant(m=FULL["m"].astype("i1"), som_m=np.ones((N, N), "i8")), None, {}),
    "complex_without_imaginary": (variant(w=FULL["w"] + 0j), None, {}),
    "done_before": (
        variant(opt_scaling_factor=30.0, all_perfs=np.zeros(12), scaling_factors=np.arange(20, 76, 5)),
        None,
        {},
    ),
    "opt_nan": (variant(opt_scaling_factor=np.nan), None, {}),
    "opt_empty": (variant(opt_scaling_factor=np.zeros((0, 0))), None, {}),
    "nested": ({"net": FULL}, "its network is in the structure net", {}),
    "nested_with_more": (
        {"net": {**FULL, "history": {"a": 1}, "name": "x"}, "info": {"w": 1}, "v": 3},
        "structure net",
        {},
    ),
    "w0_of_another_shape": (variant(w0=np.ones((3, 3))), r"w0 has shape \(3, 3\); it must be \(12, 12\): left out", {}),
    "som_N_of_another_count": (variant(som_N=2), "som_N = 2, but som_m has 0 SST units: som_m counts", {}),
    "som_N_empty": (variant(som_N=np.zeros((0, 0))), "som_N is empty: left out", {}),
    "som_N_of_each_unit": (variant(som_N=[1, 2]), r"som_N has shape \(1, 2\); it must be one number: left out", {}),
    "dale_in_words": (variant(apply_dale="True"), None, {}),
    "gain_of_each_unit": (variant(gain=[1.5, 2.0]), r"gain has shape \(1, 2\); it must be one number: left out", {}),
    "w_dist_of_others": (variant(w_dist="lognormal"), "w_dist = 'lognormal'.*: left out", {}),
    "P_rec_in_percent": (variant(P_rec=20.0, P_inh=0.2), "P_rec = 20.0.*: left out", {}),
    "N_in_words": (variant(N="twelve"), "N is not numeric: left out", {}),
    "port": (
        variant(x=np.zeros((N, 1)), r=np.zeros((N, 1)), x0=np.zeros((N, 1))),
        "a file of the PyTorch port: its taus_gaus are the last random draw and were never trained",
        {},
    ),
    "port_one_tau": (variant(x=np.zeros((N, 1)), taus=[10.0]), None, {"taus": [10.0]}),
}

REFUSED = {
    "no_taus": (without("taus"), "it has no taus"),
    "no_taus_gaus": (without("taus_gaus"), r"it has no taus_gaus, which a network with taus = \[4.0, 20.0\] needs"),
    "no_w_in": (without("w_in"), "it has no w_in"),
    "no_types": (without("m", "inh", "exc"), r"it has no m, inh or exc: the types .* are not known\. Add inh \(N, 1\)"),
    "b_out_of_another_number": (
        variant(w_out=np.ones((2, N)), b_out=np.zeros(3)),
        r"b_out has shape \(1, 3\); it must be \(2, 1\)",
    ),
    "w_out_of_other_units": (variant(w_out=np.ones((2, 7))), r"w_out has shape \(2, 7\); it must be \(n_out, 12\)"),
    "m_rows": (variant(m=FULL_SIGNS.T), "m is not a diagonal of .* it signs rows"),
    "m_other": (variant(m=np.eye(N) * 2), "m is not a diagonal"),
    "nan_w": (variant(w=np.where(FULL["w"] > 1, np.nan, FULL["w"])), "w holds NaN or infinity"),
    "empty_w": (variant(w=np.zeros((0, 0))), "w is empty"),
    "complex_w": (variant(w=FULL["w"] + 1j), "w is complex; it must be real"),
    "flat_w": (variant(w=FULL["w"][:, :7]), r"w has shape \(12, 7\); it must be \(N, N\)"),
    "cell_w": (variant(w=np.array([FULL["w"], 1], object)), "w is a cell array"),
    "struct_w": (variant(w={"a": FULL["w"]}), "w is a structure"),
    "text_w": (variant(w="weights"), "w is not numeric"),
    "tanh": (variant(activation="tanh"), "activation = 'tanh'"),
    "relu": (variant(activation="relu"), "activation = 'relu'"),
    "activation_of_two_rows": (variant(activation=["sigmoid", "softplus"]), "activation is of shape .*must be a word"),
    "activation_as_number": (variant(activation=1), "activation is .*it must be a word"),
    "som_m_of_signs": (variant(som_m=-np.ones((N, N))), "som_m holds -1; it must be 0 or 1 for each connection"),
    "som_m_fraction": (variant(som_m=np.full((N, N), 0.5)), "som_m holds 0.5; it must be 0 or 1"),
    "dale_in_other_words": (variant(apply_dale="maybe"), "apply_dale = 'maybe'; it must be 0 or 1, or true or false"),
    "inh_fraction": (variant(inh=INH * 0.5), "inh holds 0.5; it must be 0 or 1"),
    "inh_and_m": (variant(inh=~INH, exc=INH), r"m and inh contradict each other: unit 1 is excitatory .* \(12 of 12"),
    "exc_and_m": (variant(inh=None, exc=np.ones(N)), r"m and exc contradict each other: unit 1 .* \(3 of 12"),
    "exc_and_inh": (variant(exc=np.ones(N)), "exc and inh: each unit must be one of them; unit 1 is both"),
    "inh_as_indices": (variant(inh=np.flatnonzero(INH)), r"inh has shape \(1, 3\); it must be \(12, 1\)"),
    "N_and_w": (variant(N=13), r"N = 13, but w has shape \(12, 12\)"),
    "three_taus": (variant(taus=[4, 10, 20]), "taus = .*a minimum and a maximum"),
    "taus_falling": (variant(taus=[20, 4]), "the minimum must be below the maximum"),
    "multi_layer": (
        {"w11": FULL["w"], "w22": FULL["w"], "m1": FULL["m"], "taus": [4.0, 20.0]},
        "it has no w, w_in, w_out",
    ),
    "two_networks": ({"first": FULL, "second": FULL}, "it has no w, and 2 structures that have one: first, second"),
    "nested_object": ({"net": variant(w={"a": 1})}, "w is a structure"),
}


def saved(tmp_path, content, **how):
    path = tmp_path / "network.mat"
    scipy.io.savemat(path, content, **how)
    return path


def check(path, changed):
    """Compares the network in a file, as each reader has it, with one that numpy works out from the variables."""
    truth = {**FULL, **changed}
    dale = "dale_off" not in path.parts
    W = np.maximum(truth["w"], 0) * SIGNS if dale else truth["w"] * SIGNS
    low, high = truth["taus"][0], truth["taus"][-1]
    tau = low + (high - low) / (1 + np.exp(-FULL["taus_gaus"][:, 0]))
    net, model = load_network(path), rate_model(path)
    np.testing.assert_allclose(net.effective_weights().detach(), W, rtol=1e-6)
    np.testing.assert_allclose(model.W, W, rtol=1e-6)
    np.testing.assert_allclose(net.time_constants().detach(), tau, rtol=1e-6)
    np.testing.assert_allclose(model.tau, 5 * tau, rtol=1e-6)
    for name in ("w_in", "w_out"):
        np.testing.assert_allclose(getattr(net, name).detach(), FULL[name], rtol=1e-6)
        np.testing.assert_allclose(getattr(model, name), FULL[name].reshape(getattr(model, name).shape), rtol=1e-6)
    assert net.b_out.item() == pytest.approx(np.ravel(truth["b_out"])[0]) == pytest.approx(model.b_out[0])
    assert net.activation == model.activation == "sigmoid" and net.som_N == 0
    assert net.apply_dale == dale and (net.inh.numpy() == (INH & dale)).all() and (model.inh == (INH & dale)).all()


@pytest.mark.parametrize("name", READ)
def test_variants_are_one_network_to_every_reader(tmp_path, capsys, name):
    content, said, changed = READ[name]
    if name == "dale_off":
        content, tmp_path = {**content, "w": FULL["w"] * SIGNS}, tmp_path / name
        tmp_path.mkdir()
    path = saved(tmp_path, content)
    check(path, changed)
    err = capsys.readouterr().err
    assert len(err.splitlines()) == (said is not None), err
    if said is not None:
        assert err.startswith(f"note: {path}: ")
        assert re.search(said, err), err
    lambda_grid_search(path, "go-nogo", 1, [20, 40], TASK)
    assert load_mat(path)["opt_scaling_factor"].item() in (20, 40)
    assert evaluate_task("go-nogo", path, None, TASK, save_plots=False, n_trials=1)["n_trials"] == 1
    check(path, changed)  # the search has changed nothing of it


@pytest.mark.parametrize("name", REFUSED)
def test_variants_that_cannot_be_are_refused_by_every_reader(tmp_path, name):
    content, message = REFUSED[name]
    path = saved(tmp_path, content)
    load_mat(path)
    before = path.read_bytes()
    for read in (
        load_network,
        rate_model,
        lambda path: lambda_grid_search(path, "go-nogo", 1, [20], TASK),
        lambda path: evaluate_task("go-nogo", path, 20.0, TASK, save_plots=False, n_trials=1),
        lambda path: LIF_network_fnc(path, 20.0, np.zeros((1, 45))),
    ):
        with pytest.raises(ValueError, match=f"network.mat: .*{message}"):
            read(path)
    assert path.read_bytes() == before
    with pytest.raises(FormatError, match=message):
        load_network(path)


@pytest.mark.parametrize("how", [{"format": "4"}, {"do_compression": True}, {"do_compression": False}])
def test_formats(tmp_path, how):
    content = {k: v for k, v in FULL.items() if np.ndim(v) <= 2}
    path = saved(tmp_path, content, **how)
    check(path, {})
    for best in (lambda_grid_search(path, "go-nogo", 1, [20, 40], TASK) for _ in range(3)):
        assert (
            load_mat(path)["opt_scaling_factor"].item() == scipy.io.loadmat(path)["opt_scaling_factor"].item() == best
        )
    check(path, {})


def test_the_other_byte_order(tmp_path):
    path, text = tmp_path / "network.mat", np.array([ord(c) for c in "sigmoid"], "u1").tobytes()
    body = [writing._element_big(key, FULL[key]) for key in FULL if key not in ("activation", "x0")]
    from test_matlab import part, variable

    path.write_bytes(file_of(*body, variable("activation", 4, (1, 7), part(">", 16, text), order=">"), order=">"))
    check(path, {})
    for _ in range(2):
        lambda_grid_search(path, "go-nogo", 1, [20, 40], TASK)
    check(path, {})


@pytest.mark.parametrize("kind", UNNEEDED)
def test_whatever_else_a_file_holds(tmp_path, kind):
    path = saved(tmp_path, FULL)
    path.write_bytes(path.read_bytes() + UNNEEDED[kind])
    check(path, {})
    lambda_grid_search(path, "go-nogo", 1, [20], TASK)
    lambda_grid_search(path, "go-nogo", 1, [20], TASK)
    assert UNNEEDED[kind] in path.read_bytes()


def test_an_activation_that_is_a_string_object_is_named(tmp_path):
    path = saved(tmp_path, without("activation"))
    path.write_bytes(path.read_bytes() + opaque("activation"))
    for read in (load_network, rate_model):
        with pytest.raises(FormatError, match="network.mat: activation is an object of MATLAB"):
            read(path)


def test_the_name_of_a_file_says_its_activation(tmp_path, capsys):
    path = saved(tmp_path, without("activation"))
    named = tmp_path / "Task_go-nogo_N_12_Taus_4.0_20.0_Act_softplus_2026_11_25_162638.mat"
    shutil.copy(path, named)
    assert load_network(named).activation == rate_model(named).activation == "softplus"
    assert "it has no activation: softplus by its name" in capsys.readouterr().err


def test_the_content_of_a_file_is_read_like_the_file(tmp_path):
    path = saved(tmp_path, variant(w=scipy.sparse.csc_matrix(FULL["w"]), w_out=FULL["w_out"].T))
    ways = ({}, {"simplify_cells": True}, {"squeeze_me": True}, {"mat_dtype": True}, {"chars_as_strings": False})
    for content in (*(scipy.io.loadmat(path, **how) for how in ways), load_mat(path)):
        np.testing.assert_array_equal(rate_model(content).W, rate_model(path).W)
    with pytest.raises(ValueError, match="not a rate network: it has no taus"):
        rate_model(without("taus"))


def test_w_in_of_several_inputs_that_lies_down_is_said(tmp_path, capsys):
    content = network(n_in=4)
    path = saved(tmp_path, {**content, "w_in": content["w_in"].T})
    np.testing.assert_array_equal(rate_model(path).w_in, content["w_in"])
    assert "w_in of shape (4, 12) is taken as its transpose" in capsys.readouterr().err


def test_sst_units_come_from_either_variable(tmp_path, capsys):
    som_m = np.ones((N, N))
    som_m[np.ix_(np.flatnonzero(INH)[:2], INH)] = 0
    for content in (variant(som_m=som_m, som_N=None), variant(som_m=None, som_N=2), variant(som_m=som_m, som_N=2)):
        path = saved(tmp_path, content)
        net, model = load_network(path), rate_model(path)
        assert net.som_N == 2 and model.som.sum() == 2
        np.testing.assert_array_equal(net.som_m, som_m)
        np.testing.assert_array_equal(model.W, FULL["w"] * SIGNS * som_m)
    assert "the first inhibitory units are its SST units" in capsys.readouterr().err


def test_a_mante_network_of_the_port_is_said_to_have_other_inputs(tmp_path, capsys):
    content = network(n_in=4)
    u = np.zeros((4, 45))
    u[0, 5:20], u[1, 5:20], u[2, 5:20] = -1, 0.7, -1.1
    load_network(saved(tmp_path, {**content, "u": u}))
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "a mante network of the PyTorch port: its inputs are context" in err
    ours = np.zeros((4, 45))
    ours[:2, 5:20], ours[3] = np.random.default_rng(0).normal(size=(2, 15)), 1
    load_network(saved(tmp_path, {**content, "u": ours}))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("held", "found"), [
    (30.0, 30.0), (np.uint8(30), 30.0), (30 + 0j, 30.0), (scipy.sparse.csc_matrix([[30.0]]), 30.0),
    (np.full((1, 1, 1), 30.0), 30.0), (np.array([[[30.0]], 0], object)[:1], 30.0),
    ([30.0, 40.0], "opt_scaling_factor has shape"), ("30", "opt_scaling_factor is not numeric"),
    (30 + 1j, "opt_scaling_factor is complex"), (-5.0, "opt_scaling_factor = -5; it must be above 0"),
    (np.inf, "opt_scaling_factor holds NaN or infinity"), ({"value": 30.0}, "opt_scaling_factor is a structure"),
    (np.nan, "it has no opt_scaling_factor; run the search first"), (np.zeros((0, 0)), "it has no opt_scaling_factor;"),
])  # fmt: skip
def test_lambda_in_any_form_is_read_or_named(tmp_path, held, found):
    path = saved(tmp_path, variant(opt_scaling_factor=held, u=np.zeros((1, 100))))
    if isinstance(found, str):
        with pytest.raises(FormatError, match=f"network.mat: {found}"):
            load_model_and_scaling_factor(path)
    else:
        assert load_model_and_scaling_factor(path) == (str(path), found)
