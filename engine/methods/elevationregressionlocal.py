"""Elevation regression in a moving window of equal weights: without the geographic weighting."""

from __future__ import annotations

from engine.disaggregation import elevation_regression
from engine.methods.elevationregression import ElevationRegression
from engine.methods.interface import BaselineInfo
from engine.specs import TargetSpec

TITLE = "Elevation regression, equal weights"


def build(factor: int, target: TargetSpec) -> ElevationRegression:
    """Return the method for a factor and a target."""
    return ElevationRegression(factor, target, "elevationregressionlocal", TITLE, elevation_regression.EQUAL)


INFO = BaselineInfo(
    title=TITLE,
    help="As the elevation regression, with the 7 × 7 coarse cells around weighing the same.",
    needs_climatology=False,
    needs_date=False,
    build=build,
)
