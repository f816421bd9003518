"""Files from others: bounded reads, paths that cannot escape, small files with a checksum."""

import os
import subprocess
import sys
import time

import pytest

from ratecore.system import files
from ratecore.system.files import (
    ABANDONED,
    inside,
    network_file_system,
    read_bounded,
    read_sealed_json,
    remove_abandoned,
    sealed_json,
    write_atomic,
    write_new,
)
from ratecore.tracking.queue import note_deaths


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


def test_a_link_to_the_results_folder_is_no_way_out(tmp_path):
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
    with pytest.raises(ValueError, match="its checksum does not match"):
        read_sealed_json(path)


MOUNTS = """/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sdb1 /home/local ext4 rw 0 0
server:/data /my\\040data lustre rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/tmp/x", None),
        ("/home/me/results/x.db", "nfs4"),
        ("/home/local/x.db", None),
        ("/homes/x", None),
        ("/my data/x", "lustre"),
    ],
)
def test_network_file_systems(path, kind):
    assert network_file_system(path, MOUNTS) == kind


def aged(path, seconds):
    os.utime(path, (time.time() - seconds,) * 2)


@pytest.fixture
def writer(tmp_path):
    """A process in the middle of writing `a.json`, and what it has written so far."""
    code = (
        "import os, sys, time\nfrom ratecore.system import files\nreplace = files.os.replace\n"
        "files.os.replace = lambda *names: (print('written', flush=True), time.sleep(3600))\n"
        "files.write_atomic(sys.argv[1], b'1')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "jobs" / "a.json"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "written\n"
        (part,) = (tmp_path / "jobs").glob(".a.json.*.part")
        yield process, part
        process.kill()


def test_what_a_killed_writer_left_is_removed_and_a_living_one_is_left_alone(tmp_path, writer):
    process, part = writer
    aged(part, 1.1 * ABANDONED)
    assert remove_abandoned(tmp_path) == [] and part.exists()  # stopped for long, it may go on
    process.kill()
    process.wait()
    aged(part, 0.9 * ABANDONED)
    assert remove_abandoned(tmp_path) == []
    aged(part, 1.1 * ABANDONED)
    assert remove_abandoned(tmp_path) == [part] and not part.exists()


def test_without_locks_a_day_decides(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(files.fcntl, "flock", refuse)
    write_atomic(tmp_path / "a", b"1")
    write_new(tmp_path / "b", b"1")
    (tmp_path / ".a.x.part").touch()
    for hours, gone in ((20, False), (30, True)):
        aged(tmp_path / ".a.x.part", 3600 * hours)
        assert bool(remove_abandoned(tmp_path)) == gone
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_only_what_looks_like_ours_is_removed_and_no_run_is_searched(tmp_path):
    kept = [tmp_path / name for name in ("a.part", ".a", "models/net.mat", "runs/x/.network.pth.y.part")]
    gone = [tmp_path / name for name in (".summary.csv.y.part", "models/t/P_rec/.net.mat.y.part", "open/.r.y.part")]
    (tmp_path / "models" / ".d.x.part").mkdir(parents=True)
    (tmp_path / "elsewhere").symlink_to("models")
    for path in kept + gone:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        aged(path, 2 * ABANDONED)
    (tmp_path / ".link.x.part").symlink_to(kept[2])
    assert note_deaths(tmp_path) == []
    assert all(path.exists() for path in kept) and not any(path.exists() for path in gone)
    assert remove_abandoned(tmp_path / "nothing") == []


def test_no_writer_leaves_anything(tmp_path, monkeypatch):
    write_atomic(tmp_path / "a", b"1")
    write_atomic(tmp_path / "a", b"2", keep=tmp_path / "before")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "a", b"3")
    write_new(tmp_path / "b", b"4")
    monkeypatch.setattr(os, "replace", lambda *names: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_atomic(tmp_path / "a", b"5")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"2", "before": b"1", "b": b"4"}
