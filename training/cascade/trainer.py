"""Training of a cascade: one set of weights, small steps in turn, all of them one level up.

The field that is to be downscaled is itself the truth: it is averaged over blocks of 2 × 2 cells
for the step ×2, of 3 × 3 for ×3, its sources alike (`training.data.store.one_level_up`), and the
network finds the detail again. The parameters of a generator do not depend on its factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from engine.errors import InputError
from engine.nets.downscaler import Downscaler
from training.console.followed import followed
from training.data.archive import Archive
from training.data.cached_inputs import Batch, from_patch
from training.data.normalisation import source_specs, target_spec
from training.data.patches import Window
from training.data.readers import load_archive
from training.data.split import Split, split_archive
from training.defaults.complete import complete
from training.schema.config import Config
from training.trainer.base_error import BaseError, LossScale, some_of
from training.trainer.objective import GeneratedFields
from training.trainer.precision import TrainingPlan
from training.trainer.trainer import Trainer

VALIDATED = 60  # times, at most, where validation has no times of its own


@dataclass(frozen=True)
class CascadeLevel:
    """What one step is learned from."""

    config: Config  # with the step as its factor
    archive: Archive  # one level up
    split: Split

    @property
    def step(self) -> int:
        """The factor that is learned."""
        return self.config.factor


def load_levels(config: Config) -> list[CascadeLevel]:
    """Read the data set once for each step of a configuration's cascade.

    Raises:
        InputError: there is no cascade, the data set has a fine truth, or does not fit the configuration.
    """
    if config.cascade is None:
        raise InputError("cascade: the configuration has none.")
    steps = config.cascade.steps
    archives = [load_archive(_at(config, step)) for step in steps]
    for step, archive in zip(steps, archives, strict=True):
        if not np.isfinite(archive.fine).any():
            raise InputError(
                f"cascade.steps: nowhere are {step} × {step} coarse cells beside each other known on one "
                f"date, so the step {step} cannot be learned: take a larger area, or the simple method "
                f"bicubicsmooth."
            )
    config = complete(config, archives[0]).config  # the same for all: they share their dates
    owns = [_at(config, step) for step in steps]
    return [CascadeLevel(own, each, split_archive(own, each)) for own, each in zip(owns, archives)]


def _at(config: Config, step: int) -> Config:
    """Return the configuration of one step."""
    return config.model_copy(update={"factor": step, "cascade": None, "domain": "all", "base": "default"})


class StepTrainer(Trainer):
    """A trainer of one step. Fields one level up are small: the base's error is measured on many at once."""

    def _scales(self) -> dict[bool, LossScale]:
        windows = [Window(time, 0, 0) for time in some_of(self.split.train.times)]
        batch = from_patch(self.model, self.archive, windows, self.archive.shape, self.split.training_view)
        error = BaseError(self.target, self.spread)
        error.update(batch.inputs.base, batch.truth)
        return {False: error.scale()}


class CascadeTrainer(StepTrainer):
    """Trains one generator on several steps in turn.

    Statistics are those of the first step's archive: the field, and with it what the network calls
    one standard deviation, is the same for all.

    Args:
        levels: one for each step.
        folder: of the run.
        thin: take the statistics from some of the training times.

    Raises:
        InputError: see `Trainer`; or the generators of the steps cannot share their parameters.
    """

    def __init__(self, levels: Sequence[CascadeLevel], folder: Path, thin: bool = False) -> None:
        levels = [replace(level, split=_thinned(level.split)) for level in levels]
        first = levels[0]
        seen = some_of(first.split.train.times) if thin else first.split.train.times
        split = replace(first.split, train=replace(first.split.train, times=seen))
        target = target_spec(first.config, first.archive, split)
        specs = (target, source_specs(first.config, first.archive, split, target))
        super().__init__(first.config, first.archive, first.split, folder, specs)
        self.others: dict[int, Trainer] = {}
        for level in levels[1:]:
            other = StepTrainer(level.config, level.archive, level.split, folder, specs)
            share(self.model.generator, other.model.generator)
            self.others[level.step] = other
        self.turns = [level.step for level in levels]
        self.halo = max(self.halo, *(other.halo for other in self.others.values()), 0)

    def batch(self, step: int, stream: int = 0) -> Batch:
        """Return a step's batch; the cascade's steps take turns."""
        other = self.others.get(self.turns[step % len(self.turns)])
        return super().batch(step, stream) if other is None else other.batch(step, stream)

    def generate(self, batch: Batch, plan: TrainingPlan, seed: int = 0) -> GeneratedFields:
        """Return the fields of a batch of any of the steps."""
        other = self._of(batch)
        return super().generate(batch, plan, seed) if other is None else other.generate(batch, plan, seed)

    def reconstruction(self, drawn: GeneratedFields, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted terms of a batch of any of the steps, in units of that step's base."""
        other = self._of(batch)
        return super().reconstruction(drawn, batch) if other is None else other.reconstruction(drawn, batch)

    def scored(self, weights: dict[str, Tensor]) -> dict[str, float]:
        """Return the scores of each step, its factor appended to their names: rmse_2, rmse_3."""
        scores = {self.turns[0]: super().scored(weights)}
        scores |= {step: other.scored(weights) for step, other in self.others.items()}
        return {f"{name}_{step}": v for step, values in scores.items() for name, v in values.items()}

    def train_only(self) -> None:
        """Take all steps, without validation, log or checkpoints."""
        work = followed()
        while self.step_number < self.config.steps:
            self.step()
            if work is not None:
                work.tell(0.0, self.step_number, self.config.steps)

    def model_of(self, step: int, weights: dict[str, Tensor]) -> Downscaler:
        """Return the model of one of the steps with these weights, for prediction."""
        owner = self.others.get(step, self)
        model = Downscaler(self.target, self.sources, owner.network)
        model.generator.load_state_dict(weights)
        return model.eval().to(self.device)

    def _of(self, batch: Batch) -> Trainer | None:
        return self.others.get(batch.factor)


def share(module: nn.Module, other: nn.Module) -> None:
    """Let a module use another's parameters as its own.

    Raises:
        InputError: their parameters are not alike.
    """
    mine = dict(module.named_parameters())
    theirs = dict(other.named_parameters())
    if {n: p.shape for n, p in mine.items()} != {n: p.shape for n, p in theirs.items()}:
        raise InputError("network: the steps of a cascade cannot share weights; leave kind as it is.")
    for name, parameter in mine.items():
        path, _, leaf = name.rpartition(".")
        setattr(other.get_submodule(path), leaf, parameter)


def _thinned(split: Split) -> Split:
    """Return the split with fewer times to validate on, where they are the training's own."""
    region = split.validation
    if split.held_out or len(region.times) <= VALIDATED:
        return split
    return replace(split, validation=replace(region, times=some_of(region.times, VALIDATED)))
