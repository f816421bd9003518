"""What trials differ in, by name, against how they were drawn."""

import numpy as np
import pytest

from ratecore.tasks import AbstractTask, ManteTask, TaskFactory, Trial, XORTask
from ratecore.tasks.values import TaskError
from ratecore.tasks.variables import variables_of


def variables(task, n=60, seed=0):
    batch = task.generate_batch([np.random.default_rng([seed, k]) for k in range(n)])
    return variables_of(task, batch.u, batch.conditions, batch.labels, batch.trials), batch


def test_mante_has_the_signs_of_both_modalities():
    task = ManteTask()
    found, _ = variables(task)
    for k in range(60):  # drawn again by hand
        rng = np.random.default_rng([0, k])
        context = task.draw_trial_type(rng)
        signs = rng.choice((-1.0, 1.0), size=2)
        assert found["context"][k] == context
        assert (found["motion"][k], found["color"][k]) == tuple(signs)
        cued = signs[("motion", "color").index(context)]
        assert abs(found["evidence"][k] - cued) < 4 * 1 / 0.5 / np.sqrt(200)  # noise of SD 1 over 200 steps
    assert list(found) == ["motion", "color", "context", "evidence"] and found["motion"].dtype.kind == "i"


def test_xor_has_both_pulses():
    found, batch = variables(XORTask())
    same = found["first"] == found["second"]
    assert (np.where(same, "same", "diff") == found["label"]).all()
    signs = np.where(found["first"] > 0, "+", "-"), np.where(found["second"] > 0, "+", "-")
    assert np.char.add(*signs).tolist() == batch.conditions


@pytest.mark.parametrize("name", sorted(TaskFactory._tasks))
def test_variables_of_every_task(name):
    task = TaskFactory.create_task(name)
    found, _ = variables(task, 8)
    assert found and all(values.shape == (8,) and values.dtype.kind in "iUf" for values in found.values())
    assert all(np.isfinite(values).all() for values in found.values() if values.dtype.kind != "U")


def test_trials_have_the_numbers_and_words_of_their_info():
    found, batch = variables(TaskFactory.create_task("pro-anti"))
    assert list(found) == ["condition", "goal", "shown", "rule"]
    assert found["goal"].tolist() == [trial.info["goal"] for trial in batch.trials]
    found, batch = variables(TaskFactory.create_task("random-dots"))
    assert found["coherence"].dtype.kind == "f" and set(found["answer"]) == {1, -1}
    found, _ = variables(TaskFactory.create_task("mante-features"))
    cued = [found[context][k] for k, context in enumerate(found["context"])]
    assert cued == found["answer"].tolist()


class Own(AbstractTask):
    name = "own"
    defaults = {"T": 10}
    trial_types = ("a", "b")
    n_inputs = 1

    def draw_trial(self, trial_type, rng):
        info = {"level": 0.5} if trial_type == "a" else {"word": "w", "not": [1, 2], "flag": True}
        return Trial(np.zeros((1, 10)), np.zeros(10), info=info)


def test_variables_that_some_trials_lack():
    found, batch = variables(Own())
    a = np.array(batch.conditions) == "a"
    assert next(iter(found)) == "condition" and "not" not in found
    np.testing.assert_array_equal(found["level"], np.where(a, 0.5, np.nan))
    assert (found["word"] == np.where(a, "", "w")).all()
    np.testing.assert_array_equal(found["flag"], np.where(a, np.nan, 1))


@pytest.mark.parametrize("wrong", [None, {"a": [1]}, {1: 2}])
def test_what_a_task_may_not_return(wrong):
    class Wrong(Own):
        name = "wrong"

        def variables(self, u, condition, label):
            return wrong

    with pytest.raises(TaskError, match=r"task 'wrong': variables\(\) returned .*numbers and words by name"):
        variables(Wrong())


def test_a_method_that_fails():
    class Failing(Own):
        name = "failing"

        def variables(self, u, condition, label):
            return {"a": 1 / 0}

    with pytest.raises(TaskError, match=r"task 'failing': variables\(\) raised ZeroDivisionError"):
        variables(Failing())
