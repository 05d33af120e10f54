"""Factors that correct a coarse product, fitted by xsdba to the coarse means of the fine truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.bias.factors import GROUPS, QUANTILE_METHODS, BiasFactors, group_number
from engine.errors import InputError
from engine.fields.conservation import aggregate
from engine.specs import BiasSpec
from training.data.archive import Archive
from training.data.region import Region, truth_of
from training.schema.bias import BiasSection

FEWEST = 30  # dates of a cell and a part of the year, that factors are fitted on
FEWEST_EACH = 3  # times the number of quantiles: dates that a part of the year must have to stand alone
LARGEST_RATIO = 10.0  # of quantiles: beyond it the product's is next to zero, and says nothing
SAME = 1e-4  # of the spread: a coarse field so near to its truth's means is no product of another origin


def fit_factors(section: BiasSection, archive: Archive, region: Region, multiplicative: bool) -> BiasFactors:
    """Return the factors that a region's truth asks for.

    Pairs are of the same date and cell: dates that lack one of the two do not count.

    Args:
        section: method, quantiles and parts of the year.
        archive: with the coarse product as it is.
        region: times and cells whose truth may be learned from.
        multiplicative: whether the target is corrected by ratio.

    Raises:
        InputError: there are too few dates, or the coarse field is the aggregate of the truth.
        EngineError: xsdba is missing or broken.
    """
    truth, product = paired(archive, region)
    if not np.isfinite(truth).any():
        raise InputError("bias: no training date has both the coarse product and the truth.")
    spread = float(np.nanstd(truth))
    if float(np.nanmax(np.abs(truth - product))) <= SAME * spread:
        raise InputError(
            "bias: the coarse field of this data set is the mean of its own truth, so there is no bias to "
            "correct: leave bias out."
        )
    months = np.asarray(archive.months)[list(region.times)]
    group = _group(section, months)
    numbers = np.array([group_number(group, int(month)) for month in months])
    groups = tuple(sorted({int(n) for n in numbers}))
    by_quantile = section.method in QUANTILE_METHODS
    quantiles = _nodes(section.quantiles) if by_quantile else np.array([0.5], np.float32)
    shape = (len(groups), len(quantiles), *archive.shape)
    source, factors = (np.full(shape, np.nan, np.float32) for _ in range(2))
    for index, number in enumerate(groups):
        of_group = numbers == number
        known = np.isfinite(truth[of_group]).sum(0) >= FEWEST
        if not known.any():
            raise InputError(_too_few(group))
        pair = truth[of_group][:, known], product[of_group][:, known]
        nodes, fitted = _fitted(section.method, *pair, quantiles, multiplicative)
        source[index][:, known], factors[index][:, known] = nodes, fitted
    spec = BiasSpec(
        section.method,
        "multiplicative" if multiplicative else "additive",
        group,
        groups,
        tuple(sorted({int(m) for m in months})),
    )
    whole = np.isfinite(factors).all((0, 1))
    source[..., ~whole] = factors[..., ~whole] = np.nan  # a cell has all factors or none
    return BiasFactors(spec, quantiles, source, factors)


def paired(archive: Archive, region: Region) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the truth's coarse means and the coarse product, (T, h, w), NaN where one of them is missing."""
    area = None if archive.area is None else torch.from_numpy(archive.area)[None]
    first, last = region.columns
    truth, product = (np.full((len(region.times), *archive.shape), np.nan) for _ in range(2))
    for index, time in enumerate(region.times):
        fine, coarse = truth_of(archive, region, time)
        means = aggregate(torch.from_numpy(np.ascontiguousarray(fine))[None], archive.factor, area)[0].numpy()
        there = np.isfinite(means) & np.isfinite(coarse)
        truth[index, :, first:last] = np.where(there, means, np.nan)
        product[index, :, first:last] = np.where(there, coarse, np.nan)
    return truth, product


def _nodes(count: int) -> NDArray[np.float32]:
    """Return the middles of so many equal parts of 0 to 1."""
    return ((np.arange(count) + 0.5) / count).astype(np.float32)


def _group(section: BiasSection, months: NDArray[np.integer]) -> str:
    if section.group != "auto":
        return section.group
    by_quantile = section.method in QUANTILE_METHODS
    fewest = max(FEWEST, FEWEST_EACH * section.quantiles if by_quantile else 0)
    for group in reversed(GROUPS):
        _, counts = np.unique([group_number(group, int(m)) for m in months], return_counts=True)
        if counts.min() >= fewest:
            return group
    return "all"


def _too_few(group: str) -> str:
    if group in ("month", "season"):
        return (
            f"bias: no cell has {FEWEST} training dates in some {group}, so no correction can be fitted: "
            f"choose bias.group all, or more dates."
        )
    return (
        f"bias: no cell has {FEWEST} training dates with the coarse product and the truth, so no correction "
        f"can be fitted: give more dates, or leave bias out."
    )


def _fitted(
    method: str,
    truth: NDArray[np.float64],
    product: NDArray[np.float64],
    quantiles: NDArray[np.float32],
    multiplicative: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the product's quantiles and the factors, (Q, cells), of pairs of (T, cells)."""
    import xsdba  # takes seconds

    kind = "*" if multiplicative else "+"
    ref, hist = (_array(values) for values in (truth, product))
    if method not in QUANTILE_METHODS:
        fitted = xsdba.Scaling.train(ref, hist, group="time", kind=kind).ds.af
        factors = _values(fitted, ("cell",))[None]
        return np.zeros_like(factors), np.where(np.isfinite(factors), factors, np.nan)
    trained = xsdba.EmpiricalQuantileMapping.train(
        ref, hist, nquantiles=quantiles.astype(np.float64), group="time", kind=kind
    ).ds
    nodes, factors = (_values(trained[name], ("quantiles", "cell")) for name in ("hist_q", "af"))
    return nodes, _bounded(factors) if multiplicative else factors


def _bounded(factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ratios that can be used: where the product's quantile is zero, that of the next one above."""
    made = np.where(np.isfinite(factors), factors, np.nan)
    for index in range(len(made) - 2, -1, -1):
        made[index] = np.where(np.isfinite(made[index]), made[index], made[index + 1])
    return np.minimum(np.where(np.isfinite(made), made, 1.0), LARGEST_RATIO)


def _array(values: NDArray[np.float64]) -> Any:
    """Return (T, cells) as xsdba takes it; which dates they are does not matter in one group."""
    import xarray

    time = np.datetime64("2000-01-01", "ns") + np.arange(len(values)) * np.timedelta64(1, "D")
    coordinates = {"time": time, "cell": np.arange(values.shape[1])}
    return xarray.DataArray(values, coordinates, ("time", "cell"), attrs={"units": "1"})


def _values(array: Any, axes: tuple[str, ...]) -> NDArray[np.float64]:
    """Return an array's values in the order of its axes, the one of a lone group left out."""
    if "group" in array.dims:
        array = array.isel(group=0)
    return np.asarray(array.transpose(*axes).values, np.float64)
