"""Elevation regression in a moving window of equal weights: without the geographic weighting."""

from __future__ import annotations

from engine.disaggregation.elevation_regression import EQUAL
from engine.methods.baseline_info import BaselineInfo
from engine.methods.elevationregression import ElevationRegression
from engine.specs import TargetSpec


def build(info: BaselineInfo, factor: int, target: TargetSpec) -> ElevationRegression:
    """Return the method for a factor and a target."""
    return ElevationRegression(info, factor, target, EQUAL)
