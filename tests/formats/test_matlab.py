"""MATLAB files as containers: the same content as read by SciPy; variables that are not needed do no harm."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.io.matlab
import scipy.sparse

from ratecore.formats import FormatError, add_to_mat, load_mat
from ratecore.formats import matlab as container
from ratecore.formats import matlab_writing as writing
from ratecore.formats.mat import read_variables

SCIPY_FILES = sorted(Path(scipy.io.matlab.__file__).parent.glob("tests/data/*.mat"))
LAMBDA = {"opt_scaling_factor": 30.0, "all_perfs": np.array([0.5, 1.0]), "scaling_factors": np.array([20.0, 30.0])}


def native(value):
    return value if scipy.sparse.issparse(value) else value.astype(value.dtype.newbyteorder("="))


def same(ours, theirs):
    if scipy.sparse.issparse(theirs):
        assert scipy.sparse.issparse(ours)
        ours, theirs = ours.toarray(), theirs.toarray()
    np.testing.assert_array_equal(ours, native(theirs), strict=True)


@pytest.mark.skipif(not SCIPY_FILES, reason="this SciPy has no files of its tests")
@pytest.mark.parametrize("path", SCIPY_FILES, ids=[path.name for path in SCIPY_FILES])
@pytest.mark.filterwarnings("ignore")
def test_files_of_scipys_tests_are_read_as_scipy_reads_them_or_refused_by_name(path):
    try:
        ours = load_mat(path)
    except FormatError as error:
        assert path.name in str(error) and "\n" not in str(error)
        with pytest.raises((ValueError, TypeError, NotImplementedError, zlib.error)):
            scipy.io.loadmat(path)
        return
    if path.name == "bad_miutf8_array_name.mat":  # a name in the wrong type of letters, which SciPy refuses
        assert set(ours) == {"äray_name"}
        return
    if container.is_hdf5(path.read_bytes()):
        pytest.skip("of MATLAB 7.3, which SciPy does not read: tests/formats/test_matlab73.py")
    theirs = {k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith("__")}
    for name, value in theirs.items():
        plain = scipy.sparse.issparse(value) or (type(value) is np.ndarray and value.dtype.kind not in "OV")
        assert (name in ours) == plain, name
        if plain:
            same(ours[name], value)
        else:
            with pytest.raises(FormatError, match=f"{name} is (a cell array|a structure|an object|a function)"):
                load_mat(path, [name])
    assert ours.keys() <= theirs.keys()


def part(order, kind, data):
    return struct.pack(f"{order}II", kind, len(data)) + data + bytes(-len(data) % 8)


def variable(name, of_class, shape, *parts, order="<", flags=0):
    head = part(order, 6, struct.pack(f"{order}II", of_class | flags, 0))
    head += part(order, 5, struct.pack(f"{order}{len(shape)}i", *shape)) if shape is not None else b""
    return part(order, 14, head + part(order, 1, name.encode()) + b"".join(parts))


def file_of(*elements, order="<"):
    return container._file_header(order) + b"".join(elements)


def saved(**content):
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, content)
    return buffer.getvalue()


def opaque(name="words"):
    """A string object of MATLAB: it has no shape, and the names of its system and class after its own."""
    inner = variable("", 13, (1, 1), part("<", 6, struct.pack("<I", 0xDD000000)))
    return variable(name, 17, None, part("<", 1, b"MCOS"), part("<", 1, b"string"), inner)


NEEDED = saved(w=np.arange(6.0).reshape(2, 3))[128:]
UNNEEDED = {
    "complex": saved(extra=np.array([1 + 2j]))[128:],
    "a long word": saved(extra="x" * 200_000)[128:],
    "broken UTF-8": variable("extra", 4, (1, 4), part("<", 16, b"\xff\xfe\xfd\xfc")),
    "a structure": saved(extra={"a": 1, "b": {"c": "x"}})[128:],
    "a cell array": saved(extra=np.array([1, "a"], object))[128:],
    "a sparse matrix": saved(extra=scipy.sparse.csc_matrix(np.eye(3)))[128:],
    "an object": opaque("extra"),
    "a function": variable("extra", 16, (1, 1), variable("", 2, (0, 0), part("<", 5, bytes(4)), part("<", 1, b""))),
    "letters of four bytes": variable("extra", 4, (1, 2), part("<", 18, "ab".encode("utf-32-le"))),
    "empty": saved(extra=np.zeros((0, 3)))[128:],
    "of an unknown class": variable("extra", 99, (1, 1), part("<", 9, bytes(8))),
    "without a name": variable("", 9, (1, 8), part("<", 2, bytes(8))),
}


@pytest.mark.parametrize("kind", UNNEEDED)
def test_a_variable_that_is_not_needed_refuses_no_file(tmp_path, kind):
    for elements in ((UNNEEDED[kind], NEEDED), (NEEDED, UNNEEDED[kind])):
        (tmp_path / "a.mat").write_bytes(file_of(*elements))
        for names in (None, ["w"]):
            same(load_mat(tmp_path / "a.mat", names)["w"], np.arange(6.0).reshape(2, 3))
        add_to_mat(tmp_path / "a.mat", LAMBDA)
        assert UNNEEDED[kind] in (tmp_path / "a.mat").read_bytes()  # it is still there, to the byte
        assert load_mat(tmp_path / "a.mat")["opt_scaling_factor"] == 30


def test_what_is_needed_and_of_another_kind_is_named(tmp_path):
    (tmp_path / "a.mat").write_bytes(file_of(opaque("activation"), NEEDED))
    with pytest.raises(FormatError, match=r"a.mat: .*activation is an object of MATLAB \(a string"):
        load_mat(tmp_path / "a.mat", ["activation"])
    long = variable("activation", 4, (1, 2 * 10**7), part("<", 16, b"x" * 2 * 10**7))
    (tmp_path / "a.mat").write_bytes(file_of(long, NEEDED))
    assert load_mat(tmp_path / "a.mat").keys() == {"w"}
    with pytest.raises(FormatError, match="activation is text of 20,000,000 letters; at most 10,000,000"):
        load_mat(tmp_path / "a.mat", ["activation"])


def test_character_matrices_are_one_word_a_row(tmp_path):
    words = ["same", "diff", "same", "no"]
    scipy.io.savemat(tmp_path / "a.mat", {"eval_labels": words, "one": "sigmoid", "none": ""})
    read = load_mat(tmp_path / "a.mat")
    assert read["eval_labels"].tolist() == ["same", "diff", "same", "no  "] and read["one"].tolist() == ["sigmoid"]
    same(read["none"], scipy.io.loadmat(tmp_path / "a.mat")["none"])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("how", ["format 5", "compressed", "format 4"])
def test_variables_are_replaced_in_any_file_again_and_again(tmp_path, order, how):
    path, others = tmp_path / "a.mat", {"w": np.arange(6.0).reshape(2, 3), "text": "abc"}
    if order == ">":
        if how == "compressed":
            pytest.skip("as of format 5: only the byte order of the file counts")
        text = variable("text", 4, (1, 3), part(">", 16, b"abc"), order=">")
        elements = [
            writing._element_big("w", others["w"]),
            writing._element_big("opt_scaling_factor", np.nan),
            text,
        ]
        path.write_bytes(file_of(*elements, order=">"))
        if how == "format 4":
            path.write_bytes(
                b"".join(
                    writing._element_4(k, v, ">")
                    for k, v in {"w": others.pop("w"), "opt_scaling_factor": np.nan}.items()
                )
            )
            others = {"w": np.arange(6.0).reshape(2, 3)}
    else:
        scipy.io.savemat(
            path,
            others | {"opt_scaling_factor": np.nan},
            format="4" if "4" in how else "5",
            do_compression=how == "compressed",
        )
    for value in (25.0, 30.0, 35.0):
        add_to_mat(path, LAMBDA | {"opt_scaling_factor": value})
        for read in (load_mat(path), scipy.io.loadmat(path)):
            assert read["opt_scaling_factor"].item() == value and read["all_perfs"].tolist() == [[0.5, 1.0]]
            assert read["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
            assert "text" not in others or read["text"].tolist() == ["abc"]
        names = [one.name for one in container.variables(path.read_bytes())]
        assert len(names) == len(set(names)) == 3 + len(others)


def test_of_two_variables_of_one_name_the_last_counts_and_both_are_replaced(tmp_path):
    path = tmp_path / "a.mat"
    path.write_bytes(saved(opt_scaling_factor=20.0, w=1.0) + saved(opt_scaling_factor=50.0, w=2.0)[128:])
    assert load_mat(path)["opt_scaling_factor"] == 50 and load_mat(path, ["w"])["w"] == 2
    with pytest.warns(match="Duplicate variable name"):
        assert scipy.io.loadmat(path)["opt_scaling_factor"] == 50
    add_to_mat(path, {"opt_scaling_factor": 30.0})
    assert [v.name for v in container.variables(path.read_bytes())] == ["w", "w", "opt_scaling_factor"]


def test_the_place_of_matlabs_objects_is_kept_right(tmp_path):
    first, last = saved(opt_scaling_factor=20.0)[128:], variable("", 9, (1, 8), part("<", 2, b"subsyste"))
    data = bytearray(file_of(first, NEEDED, last))
    struct.pack_into("<Q", data, 116, len(data) - len(last))
    (tmp_path / "a.mat").write_bytes(data)
    add_to_mat(tmp_path / "a.mat", LAMBDA)
    after = (tmp_path / "a.mat").read_bytes()
    place = struct.unpack_from("<Q", after, 116)[0]
    assert after[place : place + len(last)] == last and place < len(data) - len(last)


def test_a_file_is_replaced_whole_or_stays(tmp_path, monkeypatch):
    path = tmp_path / "a.mat"
    path.write_bytes(saved(opt_scaling_factor=20.0, w=1.0))
    before = path.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        add_to_mat(path, LAMBDA)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["a.mat"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        # A structure, a cell array, a sparse matrix that say they have more than they have
        (
            variable("net", 2, (10**4, 10**5), part("<", 5, struct.pack("<i", 8)), part("<", 1, b"w".ljust(8, b"\0"))),
            "net has shape .* and 0 elements",
        ),
        (variable("net", 1, (10**9, 1)), "net has shape .* and 0 elements"),
        (
            variable("net", 5, (10**9, 10**9), part("<", 5, bytes(4)), part("<", 5, bytes(8)), part("<", 9, bytes(8))),
            "net|index pointer",
        ),
        (variable("net", 1, (1, 1), variable("", 6, (10**5, 10**5), part("<", 9, bytes(8)))), "net has shape"),
        (variable("net", 6, (-1, -1), part("<", 9, bytes(8))), r"net has shape \(-1, -1\)"),
        (variable("net", 4, (1, 3), part("<", 16, b"a" * 100)), r"net has shape \(1, 3\) and 100 bytes"),
        (
            variable("net", 6, (1, 2), part("<", 9, bytes(16)), part("<", 9, bytes(8)), flags=0x800),
            r"net has shape \(1, 2\) and 8 bytes of imaginary",
        ),
    ],
    ids=["structure", "cells", "sparse", "in a cell", "negative", "text", "complex"],
)
def test_what_says_that_it_has_more_than_it_has_is_named_and_takes_no_memory(tmp_path, body, message):
    (tmp_path / "a.mat").write_bytes(file_of(NEEDED, body))
    with pytest.raises(FormatError, match=f"a.mat: not a readable .mat file: .*{message}"):
        read_variables(tmp_path / "a.mat", ["net"], nested=True)
    same(load_mat(tmp_path / "a.mat", ["w"])["w"], np.arange(6.0).reshape(2, 3))


def test_an_index_outside_a_sparse_matrix_is_named(tmp_path):
    data = bytearray(saved(w=scipy.sparse.csc_matrix(np.eye(3))))
    place = data.index(struct.pack("<3i", 0, 1, 2))
    struct.pack_into("<i", data, place, 10**6)
    (tmp_path / "a.mat").write_bytes(data)
    with pytest.raises(FormatError, match="a.mat: not a readable .mat file: "):
        load_mat(tmp_path / "a.mat")
    row = np.array([[1.0, 1, 5], [2.0**31, 2.0**31, 0]])  # of format 4: the last row is the shape
    head = struct.pack("<5i", 2, 2, 3, 0, 2) + b"w\0"
    (tmp_path / "a.mat").write_bytes(head + row.tobytes("F"))
    with pytest.raises(FormatError, match="w is a sparse matrix with 2.14748e[+]09 rows"):
        load_mat(tmp_path / "a.mat", ["w"])


def test_structures_in_structures_end(tmp_path):
    body = variable("", 6, (1, 1), part("<", 9, bytes(8)))
    for _ in range(100):
        body = variable("", 1, (1, 1), body)
    (tmp_path / "a.mat").write_bytes(file_of(variable("net", 1, (1, 1), body)))
    with pytest.raises(FormatError, match="net has more than 32 structures"):
        read_variables(tmp_path / "a.mat", ["net"], nested=True)


def test_octaves_own_formats_are_named(tmp_path):
    for data in (b"# Created by Octave 9.2.0, Mon Nov 25\n# name: w\n# type: matrix\n", b"Octave-1-L\0" + bytes(200)):
        (tmp_path / "a.mat").write_bytes(data)
        for act in (load_mat, lambda path: add_to_mat(path, LAMBDA)):
            with pytest.raises(FormatError, match="a.mat: .*a format of Octave's own; save it again with '-v7'"):
                act(tmp_path / "a.mat")


@pytest.mark.parametrize("cut", [1, 5, 20, 100, 130, 140, 200])
def test_a_file_that_ends_early_is_named(tmp_path, cut):
    for format_ in ("4", "5"):
        buffer = io.BytesIO()
        scipy.io.savemat(buffer, {"w": np.arange(60.0), "v": np.arange(50.0)}, format=format_)
        (tmp_path / "a.mat").write_bytes(buffer.getvalue()[:-cut])
        with pytest.raises(FormatError, match="a.mat: not a readable .mat file"):
            load_mat(tmp_path / "a.mat")
