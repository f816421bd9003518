"""Files and folders of other libraries: whole or not at all, and nothing of others is replaced."""

import os

import pytest

from ratecore.system.whole import check_free, whole_file, whole_folder


def zarr(path):
    return (path / "zarr.json").is_file()


def write_file(path, text="new", **options):
    with whole_file(path, **options) as temporary:
        temporary.write_text(text)


def write_folder(path, text="new", **options):
    with whole_folder(path, zarr, **options) as temporary:
        (temporary / "zarr.json").write_text(text)
        (temporary / "c").mkdir()
        (temporary / "c" / "0").write_text("chunk")


def test_a_file_is_whole(tmp_path):
    path = tmp_path / "made" / "a.nc"
    write_file(path)
    assert path.read_text() == "new" and os.listdir(path.parent) == ["a.nc"]
    write_file(path, "newer", overwrite=True)
    assert path.read_text() == "newer" and os.listdir(path.parent) == ["a.nc"]


def test_a_folder_is_whole(tmp_path):
    path = tmp_path / "a.zarr"
    write_folder(path)
    assert (path / "c" / "0").read_text() == "chunk"
    (path / "c" / "1").write_text("of the old one")
    write_folder(path, "newer", overwrite=True)
    assert (path / "zarr.json").read_text() == "newer" and not (path / "c" / "1").exists()
    assert os.listdir(tmp_path) == ["a.zarr"]


@pytest.mark.parametrize("write", [write_file, write_folder])
@pytest.mark.parametrize("overwrite", [False, True])
def test_an_error_leaves_nothing(tmp_path, write, overwrite):
    path = tmp_path / "a.zarr"
    if overwrite:
        write(path, "old")
    context = whole_file(path, overwrite) if write is write_file else whole_folder(path, zarr, overwrite)
    with pytest.raises(RuntimeError, match="broke"), context as temporary:
        (temporary if write is write_file else temporary / "half").write_text("half")
        raise RuntimeError("broke")
    assert os.listdir(tmp_path) == (["a.zarr"] if overwrite else [])
    if overwrite:
        assert (path if write is write_file else path / "zarr.json").read_text() == "old"


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_what_exists_is_refused_before_and_after(tmp_path, write):
    path = tmp_path / "a.zarr"
    write(path)
    with pytest.raises(FileExistsError, match=r"it exists already; overwrite \(--overwrite\) replaces it"):
        write(path)
    late = tmp_path / "late"
    context = whole_file(late) if write is write_file else whole_folder(late, zarr)
    with pytest.raises(FileExistsError, match="it exists already"), context as temporary:
        write(late, "of another process")
        if write is write_file:
            temporary.write_text("x")
    assert (late if write is write_file else late / "zarr.json").read_text() == "of another process"
    assert sorted(os.listdir(tmp_path)) == ["a.zarr", "late"]


def test_folders_of_others_are_never_replaced(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(FileExistsError, match="this folder has other files, too, and is not replaced"):
        write_folder(tmp_path / "mine", overwrite=True)
    with pytest.raises(IsADirectoryError, match="this is a folder; name a file"):
        check_free(tmp_path / "mine", True)
    with pytest.raises(NotADirectoryError, match="this is a file; a folder is written here"):
        check_free(tmp_path / "mine" / "thesis.tex", True, zarr)
    with pytest.raises(NotADirectoryError, match="this is a file, not a folder"):
        check_free(tmp_path / "mine" / "thesis.tex" / "a.nc", False)
    assert os.listdir(tmp_path / "mine") == ["thesis.tex"]
