"""Names of the existing packages that ratecore does not have, and what to use instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

ABSENT = {
    "ratecore": {
        "check_packages": "ratecore is one package; `ratecore.__version__` says which",
        "construct_tf": "there is no graph to build: call `net.forward(u, taus, training_params, settings)`",
        "return_total_time": "no task uses it; a task's length is `task.T` steps of 5 ms",
    },
    "ratecore.model": {
        "eval_tf": "read the network with `ratecore.load_network(path)` and call `eval_rnn(net, settings, u)`",
        "construct_tf": "there is no graph to build: call `net.forward(u, taus, training_params, settings)`",
    },
    "ratecore.utils": {
        "return_total_time": "no task uses it; a task's length is `task.T` steps of 5 ms",
    },
}


def missing(module: str, name: str, known: Iterable[str]) -> Exception:
    """Make the exception for a name that a module does not have.

    Args:
        module: that was asked for the name.
        name: that is missing.
        known: names that the module has.

    Returns:
        ImportError for a name of the existing packages, because `from module import name` would hide the message of an
        AttributeError; AttributeError with the nearest name for any other.
    """
    if sentence := ABSENT.get(module, {}).get(name):
        return ImportError(f"{module}.{name} does not exist: {sentence}", name=name)
    near = difflib.get_close_matches(name, list(known), 1)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    return AttributeError(f"module '{module}' has no attribute '{name}'{hint}")
