"""`python -m training.lapse_rate CONFIG.yaml`: how a cascade's fine field follows the ground, and maps.

There is no fine truth to score a cascade with at its own scale. What can be looked at is whether the
detail that it makes is physical: for temperature, how it falls with height.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from engine.conservation import aggregate
from engine.errors import InputError
from engine.interpolation import upsample
from engine.methods.interface import ELEVATION
from engine.methods.model import load_model
from engine.package import find_package
from training.bootstrap import Interval, two_way_interval
from training.cascade import prepared
from training.cases import baseline_cases
from training.commands import main
from training.config import Config, load_config
from training.data.archive import Archive
from training.records import append, record_of, run_id
from training.scores import Case, predict_field
from training.split import split_archive

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


def detail(field: np.ndarray, factor: int) -> np.ndarray:
    """Return (H, W) less the smooth field of its coarse means, NaN where it is missing."""
    values = torch.from_numpy(np.ascontiguousarray(field, dtype=np.float32))[None]
    return (values - upsample(aggregate(values, factor), factor, "bilinear"))[0].numpy()


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
    found = find_package(package)
    method = load_model(found, torch.device("cpu"), precision="float32")
    given, _ = prepared(config)
    if ELEVATION not in given.sources:
        raise InputError(f"sources: {given.name} has no {ELEVATION}.")
    split = split_archive(config.model_copy(update={"cascade": None}), given)
    level = np.nanmean(given.coarse, (1, 2))
    test = list(split.test.times)
    chosen = {test[i] for i in np.linspace(0, len(test) - 1, min(dates, len(test))).round().astype(int)}
    times = sorted(chosen | {min(test, key=lambda t: level[t]), max(test, key=lambda t: level[t])})
    view = replace(split.test_view, climatology_times=())
    simple = baseline_cases(given.factor, method.target, view, given.sources)
    cases = [case for case in simple if case.strength > 0]
    cases.append(Case(found.card.id, found.card.name, method.predict, method.halo, view, 1.0))
    fields: dict[str, list[np.ndarray]] = {}
    for case in cases:
        fields[case.name] = [
            predict_field(case, given, time, given.columns_of(None), method.target)[0][0].numpy()
            for time in times
        ]
    return given, times, fields, {case.name: case.title for case in cases}


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m training.lapse_rate",
        description="Downscale test dates with a trained cascade and every simple method, and print how the "
        "fine detail follows elevation, per kilometre, with 95 % intervals.",
    )
    parser.add_argument("config", help="e.g. training/configs/moselle_temperature.yaml")
    parser.add_argument("--model", help="id or folder of the package (default: runs/ID/package)")
    parser.add_argument("--dates", type=int, default=24, help="test dates (default: 24)")
    parser.add_argument("--maps", type=Path, metavar="OUT.png", help="maps of the coldest and warmest date")
    parser.add_argument("--threads", type=int, default=1, help="processor threads (default: 1)")
    parser.add_argument("--record", type=Path, metavar="FILE", help="add the slopes to these records")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    options = parser.parse_args(arguments)
    if options.dates < 2:
        raise InputError("--dates must be 2 or more.")
    config = load_config(options.config)
    torch.set_num_threads(max(1, options.threads))
    package = options.model or str(Path("runs") / config.model.id / "package")
    given, times, fields, titles = fields_of(config, package, options.dates)
    elevation = np.asarray(given.sources[ELEVATION].values[0, 0])
    slopes = {name: slope_of(several, elevation, given.factor) for name, several in fields.items()}
    units = f"{given.units}/km"
    metrics = {}
    for name, slope in slopes.items():
        value, low, high = slope.interval()
        metrics[name] = {"slope": value, "low": low, "high": high, "explained": slope.explained}
        for season, months in SEASONS.items():
            rows = [i for i, t in enumerate(times) if int(given.months[t]) in months]
            if rows:
                metrics[name][f"slope_{season}"] = slope.interval(rows).value
    if options.maps is not None:
        from training.cascade_maps import draw

        draw(options.maps, given, times, fields, titles, elevation)
    if options.record is not None:
        command = f"python -m training.lapse_rate {Path(options.config).as_posix()}"
        notes = {"model": list(fields)[-1], "units": units, "dates": [given.dates[t] for t in times]}
        name = run_id(f"{config.model.id}-lapse-rate", config)
        append(
            options.record,
            record_of(name, "lapse_rate", config, options.config, command, metrics, None, notes),
        )
    if options.json:
        print(json.dumps({"units": units, "dates": len(times), "methods": metrics}))
        return 0
    width = max(map(len, titles.values()))
    print(f"{'Detail over elevation (' + units + ')':<{width}}  slope   95 % interval    explained")
    for name, values in metrics.items():
        told = f"{values['low']:.2f} to {values['high']:.2f}"
        print(f"{titles[name]:<{width}}  {values['slope']:6.2f}  {told:>15}  {values['explained']:9.2f}")
    known = float(np.isfinite(elevation).mean())
    print(f"{len(times)} dates; {known:.0%} of the fine cells have an elevation, the others take no part.")
    if options.maps is not None:
        print(f"Maps: {options.maps}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    main(run)
