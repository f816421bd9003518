"""Shapes and types in signatures are checked in the tests, and only there."""

import importlib
import subprocess
import sys

import numpy as np
import pytest
from conftest import SHAPES_CHECKED
from jaxtyping import TypeCheckError

from ratecore.system.intervals import wilson_interval
from ratecore.system.streams import draw_inhibitory, stream
from ratecore.tasks import GoNogoTask, ManteTask, XORTask


@pytest.mark.parametrize("task", [GoNogoTask(), ManteTask(), XORTask()], ids=lambda task: task.name)
@pytest.mark.parametrize("method", ["is_correct", "is_correct_spiking"])
@pytest.mark.parametrize("o", [np.zeros((2, 500)), np.zeros(500, int), [0.0] * 500], ids=["2-D", "int", "list"])
def test_an_output_of_another_shape_or_type_is_an_error(task, method, o):
    label = task.generate_batch([np.random.default_rng(0)]).labels[0]
    unchecked = getattr(type(task), method).__wrapped__  # which users do not call
    unchecked(task, np.zeros(task.T), label)
    with pytest.raises(TypeCheckError, match="parameter 'o'"):
        unchecked(task, o, label)


@pytest.mark.parametrize("task_class", [GoNogoTask, ManteTask, XORTask])
def test_a_stimulus_or_target_of_another_length_is_an_error(task_class):
    class Longer(task_class):
        @property
        def T(self):
            self.asked = getattr(self, "asked", 0) + 1
            return 1000 + self.asked  # another length each time that it is asked for

    task = Longer()
    with pytest.raises(TypeCheckError, match="return value"):
        task.draw_trial(task.trial_types[0], np.random.default_rng(0))
    with pytest.raises(TypeCheckError, match="return value"):
        task.generate_target(task._labels[0])


def test_other_functions_are_checked():
    with pytest.raises(TypeCheckError):
        wilson_interval(0.5, 1)
    with pytest.raises(TypeCheckError):
        draw_inhibitory(10, 0.2, "yes", stream(0, "initialisation"))


def test_every_module_of_the_list_is_checked():
    for name in SHAPES_CHECKED:
        assert type(importlib.import_module(name).__spec__.loader).__module__ == "jaxtyping._import_hook"


def test_other_programs_are_not_checked():
    code = "import numpy; from ratecore.tasks import GoNogoTask as T; print(T().is_correct(numpy.zeros(200, int), 0))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True\n"
