"""Saved networks: the dynamics of an exported example trial, every key, what is refused."""

import os
import pickle

import numpy as np
import pytest
import scipy.io
import scipy.stats
import torch
from conftest import small_settings

from ratecore import FR_RNN_dale, NetworkSettings
from ratecore.experiment.exporting import export, mat_bytes
from ratecore.formats import (
    FormatError,
    add_to_mat,
    load_mat,
    load_network,
    result_from_pth,
    save_pth,
)
from ratecore.rate.dynamics import run
from ratecore.rate.evaluation import evaluate
from ratecore.rate.training import TrainingResult, train
from ratecore.settings.run import RunSettings
from ratecore.settings.training import EvaluationSettings
from ratecore.system.streams import stream

KEYS = [
    "x0",
    "r0",
    "w0",
    "taus_gaus0",
    "w_in0",
    "w",
    "w_out",
    "b_out",
    "taus_gaus",
    "w_in",
    "m",
    "som_m",
    "exc",
    "inh",
    "N",
    "som_N",
    "taus",
    "u",
    "target",
    "o",
    "x",
    "r",
    "losses",
    "eval_perf_mean",
    "eval_loss_mean",
    "eval_os",
    "eval_labels",
    "tr",
    "activation",
]


def test_every_key_with_its_shape(exported, trained):
    _, _, mat = exported
    assert set(KEYS) <= set(mat)
    N, T = 20, 60
    shapes = {"x0": (N, 1), "r0": (N, 1), "w0": (N, N), "taus_gaus0": (N, 1), "w_in0": (N, 1), "w": (N, N),
              "w_out": (1, N), "taus_gaus": (N, 1), "w_in": (N, 1), "m": (N, N), "som_m": (N, N), "exc": (N, 1),
              "inh": (N, 1), "taus": (1, 2), "u": (1, T), "x": (T, N, 1), "r": (T, N, 1), "losses": (1, 200),
              "eval_os": (20, T), "o": (1, T - 1), "target": (1, T)}  # fmt: skip
    assert {key: mat[key].shape for key in shapes} == shapes
    numeric = [key for key in KEYS if key != "activation"]
    assert {mat[key].dtype for key in numeric} == {np.dtype("float64")}
    assert mat["activation"][0] == "sigmoid" and mat["tr"] == 200 and mat["N"] == N


def test_the_example_trial_follows_the_equations_with_the_saved_weights(exported):
    # docs/model.md 1 with nothing but the file: what is left of x is the noise.
    mat = exported[2]
    W = (mat["w"] @ mat["m"]) * mat["som_m"]
    low, high = mat["taus"][0]
    tau = 1 / (1 + np.exp(-mat["taus_gaus"][:, 0])) * (high - low) + low
    x, r, u = mat["x"][:, :, 0], mat["r"][:, :, 0], mat["u"]
    drive = r[:-1] @ W.T + u[:, :-1].T @ mat["w_in"].T
    residual = x[1:] - (1 - 1 / tau) * x[:-1] - drive / tau
    n = residual.size  # 1,180
    assert abs(residual.mean()) < 4 * 0.1 / np.sqrt(n)
    assert abs(residual.std() / 0.1 - 1) < 4 / np.sqrt(2 * n)
    for lag in (1, 2):
        assert abs((residual[lag:] * residual[:-lag]).mean() / 0.01) < 4 / np.sqrt(n)
    across = np.corrcoef(residual.T)[np.triu_indices(20, 1)]
    assert abs(across.mean()) < 4 / np.sqrt(59 * len(across))
    np.testing.assert_allclose(r, 1 / (1 + np.exp(-x)), rtol=1e-12)
    np.testing.assert_allclose(mat["o"][0], r[1:] @ mat["w_out"][0] + mat["b_out"].item(), rtol=1e-10, atol=1e-12)
    assert (mat["w"] >= 0).all() and (mat["w0"] >= 0).all()


def test_without_dale_w_is_saved_as_it_is(tmp_path):
    settings = small_settings(network=dict(N=10, apply_dale=False), training=dict(n_trials=3, eval_tr=2))
    result = train(settings)
    mat_path, _ = export(tmp_path, settings, result, result.last_test)
    mat = scipy.io.loadmat(mat_path)
    assert (mat["w"] < 0).any()
    np.testing.assert_array_equal(mat["w"], result.net.w.detach().double().numpy())
    assert "/NoDale/" in str(mat_path)


def test_initial_state_is_that_of_the_first_training_trial(exported, trained):
    mat, (settings, result, _) = exported[2], trained
    np.testing.assert_array_equal(mat["w0"], result.initial["w"].double().numpy())
    np.testing.assert_allclose(mat["r0"], 1 / (1 + np.exp(-mat["x0"])))
    rng = stream(settings.seed, "trial", 0)
    settings.create_task().generate_stimulus(seed=rng)
    words = rng.bit_generator.random_raw(10).view(np.uint32)
    drawn = 0.01 * scipy.stats.norm.ppf(((words >> 9) + 0.5) / 2**23)
    np.testing.assert_allclose(mat["x0"][:, 0], drawn, rtol=1e-5)


@pytest.mark.parametrize("which", [0, 1], ids=["mat", "pth"])
def test_a_file_alone_restores_the_network(exported, trained, which):
    net, loaded = trained[1].net, load_network(exported[which])
    u = torch.ones(1, 1, 60)
    x0, noise = torch.zeros(1, 20), torch.zeros(1, 59, 20)
    for a, b in zip(run(net, u, x0=x0, noise=noise), run(loaded, u, x0=x0, noise=noise), strict=True):
        assert torch.equal(a, b)
    assert loaded.activation == "sigmoid" and loaded.taus.tolist() == [4, 20] and loaded.taus_gaus.requires_grad
    assert torch.equal(loaded.inh, net.inh) and loaded.apply_dale
    other = FR_RNN_dale.from_settings(NetworkSettings(N=5, taus=(10,), activation="softplus"), 3, 1)
    assert other.load_net(exported[which]) is other
    assert torch.equal(other.effective_weights(), net.effective_weights())
    assert other.N == 20 and other.activation == "sigmoid"


def test_state_dict_restores_what_is_no_array():
    a = FR_RNN_dale.from_settings(NetworkSettings(N=8, taus=(3, 9), activation="softplus", apply_dale=False), 2, 1)
    b = FR_RNN_dale.from_settings(NetworkSettings(N=8, taus=(4, 20)), 2, 2)
    b.load_state_dict(a.state_dict())
    u = torch.ones(1, 2, 12)
    x0, noise = torch.zeros(1, 8), torch.zeros(1, 11, 8)
    assert torch.equal(run(a, u, x0=x0, noise=noise)[2], run(b, u, x0=x0, noise=noise)[2])
    assert b.activation == "softplus" and not b.apply_dale


def test_state_dict_of_one_tau_and_of_other_shapes():
    one = FR_RNN_dale.from_settings(NetworkSettings(N=8, taus=(7,)), 2, 1)
    other = FR_RNN_dale.from_settings(NetworkSettings(N=8), 2, 2)
    other.load_state_dict(one.state_dict())
    assert other.taus.tolist() == [7] and not other.taus_gaus.requires_grad and torch.equal(other.w, one.w)
    small = FR_RNN_dale.from_settings(NetworkSettings(N=5), 2, 2)
    with pytest.raises(ValueError, match=r"w has shape \(8, 8\); it must be \(5, 5\)"):
        small.load_state_dict(one.state_dict())
    assert small.N == 5 and small.taus.tolist() == [4, 20]


def test_settings_in_a_file_run_no_code(exported, tmp_path):
    content = torch.load(exported[1], weights_only=True)
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    content["run_settings"]["task_file"] = str(tmp_path / "evil.py")
    torch.save(content, tmp_path / "a.pth")
    result_from_pth(tmp_path / "a.pth")
    load_network(tmp_path / "a.pth")
    assert not (tmp_path / "ran").exists()


def test_a_result_comes_back_whole(exported, trained):
    result = trained[1]
    loaded = result_from_pth(exported[1])
    assert loaded.losses == result.losses and loaded.tests == result.tests and loaded.n_trials == 200
    assert torch.equal(loaded.initial["w"], result.initial["w"])
    adam, before = loaded.optimizer["state"], result.optimizer["state"]
    assert all(torch.equal(adam[k]["exp_avg"], before[k]["exp_avg"]) for k in before)


def test_names_of_folder_and_files(exported, tmp_path, trained):
    mat, pth, _ = exported
    assert mat.parent.relative_to(mat.parents[3]).as_posix() == "models/go-nogo/P_rec_0.2_Taus_4.0_20.0"
    assert mat.name.startswith("Task_go-nogo_N_20_Taus_4.0_20.0_Act_sigmoid_20") and mat.stem == pth.stem
    settings = small_settings(network=dict(N=5, taus=(10,)), training=dict(n_trials=1, eval_tr=1))
    one, _ = export(tmp_path, settings, (r := train(settings)), r.last_test)
    assert one.parent.name == "P_rec_0.2_Tau_10.0" and "_N_5_Tau_10.0_Act_" in one.name


def test_networks_of_one_second_keep_both_files(tmp_path):
    results = []
    for seed in (0, 1, 2):
        settings = small_settings(seed=seed, network=dict(N=5), training=dict(n_trials=1, eval_tr=1))
        result = train(settings)
        result.finished = 1_700_000_000.0
        results.append((settings, result))
    paths = [export(tmp_path, s, r, r.last_test) for s, r in results]
    assert len({p for pair in paths for p in pair}) == 6
    assert paths[1][0].stem == paths[0][0].stem + "_2"
    # The same network again is the same file.
    again = export(tmp_path, *results[1], results[1][1].last_test)
    assert again == paths[1]
    # Scored in another way it still is, with the new scores in the .mat.
    settings, result = results[1]
    scored = settings.model_copy(update={"evaluation": EvaluationSettings(n_trials=7)})
    scores = evaluate(scored.create_task(), result.net, 1, scored.evaluation).scores
    assert export(tmp_path, scored, result, scores) == paths[1]
    assert scipy.io.loadmat(paths[1][0])["eval_os"].shape[0] == 7
    # The name of a network whose .pth was moved away is still taken.
    paths[2][1].rename(tmp_path / "moved.pth")
    assert export(tmp_path, *results[2], results[2][1].last_test)[0].stem == paths[0][0].stem + "_4"
    assert [load_network(p[0]).w_in[0].item() for p in paths] == [r.net.w_in[0].item() for _, r in results]


class Hostile:
    def __reduce__(self):
        return (os.system, ("touch hostile-code-ran",))


def _damaged(tmp_path, kind, exported):
    mat, pth, content = exported
    if kind.startswith("cut"):
        source = mat if kind.endswith("mat") else pth
        path = tmp_path / f"cut{source.suffix}"
        path.write_bytes(source.read_bytes()[:-700])
        return path
    if kind == "pickle":
        path = tmp_path / "hostile.pth"
        torch.save({"format": "ratecore-1", "model_state_dict": Hostile()}, path)
        return path
    if kind == "plain pickle":
        path = tmp_path / "plain.pth"
        path.write_bytes(pickle.dumps(Hostile()))
        return path
    if kind == "foreign pth":
        path = tmp_path / "foreign.pth"
        torch.save({"w": torch.zeros(3)}, path)
        return path
    path = tmp_path / "changed.mat"
    changed = {k: v for k, v in content.items() if not k.startswith("__")}
    if kind == "no w_in":
        del changed["w_in"]
    elif kind == "nan":
        changed["w"] = np.full((20, 20), np.nan)
    elif kind == "shape":
        changed["w_out"] = np.zeros((1, 7))
    elif kind == "not dale":
        changed["m"] = np.ones((20, 20))
    elif kind == "text":
        changed["w"] = "weights"
    elif kind == "activation":
        changed["activation"] = "tanh"
    elif kind == "not a network":
        changed = {"a": np.zeros(3)}
    scipy.io.savemat(path, changed)
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("cut mat", "not a readable .mat file"),
        ("cut pth", "not a readable .pth file"),
        ("pickle", "not a readable .pth file"),
        ("plain pickle", "not a readable .pth file"),
        ("foreign pth", "not a network saved by ratecore"),
        ("no w_in", "it has no w_in"),
        ("nan", "w holds NaN or infinity"),
        ("shape", r"w_out has shape \(1, 7\); it must be \(1, 20\)"),
        ("not dale", r"m is not a diagonal of \+1 and -1"),
        ("text", "w is not numeric"),
        ("activation", "activation = 'tanh'"),
        ("not a network", "not the file of a network"),
    ],
)
def test_damaged_and_foreign_files_are_named_and_change_nothing(tmp_path, monkeypatch, exported, kind, message):
    monkeypatch.chdir(tmp_path)
    path = _damaged(tmp_path, kind, exported)
    net = FR_RNN_dale.from_settings(NetworkSettings(N=6), 1, 1)
    before = {k: v.clone() for k, v in net.state_dict().items() if isinstance(v, torch.Tensor)}
    with pytest.raises(FormatError, match=message) as error:
        net.load_net(path)
    assert path.name in str(error.value)
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in before.items()) and net.N == 6
    assert not (tmp_path / "hostile-code-ran").exists()


def test_no_file_and_no_suffix(tmp_path):
    with pytest.raises(FormatError, match="there is no such file"):
        load_network(tmp_path / "nothing.mat")
    (tmp_path / "net.txt").write_text("")
    with pytest.raises(FormatError, match="saved as .mat or .pth, not .txt"):
        load_network(tmp_path / "net.txt")


def test_a_mat_of_the_published_code_is_read(exported, tmp_path):
    # Only the keys of docs/model.md 4: what is known of gain or P_inh is not needed to run a network.
    content = {key: exported[2][key] for key in KEYS}
    scipy.io.savemat(tmp_path / "published.mat", content)
    assert load_network(tmp_path / "published.mat").apply_dale
    assert torch.equal(load_network(tmp_path / "published.mat").w, load_network(exported[0]).w)


def test_xor_labels_are_words(tmp_path):
    settings = RunSettings(task="xor", network=dict(N=6), training=dict(n_trials=2, eval_tr=3))
    result = train(settings)
    assert isinstance(result, TrainingResult)
    scores = evaluate(settings.create_task(), result.net, 0, settings.evaluation).scores
    (tmp_path / "a.mat").write_bytes(mat_bytes(settings, result, scores))
    labels = scipy.io.loadmat(tmp_path / "a.mat")["eval_labels"]
    assert {str(v[0]) for v in labels[0]} == {"same", "diff"}
    assert save_pth(tmp_path / "a.pth", settings, result)


def test_variables_are_appended_to_a_mat_and_nothing_else_changes(trained, tmp_path):
    settings, result, evaluation = trained
    path = tmp_path / "network.mat"
    data = mat_bytes(settings, result, evaluation.scores)
    path.write_bytes(data)
    before = scipy.io.loadmat(path)
    add_to_mat(path, {"opt_scaling_factor": 30.0, "all_perfs": np.array([0.5, 1.0])})
    add_to_mat(path, {"opt_scaling_factor": 50.0})
    after = scipy.io.loadmat(path)
    assert after["opt_scaling_factor"].item() == 50.0 and after["all_perfs"].tolist() == [[0.5, 1.0]]
    assert all(np.array_equal(after[key], before[key]) for key in before if not key.startswith("__"))
    assert load_mat(path)["opt_scaling_factor"].item() == 50.0
    path.write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
    with pytest.raises(FormatError, match="it was damaged"):
        add_to_mat(path, {"opt_scaling_factor": 30.0})
