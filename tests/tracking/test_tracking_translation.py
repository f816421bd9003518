"""Records hold scientific values; MLflow shows of them what it showed when they held its names, steps and tags."""

import ast
import json
import re
import shutil
from pathlib import Path

import pytest
from mirrored_runs import CASES, COMMON, make, shown

from ratecore import NetworkSettings, TrainingSettings
from ratecore.experiment.closing import closest
from ratecore.experiment.grid import Experiment
from ratecore.experiment.point_figures import loss_curve
from ratecore.experiment.runs import Run
from ratecore.experiment.summary import partial_summary
from ratecore.system.files import read_sealed_json
from ratecore.tracking import Record
from ratecore.tracking.mlflow.mirror import Mirror
from ratecore.tracking.mlflow.translation import Translation, color, metric_name, parameter_name, thousandths

pytestmark = pytest.mark.filterwarnings("default")  # the warnings of mlflow's own dependencies are not ours
RECORDS = Path(__file__).parents[1] / "data" / "records"
PACKAGE = Path(__file__).parents[2] / "ratecore"
WRITING = [*(PACKAGE / "experiment" / "stages").glob("*.py"), *(PACKAGE / "tracking").glob("*.py")]
# Tags that differ from one version or machine to the next.
CHANGING = ("git_commit", "mlflow.source.git.commit", "code_hash", "environment")
OF_MLFLOW = {"params", "tags", "values", "curves", "folder"}  # what older records hold for MLflow alone
NEWER = "chronometric"  # than the stored records


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    results = tmp_path_factory.mktemp("results")
    return results, f"sqlite:///{results}/mlflow.db"


@pytest.fixture(scope="module", params=CASES)
def case(request):
    return request.param


@pytest.fixture(scope="module")
def made(store, case):
    """The case, made now: its last experiment and its first run, both as MLflow shows them."""
    results, uri = store
    experiment, run = make(case, results)
    mirror = Mirror(uri, case, results)
    return experiment, run, mirror, shown(mirror, mirror.replay(run.folder))


def golden(case):
    return json.loads((RECORDS / f"{case}.json").read_text())


def without_times(tags):
    """Tags but for those that change, without the time in the names of exported files and without newer settings."""
    config = json.loads(tags["config"])
    parts = (("network", NetworkSettings.newer), ("training", TrainingSettings.newer))
    older = {part: {k: v for k, v in config[part].items() if k not in newer} for part, newer in parts}
    tags = {**tags, "config": json.dumps({**config, **older})}
    return {
        key: re.sub(r"\d{4}(_\d\d){2}_\d{6}(_\d)?", "*", value) for key, value in tags.items() if key not in CHANGING
    }


def older_metrics(metrics):
    """Metrics, or points of them, without those that the stored records do not have."""
    return {key: value for key, value in metrics.items() if NEWER not in str(key) and "/psychometric/" not in str(key)}


def steps(metrics):
    return {name: [step for step, _ in points] for name, points in metrics.items()}


def test_what_mlflow_shows_of_a_run_is_as_it_was(made, case):
    now, before = made[-1], golden(case)
    for key in ("name", "status"):
        assert now[key] == before[key], key
    assert [path for path in now["artifacts"] if NEWER not in path] == before["artifacts"]
    newer = {*NetworkSettings.newer, *TrainingSettings.newer}
    older = {key: v for key, v in now["params"].items() if key.partition(".")[0] not in newer}
    assert older == before["params"]
    assert steps(older_metrics(now["metrics"])) == steps(before["metrics"])
    assert without_times(now["tags"]) == without_times(before["tags"])
    assert set(now["tags"]) == set(before["tags"])
    assert now["tags"]["mlflow.source.git.commit"] == now["tags"]["git_commit"]


def test_mlflow_shows_the_numbers_of_the_files(made, case):
    experiment, run, _, now = made
    for variant in _variants(experiment, run):
        scores = json.loads(variant.scores.read_text())
        name = variant.variants.get("evaluate", "").replace("~", "_")
        group = f"/{name}" if name else ""
        assert scores["accuracy"] in _values(now, f"eval{group}/accuracy")
        for condition, row in scores["conditions"].items():
            shown_name = metric_name(f"eval_by_condition{group}/response_mean/{condition}")
            assert row["response_mean"] in _values(now, shown_name)
        for row in scores["psychometric"]:
            name = metric_name(f"eval_curves{group}/psychometric_p_positive/{row['trial_type']}")
            assert [round(1000 * row["evidence"]), row["p_positive"]] in now["metrics"][name]
        if variant.conversion.is_file():
            found, name = read_sealed_json(variant.conversion), variant.variants.get("convert", "").replace("~", "_")
            group, number = f"/{name}" if name else "", "_2" if len(CASES[case]) == 2 else ""
            assert found["lambda"] in _values(now, f"spiking{group}/lambda")
            pairs = zip(found["scaling_factors"], found["all_perfs"], strict=True)
            curve = [[round(1000 * value), share] for value, share in pairs]
            assert now["metrics"][f"spiking_curves{number}{group}/accuracy_by_lambda"] == curve


def _variants(experiment, run):
    runs = (Run.at(experiment, grid_point, seed) for grid_point in experiment.grid_points for seed in experiment.seeds)
    return [other for other in runs if other.folder == run.folder]


def _values(now, name):
    """All values that a metric has had at step 0, as of two evaluations."""
    return [value for _, value in now["metrics"][name]]


def test_a_record_holds_scientific_values_each_once(made, case):
    events = made[1].record.events()
    for event in events:
        assert not (OF_MLFLOW - ({"values"} if event["event"] == "metrics" else set())) & event.keys()
    text = made[1].record.path.read_text()
    assert "mlflow" not in text.lower() and "#" not in text
    converted = [e for e in events if (e["event"], e["stage"].partition(" ")[0]) == ("end", "convert")]
    if "lambda" in converted[0]:
        assert [value for value, _ in converted[0]["search"]] == COMMON["conversion"]["scaling_factors"]
    evidence = {row["evidence"] for e in events for row in e.get("psychometric", ())}
    assert bool(evidence) == (case == "mante") and all(abs(value) < 2 for value in evidence)


def test_replayed_again_it_shows_the_same(made, case):
    _, run, mirror, now = made
    (run.folder / "mirror.json").unlink()
    assert shown(mirror, mirror.replay(run.folder)) == now


def test_an_old_record_is_shown_as_it_was(store, case, tmp_path):
    results, uri = store
    before = golden(case)
    folder = tmp_path / "runs/task/N/taus/seed" / before["folder"]
    folder.mkdir(parents=True)
    shutil.copy(RECORDS / f"{case}.jsonl", folder / "record.jsonl")
    mirror = Mirror(uri, f"old {case}", results)
    for _ in range(2):
        now = shown(mirror, mirror.replay(folder))
        assert now | {"artifacts": before["artifacts"], "folder": before["folder"]} == before
        (folder / "mirror.json").unlink()


def test_new_lines_may_follow_old_ones(made, case):
    """At each end of a stage: what a record holds from there on, a later version has written."""
    old, new = Record(RECORDS / f"{case}.jsonl").events(), made[1].record.events()
    before = golden(case)
    ends = [[k + 1 for k, e in enumerate(events) if e["event"] == "end"] for events in (old, new)]
    assert [old[k - 1]["stage"] for k in ends[0]] == [new[k - 1]["stage"] for k in ends[1]]
    for cut_old, cut_new in zip(*ends, strict=True):
        # Identities are those of the same settings, whoever wrote them.
        translate, points, tags, params, folders = Translation(), {}, {}, {}, set()
        for event in [*old[:cut_old], *new[cut_new:]]:
            one = translate(event)
            points, tags, params = points | one.points, tags | one.tags, params | one.params
            folders |= {one.folder} - {""}
        shown_steps = {}
        for name, step in older_metrics(points):
            shown_steps.setdefault(metric_name(name), set()).add(step)
        assert {name: sorted(found) for name, found in shown_steps.items()} == {
            name: sorted(set(found)) for name, found in steps(before["metrics"]).items()
        }
        assert {key: str(value) for key, value in params.items()} == before["params"]
        own = {key for key in before["tags"] if not key.startswith(("ratecore.", "mlflow.ratecore", "mlflow.source.n"))}
        assert set(tags) == own - {"mlflow.source.type", "mlflow.runName", "mlflow.user"}
        assert folders == {path.rpartition("/")[0] for path in before["artifacts"]}


def test_old_records_are_read_by_table_and_figures(case, tmp_path):
    experiment = Experiment.from_config({"experiment": case, "results": str(tmp_path), **COMMON, **CASES[case][-1]})
    before = golden(case)
    runs = [Run.at(experiment, grid_point, seed) for grid_point in experiment.grid_points for seed in experiment.seeds]
    (run, *variants) = [run for run in runs if run.folder.name == before["folder"]]  # its identity is the same
    run.folder.mkdir(parents=True)
    shutil.copy(RECORDS / f"{case}.jsonl", run.record.path)
    for event in run.record.events("end"):
        for path in event.get("files", {}):
            (run.root / path).parent.mkdir(parents=True, exist_ok=True)
            (run.root / path).touch()
    table, _ = partial_summary(experiment)
    rows = table[table["folder"] == run.relative(run.folder)].to_dict("records")
    assert len(rows) == 1 + len(variants)
    for row, variant in zip(rows, [run, *variants], strict=True):
        group = "/".join(["eval", *filter(None, [variant.variants.get("evaluate", "").replace("~", "_")])])
        assert row["accuracy"] in _values(before, f"{group}/accuracy")
        assert row["n_trials"] in _values(before, "train/n_trials")
        assert row["status"] == ("trained" if _values(before, "train/trained") == [1] else "not trained")
        group = "/".join(["spiking", *filter(None, [variant.variants.get("convert", "").replace("~", "_")])])
        if f"{group}/lambda" in before["metrics"]:
            assert row["lambda"] in _values(before, f"{group}/lambda")
            assert row["spiking_accuracy"] in _values(before, f"{group}/accuracy")
            assert row["spiking_ci_low"] in _values(before, f"{group}/ci_low")
    trials, losses, _ = loss_curve(run)
    assert [list(point) for point in zip(trials, losses, strict=True)] == before["metrics"]["train/test_loss"]
    test = run.record.tests()[trials[-1]]
    assert set(test) == {"loss", "test_loss", "test_accuracy"}
    (last,) = {(closest([run]).trial, closest([run]).loss, closest([run]).accuracy)}
    assert last == (trials[-1], test["test_loss"], test["test_accuracy"])


def test_a_training_goes_on_behind_the_tests_of_an_old_record(tmp_path):
    from ratecore.experiment.stages.train import Tests

    class Result:
        tests = [dict(trial=10, train_loss=3.0, loss=2.0, accuracy=0.5), dict(trial=20, train_loss=2.0, loss=1.0,
                                                                             accuracy=0.75)]  # fmt: skip

    experiment = Experiment.from_config({"experiment": "x", "results": str(tmp_path), **COMMON})
    run = Run.at(experiment, experiment.grid_points[0], 0)
    run.record.append("metrics", "train", step=10,
                      values={"train/loss": 3.0, "train/test_loss": 2.0, "train/test_accuracy": 0.5})  # fmt: skip
    Tests(run, None).record(Result())
    assert [(e["step"], len(e["values"])) for e in run.record.events()] == [(10, 3), (20, 3)]
    assert run.record.tests()[20] == {"loss": 2.0, "test_loss": 1.0, "test_accuracy": 0.75}
    points = [set(Translation()(event).points) for event in run.record.events()]
    assert points == [{(f"train/{name}", step) for name in ("loss", "test_loss", "test_accuracy")} for step in (10, 20)]


@pytest.mark.parametrize(("step", "group"), [
    ("convert", "spiking"), ("convert refractory~2", "spiking/refractory_2"),
    ("convert a~1/b~2", "spiking/a_1/b_2"), (f"convert {'x' * 90}~{'y' * 90}", f"spiking/{'x' * 80}_{{hash}}"),
])  # fmt: skip
def test_a_variant_has_a_group_of_its_own(step, group):
    """Names in MLflow have at most 250 characters: a longer variant is cut and has a hash."""
    (tag,) = [t for t in Translation()({"event": "end", "stage": step, "status": "done", "skipped": "-"}).tags
              if t != "error"]  # fmt: skip
    if len(step) < 120:
        assert tag == group
    else:
        assert re.fullmatch(rf"spiking/{'x' * 80}_[0-9a-f]{{16}}", tag)


def test_curves_of_settings_that_come_back_are_where_they_were():
    translate, found = Translation(), []
    for identity in ("a", "b", "a", "c"):
        end = {"event": "end", "stage": "evaluate", "status": "done", "identity": identity}
        found += {name for name, _ in translate({**end, "conditions": {"go": {"output_mean": [[0, 1.0]]}}}).points}
    assert found == [f"eval_curves{k}/output_mean/go" for k in ("", "_2", "", "_3")]


def test_a_stage_that_is_not_known_here_is_shown_under_its_own_name():
    translate = Translation()
    assert translate({"event": "metrics", "stage": "inspect", "step": 2, "values": {"x": 1.0}}).points == {
        ("inspect/x", 2): 1.0
    }
    assert translate({"event": "artifact", "stage": "inspect a~1", "path": "x.npz", "sha256": "-"}).folder == (
        "inspect/a_1"
    )
    end = {"event": "end", "stage": "inspect a~1", "status": "done", "values": {"y": 2.0}}
    assert translate(end).points == {("inspect/a_1/y", 0): 2.0}


def test_colours_tell_grid_points_and_seeds_apart():
    found = {color(point, seed) for point in range(6) for seed in range(4)}
    assert len(found) == 24 and all(re.fullmatch("#[0-9a-f]{6}", one) for one in found)


@pytest.mark.parametrize(("value", "step"), [(2, 2000), (4.5, 4500), (8.0004, 8000), (-0.0512, -51), (0.1, 100)])
def test_steps_are_thousandths(value, step):
    assert thousandths(value) == step


def test_names_of_settings_that_mlflow_allows():
    assert parameter_name("task.T") == "task.T"
    assert re.fullmatch(r"task\.a__b_[0-9a-f]{8}", parameter_name("task.a//b"))
    assert parameter_name("task.é!") != parameter_name("task.é?")


def _strings(path):
    """(line, text) of the strings of a module that are no docstrings."""
    tree = ast.parse(path.read_text())
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.lineno, node.value


def _modules():
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path.parent != PACKAGE / "tracking" / "mlflow"]


def test_only_the_mirror_knows_mlflows_names():
    for path in _modules():
        for line, text in _strings(path):
            assert not re.search(r"mlflow\.(?!db\b)\w|runColor", text), f"{path}:{line}: {text!r}"
    for path in WRITING:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
                factors = [side.value for side in (node.left, node.right) if isinstance(side, ast.Constant)]
                assert 1000 not in factors, f"{path}:{node.lineno}: thousandths"


def test_nothing_that_writes_records_gives_them_what_only_mlflow_shows():
    for path in WRITING:
        for node in ast.walk(ast.parse(path.read_text())):
            keys = set()
            if isinstance(node, ast.Dict) and path.parent.name == "stages":
                keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "append" and node.keywords:
                keys = {keyword.arg for keyword in node.keywords}
                keys -= {"values"} if getattr(node.args[0], "value", "") == "metrics" else set()
            assert not OF_MLFLOW & keys, f"{path}:{node.lineno}: {keys}"
