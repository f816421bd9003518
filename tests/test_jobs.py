"""What jobs leave for Snakemake: a copy is seen by its times, which are put in the order of the writing."""

import os
import random
import shutil
import time

import pytest

from ratecore.jobs import MARK, TABLE_WRITTEN, mark_times, restore_times, was_copied, write_job

STAGES = ("train", "evaluate", "export", "convert")


def results(root):
    """Files of an experiment whose jobs came one after the other."""
    mark_times(root)
    for stage in STAGES:
        for block in ("0", "1"):
            write_job(root / "jobs" / stage / f"N~10/seeds~{block}.json", [{"seed": int(block), "status": "done"}])
            time.sleep(0.002)
    write_job(root / TABLE_WRITTEN, [])
    for name in (
        "tracking.json",
        "summary.csv",
        "figures/a.png",
        "figures/N~10/b.png",
        "benchmarks/train/N~10/seeds~0.tsv",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    return root


def time_of(path):
    return path.stat().st_mtime_ns


def scramble(root, how):
    files = sorted(path for path in root.rglob("*") if path.is_file())
    random.Random(0).shuffle(files)
    for k, path in enumerate(files):
        times = {"old": 10**9 + k, "one": 10**9, "new": time.time_ns() + 10**10 + k * 10**6}
        os.utime(path, ns=(times[how],) * 2)


@pytest.mark.parametrize("how", ["old", "one", "new"])
def test_times_of_a_copy_are_put_in_order(tmp_path, how):
    root = results(tmp_path / "original")
    copy = shutil.copytree(root, tmp_path / "copy")
    scramble(copy, how)
    assert not was_copied(root) and was_copied(copy)
    assert restore_times(copy) == 2 * len(STAGES) + 1
    assert not was_copied(copy)
    for block in ("0", "1"):
        times = [time_of(copy / "jobs" / stage / f"N~10/seeds~{block}.json") for stage in STAGES]
        assert times == sorted(times) and len(set(times)) == len(STAGES)
    newest = max(time_of(path) for path in copy.glob("jobs/**/*.json"))
    for name in ("tracking.json", "figures/a.png", "figures/N~10/b.png", "benchmarks/train/N~10/seeds~0.tsv"):
        assert time_of(copy / name) > newest, name
    assert not (copy / TABLE_WRITTEN).exists() and (root / TABLE_WRITTEN).exists()  # the table is written again


def test_a_copy_that_keeps_its_times_needs_nothing(tmp_path):
    copy = shutil.copytree(results(tmp_path / "original"), tmp_path / "copy", copy_function=shutil.copy2)
    assert not was_copied(copy)


@pytest.mark.parametrize("text", [None, b"", b"[]", b'{"uri": "x"}'])
def test_without_a_whole_mark_nothing_is_known(tmp_path, text):
    if text is not None:
        (tmp_path / MARK).parent.mkdir()
        (tmp_path / MARK).write_bytes(text)
    assert not was_copied(tmp_path)


def test_what_snakemake_touches_makes_no_copy(tmp_path):
    # After each job it touches the job's outputs; later launches leave the mark as it is.
    root = results(tmp_path)
    later = time.time_ns() + 10**11
    for path in [root / "tracking.json", *root.glob("jobs/*/**/*.json")]:
        os.utime(path, ns=(later, later))
    before = time_of(root / MARK)
    mark_times(root)
    assert not was_copied(root) and time_of(root / MARK) == before


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"written": "x"}', b'{"written": -1}', b"\xff"])
def test_what_holds_no_time_is_left_as_it_is(tmp_path, text):
    root = results(tmp_path)
    path = root / "jobs/train/N~10/seeds~0.json"
    path.write_bytes(text)
    os.utime(path, ns=(5, 5))
    assert restore_times(root) == 2 * len(STAGES) and time_of(path) == 5
