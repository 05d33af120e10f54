"""A fold of a cross-validation: what is trained, and what it gave."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.bias.corrected import corrected_archive
from training.console.sole_writer import sole_writer
from training.data.archive import Archive
from training.data.split import split_archive
from training.schema.config import Config
from training.trainer import checkpoint
from training.trainer.run import fit
from training.trainer.schedule import no_better
from training.trainer.trainer import CHECKPOINT, LOG


@dataclass(frozen=True)
class FoldRun:
    """What is trained.

    Attributes:
        number: from 1 on.
        config: with what the fold holds out.
        folder: of its run.
    """

    number: int
    config: Config
    folder: Path

    @property
    def is_done(self) -> bool:
        """Whether its run, as its folder holds it, is at its end."""
        path = self.folder / CHECKPOINT
        if not path.is_file():
            return False
        _, state = checkpoint.load(path)
        best = state["best"].get("step", state["step"])
        over = no_better(state["step"], best, self.config.validation)
        return bool(state["step"] >= self.config.steps or over)


@dataclass(frozen=True)
class FoldDone:
    """What a fold gave.

    Attributes:
        number: of the fold.
        best: step and score of the weights that were best on what it holds out.
        scores: step → scores.
        files: of its folder, where that is not the one that was asked for.
    """

    number: int
    best: dict[str, Any]
    scores: dict[int, dict[str, float]]
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)


def train_fold(fold: FoldRun, archive: Archive, quiet: bool) -> FoldDone:
    """Train a fold in its folder, from its checkpoint on where there is one.

    Raises:
        InputError, EngineError: as `training.trainer.run.fit`; or another process trains it.
    """
    with sole_writer(fold.folder, "training in"):
        return trained(fold, archive, quiet)


def trained(fold: FoldRun, archive: Archive, quiet: bool) -> FoldDone:
    """Train a fold whose folder is held against other processes; see `train_fold`."""
    resume = (fold.folder / CHECKPOINT).is_file()
    split = split_archive(fold.config, archive)
    corrected, _ = corrected_archive(fold.config, archive, split)
    trainer = fit(fold.config, corrected, split, fold.folder, resume, quiet, phase=f"Fold {fold.number}")
    lines = (fold.folder / LOG).read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    scores = {record["step"]: record["validation"] for record in records if "validation" in record}
    return FoldDone(fold.number, trainer.best, scores)
