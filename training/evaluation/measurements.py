"""What is measured of one method, gathered field by field: metrics, errors by date, block and elevation."""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass, field, replace

import numpy as np

from training.evaluation.block_errors import BlockErrors
from training.evaluation.shape_errors import ShapeErrors
from training.metrics.distribution.scale import TruthScale
from training.metrics.metric import Metric
from training.metrics.pointwise.bands import BandedError
from training.metrics.registry import FURTHER_METRICS, METRICS
from training.metrics.structure.field import Field, pair

BAND_EDGES = (0, 100, 250, 500, 750, 1000, 1500, 2000, 2500, 3000, 4000, 5000)  # metres, between bands
LEAST_SHARE = 0.005  # of the cells; smaller bands are joined to the one below


@dataclass(frozen=True)
class MeasurementPlan:
    """What is measured, the same for every method that is compared.

    Attributes:
        scale: of the truth.
        further: whether to take `training.metrics.FURTHER_METRICS` too.
        factor: k, fine cells along a coarse cell's edge.
        elevation: (h·k, w·k) metres, NaN where unknown, None without.
        edges: between the bands of elevation, lowest and highest included.
    """

    scale: TruthScale
    further: bool
    factor: int
    elevation: np.ndarray | None = None
    edges: tuple[float, ...] = ()


@dataclass
class Measurements:
    """The accumulated numbers of one series of fields."""

    plan: MeasurementPlan
    metrics: dict[str, Metric] = field(init=False)
    blocks: BlockErrors = field(init=False)
    bands: BandedError | None = field(init=False)
    dates: dict[int, dict[str, float]] = field(init=False, default_factory=dict)
    shapes: ShapeErrors | None = field(init=False, default=None)  # where further metrics are taken

    def __post_init__(self) -> None:
        scale = self.plan.scale
        wanted = METRICS | FURTHER_METRICS if self.plan.further else METRICS
        self.metrics = {name: make(scale) for name, make in wanted.items()}
        self.blocks = BlockErrors(self.plan.factor)
        if self.plan.further:
            self.shapes = ShapeErrors(scale.low, scale.high, self.plan.factor)
        self.bands = BandedError(self.plan.edges) if self.plan.edges else None

    def update(
        self, time: int, fine: np.ndarray, truth: np.ndarray | Field, mean: np.ndarray, coarse: np.ndarray
    ) -> None:
        """Take in one time.

        Args:
            time: its index in the archive.
            fine, truth: (h·k, w·k), NaN where invalid or outside the region. A truth that is met by
                several methods is best given as one field, which keeps what is made of it.
            mean, coarse: (h, w), the aggregate of `fine` and what it should be.
        """
        p, t = pair(fine, truth)
        if self.shapes is not None:
            self.shapes.update(time, p, t)
        for metric in self.metrics.values():
            if metric.of_means:
                metric.update(mean, coarse)
            else:
                metric.update(p, t)
        self.blocks.update(time, p.values, t.values)
        if self.bands is not None and self.plan.elevation is not None:
            self.bands.update(p.values, t.values, self.plan.elevation)
        error = p.cells - t.cells
        if error.size:
            self.dates[time] = {
                "rmse": math.sqrt(float(np.mean(error**2))),
                "mae": float(np.mean(np.abs(error))),
                "bias": float(error.mean()),
            }

    def merge(self, other: Measurements) -> None:
        """Take in everything that `other`, of the same plan, took in.

        Raises:
            ValueError: they have a time in common, or other settings.
        """
        for name, metric in self.metrics.items():
            metric.merge(other.metrics[name])
        self.blocks.merge(other.blocks)
        if self.bands is not None and other.bands is not None:
            self.bands.merge(other.bands)
        if self.shapes is not None and other.shapes is not None:
            self.shapes.merge(other.shapes)
        self.dates.update(other.dates)

    def to_send(self) -> Measurements:
        """Return the same without the map that all of them look at."""
        sent = copy(self)
        sent.plan = replace(self.plan, elevation=None)
        return sent

    def values(self) -> dict[str, float]:
        """Return every metric's value over all that was taken in."""
        return {name: metric.compute() for name, metric in self.metrics.items()}
