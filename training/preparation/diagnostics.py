"""What looks wrong about rasters that are to be learnt from, each said in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from engine import units
from engine.dates import When
from engine.errors import InputError
from training.data.store_format import COARSE
from training.preparation.array_statistics import ArrayStatistics, CoarseAgreement
from training.preparation.planning import StorePlan, Variable, listed

KELVIN = 273.15
BETWEEN = 150.0  # no mean on the Earth's surface is that warm in °C, or that cold in K
HIGHEST_LAND = 9000.0  # m
SLIPS = {  # ratio of two fields of one variable → what is mistaken for what
    1000.0: "metres beside millimetres",
    100.0: "metres beside centimetres, or fractions beside percent",
    10.0: "centimetres beside millimetres",
    86400.0: "an amount per second beside one per day",
    24.0: "an amount per hour beside one per day",
    30.44: "an amount per day beside one per month",
}
SLIP_WIDTH = 0.15  # share by which a ratio may be off one of these
LOW_CORRELATION = 0.6
LARGE_BIAS = 0.5  # of the coarse product's standard deviation


def doubts(variable: Variable, numbers: ArrayStatistics, times: Sequence[When]) -> list[str]:
    """Say whether a variable's values go with its units and with themselves."""
    label, unit = variable.rasters.label, variable.units
    span = numbers.range
    if span is None:
        return [no_cell(label)]
    if not variable.series.traits.scalar:
        return []
    sentences = []
    low, high = span
    told = f"{label}: values of {low:.6g} to {high:.6g}"
    if units.is_temperature(unit):
        kelvin = abs(units.conversion(unit, "degC", label).offset + KELVIN) < 1
        celsius = units.conversion(unit, "degC", label).identity
        if celsius and numbers.mean > BETWEEN:
            sentences.append(f"{told} look like kelvin, but are taken as {unit}: set file_units: K.")
        elif kelvin and numbers.mean < BETWEEN:
            sentences.append(f"{told} look like Celsius, but are taken as {unit}: set file_units: degC.")
        elif celsius or kelvin:
            sentences += _kelvin_dates(label, numbers, times)
    elif unit.startswith("mm") and 0 < high < 1 and low >= 0:
        sentences.append(f"{told} look like metres, but are taken as {unit}: set file_units.")
    elif _per_time(unit, "m") and high > 10:
        sentences.append(f"{told} look like millimetres, but are taken as {unit}: set file_units.")
    elif unit == "m" and variable.indices is None and high > HIGHEST_LAND:
        sentences.append(f"{told} are higher than any land in m: check the units.")
    elif unit in ("%", "percent") and 0 < high <= 1 and low >= 0:
        sentences.append(f"{told} look like fractions, but are taken as percent: set file_units: '1'.")
    if not units.is_temperature(unit):
        sentences += _scale_dates(label, numbers, times)
    return sentences


def no_cell(label: str) -> str:
    """Return what is said of a variable that is missing everywhere."""
    return f"{label} has no valid cell on the grid: check nodata, valid_range and extent."


def _per_time(unit: str, length: str) -> bool:
    return unit.replace(" ", "").startswith((f"{length}/d", f"{length}d-1", f"{length}/day"))


def _kelvin_dates(label: str, numbers: ArrayStatistics, times: Sequence[When]) -> list[str]:
    """Find dates that are about 273 away from the rest."""
    means = numbers.means
    if means.size < 3:
        return []
    away = np.flatnonzero(np.abs(np.abs(means - np.nanmedian(means)) - KELVIN) < 60)
    if not away.size:
        return []
    dates = listed([str(times[int(t)]) for t in away])
    return [f"{label}: kelvin beside Celsius: the mean is about 273 off the others on {dates}."]


def _scale_dates(label: str, numbers: ArrayStatistics, times: Sequence[When]) -> list[str]:
    """Find dates whose mean is several hundred times the others'."""
    means = numbers.means
    usual = np.nanmedian(means[means > 0]) if (means > 0).any() else 0.0
    if means.size < 3 or usual <= 0 or float(numbers.low.min()) < 0:
        return []
    away = np.flatnonzero(means > 300 * usual)
    if not away.size:
        return []
    dates = listed([str(times[int(t)]) for t in away])
    return [
        f"{label}: metres beside millimetres? The mean is over 300 times the others' on {dates}: convert "
        f"these files or list them apart."
    ]


def fit(comparison: CoarseAgreement, unit: str) -> list[str]:
    """Say how the aggregate of the truth fits the coarse product, and whether that is odd."""
    if not comparison.count:
        return ["target.fine and target.coarse have no valid cell in common."]
    truth, product = comparison.means
    pair = f"(means {truth:.4g} and {product:.4g} {unit})"
    head = "The aggregate of target.fine does not fit target.coarse"
    if units.is_temperature(unit) and abs(abs(truth - product) - KELVIN) < 40:
        return [f"{head}: kelvin beside Celsius {pair}: set file_units of one of them."]
    if truth > 0 and product > 0 and not units.is_temperature(unit):
        ratio = max(truth, product) / min(truth, product)
        for slip, words in SLIPS.items():
            if abs(ratio / slip - 1) < SLIP_WIDTH and ratio > 5:
                return [f"{head}: one is about {slip:g} times the other {pair}; {words}? Set file_units."]
    r, bias = comparison.correlation, truth - product
    if r < LOW_CORRELATION or abs(bias) > LARGE_BIAS * comparison.spread:
        return [
            f"{head} well {pair}: bias {bias:+.3g} {unit}, correlation {r:.2f}; correct it with bias and "
            f"target.strength: auto in the configuration, and check that both are of the same dates."
        ]
    return []


def left_out(variable: Variable) -> list[str]:
    """Say how many values lay outside the valid range."""
    series = variable.rasters
    if not series.outside:
        return []
    share = 100 * series.outside / max(series.seen, 1)
    low, high = ("…" if limit is None else f"{limit:g}" for limit in series.valid or (None, None))
    return [
        f"{series.label}: {series.outside} values ({share:.3g} %) lie outside valid_range {low} to {high} "
        f"{variable.units} and are taken as missing."
    ]


def sample_doubts(plan: StorePlan, most: int = 64, dates: int = 3) -> list[str]:
    """Read a few dates onto a thinned grid, enough to see slips before the long work.

    Args:
        plan: the data set, laid out.
        most: cells along the grid's longer edge.
        dates: number of dates.

    Returns:
        The sentences about them.

    Raises:
        InputError: the target has no valid cell, on these dates and on all others.
    """
    shape = plan.coarse.shape
    grid = plan.coarse.zoom_out(max(1.0, max(shape) / most)) if max(shape) > most else plan.coarse
    sentences: list[str] = []
    fields: list[NDArray[np.float32]] = []
    for variable in plan.variables:
        indices: Sequence[int | None] = (0,)
        times = plan.times[:1]
        if variable.indices is not None:
            there: Sequence[int] = range(len(variable.indices))
            if variable.source is not None:  # dates differ from source to source: take those it has
                there = [t for t in there if variable.indices[t] is not None]
            at = np.unique(np.linspace(0, len(there) - 1, dates).round().astype(int))
            indices = [variable.indices[there[i]] for i in at]
            times = tuple(plan.times[there[i]] for i in at)
        values = variable.rasters.read(indices, grid, conserve=variable.name == COARSE)
        numbers = ArrayStatistics(len(indices))
        numbers.add(0, values)
        if numbers.range is not None:
            sentences += doubts(variable, numbers, times)
        elif variable.source is None:  # a date may be empty where others are not
            _check_any(variable, grid)
        if variable.source is None:
            fields.append(values[:, 0])
    if len(fields) == 2:
        comparison = CoarseAgreement((grid.shape[0], grid.shape[1]))
        comparison.take(0, comparison.sums_of(*fields))
        if comparison.count:
            sentences += fit(comparison, plan.variables[0].units)
    return sentences


def _check_any(variable: Variable, grid: GeoBox) -> None:
    """Read date after date of a target onto a thinned grid until one has a valid cell.

    Raises:
        InputError: none has.
    """
    series = variable.rasters
    for index in variable.indices or (0,):
        if np.isfinite(series.read([index], grid, conserve=variable.conserve)).any():
            return
    raise InputError(no_cell(series.label))
