"""Steps of dates made one field: by their own length, and told of where they are totals already."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.transform import from_origin
from rasterio.windows import Window

from engine.aggregation import Aggregation
from engine.raster.aggregated import AggregatedRaster
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef

DEKADS = ("2001-02-01", "2001-02-11", "2001-02-21")
RAIN = np.random.default_rng(3).gamma(0.5, 2.0, (24, 4, 4)).astype("f4")
HOURS = tuple(f"2001-02-03T{hour:02d}:00" for hour in range(24))


def write(path: Path, values: NDArray[np.float32], units: str, dates: tuple[str, ...]) -> RasterRef:
    """Write a raster of one dated band for each field."""
    count, height, width = values.shape
    transform = from_origin(0, 50, 1, 1)
    with rasterio.open(path, "w", "GTiff", width, height, count, "EPSG:4326", transform, "float32") as raster:
        raster.write(values)
        raster.units = [units] * count
        for band, date in enumerate(dates, start=1):
            raster.update_tags(band, DATE=date)
    return RasterRef(str(path))


def made_one(ref: RasterRef, wanted: str, how: str) -> tuple[AggregatedRaster, NDArray[np.float32]]:
    """Return the raster and its first date's field."""
    raster = AggregatedRaster(ref, "rain", wanted, Aggregation.parse(how))
    return raster, raster.values([1], Window(0, 0, 4, 4))[0]


def test_amounts_of_dekads_become_rates_by_their_own_length(tmp_path: Path) -> None:
    raster = Raster(write(tmp_path / "a.tif", RAIN[:3], "mm", DEKADS), "rain", "mm/day")
    wanted = RAIN[:3] / np.array([10, 10, 8])[:, None, None]
    np.testing.assert_allclose(raster.values([1, 2, 3], Window(0, 0, 4, 4)), wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("units", "wanted", "how", "weights"),
    [
        ("mm/day", "mm/day", "month:mean", (10 / 28, 10 / 28, 8 / 28)),
        ("K", "K", "month:mean", (10 / 28, 10 / 28, 8 / 28)),
        ("mm", "mm", "month:mean", (1 / 3, 1 / 3, 1 / 3)),
        ("mm", "mm", "month:sum", (1, 1, 1)),
        ("mm", "mm/month", "month:mean", (1, 1, 1)),
    ],
)
def test_dekads_of_a_month_count_by_their_length(
    tmp_path: Path, units: str, wanted: str, how: str, weights: tuple[float, ...]
) -> None:
    _, field = made_one(write(tmp_path / "a.tif", RAIN[:3], units, DEKADS), wanted, how)
    np.testing.assert_allclose(field, np.tensordot(weights, RAIN[:3], 1), rtol=1e-5)


def test_a_month_that_lacks_a_dekad_is_told_of(tmp_path: Path) -> None:
    raster, _ = made_one(write(tmp_path / "a.tif", RAIN[:2], "mm/day", DEKADS[:2]), "mm/day", "month:mean")
    assert "2001-02: 2 of 3" in raster.remarks[0]


def test_totals_that_grow_are_told_of_before_they_are_summed(tmp_path: Path) -> None:
    total = np.cumsum(RAIN, axis=0)
    raster, _ = made_one(write(tmp_path / "total.tif", total, "mm", HOURS), "mm", "day:sum")
    assert any("grows from step to step" in doubt for doubt in raster.doubts)
    for name, values, way in (
        ("each", RAIN, "sum"),
        ("even", np.ones_like(RAIN), "sum"),
        ("mean", total, "mean"),
    ):
        raster, _ = made_one(write(tmp_path / f"{name}.tif", values, "mm", HOURS), "mm", f"day:{way}")
        assert raster.doubts == []


@pytest.mark.parametrize("how", ["day:mean", "day:sum"])
def test_hourly_energy_becomes_power_either_way(tmp_path: Path, how: str) -> None:
    _, field = made_one(write(tmp_path / "a.tif", RAIN * 3600, "J m-2", HOURS), "W m-2", how)
    np.testing.assert_allclose(field, RAIN.mean(axis=0), rtol=1e-5)
