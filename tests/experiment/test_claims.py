"""Claims judged from tables whose truth is known, and claims about networks that a grid does not have."""

import io
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import ratecore as rate
from ratecore.cli import main
from ratecore.cli.networks import single_run
from ratecore.experiment.claims import COLUMNS, judge_claims, read_table
from ratecore.experiment.claims_files import claims_hash, claims_page, stale_claims, write_claims
from ratecore.experiment.configurations import grid_hash, keep_configuration
from ratecore.experiment.grid import Experiment
from ratecore.settings.base import SettingsError
from ratecore.settings.reading import load_yaml

GRID = {"task": ["go-nogo"], "taus": [4, [4, 10], [4, 20]], "refractory": [0, 2], "seed": "0..19"}
BASE = {"experiment": "x", "network": {"N": 20}, "grid": GRID}
AT_2 = {"refractory": 2}


def experiment(claims, **changes):
    return Experiment.from_config({**BASE, **changes, "claims": claims})


def table_of(exp, **columns):
    """A table of trained networks; a column is a function of a grid point's values, seed and random numbers."""
    rng = np.random.default_rng(1)
    rows = []
    for point in exp.grid_points:
        for seed in exp.seeds:
            row = {**point.values, "seed": seed, "status": "trained", "trained": True, "n_trials": 1502}
            row |= {"accuracy": 1.0, "spiking_accuracy": 0.9}
            rows.append(row | {name: of(point.values, seed, rng) for name, of in columns.items()})
    return pd.DataFrame(rows)


def noisy(**means):
    """Spiking accuracy with an SD of 0.02 around a mean for each value of taus."""
    return lambda v, seed, rng: means[f"t{v['taus']}"] + 0.02 * rng.normal()


RISING = noisy(t4=0.80, t4_10=0.85, t4_20=0.95)
FLAT = noisy(t4=0.9, t4_10=0.9, t4_20=0.9)
MEAN = {"kind": "mean", "measure": "spiking_accuracy", "where": {"taus": 4, **AT_2}, "margin": 0.04}
ORDER = {"kind": "greater", "measure": "spiking_accuracy", "where": AT_2, "margin": 0.02}
OVER = {"measure": "spiking_accuracy", "where": AT_2, "over": "taus"}
CASES = [
    ("mean", {**MEAN, "published": {"value": 0.80, "sd": 0.05, "n": 100}}, RISING, "reproduced"),
    ("mean", {**MEAN, "published": {"value": 0.90, "sd": 0.05, "n": 100}}, RISING, "not reproduced"),
    ("mean", {**MEAN, "published": {"value": 0.83, "sd": 0.05, "n": 400}}, RISING, "too few seeds"),
    ("equal", {**OVER, "kind": "equal", "margin": 0.03}, FLAT, "reproduced"),
    ("equal", {**OVER, "kind": "equal", "margin": 0.03}, RISING, "not reproduced"),
    ("equal", {**OVER, "kind": "equal", "margin": 0.002}, FLAT, "too few seeds"),
    ("order", {**ORDER, "groups": [{"taus": [4, 20]}, {"taus": [4, 10]}, {"taus": 4}]}, RISING, "reproduced"),
    ("order", {**ORDER, "groups": [{"taus": [4, 20]}, {"taus": 4}, {"taus": [4, 10]}]}, RISING, "not reproduced"),
    ("order", {**ORDER, "groups": [{"taus": [4, 20]}, {"taus": 4}]}, FLAT, "not reproduced"),
    ("differ", {**ORDER, "kind": "differ", "groups": [{"taus": 4}, {"taus": [4, 20]}]}, RISING, "reproduced"),
    ("differ", {**ORDER, "kind": "differ", "groups": [{"taus": 4}, {"taus": [4, 20]}]}, FLAT, "not reproduced"),
    ("trend", {**OVER, "kind": "trend", "direction": "rising", "margin": 0.1}, RISING, "reproduced"),
    ("trend", {**OVER, "kind": "trend", "direction": "falling", "margin": 0.1}, RISING, "not reproduced"),
    ("best", {**OVER, "kind": "best", "at": [4, 20], "margin": 0.02}, RISING, "reproduced"),
    ("best", {**OVER, "kind": "best", "at": 4, "direction": "lowest", "margin": 0.02}, RISING, "reproduced"),
    ("best", {**OVER, "kind": "best", "at": 4, "margin": 0.02}, RISING, "not reproduced"),
    ("best", {**OVER, "kind": "best", "at": 4, "margin": 0.02}, FLAT, "not reproduced"),
    ("range", {**OVER, "kind": "range", "published": {"low": 0.75}}, RISING, "reproduced"),
    ("range", {**OVER, "kind": "range", "published": {"low": 0.83, "high": 1}}, RISING, "not reproduced"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "claim", "accuracy", "outcome"), CASES)
def test_each_kind_has_its_outcomes(name, claim, accuracy, outcome):
    exp = experiment({name: {"says": "s", **claim}})
    (row,) = judge_claims(exp, table_of(exp, spiking_accuracy=accuracy)).to_dict("records")
    assert row["outcome"] == outcome, row
    assert tuple(row) == COLUMNS and row["id"] == name
    assert pd.isna(row["n_needed"]) is (outcome != "too few seeds")
    assert row["n"] == 20 and row["ci_low"] < row["ours"] < row["ci_high"]


def test_the_numbers_are_those_of_scipy():
    claim = {**MEAN, "says": "s", "published": {"value": 0.8, "sd": 0.05, "n": 100}}
    exp = experiment({"m": claim, "r": {"says": "s", **OVER, "kind": "range", "published": {"low": 0.5}}})
    table = table_of(exp, spiking_accuracy=RISING)
    mean, within = judge_claims(exp, table).to_dict("records")
    values = table.query("taus == '4' and refractory == '2'")["spiking_accuracy"]
    alone = stats.ttest_1samp(values, 0).confidence_interval()
    assert (mean["ours"], mean["ci_low"], mean["ci_high"]) == pytest.approx((values.mean(), *alone))
    welch = stats.ttest_ind_from_stats(values.mean(), values.std(), 20, 0.8, 0.05, 100, equal_var=False)
    assert mean["test"] == "Welch" and mean["p"] == pytest.approx(welch.pvalue)
    assert mean["difference"] == pytest.approx(values.mean() - 0.8)
    # Three intervals that together have 95 %; the one that speaks most against the claim is shown.
    wide = stats.ttest_1samp(values, 0).confidence_interval(1 - 0.05 / 3)
    assert (within["ci_low"], within["ci_high"]) == pytest.approx(tuple(wide))
    assert within["reason"] == "shown: taus = 4; of 3: 3 reproduced" and math.isnan(within["difference"])


def test_variants_of_the_same_networks_are_compared_network_by_network():
    # The networks differ much more from each other than each of them between the two conditions.
    def accuracy(v, seed, rng):
        return 0.5 + 0.02 * seed + (0.01 if v["refractory"] == "2" else 0) + 0.002 * rng.normal()

    refractory = {"says": "s", "kind": "equal", "measure": "spiking_accuracy", "over": "refractory", "margin": 0.03}
    refractory |= {"where": {"taus": 4}}
    taus = {**OVER, "says": "s", "kind": "equal", "margin": 0.03}
    exp = experiment({"p": refractory, "u": {**refractory, "paired": False}, "t": taus})
    paired, apart, others = judge_claims(exp, table_of(exp, spiking_accuracy=accuracy)).to_dict("records")
    assert paired["outcome"] == "reproduced" and paired["test"] == "signed-rank"
    assert apart["outcome"] == "too few seeds" and apart["test"] == "rank-sum"
    assert others["test"] == "Kruskal-Wallis", "other time constants are other networks"


def test_pairs_are_matched_by_seed_whatever_the_order_of_rows():
    refractory = {"says": "s", "kind": "equal", "measure": "spiking_accuracy", "over": "refractory", "margin": 0.03}
    exp = experiment({"p": {**refractory, "where": {"taus": 4}}})
    table = table_of(exp, spiking_accuracy=lambda v, seed, rng: 0.04 * seed + (0.01 if v["refractory"] == "0" else 0))
    (row,) = judge_claims(exp, table.sample(frac=1, random_state=3)).to_dict("records")
    assert row["ours"] == pytest.approx(0.01) and row["outcome"] == "too few seeds"  # the differences are all equal


def test_shares_and_networks_that_are_not_trained():
    def trained(v, seed, rng):
        return seed < 12

    share = {"says": "s", "kind": "share", "where": {"taus": 4, **AT_2}, "margin": 0.3}
    claims = {
        "trained": {**share, "measure": "trained", "published": {"value": 0.69, "n": 100}},
        "of_trained": {**share, "measure": "share of spiking_accuracy >= 0.95", "published": {"value": 0.5}},
        "of_all": {**share, "measure": "share of spiking_accuracy >= 0.95", "networks": "all",
                   "published": {"value": 0.5}},
        "accuracy": {**share, "kind": "mean", "measure": "accuracy", "published": {"value": 0.5}, "least_sd": 0.01},
    }  # fmt: skip
    exp = experiment(claims)
    table = table_of(exp, trained=trained, spiking_accuracy=lambda v, s, r: math.nan if s >= 12 else 1 - 0.1 * (s >= 6))
    table["status"] = np.where(table["trained"], "trained", "not trained")
    rows = judge_claims(exp, table).set_index("id")
    assert dict(rows["ours"]) == {"trained": 0.6, "of_trained": 0.5, "of_all": 0.3, "accuracy": 1.0}
    assert dict(rows["n"]) == {"trained": 20, "of_trained": 12, "of_all": 20, "accuracy": 12}
    assert rows["published"]["trained"] == "0.69 (n = 100)"


@pytest.mark.parametrize(
    ("change", "reason", "n"),
    [
        ({"status": lambda v, s, r: "trained" if s else "not done"}, "1 of 20 networks are not done", 19),
        ({"trained": lambda v, s, r: False}, "no network is trained", None),
        ({"trained": lambda v, s, r: s == 0}, "1 network has a value; an interval needs 2", None),
        ({"trained": lambda v, s, r: s < 4, "spiking_accuracy": FLAT}, "4 networks have a value; nothing is decided by "
         "fewer than 5", 4),
        ({"spiking_accuracy": lambda v, s, r: math.nan}, "no network has a value; 20 networks have no spiking_accuracy",
         None),
    ],
)  # fmt: skip
def test_what_is_missing_is_too_few_seeds_and_says_why(change, reason, n):
    exp = experiment({"m": {**MEAN, "says": "s", "margin": 0.3, "published": {"value": 0.9}}})
    (row,) = judge_claims(exp, table_of(exp, **change)).to_dict("records")
    assert row["outcome"] == "too few seeds" and row["reason"] == reason
    assert pd.isna(row["n"]) if n is None else row["n"] == n


def test_equal_values_decide_nothing_by_themselves():
    fixed = {"says": "s", "kind": "range", "where": {"taus": 4, **AT_2}}
    exp = experiment({
        "accuracy": {**fixed, "measure": "accuracy", "published": {"low": 0.9}},
        "floor": {**fixed, "measure": "accuracy", "published": {"low": 0.9, "high": 1}, "least_sd": 0.01},
        "trials": {**fixed, "measure": "n_trials", "published": {"high": 2000}},
        "share": {**fixed, "measure": "share of n_trials < 2000", "published": {"low": 0.8}},
    })  # fmt: skip
    rows = judge_claims(exp, table_of(exp)).set_index("id")
    assert dict(rows["outcome"]) == {
        "accuracy": "too few seeds", "floor": "reproduced", "trials": "too few seeds", "share": "reproduced",
    }  # fmt: skip
    assert rows["reason"]["trials"] == "all 20 values are 1502, so that their SD is unknown; give least_sd"


NAMES = [
    ({**MEAN, "where": {"tau": 4}}, "claims.c.where.tau: there is no column 'tau' (did you mean 'taus'?)"),
    ({**MEAN, "where": {"taus": 5, **AT_2}}, "claims.c.where.taus = 5: no grid point has it; values: 4, 4_10, 4_20"),
    ({**MEAN, "where": {"taus": 4, "refractory": [0, 3]}}, "claims.c.where.refractory = 3: no grid point has it"),
    ({**MEAN, "where": {"seed": 77, **AT_2}}, "claims.c.where.seed = 77: no network has the seed 77"),
    ({**MEAN, "where": {"seed": "0-5"}}, "claims.c.where.seed = '0-5': a range of seeds is written 'first..last'"),
    ({**MEAN, "grid": "fig7"}, "claims.c.grid = 'fig7': the grid has no such product"),
    ({**MEAN, "measure": "spikingaccuracy"}, "have no number 'spikingaccuracy' (did you mean 'spiking_accuracy'?)"),
    ({**MEAN, "where": {"taus": 4}}, "claims.c.where: the networks have several rows of each network, with other "
     "values of refractory"),
    ({**MEAN, "over": "seed"}, "claims.c.over = 'seed': it must be an axis"),
    ({**OVER, "kind": "best", "at": 5}, "claims.c.at = 5: no grid point has it"),
    ({**OVER, "kind": "best", "at": [4, [4, 20]]}, "claims.c.at = [4, [4, 20]]: it must be one value of taus"),
    ({**OVER, "kind": "equal", "margin": 1, "over": "N"}, "claims.c.over = 'N': there is one value, 20; kind: eq"),
    ({**OVER, "kind": "differ"}, "kind: differ compares two groups; there are 3"),
    ({**OVER, "kind": "trend", "direction": "rising", "over": "task"}, "claims.c.over = 'task': there is one value"),
    ({**ORDER, "groups": [{"taus": 4}, {"N": 30}]}, "claims.c.groups[1].N = 30: no grid point has it"),
    ({**ORDER, "where": {}, "groups": [{"taus": 4, **AT_2}, {"taus": [4, 10], "refractory": [0, 2]}]},
     "the networks with taus = 4_10, refractory = 0 or 2 have several rows of each network"),
    ({**ORDER, "groups": [{"taus": 4}, {"taus": [[4, 10], [4, 20]]}], "paired": True}, "claims.c.paired = True"),
    ({**ORDER, "groups": [{"seed": "0..9"}, {"seed": "10..19"}], "paired": True, "where": {"taus": 4, **AT_2}},
     "claims.c.paired = True: apart from seed, the groups are not of the same"),
    ({**ORDER, "groups": [{"taus": 4}, {"taus": [4, [4, 10]]}]}, "claims.c.groups: 'taus = 4' and 'taus = 4 or 4_10' "
     "have networks in common"),
    ({**ORDER, "where": {"taus": 4, **AT_2}, "groups": [{"seed": "0..9"}, {"seed": "9..19"}]},
     "claims.c.groups: 'seed = 0 or 1 or 2"),
    ({**MEAN, "measure": "psychometric_threshold"}, "claims.c.measure = 'psychometric_threshold': no network has it; "
     "it needs a task with graded evidence and evaluation.psychometric_trials above 0"),
    ({**MEAN, "where": {"origin": "original"}}, "claims.c.where.origin: there is no column 'origin'"),
    # Half of the interval of the published mean is 0.0393 for one value, and 0.0482 for each of three.
    ({**OVER, "kind": "mean", "margin": 0.04, "published": {"value": 0.9, "sd": 0.198, "n": 100}},
     "claims.c.margin = 0.04: it must be above 0.0482"),
]  # fmt: skip


@pytest.mark.parametrize(("claim", "expected"), NAMES)
def test_networks_that_are_not_in_the_grid_are_one_clear_error(claim, expected):
    claim = {"says": "s", **({"published": {"value": 0.9}} if claim["kind"] == "mean" else {}), **claim}
    with pytest.raises(SettingsError) as error:
        experiment({"c": claim})
    assert any(expected in line for line in error.value.lines()), error.value.lines()


def test_a_measure_of_a_stage_that_is_left_out_is_refused():
    with pytest.raises(SettingsError, match="these results have no number 'spiking_accuracy'"):
        experiment({"c": {**MEAN, "where": {}, "says": "s", "published": {"value": 0.9}}}, convert=False, grid={})


def test_a_value_that_is_a_list_is_that_value_and_a_list_of_values_are_several():
    one = {"says": "s", "kind": "range", "measure": "accuracy", "published": {"low": 0.5}, "where": AT_2}
    chosen = [{"taus": [4, 20]}, {"taus": [4, [4, 20]]}, {"taus": 4, "seed": "0..9"}]
    exp = experiment({f"c{k}": {**one, "where": {**where, **AT_2}} for k, where in enumerate(chosen)})
    assert list(judge_claims(exp, table_of(exp))["n"]) == [20, 40, 10]


def test_a_claim_is_about_the_networks_of_its_product():
    grid = [
        {"name": "taus", "taus": [4, [4, 10]], "refractory": [2], "seed": "0..9"},
        {"name": "refractory", "taus": [[4, 10]], "refractory": [0, 2], "seed": "5..19"},
    ]
    one = {"says": "s", "kind": "range", "measure": "spiking_accuracy", "published": {"low": 0.5}}
    claims = {
        "taus": {**one, "grid": "taus", "where": {"taus": [4, 10]}},
        "refractory": {**one, "grid": "refractory", "over": "refractory"},
        "both": {**one, "where": {"taus": [4, 10], **AT_2}},
    }
    exp = experiment(claims, grid=grid)
    rows = [
        {**point.values, "seed": seed, "grids": " ".join(point.grids(seed)), "status": "trained", "trained": True,
         "accuracy": 1.0, "spiking_accuracy": 0.9 + 0.001 * seed}
        for point in exp.grid_points for seed in point.seeds
    ]  # fmt: skip
    judged = judge_claims(exp, pd.DataFrame(rows)).set_index("id")
    assert dict(judged["n"]) == {"taus": 10, "refractory": 15, "both": 20}
    assert judged["ours"]["taus"] == pytest.approx(0.9045) and judged["grid"]["taus"] == "taus"
    with pytest.raises(SettingsError, match="claims.c.grid = 'tau': the grid has no such product .did you mean 'taus'"):
        experiment({"c": {**one, "grid": "tau"}}, grid=grid)
    with pytest.raises(SettingsError, match="claims.c.where = .*: no grid point has all of these values"):
        experiment({"c": {**one, "where": {"taus": 4, "seed": "10..19"}}}, grid=grid)  # of another product
    with pytest.raises(SettingsError, match="claims.c.where.taus = 4: no grid point has it; values: 4_10"):
        experiment({"c": {**one, "grid": "refractory", "where": {"taus": 4}}}, grid=grid)


def test_groups_by_seed_or_by_a_result_are_independent_networks():
    one = {"says": "s", "kind": "greater", "measure": "spiking_accuracy", "where": {"taus": 4, **AT_2}}
    claims = {
        "seeds": {**one, "groups": [{"seed": "10..19"}, {"seed": "0..9"}]},
        "results": {**one, "groups": [{"n_trials": 2000}, {"n_trials": 1502}]},
    }
    exp = experiment(claims)
    table = table_of(
        exp, n_trials=lambda v, s, r: 2000 if s > 9 else 1502, spiking_accuracy=lambda v, s, r: 0.5 + 0.01 * s
    )
    judged = judge_claims(exp, table)
    assert list(judged["n"]) == [10, 10] and list(judged["outcome"]) == ["reproduced"] * 2
    assert list(judged["ours"]) == pytest.approx([0.1, 0.1])


def test_results_that_no_network_has_are_too_few_seeds():
    where = {"taus": 4, **AT_2, "n_trials": 7, "status": "trained", "trained": True}
    exp = experiment({"c": {**MEAN, "says": "s", "where": where, "published": {"value": 0.9}}})
    table = table_of(exp)
    for rows in (table, table.assign(status="waiting")):
        (row,) = judge_claims(exp, rows).to_dict("records")
        assert row["outcome"] == "too few seeds" and "network" in row["reason"]


def test_claims_change_no_identity_and_no_grid():
    claim = {"c": {**MEAN, "says": "s", "published": {"value": 0.9}}}
    with_claims, without = experiment(claim), Experiment.from_config(BASE)
    assert [p.identity(0) for p in with_claims.grid_points] == [p.identity(0) for p in without.grid_points]
    assert grid_hash(with_claims.settings) == grid_hash(without.settings)


@pytest.fixture
def written(tmp_path):
    """The judged claims of an experiment in a folder, with its table."""
    claims = {
        "later": {**MEAN, "says": "accuracy <b>", "source": "Fig. 10", "published": {"value": 0.8}},
        "first": {**ORDER, "says": "better", "source": "Fig. 2B", "groups": [{"taus": [4, 20]}, {"taus": 4}]},
        "no": {**OVER, "kind": "equal", "says": "no difference", "source": "Fig. 2C", "margin": 0.02},
    }
    exp = experiment(claims, results=str(tmp_path), network={"N": 20, "gain": 1.0})
    exp.root.mkdir()
    keep_configuration(exp.root, exp.given())
    table = table_of(exp, spiking_accuracy=RISING)
    table.to_csv(exp.root / "summary.csv", index=False)
    write_claims(judge_claims(exp, read_table(exp)), exp.settings, exp.root)
    return exp, table


def test_the_files_have_every_claim(written):
    exp, table = written
    found = pd.read_csv(exp.root / "claims.csv")
    expected = pd.read_csv(io.StringIO(judge_claims(exp, table).to_csv(index=False)))
    pd.testing.assert_frame_equal(found, expected)
    page = (exp.root / "claims.html").read_text()
    assert page.index("Fig. 2B") < page.index("Fig. 2C") < page.index("Fig. 10"), "sorted by where they are made"
    assert "accuracy &lt;b&gt;" in page and "<b>" not in page.replace("<p><b>", "")
    assert "3 claims: 2 reproduced, 1 not reproduced" in page
    for mark in ("\u2713</b>reproduced", "\u2717</b>not reproduced"):
        assert mark in page


def test_claims_are_judged_again_when_they_change_and_gone_when_they_are_left_out(written):
    exp, _ = written
    assert stale_claims(exp.settings, exp.root) == []
    other = exp.settings.model_copy(update={"claims": dict(list(exp.settings.claims.items())[:2])})
    assert claims_hash(other) != claims_hash(exp.settings)
    stale = {path.rpartition("/")[2] for path in stale_claims(other, exp.root)}
    assert stale == {"claims.csv", "claims.html", "claims.json"}
    assert len(stale_claims(other.model_copy(update={"claims": {}}), exp.root)) == 3
    (exp.root / "jobs/claims.json").write_text("{")
    assert len(stale_claims(exp.settings, exp.root)) == 3
    for name in ("claims.csv", "claims.html", "jobs/claims.json"):
        (exp.root / name).unlink()
    assert stale_claims(exp.settings, exp.root) == []


def test_a_page_without_decided_claims_is_one_too():
    exp = experiment({"m": {**MEAN, "says": "s", "published": {"value": 0.9}}})
    page = claims_page(judge_claims(exp, table_of(exp, trained=lambda v, s, r: False)), "x")
    assert "1 claim: 1 too few seeds" in page and "no network is trained" in page


@pytest.fixture
def opened(written, monkeypatch):
    """The folder, opened with a table of which one network can be undone."""
    exp, table = written

    def open_with(undone):
        table.loc[: undone - 1, "status"] = "not done"
        monkeypatch.setattr("ratecore.experiment.summary.partial_summary", lambda e: (table, []))
        return exp.root

    return open_with


def test_the_command_prints_each_claim(opened, capsys):
    root = opened(0)
    assert main(["claims", str(root)]) == 0
    out = capsys.readouterr().out
    words = " ".join(out.split())
    assert out.index("Fig. 2B") < out.index("Fig. 2C") < out.index("Fig. 10")
    assert out.splitlines()[-1] == "3 claims: 2 reproduced, 1 not reproduced"
    assert "\u2713 reproduced      Fig. 2B  (first)" in out and "margin: 0.02; rank-sum: p < 0.001" in words
    assert main(["claims", str(root), "--csv"]) == 0
    assert capsys.readouterr().out == (root / "claims.csv").read_text()
    assert list(rate.open_results(root).claims()["outcome"]) == ["reproduced", "reproduced", "not reproduced"]


def test_the_command_works_on_results_that_are_not_complete(opened, capsys):
    root = opened(20)  # all of taus 4 at refractory 0, which no claim is about
    assert main(["claims", str(root)]) == 2
    assert f"{root}: 20 of 120 networks are not done; give --partial" in capsys.readouterr().err
    assert main(["claims", str(root), "--partial"]) == 0
    assert capsys.readouterr().out.endswith("3 claims: 2 reproduced, 1 not reproduced\n")
    opened(21)  # one of taus 4 at refractory 2
    assert main(["claims", str(root), "--partial"]) == 0
    out = capsys.readouterr().out
    assert "1 of 40 networks are not done" in out
    # That not all are equal is known from the two groups of time constants that are done.
    assert out.endswith("3 claims: 1 not reproduced, 2 too few seeds\n")


def test_the_command_takes_claims_from_another_file(opened, capsys, tmp_path):
    root, other = opened(0), tmp_path / "other.yaml"
    other.write_text("claims: {all: {says: trained, kind: range, measure: trained, where: {refractory: 2}, "
                     "published: {low: 0.9}}}")  # fmt: skip
    assert main(["claims", str(root), "--claims", str(other)]) == 0
    assert capsys.readouterr().out.endswith("1 claim: 1 reproduced\n")
    other.write_text("claims: {all: {says: trained, kind: range, measure: trained, published: {low: 0.9}}}")
    assert main(["claims", str(root), "--claims", str(other)]) == 2
    assert f"{other}: claims.all.where: the networks have several rows of each" in capsys.readouterr().err
    other.write_text("experiment: x")
    assert main(["claims", str(root), "--claims", str(other)]) == 2
    assert f"{other}: it has no section claims" in capsys.readouterr().err


def test_results_without_claims_say_so(tmp_path, capsys):
    exp = Experiment.from_config({**BASE, "results": str(tmp_path)})
    exp.root.mkdir()
    keep_configuration(exp.root, exp.given())
    assert main(["claims", str(exp.root)]) == 2
    assert "its configuration has no claims; give a file that has them with --claims FILE" in capsys.readouterr().err
    with pytest.raises(ValueError, match="there are no claims"):
        rate.open_results(exp.root).claims()
    assert main(["claims", str(tmp_path / "nowhere")]) == 2
    assert "there is no such folder" in capsys.readouterr().err


def test_one_network_is_trained_from_a_configuration_with_claims():
    run, _ = single_run("config/examples/claims.yaml", given={"N": 50, "refractory": 2}, seed=3)
    assert run.network.N == 50 and run.seed == 3


def test_the_example_is_a_configuration_with_claims_of_every_kind():
    config = load_yaml("config/examples/claims.yaml")
    exp = Experiment.from_config(config)
    kinds = {claim.kind for claim in exp.settings.claims.values()}
    assert kinds == {"mean", "share", "range", "equal", "greater", "differ", "trend", "best"}
    judged = judge_claims(exp, table_of(exp, spiking_accuracy=lambda v, s, r: min(1, 0.95 + 0.05 * r.normal())))
    assert len(judged) == len(exp.settings.claims) and set(judged["outcome"]) <= {
        "reproduced", "not reproduced", "too few seeds",
    }  # fmt: skip
