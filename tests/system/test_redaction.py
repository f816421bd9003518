"""No password is written: in URIs, queries, headers, connection strings, or on its own."""

import sys
import time

import pytest

from ratecore.system.redaction import redact_output, without_secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:secret@host:5000/x", "http://***@host:5000/x"),
        (
            "cannot reach postgresql+psycopg://me:p@ss@db/mlflow now",
            "cannot reach postgresql+psycopg://***@db/mlflow now",
        ),
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
        ("postgresql://db/x?user=me&password=pw&a=1", "postgresql://db/x?user=***&password=***&a=1"),
        ("postgresql://me:p/w@1@db/x failed", "postgresql://***@db/x failed"),
        ("'http://me:p%40w@host/x', and", "'http://***@host/x', and"),
        ("mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3Dpw", "mssql+pyodbc:///?odbc_connect=***"),
        ("{'user': 'me', 'password': 'pw', 'port': 5}", "{'user': '***', 'password': '***', 'port': 5}"),
        ("host=db password=pw port=5", "host=db password=*** port=5"),
        ("Authorization: Basic bWU6cHc=", "Authorization: Basic ***"),
        ("https://host/x?access_token=pw#a", "https://host/x?access_token=***"),
        ("batch_size = 3, a token of 5 ms", "batch_size = 3, a token of 5 ms"),
    ],
)
def test_secrets_are_taken_out(text, shown):
    assert without_secrets(text) == shown


@pytest.mark.parametrize(
    "uri",
    [
        "http://me:open%2Fse%40same@host/",
        "postgresql://me:open/se@same@host/x",
        "postgresql://host/x?user=me&password=open%2Fse%40same",
    ],
)
@pytest.mark.parametrize("spelling", ["open/se@same", "open%2Fse%40same", "open/se%40same"])
def test_a_known_password_is_taken_out_wherever_it_stands(monkeypatch, uri, spelling):
    printed = f"authentication with {spelling} failed"
    assert spelling in without_secrets(printed)
    assert without_secrets(printed, uri) == "authentication with *** failed"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert without_secrets(printed) == "authentication with *** failed"


def test_passwords_beside_the_uri_are_taken_out(monkeypatch, capfd):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "sesame")
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    redact_output("http://me:another@host")
    print("it is sesame or another")
    print("it is sesame or another", file=sys.stderr)
    printed = capfd.readouterr()
    assert printed.out == printed.err == "it is *** or ***\n"


@pytest.mark.parametrize("before", ["", "1", "_", "x ", "é", "+", "'", "a.b+", "x" * 1000])
def test_a_uri_is_found_after_any_letter_and_long_words_are_looked_at_once(before):
    assert "secret" not in without_secrets(f"{before}http://me:secret@host/x")
    start = time.perf_counter()
    without_secrets("x" * 300_000)
    assert time.perf_counter() - start < 5  # minutes, if from every letter
