"""`.pth` files of the PyTorch port: read together with their `.mat`; without it, an error says what to do."""

import numpy as np
import pytest
import scipy.io
import torch
from test_foreign_files import FULL, network

from ratecore import FR_RNN_dale, NetworkSettings
from ratecore.formats import FormatError, load_network, load_task
from ratecore.main import main
from ratecore.spiking import rate_model

SETTINGS = {"T": 90, "stim_on": 5, "stim_dur": 10, "DeltaT": 1, "taus": [4.0, 20.0], "task": "go-nogo"}


class PortNetwork(torch.nn.Module):
    """What the port's module has in its state dict: two arrays and a number, but no masks and no input weights."""

    def __init__(self, content):
        super().__init__()
        for name in ("w", "w_out"):
            self.register_parameter(name, torch.nn.Parameter(torch.tensor(content[name], dtype=torch.float32)))
        self.b_out = torch.nn.Parameter(torch.tensor(float(np.ravel(content["b_out"])[0])))


def port(folder, content=None, losses=None, **changes):
    """The two files that the port's main.py saves. Returns the path of the `.pth`."""
    content = {**(content or FULL), "x": np.zeros((12, 1)), "r": np.zeros((12, 1))}
    content |= {key: np.asarray(content[key], "f4") for key in ("w", "w_out", "w_in", "taus_gaus", "m", "som_m")}
    content |= {"b_out": np.float32(np.ravel(content["b_out"])[0]), **changes}
    net = PortNetwork(content)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    sum(p.sum() for p in net.parameters()).backward()
    optimizer.step()
    net = PortNetwork(content)
    scipy.io.savemat(folder / "net.mat", content)
    torch.save(
        {
            "model_state_dict": net.state_dict(),
            "optimizer_state_dict": optimizer.state_dict(),
            "settings": SETTINGS,
            "training_params": {"learning_rate": 0.01, "activation": "sigmoid", "loss_fn": "l2", "P_rec": 0.2},
            "losses": np.zeros(20) if losses is None else losses,
            "final_loss": 1.5,
            "trial": 19,
        },
        folder / "net.pth",
    )
    return folder / "net.pth"


# main.py keeps its losses in an array, the tutorial in a list; some keep numbers of numpy.
@pytest.mark.parametrize("losses", [np.zeros(20), [1.0, 2.0], [np.float64(3.0)], torch.zeros(3)])
def test_a_pth_of_the_port_is_a_network_with_its_mat(tmp_path, losses, capsys):
    path = port(tmp_path, losses=losses)
    net, model = load_network(path), rate_model(path)
    np.testing.assert_allclose(net.effective_weights().detach(), FULL["w"] @ FULL["m"], rtol=1e-6)
    np.testing.assert_allclose(model.W, FULL["w"] @ FULL["m"], rtol=1e-6)
    np.testing.assert_allclose(net.w_in, FULL["w_in"], rtol=1e-6)
    assert net.b_out.item() == pytest.approx(0.1)
    other = FR_RNN_dale.from_settings(NetworkSettings(N=5), 2, 1)
    assert torch.equal(other.load_net(path).w, net.w)
    err = capsys.readouterr().err
    assert f"{path}: a network of the PyTorch port: masks, input weights and time constants are those of net.mat" in err
    assert "its taus_gaus are the last random draw and were never trained" in err


def test_the_settings_of_its_task_are_those_of_the_pth(tmp_path, capsys):
    path = port(tmp_path)
    for of in (path, path.with_suffix(".mat")):
        assert load_task(of).settings == {"T": 90, "stim_on": 5, "stim_dur": 10}
        assert load_task(of, "go_nogo", {"T": 100}).settings["T"] == 100
    assert "scored with T = 100; it was trained with T = 90" in capsys.readouterr().err
    with pytest.raises(FormatError, match="the network has 1 inputs; task xor has 2"):
        load_task(path, "xor")
    assert (
        main(["--mode=eval", "--task=go-nogo", f"--output_dir={tmp_path}", f"--model={path}", "--eval_trials=2"]) == 0
    )


@pytest.mark.parametrize("bare", [False, True], ids=["training", "state dict"])
def test_a_pth_of_the_port_alone_says_what_to_do(tmp_path, bare):
    path = port(tmp_path)
    if bare:
        torch.save(torch.load(path, weights_only=False)["model_state_dict"], path)
        assert load_network(path).N == 12
    path.with_suffix(".mat").unlink()
    for read in (load_network, rate_model, load_task):
        with pytest.raises(
            FormatError, match="net.pth: .*cannot be run alone: .*masks and input weights; put the net.mat"
        ):
            read(path)


def test_a_mat_of_another_network_beside_it_is_refused(tmp_path):
    path = port(tmp_path)
    scipy.io.savemat(tmp_path / "net.mat", network(seed=1))
    with pytest.raises(FormatError, match="net.pth: net.mat beside it is of another network, its w differs"):
        load_network(path)
    scipy.io.savemat(tmp_path / "net.mat", network(N=8))
    with pytest.raises(FormatError, match="its w differs"):
        load_network(path)


def test_a_pickled_module_and_other_content_are_named_without_colours(tmp_path):
    path = tmp_path / "net.pth"
    torch.save({"model": PortNetwork(FULL)}, path)
    with pytest.raises(FormatError, match="net.pth: .*more than tensors and plain values.*PortNetwork") as error:
        load_network(path)
    assert "\x1b" not in str(error.value) and "\n" not in str(error.value)
    torch.save({"weights": torch.zeros(3)}, path)
    with pytest.raises(FormatError, match="net.pth: not a network saved by ratecore"):
        load_network(path)
    torch.save({**torch.load(port(tmp_path), weights_only=False), "losses": np.array([{}], object)}, path)
    with pytest.raises(FormatError, match="net.pth: .*more than tensors and plain values"):
        load_network(path)  # objects, if only plain ones
    path.write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(FormatError, match="net.pth: not a readable .pth file"):
        load_network(path)


class Pickled:
    """Pickled as a call of NumPy's that would fill the memory before there is a number."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "call",
    [
        (np._core.multiarray._reconstruct, (np.ndarray, (10**14,), "d")),
        (np.ndarray, ((10**14,),)),
        (np._core.multiarray.scalar, (np.dtype("V2000000000"), b"")),
    ],
    ids=["reconstructed", "made", "scalar"],
)
def test_an_array_that_says_it_is_huge_takes_no_memory(tmp_path, call):
    path = port(tmp_path)
    torch.save({**torch.load(path, weights_only=False), "losses": Pickled(*call)}, path)
    with pytest.raises(FormatError, match="net.pth: not a readable .pth file: (an array that says|it holds more than)"):
        load_network(path)


STATES = {
    "parameters": lambda state: {key: torch.nn.Parameter(value) for key, value in state.items()},
    "half": lambda state: {key: value.half() for key, value in state.items()},
    "bfloat16": lambda state: {key: value.bfloat16() for key, value in state.items()},
    "parallel": lambda state: {f"module.{key}": value for key, value in state.items()},
}


@pytest.mark.parametrize("how", STATES)
def test_a_state_in_another_form_is_the_network_of_its_mat(tmp_path, how):
    path = port(tmp_path)
    state = torch.load(path, weights_only=False)["model_state_dict"]
    for content in (STATES[how](state), {"model_state_dict": STATES[how](state), "settings": SETTINGS}):
        torch.save(content, path)
        np.testing.assert_array_equal(rate_model(path).W, rate_model(path.with_suffix(".mat")).W)
    other = {key: value + 0.1 for key, value in state.items()}
    torch.save(STATES[how](other), path)
    with pytest.raises(FormatError, match=r"net.pth: net.mat beside it is of another network, its w"):
        load_network(path)


def test_settings_that_are_numbers_of_numpy_count(tmp_path):
    path = port(tmp_path)
    content = torch.load(path, weights_only=False)
    torch.save({**content, "settings": {**SETTINGS, "T": np.int64(70), "stim_on": np.float64(7)}}, path)
    assert load_task(path).settings == {"T": 70, "stim_on": 7, "stim_dur": 10}


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "no file as torch saves it since version 1.6"),
        (b"rubbish" * 50, "no file as torch saves it since"),
        (b"PK\x03\x04" + bytes(400), "it is cut off or no file of torch"),
    ],
)
def test_a_pth_that_is_no_archive_is_named_in_words(tmp_path, content, what):
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(FormatError, match=f"net.pth: not a readable .pth file: {what}"):
        load_network(tmp_path / "net.pth")
