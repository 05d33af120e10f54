"""What a last training sees: all training data, those that have judged the model among them."""

from __future__ import annotations

from dataclasses import dataclass

from training.bias.corrected import Correction, corrected_archive
from training.data.archive import Archive
from training.data.split import Split, split_archive
from training.schema.config import Config
from training.schema.validation import ValidationSection


@dataclass(frozen=True)
class AllData:
    """A configuration's data with nothing held out of training, the coarse product corrected by all of it."""

    config: Config
    archive: Archive
    split: Split
    correction: Correction | None


def refits(config: Config) -> bool:
    """Return whether a model is trained once more on all training data."""
    return holds_nothing_in_the_end(config) and config.ensemble is None and config.cascade is None


def holds_nothing_in_the_end(config: Config) -> bool:
    """Return whether what is shipped has learned from what was held out to judge it."""
    return bool(config.validation.refit) and config.validation.names_something


def as_shipped(config: Config) -> Config:
    """Return a complete configuration as the model that is shipped was trained, so with nothing held out.

    Its simple methods and trees are fitted to as much as the model.
    """
    if not holds_nothing_in_the_end(config):
        return config
    held = config.validation
    score = "rmse" if held.score == "crps" else held.score
    kept = ValidationSection(every=max(config.steps, 1), score=score, cases=held.cases, where="training")
    return config.model_copy(update={"validation": kept})


def all_data(config: Config, archive: Archive, steps: int = 0) -> AllData:
    """Return what a last training sees.

    Args:
        config: complete.
        archive: as it is given, not corrected.
        steps: of that training; 0: those of the configuration.
    """
    config = as_shipped(config.model_copy(update={"steps": steps or config.steps}))
    split = split_archive(config, archive)
    corrected, correction = corrected_archive(config, archive, split)
    return AllData(config, corrected, split, correction)
