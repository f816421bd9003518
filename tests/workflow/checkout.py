"""A copy of the workflow, a small grid for it, and what MLflow has of a grid."""

import csv
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
import yaml
from conftest import PATIENCE
from warm_python import NOT_RENDERED

ROOT = Path(__file__).parents[2]

SMALL = {
    "experiment": "small",
    "grid": {"task": ["go-nogo", "mante"], "seed": [0, 1]},
    "seeds_per_job": 2,
    "network": {"N": 12, "P_inh": 0.3},
    "training": {"n_trials": 20, "eval_freq": 10, "eval_tr": 5},
    "evaluation": {"n_trials": 10, "psychometric_trials": 2},
    "task_settings": {"go-nogo": {"T": 60, "stim_on": 10, "stim_dur": 10}, "mante": {"T": 260, "stim_dur": 20}},
    "panels": {"losses": {"kind": "by_axis", "title": "Loss of {{ small }} networks", "axis": "task",
                          "measures": "loss", "networks": "all"}},
}  # fmt: skip


class Checkout:
    """A copy of the workflow in which `snakemake` runs as a user runs it, with `python` as its interpreter."""

    def __init__(self, folder, python):
        self.folder, self.python = Path(folder), python
        self.environment: dict[str, str] = {}  # more variables of its programs
        for name in ("workflow", "scripts", "config"):
            shutil.copytree(ROOT / name, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))

    @property
    def results(self):
        return self.folder / "results/small"

    def configure(self, **changes):
        (self.folder / "config" / "config.yaml").write_text(yaml.safe_dump({**SMALL, **changes}))

    def snakemake(self, *arguments, check=True, rendered=False):
        env = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
        env |= self.environment | ({} if rendered else NOT_RENDERED)
        done = subprocess.run(
            [self.python, "-m", "snakemake", "--cores", "2", "--resources", "gpu=2", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=env,
        )
        if check and done.returncode:
            pytest.fail(done.stdout[-3000:] + done.stderr[-6000:])
        return done

    def planned(self, *arguments) -> dict[str, int]:
        """Jobs of each rule that a dry run plans."""
        out = self.snakemake("--dry-run", "--logger-ratecore-show", "snakemake", *arguments)
        stats = (out.stdout + out.stderr).rpartition("Job stats:")[2]
        return {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", stats, re.M) if rule != "total"}

    def rows(self):
        with open(self.folder / "results/small/summary.csv", newline="") as file:
            return list(csv.DictReader(file))

    def networks(self) -> dict[str, torch.Tensor]:
        """Trained w of every run, by the run's folder."""
        files = (self.folder / "results/small/runs").rglob("network.pth")
        return {p.parent.name: torch.load(p, weights_only=True)["model_state_dict"]["w"] for p in files}

    def written(self) -> dict[Path, int]:
        return {p: p.stat().st_mtime_ns for p in (self.folder / "results/small/runs").rglob("network.pth")}


def runs_in_mlflow(checkout):
    code = """
import json, sys
from mlflow.tracking import MlflowClient
c = MlflowClient("sqlite:///results/mlflow.db")
runs = c.search_runs([c.get_experiment_by_name("small").experiment_id], max_results=1000)
print(json.dumps([{
    "id": r.info.run_id, "status": r.info.status,
    "tags": r.data.tags, "params": r.data.params, "metrics": r.data.metrics,
    "history": len(c.get_metric_history(r.info.run_id, "train/test_loss")),
    "artifacts": [f.path for d in ("model", "figures", "evaluation") for f in c.list_artifacts(r.info.run_id, d)],
} for r in runs]))
"""
    out = subprocess.run(
        [checkout.python, "-c", code],
        cwd=checkout.folder,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
    )
    return {run["id"]: run for run in json.loads(out.stdout.splitlines()[-1])}


def everything_in(uri, python):
    """Name, status, times, params, tags, metric histories and artifact hashes of all runs of a store, by identity."""
    code = """
import hashlib, json, pathlib, sys
from mlflow.tracking import MlflowClient
c, found = MlflowClient(sys.argv[1]), {}
for run in c.search_runs([c.get_experiment_by_name("small").experiment_id], run_view_type=3, max_results=1000):
    histories = {key: sorted((m.step, m.timestamp, m.value) for m in c.get_metric_history(run.info.run_id, key))
                 for key in run.data.metrics}
    root = pathlib.Path(run.info.artifact_uri)
    files = {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
             for p in root.rglob("*") if p.is_file()}
    assert run.data.tags["ratecore.run"] not in found, "two runs of one network"
    found[run.data.tags["ratecore.run"]] = dict(
        name=run.info.run_name, status=run.info.status, start=run.info.start_time, end=run.info.end_time,
        life=run.info.lifecycle_stage, params=run.data.params, tags=run.data.tags, histories=histories, artifacts=files)
print(json.dumps(found))
"""
    out = subprocess.run(
        [python, "-c", code, uri],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
    )
    return json.loads(out.stdout.splitlines()[-1])
