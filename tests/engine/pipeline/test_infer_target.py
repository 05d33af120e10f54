"""What kind of quantity a target is, and that fields without a pattern stay physically possible."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from engine.errors import InputError
from engine.feedback import Silent
from engine.pipeline.infer_target import infer_target
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef


def patches() -> np.ndarray:
    """Return rain in one place and one cell of a dry field."""
    field = np.zeros((16, 16), np.float32)
    field[5:9, 6:11] = np.random.default_rng(1).gamma(1.0, 8.0, (4, 5))
    field[12, 3] = 40
    return field


def inferred(path: str, quantity: str = "auto") -> str:
    """Return the conservation of the target that a raster is taken as."""
    raster = Raster(RasterRef(path), "target")
    try:
        return infer_target(raster, quantity).conservation
    finally:
        raster.close()


def output(target: str, method: str, path: Path, **further: object) -> np.ndarray:
    """Run a method of ×4 and return its field."""
    request = SuperResolveRequest(method, RasterRef(target), str(path), factor=4, **further)  # type: ignore[arg-type]  # of any kind
    super_resolve(request, Silent())
    with rasterio.open(path) as file:
        return file.read(1, masked=True).filled(np.nan)


@pytest.mark.parametrize("method", ["bicubic", "bicubicsmooth"])
def test_negatives_of_round_off_are_zero(write_raster, tmp_path: Path, method: str) -> None:
    field = patches()
    noise = -2.8e-9 * np.random.default_rng(2).random(field.shape, np.float32)
    clean = write_raster("clean.tif", field, 0.25, 0, 50, units="mm")
    noisy = write_raster("noisy.tif", np.where(field == 0, noise, field), 0.25, 0, 50, units="mm")
    fields = [output(path, method, tmp_path / f"{i}.tif") for i, path in enumerate((clean, noisy))]
    assert np.abs(fields[1] - fields[0]).max() < 1e-5 and fields[1].min() >= 0
    assert inferred(noisy, "nonnegative") == "multiplicative"


def test_negatives_beyond_round_off_are_values(write_raster) -> None:
    field = patches()
    field[0, 0] = -0.01
    path = write_raster("wrong.tif", field, 0.25, 0, 50, units="mm")
    assert inferred(path) == "additive"
    with pytest.raises(InputError, match=r"values below zero \(-0.01\)"):
        inferred(path, "nonnegative")


@pytest.mark.parametrize(
    ("unit", "conservation"),
    [
        *((unit, "multiplicative") for unit in ("mm/month", "mm", "kg m-2 s-1", "m of water equivalent")),
        *((unit, "additive") for unit in ("hPa", "degC", "m", "m/s", "")),
    ],
)
def test_an_amount_of_water_is_never_negative(write_raster, unit: str, conservation: str) -> None:
    path = write_raster("constant.tif", np.full((6, 6), 5, np.float32), 2.0, 100, 8, units=unit)
    assert inferred(path) == conservation


@pytest.mark.parametrize("method", ["climatologyratio", "constructedanalogues"])
def test_constant_rain_over_a_strange_climatology_stays_possible(
    write_raster, tmp_path: Path, method: str
) -> None:
    target = write_raster("rain.tif", np.full((6, 6), 5, np.float32), 2.0, 100, 8, units="mm/month")
    bands = 100 * np.random.default_rng(0).random((12, 24, 24)).astype(np.float32)
    bands[:, :10] = 0
    climatology = write_raster("climatology.tif", bands, 0.5, 100, 8, units="mm/month")
    field = output(
        target, method, tmp_path / "o.tif", date="11", sources={"climatology": RasterRef(climatology)}
    )
    assert field.min() >= 0 and field.max() <= 16 * 5
    means = field.reshape(6, 4, 6, 4).mean((1, 3))
    assert means == pytest.approx(np.full((6, 6), 5.0), rel=1e-5)
