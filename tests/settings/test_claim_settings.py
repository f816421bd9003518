"""Claims that cannot be judged are refused in words, before anything is read or run."""

import pytest

from ratecore.settings.base import SettingsError
from ratecore.settings.claims import ClaimSettings, measure_of
from ratecore.settings.experiment import ExperimentSettings

MEAN = {
    "says": "93.9 %", "kind": "mean", "measure": "spiking_accuracy",
    "published": {"value": 0.939, "sd": 0.078, "n": 100}, "margin": 0.04,
}  # fmt: skip
SHARE = {"says": "65 %", "kind": "share", "measure": "trained", "published": {"value": 0.65, "n": 100}, "margin": 0.15}
BEST = {"says": "best", "kind": "best", "measure": "gap", "over": "N", "at": 250}


def test_each_kind_can_be_written():
    kinds = [
        MEAN,
        SHARE,
        {"says": "s", "kind": "range", "measure": "accuracy", "published": {"low": 0.96, "high": 1}},
        {"says": "s", "kind": "equal", "measure": "accuracy", "over": "gain", "margin": 0.1},
        {"says": "s", "kind": "equal", "measure": "accuracy", "groups": [{"N": 1}, {"N": 2}], "margin": 0.1},
        {"says": "s", "kind": "greater", "measure": "accuracy", "groups": [{"N": 1}, {"N": 2}]},
        {"says": "s", "kind": "differ", "measure": "accuracy", "over": "tau_rise"},
        {"says": "s", "kind": "trend", "measure": "n_trials", "over": "N", "direction": "falling"},
        {**BEST, "direction": "lowest", "margin": 1e-2},
    ]
    settings = ExperimentSettings(experiment="x", claims={f"c{k}": claim for k, claim in enumerate(kinds)})
    assert [claim.kind for claim in settings.claims.values()] == [claim["kind"] for claim in kinds]


@pytest.mark.parametrize(
    ("text", "columns", "sign", "threshold", "is_share", "bounds"),
    [
        ("accuracy", ("accuracy",), None, 0, False, (0, 1)),
        ("trained", ("trained",), None, 0, True, (0, 1)),
        ("gap", ("accuracy", "spiking_accuracy"), None, 0, False, (-1, 1)),
        ("n_trials", ("n_trials",), None, 0, False, (-float("inf"), float("inf"))),
        ("share of  n_trials < 2000", ("n_trials",), "<", 2000, True, (0, 1)),
        ("share of loss >= -0.5", ("loss",), ">=", -0.5, True, (0, 1)),
        ("share of accuracy >= .95", ("accuracy",), ">=", 0.95, True, (0, 1)),
    ],
)
def test_measures(text, columns, sign, threshold, is_share, bounds):
    m = measure_of(text)
    assert (m.columns, m.sign, m.threshold, m.is_share, m.bounds) == (columns, sign, threshold, is_share, bounds)


WRONG = [
    ({**MEAN, "published": {"value": 93.9}}, "published.value = 93.9: 'spiking_accuracy' is in [0, 1]; a fraction, not "
     "per cent: 0.939"),
    ({**MEAN, "margin": 0.015}, "claims.c.margin = 0.015: it must be above 0.0155, the half of the interval of the "
     "published number alone: no number of seeds"),
    ({**SHARE, "margin": 0.09}, "margin = 0.09: it must be above 0.09"),
    ({**MEAN, "margin": None}, "claims.c.margin: it is missing; kind: mean needs published and margin"),
    ({**MEAN, "margin": 0}, "margin = 0: it must be above 0; no difference is ever known to be exactly 0"),
    ({**MEAN, "margin": -0.1}, "claims.c.margin = -0.1"),
    ({**MEAN, "published": {"value": 0.9, "sd": 0.1}}, "claims.c.published: sd and n belong together"),
    ({**MEAN, "published": {"sd": 0.1, "n": 10}}, "claims.c.published.value: it is missing; kind: mean needs it"),
    ({**MEAN, "published": {"value": 0.9, "low": 0.1}}, "published.low: kind: mean has none; it has value, sd, n"),
    ({**MEAN, "measure": "trained"}, "measure = 'trained': it is a share; write kind: share"),
    ({**SHARE, "measure": "accuracy"}, "measure = 'accuracy': kind: share needs 'trained' or 'share of COLUMN"),
    ({**SHARE, "networks": "trained"}, "claims.c.networks = 'trained': of these all are trained; leave it out"),
    ({**MEAN, "measure": "accuracy - loss"}, "measure = 'accuracy - loss': it must be a column of summary.csv, 'gap'"),
    ({**MEAN, "kind": "means"}, "did you mean 'mean'?"),
    ({**MEAN, "direction": "rising"}, "direction: kind: mean has none; it has published, margin, over"),
    ({**MEAN, "marign": 1}, "unknown setting 'claims.c.marign' (did you mean 'margin'?)"),
    ({**BEST, "direction": "rising"}, "direction = 'rising': of kind: best it is highest or lowest"),
    ({**BEST, "at": None}, "claims.c.at: it is missing; kind: best needs over and at"),
    ({"says": "s", "kind": "equal", "measure": "loss", "margin": 1}, "equal needs one of over: COLUMN and groups"),
    ({"says": "s", "kind": "equal", "measure": "loss", "margin": 1, "over": "N", "groups": [{"N": 1}, {"N": 2}]},
     "kind: equal needs one of over"),
    ({"says": "s", "kind": "greater", "measure": "loss", "groups": [{"N": 1}]}, "claims.c.groups"),
    ({"says": "s", "kind": "range", "measure": "loss", "published": {"value": 1}}, "kind: range has none; it has low"),
    ({"says": "s", "kind": "range", "measure": "loss", "published": {"low": 1, "high": 0}}, "high = 0: it must be "),
    ({"kind": "range", "measure": "loss"}, "claims.c.says: it is required and missing"),
]  # fmt: skip


@pytest.mark.parametrize(("claim", "expected"), WRONG)
def test_a_claim_that_no_rule_can_judge_is_one_clear_error(claim, expected):
    with pytest.raises(SettingsError) as error:
        ExperimentSettings(experiment="x", claims={"c": claim})
    assert any(expected in line for line in error.value.lines()), error.value.lines()


def test_an_id_is_a_name():
    with pytest.raises(SettingsError, match="the id of a claim must be letters, digits"):
        ExperimentSettings(experiment="x", claims={"Fig. 2E": MEAN})
    with pytest.raises(SettingsError, match="claims"):
        ExperimentSettings(experiment="x", claims=[MEAN])


def test_networks_that_are_not_trained_count_only_where_they_can():
    assert not ClaimSettings(**SHARE).only_trained
    assert ClaimSettings(**MEAN).only_trained
    assert not ClaimSettings(**MEAN, networks="all").only_trained
