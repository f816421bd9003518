"""`.npz` files: the scores of a network as arrays."""

from __future__ import annotations

import io

import numpy as np

from ratecore.formats.containers import read_npz
from ratecore.formats.errors import FormatError, bytes_of, first_line


def evaluation_bytes(evaluation) -> bytes:
    """An `.npz` file: losses, correct, outputs, labels, conditions; names, means and SDs by condition; response."""
    scores, by_condition = evaluation.scores, evaluation.scores.by_condition()
    arrays = {
        "losses": scores.losses,
        "correct": scores.correct,
        "outputs": scores.outputs,
        "labels": np.array(scores.labels),
        "conditions": scores.conditions,
        "response": np.array(evaluation.response),
        "condition_names": np.array(list(by_condition)),
        "output_mean": np.stack([row["output_mean"] for row in by_condition.values()]),
        "output_sd": np.stack([row["output_sd"] for row in by_condition.values()]),
    }
    if evaluation.psychometric:
        rows = evaluation.psychometric
        arrays |= {f"psychometric_{key}": np.array([row[key] for row in rows]) for key in rows[0]}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def load_scores(path):
    """The `Scores` in an evaluation file. Raises FormatError when it cannot be read."""
    from ratecore.evaluation import Scores

    kinds = {"losses": "f", "correct": "b", "outputs": "f", "labels": "iufU", "conditions": "U"}
    data = bytes_of(path)
    try:
        found = read_npz(data, kinds)
        for name, array in found.items():
            if array.dtype.kind not in kinds[name] or array.ndim != 1 + (name == "outputs"):
                raise ValueError(f"{name} has shape {array.shape} and type {array.dtype}")
            if len(array) != len(found["losses"]):
                raise ValueError(f"{name} has {len(array)} trials; losses has {len(found['losses'])}")
        return Scores(**{**found, "labels": found["labels"].tolist()})
    except Exception as error:  # of many kinds for a damaged file: every one is named and passed on
        raise FormatError(f"{path}: not a readable evaluation: {first_line(error)}") from error
