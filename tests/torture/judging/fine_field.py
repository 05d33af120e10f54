"""Whether an output is the field that it must be: place, means, holes, range, units, dates, values."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.transform import Affine

from tests.torture.case import Finding, FineField

_MEANS = 3e-5  # of the largest value: float32, and sums of many cells


def check_fine_field(wanted: FineField) -> list[Finding]:
    """Return what is wrong with the raster at `wanted.path`."""
    if not Path(wanted.path).is_file():
        return [Finding("outputs", "the result names an output that is not there")]
    try:
        with rasterio.open(wanted.path) as file:
            values = file.read(masked=True).astype(np.float64).filled(np.nan)
            transform, size = file.transform, (file.height, file.width)
            crs, units = file.crs, file.units
            dates = [file.tags(n).get("DATE", "") for n in file.indexes]
            lossy = file.dtypes[0] != "float32" or not np.isnan(file.nodata if file.nodata is not None else 0)
    except rasterio.errors.RasterioError as error:
        return [Finding("outputs", f"the output cannot be read: {error}")]
    found = [Finding("outputs", "not float32 with NaN as nodata")] if lossy else []
    place, turn = _place(wanted, transform, size, crs)
    found += place
    found += _words(wanted, units, dates)
    if np.isinf(values).any():
        found.append(Finding("range", "infinite values"))
    if wanted.nonnegative and np.nanmin(values, initial=0) < 0:
        found.append(Finding("range", f"negative: {np.nanmin(values):g}"))
    if place:
        return found
    if wanted.coarse is not None:
        found += _against_coarse(wanted, values, turn)
    if wanted.plain is not None:
        found += _against_plain(wanted, values, turn)
    return found


def _place(
    wanted: FineField, transform: Affine, size: tuple[int, int], crs: rasterio.crs.CRS | None
) -> tuple[list[Finding], int]:
    """Return what is wrong with the georeference, and how many columns a world grid is turned."""
    found, turn = [], 0
    if crs is None:
        return [Finding("georeference", "no CRS")], 0
    expected, given = CRS.from_user_input(wanted.crs), CRS.from_wkt(crs.to_wkt())
    same = given.equals(expected, ignore_axis_order=True) or given.to_epsg() == expected.to_epsg() is not None
    if not same and _proj(given) != _proj(expected):
        found.append(Finding("georeference", f"the CRS is {given.name}, not {expected.name}"))
    if size != wanted.shape:
        return [*found, Finding("georeference", f"{size} rows and columns, not {wanted.shape}")], 0
    is_like = np.asarray(tuple(transform)[:6])
    due = np.asarray(wanted.transform)
    if expected.is_geographic:
        columns = (is_like[2] - due[2]) / due[0]
        around = 360 / due[0]
        if abs(size[1] - around) < 1e-6:
            turn = round(columns) % size[1]
            due[2] += round(columns) * due[0]
        else:
            due[2] += 360 * round(columns / around)
    slack = 1e-5 * max(abs(due[0]), abs(due[4])) + 1e-9 * max(abs(due[2]), abs(due[5]))
    if np.any(np.abs(is_like - due) > slack):
        found.append(Finding("georeference", f"the grid is {is_like.tolist()}, not {due.tolist()}"))
    return found, turn


def _proj(crs: CRS) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that such words lose something
        return crs.to_proj4()


def _words(wanted: FineField, units: tuple[str | None, ...], dates: list[str]) -> list[Finding]:
    found = []
    if wanted.units is not None and any((u or "") != wanted.units for u in units):
        found.append(Finding("units", f"{units[0]!r}, not {wanted.units!r}"))
    if wanted.dates and (
        len(dates) != len(wanted.dates)
        or not all(d.startswith(w) for d, w in zip(dates, wanted.dates, strict=True))
    ):
        found.append(Finding("dates", f"{dates}, not {list(wanted.dates)}"))
    return found


def block_means(values: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """Return the means of factor × factor cells over the last two axes, of those that are there."""
    bands, rows, cols = values.shape
    blocks = values.reshape(bands, rows // factor, factor, cols // factor, factor)
    count = np.isfinite(blocks).sum((2, 4))
    total = np.nansum(blocks, axis=(2, 4))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _against_coarse(wanted: FineField, values: NDArray[np.float64], turn: int) -> list[Finding]:
    assert wanted.coarse is not None
    coarse = np.roll(wanted.coarse, -(turn // wanted.factor), axis=2) if turn else wanted.coarse
    if len(coarse) != len(values):
        return [Finding("dates", f"{len(values)} bands, not {len(coarse)}")]
    found = []
    holes = np.kron(np.isnan(coarse), np.ones((1, wanted.factor, wanted.factor))).astype(bool)
    wrong = holes != np.isnan(values)
    if wrong.any():
        more = int((np.isnan(values) & ~holes).sum())
        found.append(
            Finding("mask", f"{more} cells missing that should not be, {int(wrong.sum()) - more} filled")
        )
    there = np.isfinite(coarse)
    if not there.any():
        return found
    error = np.abs(block_means(values, wanted.factor) - coarse)[there]
    largest = float(np.abs(coarse[there]).max())
    if error.size and not np.nanmax(error, initial=0) <= _MEANS * largest + 1e-6:
        found.append(Finding("means", f"coarse means are {np.nanmax(error):g} off, of {largest:g}"))
    span = float(np.ptp(coarse[there])) + 1e-3 * largest + 1e-3
    low, high = float(np.nanmin(values, initial=0)), float(np.nanmax(values, initial=0))
    if not wanted.nonnegative and (
        low < coarse[there].min() - 8 * span or high > coarse[there].max() + 8 * span
    ):
        found.append(
            Finding("range", f"{low:g} to {high:g} of {coarse[there].min():g} to {coarse[there].max():g}")
        )
    return found


def _against_plain(wanted: FineField, values: NDArray[np.float64], turn: int) -> list[Finding]:
    assert wanted.plain is not None
    with rasterio.open(wanted.plain) as file:
        plain = file.read(masked=True).astype(np.float64).filled(np.nan)
    if turn:
        plain = np.roll(plain, -turn, axis=2)
    if plain.shape != values.shape:
        return [Finding("values", f"shape {values.shape} where the plain form gives {plain.shape}")]
    due = plain * wanted.scale + wanted.offset
    if (np.isnan(due) != np.isnan(values)).any():
        return [Finding("mask", "other cells are missing than with the plain form")]
    there = np.isfinite(due)
    if not there.any():
        return []
    span = max(float(np.ptp(due[there])), 1e-3 * float(np.abs(due[there]).max()), 1e-6)
    error = float(np.abs(due - values)[there].max())
    if error > wanted.tolerance * span + 2e-6 * float(np.abs(due[there]).max()):
        return [Finding("values", f"{error:g} off those of the plain form, whose span is {span:g}")]
    return []
