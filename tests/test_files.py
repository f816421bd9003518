"""Files of anybody: bounded reads, paths that stay where they should, small files with a checksum."""

import os

import pytest

from ratecore.files import inside, network_file_system, read_bounded, read_sealed_json, sealed_json


def test_only_regular_files_of_a_bounded_size_are_read(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bounded(tmp_path / "a", 5) == b"12345"
    with pytest.raises(ValueError, match="a: it has 5 bytes; at most 4 are read"):
        read_bounded(tmp_path / "a", 4)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, "/dev/zero"):
        with pytest.raises(ValueError, match="this is no regular file"):
            read_bounded(path, 5)
    with pytest.raises(FileNotFoundError):
        read_bounded(tmp_path / "b", 5)


@pytest.mark.parametrize("path", ["a", "a/b/../c", ".", "link/b", "a/../../root/a"])
def test_a_path_inside(tmp_path, path):
    (tmp_path / "root" / "a").mkdir(parents=True)
    (tmp_path / "root" / "link").symlink_to(tmp_path / "root" / "a")
    assert inside(tmp_path / "root", path) == tmp_path / "root" / path


@pytest.mark.parametrize("path", ["..", "/etc/passwd", "a/../../b", "out/b", "../root2/a", "a\0b"])
def test_a_path_that_leads_out(tmp_path, path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "out").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="leads out of|null"):
        inside(tmp_path / "root", path)


def test_a_link_to_the_whole_results_is_no_way_out(tmp_path):
    (tmp_path / "scratch").mkdir()
    (tmp_path / "results").symlink_to(tmp_path / "scratch")
    assert inside(tmp_path / "results", "a") == tmp_path / "results" / "a"


def test_a_small_file_knows_when_it_is_damaged(tmp_path):
    values = {"uri": "sqlite:///x", "bytes": 12}
    data, path = sealed_json(values), tmp_path / "a.json"
    path.write_bytes(data)
    assert read_sealed_json(path) == values
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 2
        path.write_bytes(changed)
        with pytest.raises(ValueError, match="a.json: it"):
            read_sealed_json(path)
    path.write_text('{"uri": "x"}')
    assert read_sealed_json(path, unsealed=True) == {"uri": "x"}
    with pytest.raises(ValueError, match="its checksum does not match"):
        read_sealed_json(path)


MOUNTS = """/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sdb1 /home/local ext4 rw 0 0
server:/data /my\\040data lustre rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/tmp/x", None), ("/home/me/results/x.db", "nfs4"), ("/home/local/x.db", None), ("/homes/x", None),
     ("/my data/x", "lustre")],
)  # fmt: skip
def test_network_file_systems(path, kind):
    assert network_file_system(path, MOUNTS) == kind
