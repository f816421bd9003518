"""`make cases` detects cases that do not hold."""

import cases
import numpy as np
import pytest
import scipy.io


@pytest.mark.parametrize(
    ("name", "text", "sees"),
    [
        ("a.py", "raise SystemExit(3)", "status 3"),
        ("a.py", "print('well')", ""),
        ("a.py", "from ratecore.tasks import TaskFactory\nTaskFactory.register_task('own', int)", "TypeError"),
        ("a.sh", "exit 4", "status 4"),
        ("a.sh", "test -d $1/workflow", ""),
        ("uris.txt", "mlruns\nhtp://localhost:5000\n", ""),
        ("uris.txt", "mlruns\nhttp://localhost:5000\n", "http://localhost:5000: it was taken"),
    ],
)
def test_a_case_holds_or_not(tmp_path, name, text, sees):
    (tmp_path / name).write_text(text)
    found = cases.problems(tmp_path / name, tmp_path)
    assert len(found) == bool(sees) and all(sees in problem for problem in found)


def test_a_network_is_read_or_refused_by_all_readers(tmp_path, monkeypatch):
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"w": np.ones((3, 3))})
    assert not cases.problems(path, tmp_path)  # refused by name
    monkeypatch.setattr("ratecore.spiking.rate_model", lambda path: None)
    assert "one reader refuses it" in cases.problems(path, tmp_path)[0]
