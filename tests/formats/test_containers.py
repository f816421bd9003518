"""Damaged and hostile files: all are reported, and none gives wrong numbers, fills the memory or runs code."""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from conftest import flipped_bits

from ratecore import FR_RNN_dale, NetworkSettings
from ratecore.formats import FormatError, evaluation_bytes, load_mat, load_network, load_scores, result_from_pth


def _same(a, b):
    return all(torch.equal(v, b.state_dict()[k]) for k, v in a.state_dict().items() if isinstance(v, torch.Tensor))


@pytest.mark.parametrize("which", [0, 1], ids=["mat", "pth"])
def test_a_flipped_bit_is_never_another_network(exported, tmp_path, which):
    path, true = tmp_path / exported[which].name, load_network(exported[which])
    data, rng, refused = exported[which].read_bytes(), np.random.default_rng(which), 0
    for position in [*range(136), *rng.integers(136, len(data), 60), *range(len(data) - 30, len(data))]:
        changed = bytearray(data)
        changed[position] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        try:
            assert _same(load_network(path), true), position
        except FormatError as error:
            assert path.name in str(error)
            refused += 1
    assert refused > (150 if which == 0 else 60)


def test_a_mat_that_ends_early_is_no_whole_one(exported, tmp_path):
    # Cut between two variables, it would be a file without a gain, which then were the default.
    data, place, refused = exported[0].read_bytes(), 128, 0
    while place < len(data):
        (tmp_path / "a.mat").write_bytes(data[:place])
        with pytest.raises(FormatError, match="a.mat: .*its checksum does not match"):
            load_network(tmp_path / "a.mat")
        place, refused = place + 8 + struct.unpack_from("<I", data, place + 4)[0], refused + 1
    assert place == len(data) and refused > 30


def test_a_mat_that_others_wrote_again_is_read(exported, tmp_path):
    mat, _, content = exported
    kept = {k: v for k, v in content.items() if not k.startswith("__")}
    for how in ({"do_compression": True}, {"do_compression": False}):
        scipy.io.savemat(
            tmp_path / "a.mat", {**kept, "lambdas": np.arange(3.0), "cells": np.array([1, "a"], object)}, **how
        )
        assert _same(load_network(tmp_path / "a.mat"), load_network(mat))
    # With a variable appended, as `save -append` does; what stood there is still compared with its checksum.
    data = mat.read_bytes()
    extra = io.BytesIO()
    scipy.io.savemat(extra, {"lambdas": np.arange(3.0)})
    (tmp_path / "b.mat").write_bytes(data + extra.getvalue()[128:])
    assert _same(load_network(tmp_path / "b.mat"), load_network(mat))
    (tmp_path / "c.mat").write_bytes(data[:-8] + bytes(8) + extra.getvalue()[128:])
    with pytest.raises(FormatError, match="its checksum does not match"):
        load_network(tmp_path / "c.mat")


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_are_those_that_scipy_reads(tmp_path, compressed):
    rng = np.random.default_rng(0)
    arrays = {f"a_{kind}": (100 * rng.random((3, 4, 2))).astype(kind) for kind in ("f8", "f4", "i2", "u1", "i8", "u4")}
    arrays |= {
        "text": "wörter",
        "one": 3.5,
        "flag": True,
        "none": np.zeros((0, 3)),
        "row": np.arange(5.0),
        "large": rng.random((200, 60)),
        "whole": np.arange(300.0),
    }
    scipy.io.savemat(tmp_path / "a.mat", {**arrays, "cell": np.array([1, "a"], object)}, do_compression=compressed)
    ours, theirs = load_mat(tmp_path / "a.mat"), scipy.io.loadmat(tmp_path / "a.mat")
    assert ours.keys() == arrays.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name], strict=True) if name != "flag" else None
    assert ours["flag"].item() == 1 and ours["text"].tolist() == ["wörter"]
    assert load_mat(tmp_path / "a.mat", ["one"]).keys() == {"one"}
    with pytest.raises(FormatError, match="cell is a cell array; it must be an array of numbers"):
        load_mat(tmp_path / "a.mat", ["cell"])


def test_a_mat_of_the_other_byte_order_is_read(tmp_path):
    def part(kind, data):
        return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)

    body = part(6, struct.pack(">II", 6, 0)) + part(5, struct.pack(">ii", 1, 3)) + part(1, b"a")
    body += part(9, struct.pack(">ddd", 1.5, -2.0, 1e300))
    (tmp_path / "a.mat").write_bytes(b"MATLAB 5.0".ljust(124) + b"\x01\x00MI" + part(14, body))
    assert load_mat(tmp_path / "a.mat")["a"].tolist() == [[1.5, -2.0, 1e300]]


def test_numbers_that_a_file_repeats_or_packs_fill_no_memory(exported, tmp_path):
    content = torch.load(exported[1], weights_only=True)
    content["model_state_dict"]["w"] = torch.zeros(1).expand(100_000, 100_000)
    torch.save(content, tmp_path / "repeated.pth")
    with pytest.raises(FormatError, match=r"a tensor of shape \(100000, 100000\) has more numbers than the file"):
        load_network(tmp_path / "repeated.pth")
    with (
        zipfile.ZipFile(exported[1]) as old,
        zipfile.ZipFile(tmp_path / "packed.pth", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(FormatError, match="packed.pth.*it is compressed"):
        load_network(tmp_path / "packed.pth")
    with open(tmp_path / "large.pth", "wb") as file:
        file.truncate(2**40)
    with pytest.raises(FormatError, match="large.pth: it has 1,099,511,627,776 bytes; at most"):
        load_network(tmp_path / "large.pth")


def test_damaged_and_hostile_evaluations_are_named(trained, tmp_path):
    path = tmp_path / "evaluation.npz"
    data = evaluation_bytes(trained[2])
    path.write_bytes(data)
    true, rng = load_scores(path), np.random.default_rng(0)
    for changed in flipped_bits(data, rng):
        path.write_bytes(changed)
        try:
            scores = load_scores(path)
        except FormatError as error:
            assert "evaluation.npz" in str(error)
        else:
            np.testing.assert_array_equal(scores.outputs, true.outputs)
            np.testing.assert_array_equal(scores.losses, true.losses)
            assert scores.labels == true.labels
    arrays = dict(np.load(io.BytesIO(data)))
    for changes, message in [
        ({"labels": np.array([Path("x")] * 20)}, "labels holds objects"),
        ({"losses": np.zeros(3)}, "losses has 3|has 20 trials; losses has 3"),
        ({"losses": np.zeros(20, complex)}, "losses has shape"),
        ({"outputs": np.zeros(20)}, "outputs has shape"),
    ]:
        np.savez(path, **arrays | changes)
        with pytest.raises(FormatError, match=message):
            load_scores(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("losses", [1]), ("tests", [[]]), ("trained", 1), ("trial", None), ("initial_state_dict", 3), ("finished", "now")],
)
def test_a_result_of_other_kinds_of_values_is_named(exported, tmp_path, key, value):
    content = torch.load(exported[1], weights_only=True)
    torch.save({**content, key: value}, tmp_path / "a.pth")
    with pytest.raises(FormatError, match=f"a.pth: '?{key}"):
        result_from_pth(tmp_path / "a.pth")


@pytest.mark.parametrize(("key", "value"), [
    ("w", np.full((20, 20), 1j)), ("som_N", 21.0), ("som_N", -1.0), ("som_N", 0.5), ("taus", [0.0]), ("taus", [np.nan]),
    ("exc", np.zeros((20, 1))),
])  # fmt: skip
def test_numbers_that_make_no_network_are_named(exported, tmp_path, key, value):
    content = {k: v for k, v in exported[2].items() if not k.startswith("__")}
    scipy.io.savemat(tmp_path / "a.mat", content | {key: value})
    with pytest.raises(FormatError, match=f"a.mat: .*{key}"):
        load_network(tmp_path / "a.mat")
    net = FR_RNN_dale.from_settings(NetworkSettings(N=6), 1, 1)
    with pytest.raises(ValueError, match="w is complex; it must be real"):
        FR_RNN_dale.from_arrays(net.settings, {**net.state_dict(), "w": net.w.detach() + 1j})
