"""Hostile files of networks and evaluations: `.pth`, `.mat`, `.npz`."""

from __future__ import annotations

import io
import os
import pickle
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.io
import scipy.sparse
import torch

from faults.hostile import Place, case
from ratecore.formats import FormatError, load_network, load_scores, result_from_pth

# ------------------------------------------------------------------------------------------------------------ .pth


def _content(place: Place) -> dict:
    return torch.load(place.runs[0].network, weights_only=True)


def _saved(place: Place, content, **how) -> Path:
    path = place.folder / "hostile.pth"
    torch.save(content, path, **how)
    return path


def _rewritten(place: Place, change: Callable[[bytes], bytes], packed=zipfile.ZIP_STORED) -> Path:
    """Returns the network's .pth with another pickle and a correct checksum."""
    path = place.folder / "hostile.pth"
    with zipfile.ZipFile(place.runs[0].network) as old, zipfile.ZipFile(path, "w", packed) as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(data) if name.endswith("data.pkl") else data)
    return path


@case
def pth_pickle_in_a_zip(place):
    path = _saved(place, {**_content(place), "settings": place.pickle()})
    place.refused(lambda: load_network(path), FormatError, "hostile.pth", "not a readable .pth")


@case
def pth_pickle_of_old(place):
    path = _saved(place, place.pickle(), _use_new_zipfile_serialization=False)
    place.refused(lambda: load_network(path), FormatError, "hostile.pth", "not a readable .pth")
    path.write_bytes(pickle.dumps(place.pickle()))
    place.refused(lambda: load_network(path), FormatError, "hostile.pth", "not a readable .pth")


@case
def pth_tensor_of_stride_zero(place):
    content = _content(place)
    content["model_state_dict"]["w"] = torch.zeros(1).expand(100_000, 100_000)
    content["model_state_dict"]["_extra_state"]["N"] = 100_000
    path = _saved(place, content)
    place.refused(lambda: load_network(path), FormatError, "hostile.pth", "more numbers than the file")


@case
def pth_storage_that_is_not_there(place):
    numel = b"K\x14t"  # such as of the 20 numbers of w_out
    path = _rewritten(place, lambda data: data.replace(numel, b"J" + struct.pack("<i", 2 * 10**9) + b"t"))
    assert path.read_bytes() != place.runs[0].network.read_bytes()
    place.refused(lambda: load_network(path), FormatError, "hostile.pth", "not a readable .pth")


@case
def pth_bomb(place):
    path = place.folder / "hostile.pth"
    with zipfile.ZipFile(place.runs[0].network) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, bytes(2**24) if name.endswith("data/0") else old.read(name))
    place.refused(lambda: load_network(path), FormatError, "hostile.pth", "compressed")


@case
def pth_larger_than_any_network(place):
    path = place.folder / "hostile.pth"
    with open(path, "wb") as file:
        file.truncate(2**40)
    place.refused(lambda: load_network(path), FormatError, "hostile.pth", "at most")
    (place.folder / "pipe.pth").unlink(missing_ok=True)
    os.mkfifo(place.folder / "pipe.pth")
    place.refused(lambda: result_from_pth(place.folder / "pipe.pth"), FormatError, "pipe.pth", "no regular file")


@case
def pth_numbers_that_make_no_network(place):
    changes = {
        "w": lambda w: w * np.nan,
        "taus_gaus": lambda t: t + torch.inf,
        "w_out": lambda w: w[:, :3],
        "m": lambda m: m.to(torch.complex64),
        "w_in": lambda w: w.to(torch.bfloat16),
        "b_out": lambda b: "text",
    }
    for name, change in changes.items():
        content = _content(place)
        content["model_state_dict"][name] = change(content["model_state_dict"][name])
        path = _saved(place, content)
        place.refused(lambda path=path: load_network(path), FormatError, "hostile.pth")


@case
def pth_settings_that_make_no_network(place):
    for key, value in {"N": -3, "som_N": 21, "taus": [0.0], "activation": "tanh", "gain": float("nan"), "x": 1}.items():
        content = _content(place)
        content["model_state_dict"]["_extra_state"] |= {key: value}
        path = _saved(place, content)
        place.refused(lambda path=path: load_network(path), FormatError, "hostile.pth", key)


@case
def pth_parts_of_another_kind(place):
    for key, value in {"losses": [1], "tests": [[]], "trained": "yes", "trial": None, "initial_state_dict": 3}.items():
        path = _saved(place, {**_content(place), key: value})
        place.refused(lambda path=path: result_from_pth(path), FormatError, "hostile.pth", key)


# ------------------------------------------------------------------------------------------------------------ .mat


def _mat(place: Place, **changes) -> Path:
    content = scipy.io.loadmat(place.experiment.root / place.runs[0].outcome("export")["mat"])
    content = {key: value for key, value in content.items() if not key.startswith("__")} | changes
    path = place.folder / "hostile.mat"
    scipy.io.savemat(path, content, do_compression=True)
    return path


def _element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def _array(name: str, shape, values: bytes, of_class=6, kind=9, claims=None) -> bytes:
    """Returns an array of a MATLAB file with an arbitrary header."""
    data = _element(6, struct.pack("<II", of_class, 0)) + _element(5, struct.pack(f"<{len(shape)}i", *shape))
    data += _element(1, name.encode())
    data += struct.pack("<II", kind, len(values) if claims is None else claims) + values + bytes(-len(values) % 8)
    return data


def _mat_of(place: Place, body: bytes) -> Path:
    path = place.folder / "hostile.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(116) + bytes(8) + b"\x00\x01IM" + body)
    return path


def zeros_compressed(size: int, head: bytes) -> bytes:
    """Returns `head` and the given number of zeros as a zlib stream, without allocating the zeros."""
    block, deflate = bytes(2**20), zlib.compressobj(9)
    start = deflate.compress(head) + deflate.flush(zlib.Z_FULL_FLUSH)
    once = deflate.compress(block) + deflate.flush(zlib.Z_FULL_FLUSH)
    last, checksum = deflate.flush(), zlib.adler32(head)
    a, b = checksum & 0xFFFF, checksum >> 16
    b = (b + a * size) % 65521
    return start + once * (size // 2**20) + last[:-4] + struct.pack(">I", b << 16 | a)


@case
def mat_objects(place):
    objects = np.array([1.0, "a", 2.0], dtype=object)
    for key in ("w", "activation", "taus"):
        path = _mat(place, **{key: objects if key != "taus" else {"a": 1}})
        place.refused(lambda path=path: load_network(path), FormatError, "hostile.mat", key)
    path = _mat_of(place, _element(14, _array("w", (1, 1), pickle.dumps(place.pickle()), of_class=17, kind=2)))
    place.refused(lambda: load_network(path), FormatError, "hostile.mat", "w is an object")


@case
def mat_says_it_has_a_billion_units(place):
    N = 10**9
    path = _mat_of(place, _element(14, _array("w", (N, N), bytes(16), claims=2**32 - 8)))
    place.refused(lambda: load_network(path), FormatError, "hostile.mat", "w has shape (1000000000, 1000000000)")
    path = _mat(place, w=np.zeros((0, 0)), N=float(N))
    place.refused(lambda: load_network(path), FormatError, "hostile.mat")


@case
def mat_bomb(place):
    size = 8 * 2**30
    head = _array("w", (20, 20), b"", claims=2**32 - 8)
    body = zeros_compressed(size, struct.pack("<II", 14, 2**32 - 8) + head)
    path = _mat_of(place, struct.pack("<II", 15, len(body)) + body)
    place.refused(lambda: load_network(path), FormatError, "hostile.mat", "w has shape (20, 20)")
    # The shape is correct; the data after it is the bomb.
    head = _array("w", (20, 20), bytes(3200))
    body = zeros_compressed(size, struct.pack("<II", 14, len(head)) + head)
    path = _mat_of(place, struct.pack("<II", 15, len(body)) + body)
    place.refused(lambda: load_network(path), FormatError, "hostile.mat", "w is cut off, or more follows it")


@case
def mat_bombs_in_what_is_nested(place):
    size, true = 8 * 2**30, load_network(_mat(place)).w
    for name, of_class in (("task_settings", 2), ("w", 5), ("w", 1), ("net", 2)):
        head = _array(name, (1, 1), b"", of_class=of_class, kind=5, claims=2**32 - 8)
        body = zeros_compressed(size, struct.pack("<II", 14, 2**32 - 8) + head)
        bomb = struct.pack("<II", 15, len(body)) + body
        path = _mat_of(place, bomb)
        place.refused(lambda path=path: load_network(path), FormatError, "hostile.mat")
        if name != "w":  # variables that are not needed do no harm
            path = _mat(place)
            path.write_bytes(path.read_bytes() + bomb)
            assert torch.equal(load_network(path).w, true)
    # One index of a sparse matrix is far outside
    path = _mat(place, w=scipy.sparse.csc_matrix(np.eye(20)))
    scipy.io.savemat(path, {"net": {k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith("__")}})
    data = bytearray(path.read_bytes())
    struct.pack_into("<i", data, data.index(struct.pack("<20i", *range(20))) + 8, 2**30)
    path.write_bytes(data)
    place.refused(lambda: load_network(path), FormatError, "hostile.mat")


@case
def pth_arrays_that_say_they_are_huge(place):
    class Huge:
        def __reduce__(self):
            return np._core.multiarray._reconstruct, (np.ndarray, (10**12,), "d")

    content = {"model_state_dict": {"w": torch.eye(3), "w_out": torch.eye(3), "b_out": torch.eye(3)}}
    for value in (Huge(), np.array([place.pickle()], object)):
        path = _saved(place, content | {"losses": value})
        place.refused(lambda path=path: load_network(path), FormatError, "hostile.pth", "not a readable .pth")


@case
def mat_numbers_that_make_no_network(place):
    changes = {
        "w": np.full((20, 20), np.inf),
        "w_out": np.zeros((1, 3)),
        "w_in": np.zeros((20, 1), complex) + 1j,
        "taus": [-4.0, 20.0],
        "som_N": 21.0,
        "exc": np.zeros((20, 1)),
        "activation": "tanh",
        "som_m": "text",
        "b_out": np.nan,
    }
    for key, value in changes.items():
        path = _mat(place, **{key: value})
        place.refused(lambda path=path: load_network(path), FormatError, "hostile.mat", key)
    path = _mat(place, som_N=-1.0)
    place.refused(lambda: load_network(path), FormatError, "hostile.mat", "som_N")


# ------------------------------------------------------------------------------------------------------------ .npz


def _npz(place: Place, **changes) -> Path:
    with np.load(place.runs[0].evaluation) as data:
        arrays = dict(data) | changes
    path = place.folder / "hostile.npz"
    np.savez_compressed(path, **arrays)
    return path


@case
def npz_objects(place):
    for key in ("labels", "losses"):
        path = _npz(place, **{key: np.array([place.pickle()] * 8, dtype=object)})
        place.refused(lambda path=path: load_scores(path), FormatError, "hostile.npz", key)


@case
def npz_bomb_and_shapes(place):
    path = _npz(place, losses=np.zeros(3))
    place.refused(lambda: load_scores(path), FormatError, "hostile.npz", "trials")
    data = bytearray(place.runs[0].evaluation.read_bytes())
    for entry in re.finditer(rb"PK\x01\x02", bytes(data)):
        struct.pack_into("<I", data, entry.start() + 24, 2**32 - 2)  # unpacked size
    path.write_bytes(data)
    place.refused(lambda: load_scores(path), FormatError, "hostile.npz", "at most")
    # A small member with a large size in its header.
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    with zipfile.ZipFile(place.runs[0].evaluation) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, header.getvalue() if name == "losses.npy" else old.read(name))
    place.refused(lambda: load_scores(path), FormatError, "hostile.npz", "losses has shape (1000000000000,)")
