"""What kind of quantity a target is, and that fields without a pattern stay physically possible."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from engine.disaggregation.peak_bound import LARGEST_PEAK
from engine.errors import InputError
from engine.feedback import Silent
from engine.methods.registry import BASELINES, baseline
from engine.pipeline.infer_target import infer_target
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.quantities.upper_bound import upper_bound
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef
from engine.specs import TargetSpec

RAIN = TargetSpec("rain", "mm/month", bounds=(0.0, None), conservation="multiplicative")


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
    with pytest.raises(InputError, match=r"such as -0.01 in row 1, column 1: choose signed"):
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


def test_a_refused_value_is_told_with_its_place(write_raster) -> None:
    bands = np.stack([patches(), patches()])
    bands[1, 14, 2] = -3.5
    path = write_raster("months.tif", bands, 0.25, 0, 50, units="mm/month")
    with pytest.raises(InputError, match=r"such as -3.5 in row 15, column 3 of band 2: choose signed"):
        inferred(path, "nonnegative")


def test_without_a_unit_the_climatology_tells_what_is_never_negative(write_raster, tmp_path: Path) -> None:
    target = write_raster("rain.tif", np.full((6, 6), 5, np.float32), 2.0, 100, 8)
    bands = 100 * np.random.default_rng(0).random((12, 24, 24)).astype(np.float32)
    bands[:, :10] = 0
    climatology = write_raster("climatology.tif", bands, 0.5, 100, 8)
    field = output(
        target,
        "climatologyratio",
        tmp_path / "o.tif",
        date="11",
        sources={"climatology": RasterRef(climatology)},
    )
    assert field.min() >= 0 and field.max() < 50
    assert field.reshape(6, 4, 6, 4).mean((1, 3)) == pytest.approx(np.full((6, 6), 5.0), rel=1e-5)


@pytest.mark.parametrize("low", [-5.0, 3.0])
def test_a_climatology_away_from_zero_is_signed(write_raster, low: float) -> None:
    target = Raster(RasterRef(write_raster("t.tif", np.full((6, 6), 12, np.float32), 2.0, 100, 8)), "target")
    bands = np.linspace(low, 20, 24 * 24, dtype=np.float32).reshape(1, 24, 24)
    climatology = RasterRef(write_raster("climatology.tif", bands, 0.5, 100, 8))
    assert infer_target(target, "auto", climatology).conservation == "additive"
    target.close()


FIELDS = {
    "dry": np.zeros((6, 6)),
    "constant": np.full((6, 6), 5.0),
    "one wet cell": np.where(np.arange(36).reshape(6, 6) == 21, 50.0, 0.0),
    "one cell": np.full((1, 1), 7.0),
    "one row": np.arange(6.0)[None],
    "one hole": np.where(np.arange(36).reshape(6, 6) == 14, np.nan, 3.0),
}


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("method", [name for name in BASELINES if name != "lapserate"])
def test_every_simple_method_keeps_rain_possible(
    write_raster, tmp_path: Path, method: str, name: str
) -> None:
    field, k, random = FIELDS[name].astype(np.float32), 4, np.random.default_rng(0)
    rows, columns = field.shape
    target = write_raster("t.tif", field, 2.0, 100, 8, units="mm/month")
    fine = (rows * k, columns * k)
    climatology = 100 * random.random((12, *fine), np.float32)
    climatology[:, : rows * k // 2] = 0
    sources = {
        "climatology": RasterRef(write_raster("c.tif", climatology, 0.5, 100, 8, units="mm/month")),
        "elevation": RasterRef(
            write_raster("e.tif", 1000 * random.random(fine, np.float32), 0.5, 100, 8, units="m")
        ),
    }
    wanted = {source.name for source in baseline(method, k, RAIN).sources}
    given = {name: ref for name, ref in sources.items() if name in wanted}
    dated = {"date": "11"} if "climatology" in given else {}
    made = output(target, method, tmp_path / "o.tif", sources=given, conservation=1.0, **dated)
    valid = np.isfinite(field).repeat(k, 0).repeat(k, 1)
    assert np.array_equal(np.isfinite(made), valid)
    assert np.nanmin(made) >= 0 and np.nanmax(made) <= LARGEST_PEAK * np.nanmax(field)
    means = made.reshape(rows, k, columns, k).mean((1, 3))
    assert means == pytest.approx(field, rel=1e-5, nan_ok=True)
    assert not made[(field == 0).repeat(k, 0).repeat(k, 1)].any()


def test_a_field_of_nothing_is_refused(write_raster, tmp_path: Path) -> None:
    target = write_raster("t.tif", np.full((6, 6), np.nan, np.float32), 2.0, 100, 8, units="mm/month")
    with pytest.raises(InputError, match="holds no valid value"):
        output(target, "bicubicsmooth", tmp_path / "o.tif")
    assert not (tmp_path / "o.tif").exists()


@pytest.mark.parametrize(
    ("units", "words", "low", "high", "most"),
    [
        ("%", "", 3, 100, 100),
        ("percent", "relative_humidity", 20, 100.0005, 100),
        ("%", "percent of normal precipitation", 3, 90, None),
        ("%", "", 3, 140, None),
        ("fraction", "", 0, 1, 1),
        ("0-1", "", 0, 0.9, 1),
        ("m3 m-3", "", 0.1, 0.5, 1),
        ("m**3 m**-3", "Volumetric soil water layer 1", 0.1, 0.5, 1),
        ("1", "cloud_area_fraction", 0, 1, 1),
        ("1", "leaf_area_index", 0, 0.9, None),
        ("m2 m-2", "", 0, 0.9, None),
        ("1", "cloud_area_fraction", -0.5, 1, None),
        ("mm", "soil moisture content", 0, 0.9, None),
    ],
)
def test_shares_are_bounded_above(
    units: str, words: str, low: float, high: float, most: float | None
) -> None:
    assert upper_bound(units, words, low, high) == most


@pytest.mark.parametrize(("units", "most"), [("%", 100.0), ("fraction", 1.0)])
def test_a_simple_method_keeps_to_the_bound_of_its_quantity(
    write_raster, tmp_path: Path, units: str, most: float
) -> None:
    field = np.zeros((12, 12), np.float32)
    field[:, 6:] = most
    field[3:9, 4:6] = 0.9 * most
    fine = output(write_raster("cover.tif", field, 0.25, 0, 50, units=units), "bicubic", tmp_path / "f.tif")
    assert fine.max() <= most and fine.min() >= 0
    np.testing.assert_allclose(fine.reshape(12, 4, 12, 4).mean((1, 3)), field, atol=1e-5 * most)
