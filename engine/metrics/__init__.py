"""Streaming metrics: init, update, merge, compute. One file each, one line each below."""

from __future__ import annotations

from engine.metrics.base import Metric
from engine.metrics.bias import Bias
from engine.metrics.js_distance import JensenShannonDistance, percentile_range
from engine.metrics.mae import MeanAbsoluteError
from engine.metrics.residual import ConservationResidual
from engine.metrics.rmse import RootMeanSquareError

METRICS: dict[str, type[Metric]] = {
    "rmse": RootMeanSquareError,
    "mae": MeanAbsoluteError,
    "bias": Bias,
    "js_distance": JensenShannonDistance,
    "conservation_residual": ConservationResidual,
}

__all__ = [
    "METRICS",
    "Bias",
    "ConservationResidual",
    "JensenShannonDistance",
    "MeanAbsoluteError",
    "Metric",
    "RootMeanSquareError",
    "percentile_range",
]
