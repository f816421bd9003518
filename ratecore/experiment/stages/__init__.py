"""The stages of a run, as jobs do them for a block of seeds: train, evaluate, export, convert.

Each run of a block succeeds or fails alone. What is whole already is left as it is.
"""

from ratecore.experiment.stages.convert import convert_run
from ratecore.experiment.stages.evaluate import evaluate_run
from ratecore.experiment.stages.export import export_run
from ratecore.experiment.stages.running import StageError, run_block
from ratecore.experiment.stages.train import train_run, train_together

__all__ = ["StageError", "convert_run", "evaluate_run", "export_run", "run_block", "train_run", "train_together"]
