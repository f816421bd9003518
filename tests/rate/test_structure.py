"""Areas, masks, groups of units and starting weights against their definitions in docs/model.md 1.3 and 1.6."""

import numpy as np
import pytest
import scipy.io
import torch

from ratecore import NetworkSettings
from ratecore.rate.network import RateNetwork
from ratecore.rate.training import train
from ratecore.settings.base import SettingsError
from ratecore.settings.run import RunSettings

AREAS = {"a": 60, "b": 40, "c": 100}
PLACES = {"a": slice(0, 60), "b": slice(60, 100), "c": slice(100, 200)}


def network(seed=0, n_in=2, **settings):
    return RateNetwork(NetworkSettings(**{"N": 200, **settings}), n_in, seed, dtype=torch.float64)


def present(net):
    return (net.effective_weights().detach() != 0).numpy()


def test_without_autapses_no_unit_is_connected_to_itself_and_nothing_else_changes():
    net, plain = network(autapses=False), network()
    assert not present(net).diagonal().any() and present(plain).diagonal().any()
    scale = np.sqrt(200 / 199)  # by the number of connections that are left
    w, other = net.w.detach().numpy(), plain.w.detach().numpy() * scale
    np.fill_diagonal(other, 0)
    np.testing.assert_allclose(w, other, rtol=1e-12)
    for name in ("w_in", "w_out", "taus_gaus", "inh"):
        assert torch.equal(getattr(net, name), getattr(plain, name))


@pytest.mark.parametrize("dale", [True, False])
@pytest.mark.parametrize("feedback", [True, False])
@pytest.mark.parametrize("long_range", ["exc", "all"])
def test_areas_have_the_densities_that_they_were_given(dale, feedback, long_range):
    given = {"within": 0.5, "between": 0.1, "a->c": 0.3, "c->c": 0.8}
    rules = dict(feedback=feedback, long_range=long_range, apply_dale=dale)
    net = network(areas=AREAS, area_density=given, P_inh=0.4, **rules)
    found, inh = present(net), net.inh.numpy()
    for i, (receiver, rows) in enumerate(PLACES.items()):
        for j, (sender, columns) in enumerate(PLACES.items()):
            p = given.get(f"{sender}->{receiver}", given["within" if i == j else "between"])
            for kind in (True, False):
                block = found[rows, columns][:, inh[columns] == kind]
                forbidden = (i < j and not feedback) or (i != j and kind and long_range == "exc")
                expected = 0 if forbidden else p
                assert abs(block.sum() - expected * block.size) <= 4 * np.sqrt(block.size * expected * (1 - expected))
    assert (found == (net.conn_m.numpy() == 1)).all()
    assert torch.equal(net.inh, network(P_inh=0.4, apply_dale=dale).inh)


def test_a_matrix_of_densities_is_the_mapping_of_its_blocks():
    rows = [[0.5, 0.1, 0], [0.3, 0.4, 0.2], [0.15, 0.6, 0.7]]  # row = receiving area
    mapping = {f"{s}->{r}": rows[i][j] for i, r in enumerate("abc") for j, s in enumerate("abc")}
    a, b = (network(areas=AREAS, area_density=given) for given in (rows, mapping))
    assert torch.equal(a.w, b.w) and not a.w[PLACES["a"], PLACES["c"]].any()
    default = network(areas=AREAS, long_range="all")
    assert ((default.w != 0) == (network().w != 0)).all()  # P_rec everywhere, by the same draws


def test_weights_of_a_network_with_a_mask_are_scaled_by_what_each_unit_can_expect():
    given = {"within": 0.5, "between": 0.1}
    net = network(areas=AREAS, area_density=given, apply_dale=False, gain=2.0, seed=3)
    expected = {"a": 60 * 0.5 + 140 * 0.1, "b": 40 * 0.5 + 160 * 0.1, "c": 100 * 0.5 + 100 * 0.1}
    for name, rows in PLACES.items():
        w = net.w.detach().numpy()[rows]
        w = w[w != 0] * np.sqrt(expected[name]) / 2
        assert abs(w.std() - 1) < 4 / np.sqrt(2 * w.size) and abs(w.mean()) < 4 / np.sqrt(w.size)


@pytest.mark.parametrize(
    ("groups", "truth"),
    [
        ("inh", lambda inh, som: inh),
        (["exc"], lambda inh, som: ~inh),
        ("som", lambda inh, som: som),
        ("b", None),
        (["b.exc", "a.inh"], None),
    ],
    ids=["inh", "exc", "som", "area", "areas"],
)
def test_inputs_reach_the_chosen_units_only(groups, truth):
    net = network(areas=AREAS, input_units=groups, som_N=5)
    inh, unit = net.inh.numpy(), np.arange(200)
    som = np.isin(unit, np.flatnonzero(inh)[:5])
    in_b = (unit >= 60) & (unit < 100)
    if groups == "b":
        expected = in_b
    elif truth is None:
        expected = (in_b & ~inh) | ((unit < 60) & inh)
    else:
        expected = truth(inh, som)
    assert ((net.w_in.numpy() != 0).all(1) == expected).all() and ((net.w_in.numpy() != 0).any(1) == expected).all()
    same = network(areas=AREAS, som_N=5).w_in.numpy()
    np.testing.assert_array_equal(net.w_in.numpy()[expected], same[expected])


def write(path, array):
    kind = path.suffix
    if kind == ".npy":
        np.save(path, array)
    elif kind == ".npz":
        np.savez_compressed(path, other=np.zeros(3), mask=array)
    elif kind == ".mat":
        scipy.io.savemat(path, {"name": "text", "mask": array})
    else:
        np.savetxt(path, array, fmt="%g", delimiter=",")
    return str(path)


def test_a_mask_is_the_same_from_any_file(tmp_path):
    mask = (np.random.default_rng(1).random((15, 15)) < 0.5).astype(float)
    given = {"N": 15, "P_rec": 0.9}
    identities = set()
    for kind in (".npy", ".npz", ".mat", ".csv"):
        path = write(tmp_path / f"mask{kind}", mask)
        net = network(**given, mask_file=path)
        assert (
            (net.conn_m.numpy() == mask).all() and not present(net)[mask == 0].any() and present(net)[mask == 1].any()
        )
        identities.add(RunSettings(network={**given, "mask_file": path}).identity())
    mask[0, 0] = 1 - mask[0, 0]
    other = RunSettings(network={**given, "mask_file": write(tmp_path / "mask.npy", mask)}).identity()
    assert len(identities) == 1 and other not in identities


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones((4, 5)), r"its array has shape \(4, 5\); it must be \(5, 5\)"),
        (np.full((5, 5), 0.5), "its matrix has 0.5; it must be 0 or 1"),
        (np.full((5, 5), np.nan), "NaN or infinity"),
        (np.ones((5, 5), complex), "it must be of real numbers"),
        (np.array([[None] * 5] * 5), "it cannot be read"),
    ],
    ids=["shape", "half", "nan", "complex", "objects"],
)
def test_a_file_that_holds_no_mask_is_named(tmp_path, array, message):
    np.save(tmp_path / "mask.npy", array, allow_pickle=True)
    with pytest.raises(SettingsError, match=rf"network\.mask_file = '.*mask\.npy': .*{message}"):
        RunSettings(network={"N": 5, "mask_file": str(tmp_path / "mask.npy")})


@pytest.mark.parametrize(
    "name", ["none.npy", "mask.txt", "broken.npy", "broken.npz", "broken.mat", "text.csv", "f.mat"]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    if name.startswith("broken"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
    elif name == "text.csv":
        (tmp_path / name).write_text("a,b\n1,2\n")
    elif name == "f.mat":
        scipy.io.savemat(tmp_path / name, {"mask": np.ones((3, 3))})
    with pytest.raises(SettingsError, match=r"network\.mask_file = .*: (it|there) "):
        RunSettings(network={"N": 5, "mask_file": str(tmp_path / name)})


def test_an_archive_that_unpacks_to_more_than_a_mask_is_not_unpacked(tmp_path):
    np.savez_compressed(tmp_path / "large.npz", mask=np.zeros((4000, 1000)))
    with pytest.raises(SettingsError, match="it has no array of shape"):
        RunSettings(network={"N": 5, "mask_file": str(tmp_path / "large.npz")})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"areas": {}}, "areas = {}: name at least one area"),
        ({"areas": {"a": 3, "b": 8}}, "{'a': 3, 'b': 8}: the sizes add up to 11; they must be whole .* N = 10"),
        ({"areas": {"a": 0.5, "b": 0.4}}, "the sizes add up to 0.9"),
        ({"areas": {"a": 0.99, "b": 0.01}}, "b has no unit with N = 10"),
        ({"areas": {"exc": 10}}, "'exc' is no name of an area"),
        ({"areas": {"a-b": 10}}, "'a-b' is no name of an area"),
        ({"areas": {"a": -1, "b": 11}}, "a: -1 units"),
        ({"area_density": {"within": 0.5}}, "area_density = {'within': 0.5}: it needs areas"),
        ({"areas": {"a": 10}, "area_density": {"a->c": 0.5}}, "'a->c' is no block of areas; allowed: within, between"),
        ({"areas": {"a": 10}, "area_density": {"a": 0.5}}, "'a' is no block of connections; write from->to"),
        ({"areas": {"a": 10}, "area_density": {"within": 2}}, "area_density"),
        ({"areas": {"a": 10}, "area_density": [[0.5, 0.5]]}, "a row and a column for each of the 1 areas"),
        ({"long_range": "som"}, "long_range = 'som'"),
        ({"input_units": "motor"}, "'motor' is no group of units; allowed: all, exc, inh, som"),
        ({"input_units": ["exc", "a.pv"], "areas": {"a": 10}}, "'a.pv' is no group of units; .* a, a.exc"),
        ({"input_units": []}, "input_units"),
        ({"mask_file": "https://example.org/mask.npy"}, "it must be a path on this machine"),
    ],
    ids=lambda v: v if isinstance(v, str) else None,
)
def test_settings_that_fit_no_network_are_named(settings, message):
    with pytest.raises(SettingsError, match=message):
        NetworkSettings(N=10, **settings)


@pytest.mark.parametrize("dale", [True, False])
def test_masks_hold_during_training(dale):
    settings = RunSettings(
        task_settings={"T": 40, "stim_on": 5, "stim_dur": 5},
        network={"N": 20, "areas": {"a": 8, "b": 12}, "area_density": {"between": 0.3}, "apply_dale": dale},
        training={"n_trials": 20, "batch_size": 2, "eval_tr": 2},
    )
    result = train(settings)
    changed = (result.net.w != result.initial["w"]).numpy()
    assert changed.any() and not changed[result.net.conn_m.numpy() == 0].any()
    assert not present(result.net)[result.net.conn_m.numpy() == 0].any()


def eigenvalues(net):
    return np.linalg.eigvals(net.effective_weights().detach().numpy())


def test_the_published_start_has_one_eigenvalue_outside_the_bulk_and_a_balanced_one_does_not():
    published, balanced = (np.sort(abs(eigenvalues(network(balance=value)))) for value in (False, True))
    assert published[-1] > 3 * published[-2] and published[-1] == pytest.approx(4.5, rel=0.1)
    assert balanced[-1] < 1.3 * balanced[-2]


@pytest.mark.parametrize("som_N", [0, 5])
def test_balanced_weights_have_rows_of_mean_0_and_only_inhibition_is_scaled(som_N):
    net, plain = network(balance=True, som_N=som_N), network(som_N=som_N)
    W, before = (n.effective_weights().detach().numpy() for n in (net, plain))
    assert abs(W.sum(1).mean()) < 1e-12 * abs(W).sum()
    np.testing.assert_array_equal(W[:, ~net.inh.numpy()], before[:, ~net.inh.numpy()])
    ratio = (W / np.where(before, before, 1))[before < 0]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-12)


@pytest.mark.parametrize("dale", [True, False])
@pytest.mark.parametrize("radius", [0.5, 3.0])
def test_weights_have_the_spectral_radius_that_was_asked_for(dale, radius):
    net = network(spectral_radius=radius, apply_dale=dale)
    assert abs(eigenvalues(net)).max() == pytest.approx(radius, rel=1e-7)
    ratio = (net.w / network(apply_dale=dale).w).nan_to_num(0).detach().numpy()
    np.testing.assert_allclose(ratio[ratio != 0], ratio.max(), rtol=1e-12)


@pytest.mark.parametrize("dale", [True, False])
def test_weights_of_low_rank(dale):
    net = network(rank=3, apply_dale=dale, gain=2.0)
    w = net.w.detach().numpy()
    values = np.linalg.svd(w, compute_uv=False)
    assert values[2] > 1e-6 and values[3] < 1e-12 * values[0] and ((w > 0).all() if dale else (w < 0).any())
    if not dale:
        assert abs(w.std() * np.sqrt(200) / 2 - 1) < 0.15
    assert torch.equal(net.w_in, network(apply_dale=dale).w_in)  # drawn before
    inside = network(rank=3, apply_dale=dale, areas=AREAS, area_density={"between": 0}).w.detach().numpy()
    assert not inside[PLACES["a"], PLACES["b"]].any() and np.linalg.matrix_rank(inside[PLACES["a"], PLACES["a"]]) > 3


def test_time_constants_are_those_of_the_file(tmp_path):
    tau = np.linspace(4, 20, 15)
    settings = {"N": 15, "taus": (4.0, 20.0), "taus_file": write(tmp_path / "taus.npy", tau)}
    net = network(**settings)
    np.testing.assert_allclose(net.time_constants().detach(), tau, rtol=1e-9)
    single = RateNetwork(NetworkSettings(**settings), 1, 0)
    np.testing.assert_allclose(single.time_constants().detach(), tau, rtol=1e-6)
    assert not net.taus_gaus.requires_grad
    run = RunSettings(
        network=settings,
        task_settings={"T": 40, "stim_on": 5, "stim_dur": 5},
        training={"n_trials": 4, "eval_tr": 2},
    )
    np.testing.assert_allclose(train(run).net.time_constants().detach(), tau, rtol=1e-6)
    np.save(tmp_path / "taus.npy", tau + 1)
    with pytest.raises(
        SettingsError, match=r"network\.taus_file = .*it has 5 to 21; all must be within taus = \[4, 20\] steps"
    ):
        RunSettings(network=settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"balance": True, "apply_dale": False}, "balance = True: it needs Dale's law"),
        ({"readout_dale": True, "apply_dale": False}, "readout_dale = True: it needs Dale's law"),
        ({"rank": 11}, "rank = 11: it must be at most N = 10"),
        ({"spectral_radius": 0}, "spectral_radius = 0"),
        ({"trained": ["w", "weights"]}, r"trained\[1\] = 'weights'"),
        ({"trained": []}, "trained"),
        ({"trained": "taus", "taus": 10}, "there is nothing to train, since the time constants are fixed"),
        ({"frozen": "exc"}, "'exc' is no block of connections; write from->to"),
        ({"frozen": ["exc->motor"]}, "'motor' is no group of units"),
        ({"output_units": ["b"], "areas": {"a": 10}}, "'b' is no group of units"),
        ({"taus_file": "taus.npy", "taus": 10}, "taus must be the bounds of the time constants in the file"),
    ],
    ids=lambda v: v if isinstance(v, str) else None,
)
def test_settings_of_training_and_start_that_fit_no_network_are_named(settings, message):
    with pytest.raises(SettingsError, match=message):
        NetworkSettings(N=10, **settings)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"balance": True, "P_inh": 0}, r"network\.balance = True: .* no inhibitory unit with N = 10, P_inh = 0"),
        ({"balance": True, "P_inh": 1}, r"network\.balance = True: .* no excitatory unit"),
        ({"input_units": "inh", "P_inh": 0}, r"network\.input_units = \['inh'\]: it is no unit"),
        ({"output_units": ["som"]}, r"network\.output_units = \['som'\]: it is no unit"),
    ],
)
def test_groups_that_have_no_unit_are_named(network, message):
    with pytest.raises(SettingsError, match=message):
        RunSettings(network={"N": 10, **network})


LOWER, ONE_BACK = np.tril(np.ones((10, 10)), -1), np.tril(np.ones((10, 10)), -1)
ONE_BACK[2, 6] = 1  # closes a loop with 6 <- 2
APART = {"areas": {"a": 5, "b": 5}, "area_density": {"within": 0, "between": 1}}
LOOPS = {  # settings over N = 10 and P_rec = 1; whether a connection can close a loop
    "one unit": ({"N": 1}, True),
    "one unit without an autapse": ({"N": 1, "autapses": False}, False),
    "two units": ({"N": 2, "autapses": False}, True),
    "nothing": ({"P_rec": 0}, False),
    "low rank, which has all connections": ({"P_rec": 0, "rank": 2}, True),
    "forward": ({**APART, "feedback": False}, False),
    "forward, low rank": ({**APART, "feedback": False, "rank": 2}, False),
    "forward and back": (APART, True),
    "forward within areas of one unit": ({"N": 3, "areas": {"a": 1, "b": 1, "c": 1}, "feedback": False,
                                          "autapses": False}, False),
    "a file without a loop": ({"mask_file": LOWER}, False),
    "a file with one": ({"mask_file": ONE_BACK}, True),
    "a file with a loop of autapses": ({"mask_file": np.eye(10)}, True),
    "a file of autapses without autapses": ({"mask_file": np.eye(10), "autapses": False}, False),
    "all SST": ({"P_inh": 1, "som_N": 10}, False),
    "excitation across, none within": ({**APART, "P_inh": 1, "long_range": "exc"}, False),
}  # fmt: skip


@pytest.mark.parametrize("case", LOOPS)
def test_a_spectral_radius_that_no_weights_can_have_is_named_with_the_settings(case, tmp_path):
    given, loops = LOOPS[case]
    settings = {"N": 10, "P_rec": 1, "spectral_radius": 1.5, **given}
    if "mask_file" in given:
        settings["mask_file"] = write(tmp_path / "mask.npy", given["mask_file"])
    if loops:
        RunSettings(network=settings)
        assert abs(eigenvalues(RateNetwork(NetworkSettings(**settings), 1, 0))).max() == pytest.approx(1.5, rel=1e-5)
        return
    with pytest.raises(
        SettingsError, match=r"network\.spectral_radius = 1\.5: no connections .* all eigenvalues are 0"
    ):
        RunSettings(network=settings)
    with pytest.raises(ValueError, match="no eigenvalue but 0"):  # as the numbers say
        RateNetwork(NetworkSettings(**settings), 1, 0)
    RunSettings(network={**settings, "spectral_radius": None})
