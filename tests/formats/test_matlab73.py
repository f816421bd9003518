"""MATLAB 7.3 files are read like older formats if h5py is installed, and refused with a clear error otherwise."""

import sys

import numpy as np
import pytest
import scipy.io.matlab
import scipy.sparse
import torch
from test_foreign_files import FULL, SIGNS, TASK, check, network, variant, without

from ratecore.formats import FormatError, add_to_mat, load_mat, load_network, load_task
from ratecore.spiking import evaluate_task, lambda_grid_search, rate_model

CLASSES = {"f8": "double", "f4": "single", "i8": "int64", "u1": "uint8", "i1": "int8", "b1": "logical"}


def reference_type():
    import h5py

    return h5py.ref_dtype


def put(group, name, value, refs=None):
    """Writes a variable as MATLAB does: transposed, with its class in an attribute."""
    if isinstance(value, dict):
        item = group.create_group(name)
        item.attrs["MATLAB_class"] = np.bytes_("struct")
        for field, one in value.items():
            put(item, field, one)
    elif isinstance(value, np.ndarray) and value.dtype.kind == "O":
        if value.size:
            refs = group.file.require_group("#refs#")
            names = [f"{group.name.strip('/')}_{name}_{k}".replace("/", "_") for k in range(value.size)]
            for key, one in zip(names, value.ravel(), strict=True):
                put(refs, key, one)
            item = group.create_dataset(name, data=np.array([[refs[key].ref] for key in names], reference_type()))
        else:
            item = group.create_dataset(name, data=np.array([1, 0], "u8"))
            item.attrs["MATLAB_empty"] = np.uint8(1)
        item.attrs["MATLAB_class"] = np.bytes_("cell")
    elif scipy.sparse.issparse(value):
        item, value = group.create_group(name), value.tocsc()
        item.attrs["MATLAB_class"], item.attrs["MATLAB_sparse"] = np.bytes_("double"), np.uint64(value.shape[0])
        for part, array in (("data", value.data), ("ir", value.indices), ("jc", value.indptr)):
            if len(array):
                item[part] = array.astype("u8" if part != "data" else "f8")
    elif isinstance(value, str):
        item = group.create_dataset(name, data=np.frombuffer(value.encode("utf-16-le"), "u2")[:, None])
        item.attrs["MATLAB_class"] = np.bytes_("char")
    else:
        value = np.asarray(value, float) if np.asarray(value).dtype.kind in "iU" else np.asarray(value)
        value = value.reshape(1, -1) if value.ndim < 2 else value
        kind = CLASSES[value.dtype.str[1:]]
        item = group.create_dataset(name, data=(value.astype("u1") if kind == "logical" else value).T)
        item.attrs["MATLAB_class"] = np.bytes_(kind)


def saved(folder, content, userblock=512):
    import h5py

    path = folder / "network.mat"
    with h5py.File(path, "w", userblock_size=userblock) as file:
        for name, value in content.items():
            put(file, name, value)
    if userblock:
        data = bytearray(path.read_bytes())
        data[:128] = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
        path.write_bytes(data)
    return path


@pytest.mark.parametrize("userblock", [512, 0])
def test_a_file_is_the_same_network_and_is_searched_again_and_again(tmp_path, userblock):
    pytest.importorskip("h5py")
    path = saved(tmp_path, FULL | {"o": np.zeros(44)}, userblock)
    check(path, {})
    for _ in range(3):
        best = lambda_grid_search(path, "go-nogo", 1, [20, 40], TASK)
    assert load_mat(path)["opt_scaling_factor"].tolist() == [[best]]
    assert load_mat(path)["scaling_factors"].tolist() == [[20, 40]]
    assert path.read_bytes()[:10] == (b"MATLAB 7.3" if userblock else b"\x89HDF\r\n\x1a\n\0\0")
    evaluate_task("go-nogo", path, None, TASK, save_plots=False, n_trials=1)
    check(path, {})


def test_arrays_are_those_that_were_written(tmp_path):
    h5py = pytest.importorskip("h5py")
    rng = np.random.default_rng(0)
    content = {
        "w": rng.normal(size=(2, 3, 4)),
        "single": rng.normal(size=(3, 2)).astype("f4"),
        "text": "wörter",
        "flags": np.array([[True, False]]),
        "sparse": scipy.sparse.random(5, 7, 0.3, rng=rng),
        "empty_sparse": scipy.sparse.csc_matrix((3, 4)),
        "bytes": np.array([[1, 2]], "u1"),
        "params": {"a": 1.0},
    }
    path = saved(tmp_path, content)
    with h5py.File(path, "r+") as file:
        file["none"] = np.array([0, 3], "u8")
        file["none"].attrs["MATLAB_class"], file["none"].attrs["MATLAB_empty"] = np.bytes_("double"), np.uint8(1)
        file["z"] = np.array([[(1.0, 2.0)]], [("real", "f8"), ("imag", "f8")])
        file["z"].attrs["MATLAB_class"] = np.bytes_("double")
        file["words"] = np.array([[115, 110], [97, 111], [109, 32], [101, 32]], "u2")
        file["words"].attrs["MATLAB_class"] = np.bytes_("char")
        file["cells"] = np.array([[file["w"].ref, file["text"].ref]], h5py.ref_dtype)
        file["cells"].attrs["MATLAB_class"] = np.bytes_("cell")
        file["object"] = np.array([[0xDD000000, 2]], "u4")
        file["object"].attrs["MATLAB_class"] = np.bytes_("string")
    read = load_mat(path)
    assert set(read) == set(content) - {"params"} | {"none", "z", "words"}
    for name in ("w", "single", "flags", "bytes"):
        np.testing.assert_array_equal(read[name], content[name], strict=True)
    for name in ("sparse", "empty_sparse"):
        np.testing.assert_array_equal(read[name].toarray(), content[name].toarray())
    assert read["text"].tolist() == ["wörter"] and read["words"].tolist() == ["same", "no  "]
    assert read["none"].shape == (0, 3) and read["z"] == 1 + 2j
    for name, what in {"params": "a structure", "cells": "a cell array", "object": "an object of MATLAB"}.items():
        with pytest.raises(FormatError, match=f"network.mat: .*{name} is {what}"):
            load_mat(path, [name])
    add_to_mat(path, {"opt_scaling_factor": 3.0, "w": np.eye(2)})
    with h5py.File(path) as file:
        assert file["opt_scaling_factor"].shape == (1, 1) and file["params/a"][()] == 1 and "object" in file
        assert file["opt_scaling_factor"].attrs["MATLAB_class"] == b"double"
    np.testing.assert_array_equal(load_mat(path)["w"], np.eye(2))


def test_variants(tmp_path, capsys):
    pytest.importorskip("h5py")
    for content in (variant(w=scipy.sparse.csc_matrix(FULL["w"])), {"net": FULL}, without("exc", "som_N", "b_out")):
        np.testing.assert_array_equal(rate_model(saved(tmp_path, content)).W, FULL["w"] * SIGNS)
    err = capsys.readouterr().err
    assert "its network is in the structure net" in err and "it has no b_out: 0 is assumed" in err
    for content, message in [
        (variant(w={"a": 1.0}), "w is a structure"),
        (without("taus"), "it has no taus"),
        (variant(w=np.full((12, 12), np.nan)), "w holds NaN"),
    ]:
        with pytest.raises(FormatError, match=f"network.mat: .*{message}"):
            load_network(saved(tmp_path, content))


def test_nothing_outside_the_file_is_read(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = saved(tmp_path, without("w"))
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["w"] = FULL["w"]
    (tmp_path / "raw").write_bytes(FULL["w"].tobytes())
    layout = h5py.VirtualLayout((12, 12), "f8")
    layout[:] = h5py.VirtualSource(str(other), "w", (12, 12))
    makes = [
        lambda file: file.__setitem__("w", h5py.ExternalLink(str(other), "/w")),
        lambda file: file.__setitem__("w", h5py.SoftLink("/w_in")),
        lambda file: file.create_virtual_dataset("w", layout),
        lambda file: file.create_dataset("w", (12, 12), "f8", external=[(str(tmp_path / "raw"), 0, 1152)]),
    ]
    for make in makes:
        with h5py.File(path, "r+") as file:
            file.pop("w", None)
            make(file)
        with pytest.raises(FormatError, match="network.mat: .*w is (a link|in another file)"):
            load_network(path)


def test_damaged_files_and_what_would_fill_the_memory_are_named(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = saved(tmp_path, without("w"))
    data = path.read_bytes()
    with h5py.File(path, "r+") as file:
        file.create_dataset("w", (10**6, 10**6), "f8", chunks=(1000, 1000), compression="gzip")
        file["w"].attrs["MATLAB_class"] = np.bytes_("double")
    with pytest.raises(FormatError, match=r"network.mat: .*w has shape \(1000000, 1000000\); at most"):
        load_network(path)
    rng = np.random.default_rng(0)
    for cut in (600, 2000, len(data) // 2):
        path.write_bytes(data[:cut])
        with pytest.raises(FormatError, match="network.mat"):
            load_network(path)
    for position in rng.integers(512, len(data), 30):
        changed = bytearray(data)
        changed[position] ^= 255
        path.write_bytes(changed)
        with pytest.raises(FormatError, match="network.mat"):  # it has no w in any case
            load_network(path)


def test_without_h5py_a_sentence_names_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "network.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM" + bytes(400))
    monkeypatch.setitem(sys.modules, "h5py", None)
    for read in (load_mat, load_network, lambda path: add_to_mat(path, {"a": 1.0})):
        with pytest.raises(FormatError, match=r"network.mat: .*HDF5.*pip install 'ratecore\[matlab73\]'.*'-v7'"):
            read(path)


def test_scipys_file_of_this_format_is_read():
    pytest.importorskip("h5py")
    path = next(iter(scipy.io.matlab.__path__)) + "/tests/data/testhdf5_7.4_GLNX86.mat"
    try:
        open(path).close()
    except FileNotFoundError:
        pytest.skip("this SciPy has no files of its tests")
    assert load_mat(path)["testdouble"].ravel() == pytest.approx(np.arange(9) * np.pi / 4)


def test_the_networks_of_several_inputs_are_not_transposed(tmp_path):
    pytest.importorskip("h5py")
    content = network(n_in=4)
    np.testing.assert_array_equal(rate_model(saved(tmp_path, content)).w_in, content["w_in"])


def test_a_network_of_ours_that_matlab_saved_again_keeps_the_settings_of_its_task(tmp_path, exported):
    pytest.importorskip("h5py")
    content = scipy.io.loadmat(exported[0], simplify_cells=True)
    path = saved(tmp_path, {key: value for key, value in content.items() if not key.startswith("__")})
    assert load_task(path).settings == load_task(exported[0]).settings
    assert torch.equal(load_network(path).w, load_network(exported[0]).w)


def test_settings_of_every_kind_are_read(tmp_path):
    pytest.importorskip("h5py")
    from ratecore.formats import read_network

    settings = {"T": 45.0, "shape": "step", "turned": np.array([True]), "levels": np.array([0.5, 2.0]),
                "words": np.array(["near", "far away"], object), "word": np.array(["x"], object),
                "none": np.array([], object), "flags": np.array([True, False])}  # fmt: skip
    content = FULL | {"task": "of someone", "task_settings": settings, "w_out": np.ones((3, 12)), "b_out": np.zeros(3)}
    saved_task = read_network(saved(tmp_path, content)).task
    assert saved_task.n_out == 3 and saved_task.settings == {
        "T": 45, "shape": "step", "turned": 1, "levels": [0.5, 2], "words": ["near", "far away"], "word": "x",
        "none": [], "flags": [1, 0],
    }  # fmt: skip
    long = settings | {"words": np.array(["a", "b" * 1001], object)}
    assert read_network(saved(tmp_path, content | {"task_settings": long})).task.settings is None
