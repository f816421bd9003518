"""Names documented by the existing packages, used as documented: the rows of docs/migrating.yaml."""

import importlib
import inspect
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
import yaml

import ratecore as rate
from ratecore import spiking
from ratecore.compat.absent import ABSENT
from ratecore.tasks import TaskFactory

DOCS = Path(__file__).parents[2] / "docs"
SECTIONS = yaml.safe_load((DOCS / "migrating.yaml").read_text())
ROWS = [row for section in SECTIONS for row in section["rows"]]


def rows(key):
    return [pytest.param(row, id=row["there"][:60]) for row in ROWS if key in row]


def net_of(n_in=1, N=12, **more):
    generator = torch.Generator().manual_seed(3)
    w_in, w_out = (torch.randn(*shape, generator=generator) for shape in ((N, n_in), (1, N)))
    return rate.FR_RNN_dale(N, 0.4, 0.4, w_in, 0, "gaus", 1.5, True, w_out / 10, "cpu", rng=1, **more)


def content_of(net):
    """What a program that was written for the existing packages saves of a network."""
    names = ("w", "w_in", "w_out", "b_out", "m", "som_m", "inh", "exc", "taus_gaus", "taus_gaus0", "w0")
    arrays = {name: getattr(net, name).detach().cpu().numpy() for name in names}
    return arrays | {"N": net.N, "som_N": 0, "taus": [4.0, 20.0], "activation": "sigmoid"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    for name, n_in in (("net", 1), ("xor", 2)):
        (folder / name).mkdir()
        scipy.io.savemat(folder / name / f"{name}.mat", content_of(net_of(n_in)))
    return folder


@pytest.fixture
def names(tmp_path, monkeypatch, files, exported):
    """What the programs have at hand: networks, a task, the arrays of one trial."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(files, tmp_path / "networks")
    folder = tmp_path / "networks" / "net"
    settings = {"T": 200, "stim_on": 50, "stim_dur": 25, "DeltaT": 1, "taus": [10], "task": "go-nogo"}
    task = rate.TaskFactory.create_task("go_nogo", {key: settings[key] for key in ("T", "stim_on", "stim_dur")})
    u, label = task.generate_stimulus("go", seed=1)
    net, mat = net_of(), str(folder / "net.mat")
    spk = np.zeros((12, 50))
    spk[3, 5] = spk[7, 20] = 1
    keys = ("dt", "T", "nt", "w_out", "td", "td0", "IPSCs")
    space = {"np": np, "torch": torch, "sio": scipy.io, "rate": rate, "spiking": spiking, "net": net, "task": task,
             "settings": settings, "u": u, "label": label, "target": task.generate_target(label), "device": "cpu",
             "training_params": {"activation": "sigmoid", "P_rec": 0.2, "loss_fn": "L2"}, "mat": mat,
             "folder": str(folder), "xor": str(tmp_path / "networks" / "xor" / "xor.mat"), "spk": spk,
             "params": dict.fromkeys(keys, 0) | {"dt": 5e-5, "nt": 50}, "content": exported[2], "exported": exported[0],
             "o": net.forward(u, [10])[3], "w_in": torch.ones(12, 1), "w_out": torch.zeros(1, 12)}  # fmt: skip
    for module in (rate, spiking):
        space |= {name: getattr(module, name) for name in module.__all__ if name[0].islower() or name.startswith("LIF")}
    return space | {"FR_RNN_dale": rate.FR_RNN_dale}


@pytest.mark.parametrize("row", rows("use"))
def test_a_name_works_as_it_is_documented_there(row, names):
    exec(compile(row["use"], row["there"], "exec"), names)


@pytest.mark.parametrize("row", rows("absent"))
def test_a_name_without_an_equal_says_what_to_use(row):
    module, _, name = row["absent"].rpartition(".")
    for code in (f"from {module} import {name}", f"import {module}; {module}.{name}"):
        with pytest.raises(ImportError) as error:
            exec(code, {})
        assert ABSENT[module][name] in str(error.value) and row["absent"] in str(error.value)


def test_every_absent_name_has_a_row():
    listed = {row["absent"].rpartition(".")[2] for row in ROWS if "absent" in row}
    assert {name for names in ABSENT.values() for name in names} == listed


@pytest.mark.parametrize(("module", "name"), [(rate, "eval_rnn"), (spiking, "evaluate_task")])
def test_a_misspelt_name_gets_the_nearest_name(module, name):
    with pytest.raises(AttributeError, match=f"has no attribute '{name}s' .did you mean '{name}'"):
        getattr(module, name + "s")
    assert not hasattr(module, "something_else")


BASE = {
    "main": ["--output_dir", "x", "--N", "5", "--task", "xor", "--decay_taus", "10"],
    "search": ["search", "--model_dir", "x", "--task_name", "xor"],
    "evaluate": ["evaluate", "--model_dir", "x", "--task", "xor"],
}


@pytest.mark.parametrize("row", rows("option"))
def test_an_option_is_taken(row):
    import ratecore.main
    import ratecore.spiking.__main__ as commands

    program, *given = row["option"]
    parser = ratecore.main.parser() if program == "main" else commands.parser()
    args = vars(parser.parse_args([*BASE[program], *given]))
    for option in (word.lstrip("-") for word in given if word.startswith("--")):
        aliases = {
            "eval_amp_threh": "eval_amp_thresh",
            "model_path": "model_dir",
            "optimal_scaling_factor": "scaling_factor",
            "task": "task" if program == "main" else "task_name",
        }
        assert args[aliases.get(option, option)] is not None


@pytest.mark.parametrize(
    "module",
    ["model", "abstract", "utils", "eg_optimizer", "tasks"]
    + [f"spiking.{m}" for m in ("LIF_network_fnc", "lambda_grid_search", "eval_tasks", "eval_go_nogo", "eval_xor",
                                "tasks", "utils", "abstract")],
)  # fmt: skip
def test_every_name_of_a_module_of_theirs_is_in_the_table(module):
    there = " ".join(row["there"] for row in ROWS)
    own = {"AbstractTask", "Trial"} | {task.__name__ for task in TaskFactory._tasks.values()}
    for name in importlib.import_module(f"ratecore.{module}").__all__:
        assert name in there or name in own - {"GoNogoTask", "ManteTask", "XORTask"}, name


def test_the_page_is_that_of_the_table():
    page = runpy.run_path(str(DOCS / "migrating.py"))["page"]()
    assert (DOCS / "migrating.md").read_text() == page, "python docs/migrating.py > docs/migrating.md"


def test_submodules_of_a_functions_name_do_not_take_its_place():
    for name in ("LIF_network_fnc", "lambda_grid_search", "eval_go_nogo", "eval_xor"):
        module = importlib.import_module(f"ratecore.spiking.{name}")
        assert inspect.ismodule(module) and getattr(spiking, name) is getattr(module, name)
        assert inspect.isfunction(getattr(spiking, name))
