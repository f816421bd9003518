"""An experiment that was deleted in MLflow comes back with the runs of the grid that is launched, and no others."""

import re
from typing import NamedTuple

import pytest
from conftest import PATIENCE
from faults.stores import Server
from test_tracking import job_of, open_run

from ratecore.tracking.mlflow.follow import Follower, follow
from ratecore.tracking.mlflow.mirror import Mirror
from ratecore.tracking.mlflow.state import Deleted, read_state
from ratecore.tracking.queue import open_runs

pytestmark = pytest.mark.filterwarnings("default")  # the warnings of mlflow's own dependencies are not ours


@pytest.fixture(scope="module", params=["sqlite", "server"])
def store(request, tmp_path_factory):
    results = tmp_path_factory.mktemp("results")
    uri = f"sqlite:///{results}/mlflow.db"
    if request.param == "sqlite":
        yield results, uri
    else:
        with Server(results, uri) as server:
            yield results, server.uri


class Grids(NamedTuple):
    """Two finished grids, `a1 a2 alone_a` and `b1 b2 alone_b`, in one MLflow experiment, with ids of their runs."""

    results: object
    uri: str
    name: str
    records: dict
    ids: dict
    mirror: Mirror

    def launch(self, *runs, all_runs=True):
        """Mirrors as the launch of a grid with these runs does; all runs, as a replay, without any."""
        job = job_of(self.results, self.name, all_runs) | ({"runs": list(runs)} if runs else {})
        return follow(job, self.uri, lambda seconds: True)

    def shown(self):
        """Names of the runs that are not deleted."""
        names = {run_id: name for name, run_id in self.ids.items()}
        found = self.mirror.client.search_runs([self.mirror.experiment_id])
        return {names.get(run.info.run_id, "foreign") for run in found}

    def delete(self, *names):
        for name in names:
            self.mirror.client.delete_run(self.ids[name])

    def delete_experiment(self):
        self.mirror.client.delete_experiment(self.mirror.experiment_id)


A, B = ("a1", "a2", "alone_a"), ("b1", "b2", "alone_b")


@pytest.fixture
def grids(store, request):
    results, uri = store
    name = re.sub(r"\W", "_", request.node.name.removeprefix("test_"))
    runs = {run: open_run(results, name, run) for run in (*A, *B)}
    for _, record in runs.values():
        record.append("end", "train", status="done", identity="i")
    assert follow(job_of(results, name, all_runs=True), uri, lambda seconds: True)
    ids = {run: read_state(folder)["run_id"] for run, (folder, _) in runs.items()}
    return Grids(
        results, uri, name, {run: record for run, (_, record) in runs.items()}, ids, Mirror(uri, name, results)
    )


def test_a_launch_restores_its_own_runs_alone(grids, capfd):
    grids.delete("alone_a", "alone_b")
    assert grids.launch(*A)  # which sees it
    grids.delete("b2")  # while no process of ratecore looks
    grids.delete_experiment()
    capfd.readouterr()
    assert grids.launch(*A)
    sentence = (
        f"tracking: the experiment '{grids.name}' was deleted in MLflow; "
        "it is restored with the runs of this grid (2); "
        "other runs (2) stay deleted until their own grid is launched; runs deleted one by one (2) stay deleted\n"
    )
    assert capfd.readouterr().err == sentence and grids.shown() == {"a1", "a2"}
    # Nothing more comes with the next launch, and what its grid does later is mirrored.
    grids.records["a1"].append("start", "evaluate", identity="j", labels={"name": "a1"})
    grids.records["a1"].append("end", "evaluate", status="done", identity="j", values={"eval/accuracy": 0.5})
    assert grids.launch(*A) and capfd.readouterr().err == "" and grids.shown() == {"a1", "a2"}
    assert grids.mirror.client.get_run(grids.ids["a1"]).data.metrics["eval/accuracy"] == 0.5


def test_the_process_beside_a_workflow_knows_the_grid(grids):
    grids.delete_experiment()
    assert Follower(grids.uri, grids.name, grids.results, all_runs=True, runs=lambda: B).start().stop(PATIENCE)
    assert grids.shown() == set(B)


def test_another_grid_comes_back_with_its_own_launch(grids, capfd):
    grids.delete("alone_a", "alone_b")
    assert grids.launch(*A)
    grids.delete_experiment()
    assert grids.launch(*A) and grids.shown() == {"a1", "a2"}
    capfd.readouterr()
    assert grids.launch(*B) and grids.shown() == {"a1", "a2", "b1", "b2"}
    assert capfd.readouterr().err == (
        "tracking: runs of this grid (2), deleted in MLflow with the experiment, are restored\n"
    )
    # They are as those that were never deleted: one that is deleted now stays so.
    grids.delete("b1")
    assert grids.launch(*B) and grids.launch(*A) and grids.shown() == {"a1", "a2", "b2"}
    grids.delete_experiment()
    assert grids.launch(*A, *B) and grids.shown() == {"a1", "a2", "b2"}


def test_a_run_that_waits_says_so_when_it_has_news(grids, capfd):
    grids.delete_experiment()
    assert grids.launch(*A) and grids.shown() == set(A)
    grids.records["b1"].append("start", "evaluate", identity="j", labels={"name": "b1"})
    capfd.readouterr()
    assert not grids.launch(*A)
    printed = capfd.readouterr().err
    assert (
        "was deleted with the experiment; a launch of its own grid restores it" in printed and printed.count("\n") == 1
    )
    assert [folder.name for folder in open_runs(grids.results / grids.name)] == ["b1"]
    assert grids.launch(*B) and grids.shown() == {*A, *B}
    assert grids.mirror.client.get_run(grids.ids["b1"]).info.status == "RUNNING"


def test_a_run_that_was_restored_by_hand_waits_no_longer(grids):
    grids.delete_experiment()
    assert grids.launch(*A)
    grids.mirror.client.restore_run(grids.ids["b1"])
    assert grids.launch(*A) and grids.shown() == {*A, "b1"}
    grids.delete("b1")
    assert grids.launch(*A) and grids.launch(*B) and grids.shown() == {*A, "b2", "alone_b"}


def test_a_replay_restores_the_runs_of_all_records(grids, capfd):
    client, number = grids.mirror.client, grids.mirror.experiment_id
    client.create_run(number)  # by another program
    grids.delete("alone_a")
    assert grids.launch()
    grids.delete_experiment()
    capfd.readouterr()
    assert grids.launch() and grids.shown() == {"a1", "a2", *B}
    printed = capfd.readouterr().err
    assert (
        "with the runs of these results (5); other runs (1) stay deleted" in printed
        and "one by one (1) stay" in printed
    )


@pytest.mark.parametrize("moment", ["restore_experiment", "get_run", "delete_run"])
def test_a_restoring_that_was_interrupted_goes_on(grids, monkeypatch, moment):
    """Before, within and after the first of the calls by which runs are deleted again."""
    from mlflow.tracking import MlflowClient

    grids.delete("alone_b")
    assert grids.launch(*A)
    if moment != "restore_experiment":  # once more, from another state
        grids.delete("a2")
    grids.delete_experiment()
    real, calls = getattr(MlflowClient, moment), []

    def killed(*args, **kwargs):
        calls.append(real(*args, **kwargs))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, moment, killed)
        with pytest.raises(KeyboardInterrupt):
            Mirror(grids.uri, grids.name, grids.results, A)
    assert len(calls) == 1
    assert grids.launch(*A)
    assert grids.shown() == set(A) and not Deleted(grids.results / grids.name, grids.mirror.store).is_restoring()
    assert grids.launch(*B) and grids.shown() == {*A, "b1", "b2"}


def test_what_is_deleted_for_good_is_no_trouble(grids, monkeypatch):
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

    grids.delete_experiment()
    assert grids.launch(*A)
    client = Mirror(grids.uri, grids.name, grids.results, A).client
    gone, restored = grids.ids["b1"], []

    def restore_run(self, run_id):
        if run_id == gone:
            raise MlflowException("gone", RESOURCE_DOES_NOT_EXIST)
        restored.append(run_id)

    monkeypatch.setattr(type(client), "restore_run", restore_run)
    Mirror(grids.uri, grids.name, grids.results, B)
    assert set(restored) == {grids.ids["b2"], grids.ids["alone_b"]}
    assert not Deleted(grids.results / grids.name, grids.mirror.store).waiting()


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"store": "s"}'])
def test_a_damaged_note_of_deleted_runs_is_as_none(tmp_path, damage):
    deleted = Deleted(tmp_path, "s")
    deleted.write(["b", "a"], {"c": "run"}, restoring=True)
    assert deleted.run_ids() == ["a", "b"] and deleted.waiting() == {"c": "run"} and deleted.is_restoring()
    assert not Deleted(tmp_path, "other").run_ids() and not Deleted(tmp_path, "other").is_restoring()
    deleted.path.write_bytes(damage)
    assert deleted.run_ids() == [] and deleted.waiting() == {} and not deleted.is_restoring()
    deleted.write(["a"], {})
    assert deleted.run_ids() == ["a"] and deleted.waiting() == {}
