"""Claims in the workflow: judged at the end, in the report, again when they change, and refused before any job."""

import csv

import pytest
from checkout import Checkout

CLAIM = {"says": "half is right", "source": "Fig. 2E", "kind": "range", "measure": "accuracy", "published": {"low": 0}}
CONFIG = {
    "grid": {"task": ["go-nogo"], "seed": "0..5"},
    "seeds_per_job": 6,
    "convert": False,
    "figures": {"grid_points": 0},
    "training": {"n_trials": 20, "min_trials": 0, "eval_freq": 10, "eval_tr": 5, "loss_threshold": 1e6,
                 "accuracy_threshold": 0},
    "task_settings": {"T": 60, "stim_on": 10, "stim_dur": 10},
    "claims": {"half": CLAIM, "trained": {**CLAIM, "source": "Fig. 1C", "measure": "trained"}},
}  # fmt: skip
FILES = ("claims.csv", "claims.html", "jobs/claims.json")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory, python):
    checkout = Checkout(tmp_path_factory.mktemp("checkout"), python)
    checkout.configure(**CONFIG)
    return checkout


@pytest.fixture(scope="module")
def done(checkout):
    done = checkout.snakemake()
    return done.stdout + done.stderr


def claims(checkout):
    with open(checkout.results / "claims.csv", newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def test_claims_are_judged_at_the_end(checkout, done):
    assert "2 claims: 2 reproduced: results/small/claims.csv" in done
    found = claims(checkout)
    mean = sum(float(row["accuracy"]) for row in checkout.rows()) / 6
    assert float(found["half"]["ours"]) == pytest.approx(mean) and found["half"]["n"] == "6"
    assert float(found["trained"]["ours"]) == sum(row["trained"] == "True" for row in checkout.rows()) / 6
    assert checkout.planned() == {}


def test_the_report_shows_them(checkout, done):
    checkout.snakemake("--report", "report.html")
    report = (checkout.folder / "report.html").read_text()
    assert '"Claims"' in report and "claims.html" in report


def test_a_changed_claim_is_judged_again_and_nothing_else_is_done(checkout, done):
    changed = {**CONFIG["claims"], "half": {**CLAIM, "published": {"low": 0.99}}}
    checkout.configure(**{**CONFIG, "claims": changed})
    assert set(checkout.planned()) == {"claims", "all"}
    written = checkout.written()
    checkout.snakemake()
    assert claims(checkout)["half"]["outcome"] == "not reproduced" and checkout.written() == written
    assert not (checkout.results / "earlier").exists(), "the table is that of the same grid"
    # In a working folder without Snakemake's notes, as after results were moved, the files themselves tell.
    (checkout.folder / ".snakemake").rename(checkout.folder / "notes")
    assert checkout.planned() == {}
    checkout.configure(**CONFIG)
    assert set(checkout.planned()) == {"claims", "all"}
    (checkout.folder / ".snakemake").rename(checkout.folder / "other_notes")
    (checkout.folder / "notes").rename(checkout.folder / ".snakemake")


def test_claims_about_what_is_not_there_stop_the_call(checkout, done):
    checkout.configure(**{**CONFIG, "claims": {"half": {**CLAIM, "where": {"gain": 2}}}})
    stopped = checkout.snakemake("--dry-run", check=False)
    assert stopped.returncode == 1
    assert "claims.half.where.gain: there is no column 'gain'" in stopped.stdout + stopped.stderr


def test_without_claims_their_files_go(checkout, done):
    checkout.configure(**{key: value for key, value in CONFIG.items() if key != "claims"})
    assert not any(rule in checkout.planned() for rule in ("claims", "train", "summarize"))
    assert all((checkout.results / name).exists() for name in FILES), "a dry run changes nothing"
    out = checkout.snakemake("--forcerun", "plot_grid")
    assert not any((checkout.results / name).exists() for name in FILES)
    assert "claim" not in out.stdout
