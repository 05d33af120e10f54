"""The change signal: what a method makes of the change between two periods, beside the truth's own.

A method that was fitted in one climate can damp the change to another. Each method is taken over the dates of
both periods, and means, quantiles and trends of its fields are compared cell by cell with those of the truth
on the same dates, so that what differs is the method's and not the weather's.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine import dates
from engine.errors import InputError
from engine.fields.conservation import aggregate
from engine.specs import TargetSpec
from training.data.archive import Archive
from training.data.region import Region, truth_of
from training.data.split import Split
from training.evaluation.predict import Case, Strip, predict_field
from training.schema.split import in_periods

QUANTILES = (0.05, 0.5, 0.95, 0.99)
MOST_VALUES = 2**28  # float32 of one method's fields in one period
FEWEST_DATES = 10  # of a period
DECADE = 10.0  # years

Fields = NDArray[np.float32]
Map = NDArray[np.float64]


@dataclass(frozen=True)
class Signal:
    """The change of one statistic, as a method has it and as the truth has it.

    Attributes:
        statistic: mean, q05, q50, q95, q99, or trend (a decade, in the later period).
        mean: over the cells, of the method.
        truth: over the cells, of the truth.
        rmse: of the method's against the truth's, over the cells.
        kept: by which factor the truth's change is kept: the slope of a line through zero, over the cells.
    """

    statistic: str
    mean: float
    truth: float
    rmse: float
    kept: float


@dataclass(frozen=True)
class MethodChange:
    """What a method makes of the change.

    Attributes:
        name, title: of the method.
        rmse: of its fields in the later period.
        signals: by statistic.
        coarse_gap: RMSE of its coarse cells' mean change against the coarse field's own.
    """

    name: str
    title: str
    rmse: float
    signals: tuple[Signal, ...]
    coarse_gap: float

    def signal(self, statistic: str) -> Signal:
        """Return the change of one statistic; raises KeyError where there is none of that name."""
        for one in self.signals:
            if one.statistic == statistic:
                return one
        raise KeyError(statistic)


@dataclass(frozen=True)
class ChangeSignal:
    """All methods' change from one period to another.

    Attributes:
        earlier, later: first and last date of each, and their number.
        coarse: the coarse field's mean change, over the cells.
        methods: in the order of the table.
    """

    earlier: tuple[str, str, int]
    later: tuple[str, str, int]
    coarse: float
    methods: tuple[MethodChange, ...]

    def to_json(self) -> dict[str, Any]:
        """Return every number as JSON holds it; what is no number is null."""
        return {
            "earlier": list(self.earlier),
            "later": list(self.later),
            "coarse": _number(self.coarse),
            "methods": {
                one.name: {
                    "rmse": _number(one.rmse),
                    "coarse_gap": _number(one.coarse_gap),
                    **{
                        signal.statistic: {
                            key: _number(value) for key, value in asdict(signal).items() if key != "statistic"
                        }
                        for signal in one.signals
                    },
                }
                for one in self.methods
            },
        }


def change_signal(
    methods: Sequence[tuple[Case, TargetSpec]],
    archive: Archive,
    split: Split,
    tell: Callable[[str], None] | None = None,
    earlier: tuple[str, str] | None = None,
) -> ChangeSignal:
    """Measure what methods make of the change from an earlier period to the test dates.

    Of a model that conserves, what it is without conservation stands beside it.

    Args:
        methods: cases, each with how its target is described.
        archive, split: on what; of more dates than `MOST_VALUES` allows an even sample is taken.
        tell: is told each method before it is taken.
        earlier: first and last date of the earlier period; None: the training dates.

    Raises:
        InputError: training and test dates are not of the same cells, or too few.
    """
    train, test = split.train, split.test
    if earlier is not None and archive.has_years:
        train = replace(train, times=_between(archive, earlier, set(test.times)))
    if train.columns != test.columns or test.cells is not None:
        raise InputError(
            "--change: the split holds out space, so the tested cells have no earlier period: leave it out."
        )
    regions = [replace(region, times=_sampled(region, archive)) for region in (train, test)]
    if min(len(region.times) for region in regions) < FEWEST_DATES or not archive.has_years:
        raise InputError(
            f"--change: it compares two periods of years, of {FEWEST_DATES} dates at least: leave it out."
        )
    years = [_years(archive, region) for region in regions]
    pairs = [[truth_of(archive, region, time) for time in region.times] for region in regions]
    truth, coarse = ([np.stack([pair[i] for pair in part]) for part in pairs] for i in (0, 1))
    known = [np.isfinite(part) for part in truth]
    own = _statistics(truth, years)
    coarse_change = _mean(coarse[1]) - _mean(coarse[0])
    measured = []
    for case, target in _beside(methods):
        if tell:
            tell(f"change signal: {case.title}")
        fields = [_predicted(case, archive, target, region) for region in regions]
        for part, there in zip(fields, known, strict=True):
            part[~there] = np.nan
        signals = tuple(_compared(name, made, own[name]) for name, made in _statistics(fields, years).items())
        means = [_coarse(_mean(part), archive, target, split) for part in fields]
        error = fields[1].astype(np.float64) - truth[1]
        measured.append(
            MethodChange(
                case.name,
                case.title,
                float(np.sqrt(np.nanmean(error**2))),
                signals,
                _rms(means[1] - means[0] - coarse_change),
            )
        )
    spans = [(archive.dates[r.times[0]], archive.dates[r.times[-1]], len(r.times)) for r in regions]
    seen = np.isfinite(_coarse(_mean(truth[1]), archive, methods[0][1], split))
    return ChangeSignal(spans[0], spans[1], float(np.nanmean(coarse_change[seen])), tuple(measured))


def _beside(methods: Sequence[tuple[Case, TargetSpec]]) -> Iterator[tuple[Case, TargetSpec]]:
    for case, target in methods:
        yield case, target
        if case.group == "model" and case.given == "all" and case.strength > 0:
            title = f"{case.title}, without conservation"
            yield replace(case, name=f"{case.name}-free", title=title, strength=0.0), target


def _between(archive: Archive, period: tuple[str, str], without: set[int]) -> tuple[int, ...]:
    dated = enumerate(archive.dates)
    return tuple(t for t, date in dated if t not in without and in_periods(date, (period,)))


def _sampled(region: Region, archive: Archive) -> tuple[int, ...]:
    cells = int(np.prod(archive.shape)) * archive.factor**2
    most = max(FEWEST_DATES, MOST_VALUES // cells)
    if len(region.times) <= most:
        return region.times
    return tuple(region.times[int(i)] for i in np.linspace(0, len(region.times) - 1, most).round())


def _predicted(case: Case, archive: Archive, target: TargetSpec, region: Region) -> Fields:
    strips = (Strip(time, region.columns) for time in region.times)
    return np.stack([predict_field(case, archive, target, strip)[0][0].numpy() for strip in strips])


def _years(archive: Archive, region: Region) -> Map:
    """Return the dates as years with decimals."""
    parsed = [dates.parse(archive.dates[time]) for time in region.times]
    return np.array([(when.year or 0) + when.position / 12 for when in parsed])


def _statistics(fields: Sequence[Fields], years: Sequence[Map]) -> dict[str, Map]:
    """Return the change of each statistic, (h·k, w·k), and the trend of the later period."""
    changes = {"mean": _mean(fields[1]) - _mean(fields[0])}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # cells that are never known
        quantiles = [np.nanquantile(part, QUANTILES, axis=0) for part in fields]
    for number, level in enumerate(QUANTILES):
        changes[f"q{level * 100:02.0f}"] = quantiles[1][number] - quantiles[0][number]
    changes["trend"] = DECADE * _trend(fields[1], years[1])
    return changes


def _mean(fields: Fields) -> Map:
    count = np.isfinite(fields).sum(0)
    return np.where(count > 0, np.nansum(fields, axis=0, dtype=np.float64) / np.maximum(count, 1), np.nan)


def _trend(fields: Fields, years: Map) -> Map:
    """Return the slope of the least-squares line of each cell, a year."""
    known = np.isfinite(fields)
    count = known.sum(0)
    at = np.where(known, years[:, None, None], 0.0)
    centred = np.where(known, at - at.sum(0) / np.maximum(count, 1), 0.0)
    squares = (centred**2).sum(0)
    product = (centred * np.where(known, fields, 0.0)).sum(0, dtype=np.float64)
    return np.where(squares > 0, product / np.where(squares > 0, squares, 1.0), np.nan)


def _coarse(mean: Map, archive: Archive, target: TargetSpec, split: Split) -> Map:
    area = torch.from_numpy(archive.area)[None] if target.by_area and archive.area is not None else None
    return aggregate(torch.from_numpy(mean)[None], archive.factor, area)[0].double().numpy()


def _compared(name: str, made: Map, own: Map) -> Signal:
    both = np.isfinite(made) & np.isfinite(own)
    m, t = made[both], own[both]
    square = float((t**2).sum())
    kept = float((m * t).sum()) / square if square else math.nan
    mean, truth = (float(v.mean()) if v.size else math.nan for v in (m, t))
    return Signal(name, mean, truth, _rms(m - t), kept)


def _rms(values: Map) -> float:
    known = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(known**2))) if known.size else math.nan


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
