"""How a cascade's detail, and that of simple methods, follows the elevation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from engine.errors import InputError
from engine.methods.interface import ELEVATION
from engine.models.loading import load_model
from engine.package.folder import find_package
from training.cascade.detail import detail
from training.cascade.train import load_data
from training.data.archive import Archive
from training.data.split import split_archive
from training.evaluation.bootstrap import Interval, two_way_interval
from training.evaluation.cases import baseline_cases
from training.evaluation.predict import Case, Strip, predict_field
from training.schema.config import Config

SEASONS = {"DJF": (12, 1, 2), "MAM": (3, 4, 5), "JJA": (6, 7, 8), "SON": (9, 10, 11)}
PER_KILOMETRE = 1000.0


@dataclass
class Slope:
    """Sums of one method's detail against the elevation's, by date and coarse cell, (T, B) each."""

    joint: np.ndarray  # Σ detail · elevation detail
    square: np.ndarray  # Σ elevation detail²
    spread: np.ndarray  # Σ detail²

    def interval(self, dates: Sequence[int] | None = None) -> Interval:
        """Return the slope in the target's units per kilometre with its block-bootstrap interval."""
        rows = slice(None) if dates is None else list(dates)
        places = self.square.any(0)
        tables = [PER_KILOMETRE * self.joint[rows][:, places], self.square[rows][:, places]]
        return two_way_interval(tables, _ratio)

    @property
    def explained(self) -> float:
        """The share of the detail's variance that a line through zero explains."""
        total = self.square.sum() * self.spread.sum()
        return float(self.joint.sum() ** 2 / total) if total > 0 else 0.0


def _ratio(totals: Sequence[np.ndarray]) -> np.ndarray:
    return np.divide(totals[0], totals[1], out=np.full_like(totals[0], np.nan), where=totals[1] > 0)


def slope_of(fields: Sequence[np.ndarray], elevation: np.ndarray, factor: int) -> Slope:
    """Regress the detail of fine fields on that of the elevation.

    Both are taken over cells where the elevation is known, as departures from the bilinear
    interpolation of their coarse means, so that what the coarse field knows already does not count.

    Args:
        fields: of each date, (H, W).
        elevation: (H, W) metres, NaN where unknown.
        factor: k, fine cells along a coarse cell's edge.

    Raises:
        InputError: the elevation is the same everywhere, or unknown.
    """
    above = detail(elevation, factor).astype(np.float64)
    known = np.isfinite(above)
    if not np.nansum(above**2) > 0:
        raise InputError("elevation: there is no relief within the coarse cells to compare with.")
    joint, square, spread = [], [], []
    for field in fields:
        own = detail(np.where(known, field, np.nan), factor).astype(np.float64)
        both = known & np.isfinite(own)
        x, y = np.where(both, above, 0.0), np.where(both, own, 0.0)
        joint.append(_by_cell(x * y, factor))
        square.append(_by_cell(x * x, factor))
        spread.append(_by_cell(y * y, factor))
    return Slope(np.stack(joint), np.stack(square), np.stack(spread))


def _by_cell(values: np.ndarray, factor: int) -> np.ndarray:
    height, width = values.shape
    return values.reshape(height // factor, factor, width // factor, factor).sum((1, 3)).ravel()


def fields_of(
    config: Config, package: str, dates: int
) -> tuple[Archive, list[int], dict[str, list[np.ndarray]], dict[str, str]]:
    """Downscale evenly spread test times and the coldest and warmest one, with every method.

    Returns:
        The data set as it is given, the times in order (the coldest and the warmest among them), the
        fields by method, and the methods' titles.

    Raises:
        InputError: there is no such package, or no elevation.
    """
    model = find_package(package)
    method = load_model(model, torch.device("cpu"), precision="float32")
    given, _ = load_data(config)
    if ELEVATION not in given.sources:
        raise InputError(f"sources: {given.name} has no {ELEVATION}.")
    split = split_archive(config.model_copy(update={"cascade": None, "domain": "all"}), given)
    level = np.nanmean(given.coarse, (1, 2))
    test = list(split.test.times)
    chosen = {test[i] for i in np.linspace(0, len(test) - 1, min(dates, len(test))).round().astype(int)}
    times = sorted(chosen | {min(test, key=lambda t: level[t]), max(test, key=lambda t: level[t])})
    view = replace(split.test_view, climatology_times=())
    simple = baseline_cases(given.factor, method.target, view, given.sources)
    cases = [case for case in simple if case.strength > 0]
    cases.append(Case(model.card.id, model.card.name, method.predict, method.halo, view, 1.0))
    fields: dict[str, list[np.ndarray]] = {}
    for case in cases:
        fields[case.name] = [
            predict_field(case, given, method.target, Strip(time, given.columns_of(None)))[0][0].numpy()
            for time in times
        ]
    return given, times, fields, {case.name: case.title for case in cases}
