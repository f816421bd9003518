"""A training that is interrupted at any point and resumed gives the same result; damaged checkpoints are not used."""

import io
import os
import signal
import threading

import pytest
import torch
from conftest import small_settings

from ratecore.experiment import checkpoints as module
from ratecore.experiment.checkpoints import (
    NEWEST,
    PREVIOUS,
    Checkpoints,
    Interrupted,
    Signals,
    deferred_signals,
)
from ratecore.formats import FormatError
from ratecore.rate.training import train


class StopsAfter(Checkpoints):
    """Writes a checkpoint before every update, and is told to end before a certain one."""

    def __init__(self, *args, trials, **kwargs):
        super().__init__(*args, **kwargs)
        self._trials = trials

    def due(self):
        return True

    def save(self, result):
        if result.n_trials >= self._trials:
            self.signals.received = signal.SIGTERM
        super().save(result)


def interrupted(folder, settings, trials, log=None):
    with pytest.raises(Interrupted) as caught:
        train(settings, checkpoints=StopsAfter(folder, settings, trials=trials, log=log))
    assert caught.value.code == 128 + signal.SIGTERM
    assert trials <= caught.value.trial < trials + settings.training.batch_size


def assert_same(a, b):
    assert a.losses == b.losses and a.tests == b.tests and (a.n_trials, a.trained) == (b.n_trials, b.trained)
    for one, two in ((a.net.state_dict(), b.net.state_dict()), (a.initial, b.initial)):
        assert all(torch.equal(one[k], two[k]) for k in one if k != "_extra_state")
    assert a.optimizer["param_groups"] == b.optimizer["param_groups"]
    for k, entry in a.optimizer["state"].items():
        assert all(torch.equal(entry[name], b.optimizer["state"][k][name]) for name in entry)


@pytest.mark.parametrize(
    "case",
    [
        {},
        {"batch_size": 7},
        {"batch_size": 40},
        {"loss_fn": "l1"},
    ],
    ids=str,
)
def test_an_interrupted_training_ends_as_if_it_had_not_been(tmp_path, case):
    settings = small_settings(training=dict(n_trials=120, eval_freq=30, eval_tr=10, **case))
    whole = train(settings)
    for trials in (1, 29, 30, 61, 80):  # in the middle, and right after a test
        interrupted(tmp_path, settings, trials)
    assert_same(train(settings, checkpoints=Checkpoints(tmp_path, settings)), whole)


def test_of_a_damaged_checkpoint_the_one_before_is_used(tmp_path):
    settings = small_settings(training=dict(n_trials=40, eval_freq=20, eval_tr=5))
    whole, log = train(settings), io.StringIO()
    interrupted(tmp_path, settings, 25)
    newest, previous = tmp_path / NEWEST, tmp_path / PREVIOUS
    data = newest.read_bytes()
    for damage in (data[: len(data) // 2], b"", data[:500] + bytes([data[500] ^ 1]) + data[501:]):
        newest.write_bytes(damage)
        result = Checkpoints(tmp_path, settings, log=log).load()
        assert result.n_trials == 24  # one trial before the newest
        assert f"{newest}: a damaged checkpoint" in log.getvalue()
    assert_same(train(settings, checkpoints=Checkpoints(tmp_path, settings, log=log)), whole)
    newest.write_bytes(b"")
    previous.write_bytes(b"")
    assert Checkpoints(tmp_path, settings, log=log).load() is None
    assert f"{previous}: a damaged checkpoint" in log.getvalue()
    assert_same(train(settings, checkpoints=Checkpoints(tmp_path, settings, log=log)), whole)


def test_a_checkpoint_of_other_settings_is_refused_and_of_other_code_is_not_used(tmp_path, monkeypatch):
    settings, log = small_settings(training=dict(n_trials=40, eval_freq=20, eval_tr=5)), io.StringIO()
    interrupted(tmp_path, settings, 25)
    other = small_settings(seed=1, training=settings.training)
    with pytest.raises(FormatError, match="checkpoint.pth: a checkpoint of other settings"):
        train(other, checkpoints=Checkpoints(tmp_path, other))
    monkeypatch.setattr("ratecore.experiment.stages.table.code_hash", lambda stage: "other")
    assert Checkpoints(tmp_path, settings, log=log).load() is None
    assert "checkpoint.pth: a checkpoint of another version of ratecore" in log.getvalue()


def test_when_a_checkpoint_is_due(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    def slow(*args, **kwargs):
        now[0] += 1.0

    monkeypatch.setattr(module, "write_atomic", slow)
    settings = small_settings(training=dict(n_trials=1, eval_tr=2))
    result = train(settings)
    kept = Checkpoints(tmp_path, settings, every=5.0)
    assert not kept.due()
    now[0] += 5.0
    assert kept.due()
    kept.save(result)  # takes a second: the next in 50 at the earliest, so that they take 2 % of the time
    now[0] += 49.0
    assert not kept.due()
    now[0] += 1.0
    assert kept.due()
    kept.save(result)
    kept.signals.received = signal.SIGINT
    assert kept.due()
    with pytest.raises(Interrupted):
        kept.save(result)


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    settings = small_settings(training=dict(n_trials=40, eval_freq=20, eval_tr=5))
    whole = train(settings)
    interrupted(tmp_path, settings, 25)
    before = (tmp_path / NEWEST).read_bytes()

    def full(handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            train(settings, checkpoints=StopsAfter(tmp_path, settings, trials=99))
    assert (tmp_path / NEWEST).read_bytes() == before and len(list(tmp_path.iterdir())) == 2
    assert_same(train(settings, checkpoints=Checkpoints(tmp_path, settings)), whole)


def test_signals_wait_and_a_later_second_one_does_not(monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    with deferred_signals() as signals:
        signals.check()
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)  # the same order, by another way
        with deferred_signals() as inner, pytest.raises(Interrupted):
            inner.check()
        monkeypatch.setattr(module, "AGAIN", 0.0)
        with pytest.raises(SystemExit):
            os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
    with pytest.raises(KeyboardInterrupt), deferred_signals():  # nobody asks: it is passed on in the end
        os.kill(os.getpid(), signal.SIGINT)

    def elsewhere():
        with deferred_signals() as signals:
            found.append(signals)

    found = []
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert isinstance(found[0], Signals)
