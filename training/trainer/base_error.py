"""The scale of the losses: how wrong the base is, with a climatology and without one.

A step with a climatology starts from a base several times better than one without, so errors are
measured in units of the base's own: both kinds of step then pull alike, and a loss of one means
that nothing has been learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from engine.specs import TargetSpec
from engine.transforms import normalised, physical
from training.data.cached_inputs import CachedInputs
from training.data.patches import Window, withheld_block
from training.data.region import Region
from training.schema.config import PointLoss

SMALLEST = 1e-3  # of the target's spread
TIMES = 240  # that the base's error is measured at, at most


def some_of(times: Sequence[int], most: int = TIMES) -> tuple[int, ...]:
    """Return the times, or as many of them as asked for, spread evenly."""
    if len(times) <= most:
        return tuple(times)
    return tuple(times[(2 * i + 1) * len(times) // (2 * most)] for i in range(most))


@dataclass(frozen=True)
class LossScale:
    """Mean absolute and root mean square error of a base, in physical units and as the network sees it."""

    mae: float
    rmse: float
    mae_seen: float
    rmse_seen: float

    def physical(self, section: PointLoss) -> float:
        """The unit of an error in physical units, for a loss of this kind."""
        return self.rmse if section.kind == "mse" else self.mae

    def seen(self, section: PointLoss) -> float:
        """The unit of an error in transformed space, for a loss of this kind."""
        return self.rmse_seen if section.kind == "mse" else self.mae_seen


@dataclass
class BaseError:
    """Gathers the errors of a base over fields."""

    target: TargetSpec
    spread: float  # standard deviation of the truth

    def __post_init__(self) -> None:
        """Begin with nothing."""
        self.sums = [0.0] * 4
        self.count = 0

    def update(self, base: Tensor, truth: Tensor) -> None:
        """Take in a base as the network sees it and the truth in physical units, (B, h, w) each."""
        valid = torch.isfinite(base) & torch.isfinite(truth)
        seen = (base - normalised(truth, self.target))[valid].double()
        error = (physical(base, self.target) - truth)[valid].double()
        for index, value in enumerate((error.abs(), error**2, seen.abs(), seen**2)):
            self.sums[index] += float(value.sum())
        self.count += int(valid.sum())

    def scale(self) -> LossScale:
        """Return the scale; no smaller than a thousandth of the target's spread."""
        mae, square, mae_seen, square_seen = (s / max(self.count, 1) for s in self.sums)
        least, least_seen = SMALLEST * self.spread, SMALLEST
        return LossScale(
            max(mae, least),
            max(square**0.5, least),
            max(mae_seen, least_seen),
            max(square_seen**0.5, least_seen),
        )


def measured_scales(
    fields: CachedInputs, region: Region, unmeasured: BaseError, block: int
) -> dict[bool, LossScale]:
    """Return the base's scale over a training region, with a climatology (True) and without (False).

    Args:
        fields: of the base.
        region: that trains.
        unmeasured: with the target and its spread.
        block: months whose climatology is withheld.
    """
    archive, k, scales = fields.archive, fields.archive.factor, {}
    for climatology in {bool(fields.climatologies), False}:
        error = replace(unmeasured)
        for index, time in enumerate(some_of(region.times)):
            withheld = withheld_block(int(archive.months[time]), block, index % block)
            extent = fields.extent(time)
            base = fields.base(Window(time, 0, 0, withheld), climatology, extent)
            first, last = max(extent.left, region.columns[0]), min(extent.right, region.columns[1])
            rows = slice(extent.top * k, extent.bottom * k)
            truth = np.ascontiguousarray(archive.fine[time][None, rows, first * k : last * k])
            begin = (first - extent.left) * k
            error.update(base[..., begin : begin + (last - first) * k], torch.from_numpy(truth))
        scales[climatology] = error.scale()
    return scales
