"""How long and how training goes, where the configuration names no number of steps.

The steps are an upper limit: training stops where what is held out no longer improves, and the best weights
are kept (early stopping, Prechelt 1998, Neural Networks: Tricks of the Trade, pp. 55–69).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from training.data.archive import Archive
from training.data.hold_out.chosen import Chosen
from training.data.split import split_regions
from training.defaults.network import PERCEPTRON, known_truth
from training.schema.config import (
    Config,
    ConservationLoss,
    LossesSection,
    OptimiserSection,
    PointLoss,
    SamplingSection,
)

EPOCHS = 60  # times, at most, that each cell of truth is drawn on average
FEWEST, MOST = 600, 6000  # steps
VALIDATIONS, PATIENCE = 24, 6  # in all at most, and in a row that are no better
FINE_EDGE = 192  # fine cells along a patch's edge, about
SMALLEST, LARGEST = 6, 24  # coarse cells along it
BATCH = 4
WARM_UP, MOST_WARM_UP = 0.05, 100  # of the steps; steps
MEMORY = 30  # averaged weights remember a part of 1 / MEMORY of the steps
FINAL = 0.02  # of the rate, at the end
# Of a network that sees each cell by itself: small patches, so that a step sees many places and dates.
CELLS_EDGE, CELLS_BATCH = 16, 48  # fine cells along a patch's edge, at least one coarse cell; patches a step
CELLS_RATE, CELLS_DECAY, CELLS_EPOCHS = 3e-3, 0.02, 90
JITTER = 0.4  # of the level of what is conserved by ratio, where a network is to travel
DRY, WET_BIAS = 0.3, 0.5  # share of coarse cells that are zero; of patches that are drawn where it is wet

# In units of the base's own error; no adversary, whose maps are sharper and err more.
LOSSES = LossesSection(
    reconstruction=PointLoss(weight=0.1),
    physical=(PointLoss(kind="mse"), PointLoss()),
    adversarial=None,
    conservation=ConservationLoss(weight=0.05),
)


def choose_schedule(config: Config, archive: Archive) -> Chosen:
    """Return the configuration with its steps; losses, optimiser and patches too where it has none.

    One that names its steps stays as it is.

    Raises:
        InputError: as `training.data.split.split_regions`.
    """
    if config.steps:
        return Chosen(config)
    given = config.model_fields_set
    update: dict[str, Any] = {}
    if "sampling" not in given:
        update["sampling"] = _sampling(config, archive)
    sampling: SamplingSection = update.get("sampling", config.sampling)
    edges = [min(sampling.size, edge) for edge in archive.shape]
    cells = sampling.batch * edges[0] * edges[1] * config.factor**2  # that a step sees, at most
    truth = known_truth(config, archive)
    each = max(cells * truth.share, 1)
    epochs = CELLS_EPOCHS if config.network.get("kind") == PERCEPTRON else EPOCHS
    steps = int(np.clip(round(epochs * truth.cells / each, -1), FEWEST, MOST))
    update["steps"] = steps
    every = max(1, steps // VALIDATIONS)
    held, stops = config.validation, config.cascade is None  # the folds of a cascade take all steps
    more: dict[str, Any] = {} if "every" in held.model_fields_set else {"every": every}
    if stops and "patience" not in held.model_fields_set:
        more["patience"] = PATIENCE
    if stops and held.refit is None and held.names_something and config.ensemble is None:
        more["refit"] = True
    update["validation"] = held.model_copy(update=more)
    if "optimiser" not in given:
        own = config.network.get("kind") == PERCEPTRON
        fast = OptimiserSection(rate=CELLS_RATE, weight_decay=CELLS_DECAY) if own else OptimiserSection()
        update["optimiser"] = OptimiserSection(
            rate=fast.rate,
            weight_decay=fast.weight_decay,
            final_rate=FINAL * fast.rate,
            warmup_steps=min(MOST_WARM_UP, round(WARM_UP * steps)),
            ema=round(1 - MEMORY / max(steps, 10 * MEMORY), 4),
        )
    told = [_steps_in_words(steps, update["validation"], config, archive)]
    if more.get("refit"):
        told.append("Refit: what is shipped is trained once more, on what was held out too.")
    if "losses" not in given and config.cascade is None and config.ensemble is None:
        update["losses"] = LOSSES
        told.append("Losses: errors in both spaces and conservation, without an adversary.")
    if config.base == "auto" and config.cascade is None and config.start_from is None:
        told.append(
            "Base: the simple method, or the blend of them, that errs least on training data held out."
        )
    if "sampling" in update:
        wet = f", {sampling.wet_bias:.0%} of them where it is wet" if sampling.wet_bias else ""
        also = ", mirrored" if sampling.flip_horizontal else ""
        also += " and at other levels" if sampling.jitter else ""
        told.append(f"Patches: {sampling.batch} a step of {edges[0]} × {edges[1]} coarse cells{wet}{also}.")
    return Chosen(config.model_copy(update=update), tuple(told))


def patches(factor: int) -> tuple[int, int]:
    """Return the coarse cells along a patch's edge, by the number of fine ones; and patches a step."""
    return int(np.clip(FINE_EDGE // factor, SMALLEST, LARGEST)), BATCH


def _sampling(config: Config, archive: Archive) -> SamplingSection:
    """Return how patches are drawn."""
    size, batch = patches(config.factor)
    if config.network.get("kind") == PERCEPTRON:
        size, batch = max(1, CELLS_EDGE // config.factor), CELLS_BATCH
    region = split_regions(config, archive).train
    dry = wet = 0
    if config.target.conservation == "multiplicative":
        for time in region.times[:: max(1, len(region.times) // 60)]:
            field = archive.coarse[time]
            known = np.isfinite(field)
            dry, wet = dry + int((field[known] <= 0).sum()), wet + int((field[known] > 0).sum())
    bias = WET_BIAS if dry > DRY * (dry + wet) else 0.0
    travels = travels_by_convolutions(config)
    jitter = JITTER if travels and config.target.conservation == "multiplicative" else 0.0
    return SamplingSection(
        size=size,
        batch=batch,
        wet_bias=bias,
        flip_horizontal=travels,
        flip_vertical=travels,
        jitter=jitter,
    )


def travels_by_convolutions(config: Config) -> bool:
    """Return whether convolutions are tested at places that training does not have.

    What holds everywhere travels: the same ground mirrored, and other levels of the target on it. A
    perceptron, which knows no pattern of cells, learns less from mirrored ground than it loses.
    """
    rule = config.split
    elsewhere = rule.train_extent is not None or rule.trains_beside or rule.drawn_blocks is not None
    return elsewhere and config.network.get("kind") != PERCEPTRON


def _steps_in_words(steps: int, validation: Any, config: Config, archive: Archive) -> str:
    if not validation.patience:
        return f"Steps: {steps}."
    if not split_regions(config, archive).held_out:
        return f"Steps: {steps}, all of them, since nothing is held out to stop by."
    return (
        f"Steps: {steps} at most; training stops after {validation.patience} validations, one each "
        f"{validation.every} steps, that are no better."
    )
