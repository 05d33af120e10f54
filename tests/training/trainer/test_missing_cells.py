"""A coarse field with missing cells teaches as much as one without: no gradient is lost to a NaN."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.errors import EngineError
from training.data.archive import Archive, block_mean
from training.data.split import split_archive
from training.schema.config import parse_config
from training.trainer.trainer import Trainer


def with_a_sea(archive: Archive) -> Archive:
    """Return the archive without any value in a third of its columns, and in single fine cells."""
    fine = np.array(archive.fine)
    fine[:, :, : fine.shape[2] // 3] = np.nan
    fine[:, ::5, ::3] = np.nan
    return replace(archive, fine=fine, coarse=block_mean(fine, archive.factor))


def trainer_for(settings: dict[str, Any], archive: Archive, folder: Path) -> Trainer:
    config = parse_config(settings)
    return Trainer(config, archive, split_archive(config, archive), folder)


@pytest.mark.parametrize("transform", ["identity", "log1p", "cuberoot"])
@pytest.mark.parametrize("base", ["default", "elevationregression"])
@pytest.mark.parametrize("ensemble", [False, True])
def test_training_goes_on_beside_missing_cells(
    settings: dict[str, Any], archive: Archive, tmp_path: Path, transform: str, base: str, ensemble: bool
) -> None:
    settings["target"]["transform"] = transform
    settings |= {"base": base, "sampling": {"size": 6, "batch": 3}}
    settings["losses"] = {"adversarial": {"start": 1, "width": 4, "weight": 0.01}}
    if ensemble:
        settings["network"]["noise"] = 4
        settings["ensemble"] = {"members": 2, "differences": [1], "transformed_weight": 1.0}
    trainer = trainer_for(settings, with_a_sea(archive), tmp_path)
    for _ in range(4):
        terms = trainer.step().terms
        compared = "crps" if ensemble else "physical"
        assert terms[compared] > 0, "nothing was compared: the field was missing"
    assert all(bool(torch.isfinite(weight).all()) for weight in trainer.model.parameters())
    assert all(np.isfinite(value) for value in trainer.validate().values())


def test_a_gradient_that_is_not_finite_ends_the_training(
    settings: dict[str, Any], archive: Archive, tmp_path: Path
) -> None:
    trainer = trainer_for(settings, archive, tmp_path)
    weight = next(trainer.model.generator.parameters())
    weight.register_hook(lambda gradient: gradient * torch.nan)
    with pytest.raises(EngineError, match=r"^The gradient is not finite at step 0: lower optimiser\.rate\.$"):
        trainer.step()
