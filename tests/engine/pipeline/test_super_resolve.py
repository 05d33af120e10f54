"""The pipeline from files to file, with the methods that need no training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from engine.errors import Cancelled, InputError
from engine.feedback import Silent
from engine.pipeline.request import SuperResolveRequest, SuperResolveResult
from engine.pipeline.super_resolve import check, super_resolve
from engine.raster.reference import GridRequest, RasterRef


def rain(rows: int = 12, cols: int = 18, seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.gamma(1.0, 40, (rows, cols)) * (rng.random((rows, cols)) > 0.15)).astype(np.float32)


def block_mean(values: np.ndarray, k: int) -> np.ndarray:
    rows, cols = values.shape
    with np.errstate(invalid="ignore"):
        blocks = values.reshape(rows // k, k, cols // k, k)
        return np.nansum(blocks, axis=(1, 3)) / np.isfinite(blocks).sum((1, 3))


def read(path: str | Path, band: int = 1) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(band, masked=True).filled(np.nan)


@pytest.fixture()
def base(write_raster, tmp_path: Path) -> SuperResolveRequest:
    """A bicubic run of ×4 on a 2° field of rain."""
    target = write_raster("coarse.tif", rain(), 2.0, 10.0, 40.0, units="mm/month")
    return SuperResolveRequest("bicubic", RasterRef(target), str(tmp_path / "fine.tif"), factor=4)


def run(request: SuperResolveRequest) -> SuperResolveResult:
    return super_resolve(request, Silent())


def test_output_has_the_targets_cells_divided_and_their_means(base: SuperResolveRequest) -> None:
    result = run(base)
    with rasterio.open(base.output) as file:
        assert file.shape == (48, 72) and file.crs.to_epsg() == 4326 and file.dtypes == ("float32",)
        assert file.transform.a == 0.5 and (file.transform.c, file.transform.f) == (10, 40)
        assert file.units == ("mm/month",) and np.isnan(file.nodata)
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.tags()["MSR_METHOD"] == "bicubic" and "coarse.tif" in file.tags()["MSR_INPUTS"]
    fine, coarse = read(base.output), rain()
    np.testing.assert_allclose(block_mean(fine, 4), coarse, rtol=2e-6, atol=1e-5)
    assert fine.min() >= 0 and result.residual <= 1e-5 * coarse.max()
    assert result.residual_original == result.residual and result.covered == 1.0
    without = run(replace(base, conservation=0.0))
    assert without.residual > 1.0


@pytest.mark.parametrize("method", ["bilinear", "bicubic", "climatologyratio", "elevationregression"])
def test_tiled_equals_untiled(base: SuperResolveRequest, write_raster, method: str) -> None:
    fine = rain(48, 72, 5) + 1
    climate = write_raster("c.tif", np.stack([fine, fine * 2 + 3]), 0.5, 10, 40, dates=["2001-01", "2001-02"])
    ground = write_raster("z.tif", fine * 50, 0.5, 10, 40, units="m")
    given = {"climatologyratio": {"climatology": climate}, "elevationregression": {"elevation": ground}}
    sources = {name: RasterRef(path) for name, path in given.get(method, {}).items()}
    whole = replace(base, model=method, sources=sources, date="2001-02-20", tile=100)
    assert run(whole).tiles == 1
    one = read(base.output)
    assert run(replace(whole, tile=5)).tiles == 12
    np.testing.assert_allclose(read(base.output), one, atol=1e-4 * np.ptp(one))


def test_nodata_stays_in_its_cell(base: SuperResolveRequest, write_raster) -> None:
    values = rain() + 10
    values[4, 7], values[0, 0], values[5, 5] = np.nan, -9999, np.nan
    target = write_raster("holes.tif", values, 2.0, 10, 40, nodata=-9999)
    result = run(replace(base, target=RasterRef(target)))
    fine = read(base.output)
    expected = np.ones((12, 18), bool)
    expected[4, 7] = expected[0, 0] = expected[5, 5] = False
    np.testing.assert_array_equal(np.isfinite(fine), np.kron(expected, np.ones((4, 4))).astype(bool))
    valid = np.where(expected, values, np.nan)
    np.testing.assert_allclose(block_mean(fine, 4)[expected], valid[expected], rtol=1e-5)
    assert result.covered == pytest.approx(expected.mean())


def test_integers_with_scale_and_south_up_give_the_same(base: SuperResolveRequest, write_raster) -> None:
    from affine import Affine

    stored = np.round(rain() * 10).astype(np.int32)
    flipped = Affine(2, 0, 10, 0, 2, 16)
    other = write_raster("i.tif", stored[::-1].copy(), transform=flipped, scale=0.1, units="mm/month")
    plain = write_raster("p.tif", (stored * 0.1).astype(np.float32), 2.0, 10, 40, units="mm/month")
    run(replace(base, target=RasterRef(plain)))
    wanted = read(base.output)
    run(replace(base, target=RasterRef(other)))
    np.testing.assert_allclose(read(base.output), wanted, rtol=1e-4, atol=1e-3)


def test_one_pixel_target(base: SuperResolveRequest, write_raster) -> None:
    target = write_raster("one.tif", np.full((1, 1), 7.0, np.float32), 2.0, 10, 40)
    run(replace(base, target=RasterRef(target), quantity="nonnegative"))
    np.testing.assert_allclose(read(base.output), np.full((4, 4), 7.0), rtol=1e-6)


def test_another_crs_conserves_the_working_field(base: SuperResolveRequest) -> None:
    grid = GridRequest(crs="EPSG:3035", resolution=25_000, extent=(4.4e6, 0.9e6, 5.43e6, 1.7e6))
    result = run(replace(base, grid=grid))
    assert (result.height, result.width) == (32, 42)
    assert result.residual < 1e-3 < result.residual_original
    with rasterio.open(base.output) as file:
        assert file.crs.to_epsg() == 3035 and file.bounds.left == 4.4e6


def test_an_extent_across_the_date_line(base: SuperResolveRequest, write_raster) -> None:
    values = rain(90, 180)
    target = write_raster("world.tif", values, 2.0, -180, 90, units="mm/month")
    run(replace(base, target=RasterRef(target), grid=GridRequest(extent=(170, -10, 190, 10))))
    fine = read(base.output)
    assert fine.shape == (40, 40) and np.isfinite(fine).all()
    both = np.concatenate([values[40:50, 175:], values[40:50, :5]], axis=1)
    np.testing.assert_allclose(block_mean(fine, 4), both, rtol=1e-5, atol=1e-4)
    middle = run(replace(base, target=RasterRef(target)))
    wrapped = read(base.output)
    assert middle.width == 720
    np.testing.assert_allclose(wrapped[160:200, :20], fine[:, 20:], rtol=1e-4, atol=1e-3)


def test_dates_are_matched_across_sources(base: SuperResolveRequest, write_raster) -> None:
    months = ["2001-01", "2001-02", "2001-03"]
    stack = np.stack([rain(seed=s) for s in range(3)])
    target = write_raster("dated.tif", stack, 2.0, 10, 40, dates=months)
    with pytest.raises(InputError, match="3 dates: say which"):
        run(replace(base, target=RasterRef(target)))
    run(replace(base, target=RasterRef(target), date="2001-02"))
    np.testing.assert_allclose(block_mean(read(base.output), 4), stack[1], rtol=1e-5, atol=1e-4)
    result = run(replace(base, target=RasterRef(target), all_dates=True))
    assert result.dates == months
    with rasterio.open(base.output) as file:
        assert file.count == 3 and file.tags(2)["DATE"] == "2001-02" and file.descriptions[2] == "2001-03"
    np.testing.assert_allclose(block_mean(read(base.output, 3), 4), stack[2], rtol=1e-5, atol=1e-4)
    with pytest.raises(InputError, match="target has no band for 2005-01"):
        run(replace(base, target=RasterRef(target), date="2005-01"))
    with pytest.raises(InputError, match=r"band 1 of .* is named, but all dates are wanted: leave"):
        run(replace(base, target=RasterRef(target, 1), all_dates=True))
    with pytest.raises(InputError, match=r"band is of 2001-01, but the date asked for is 2001-02"):
        run(replace(base, target=RasterRef(target, 1), date="2001-02"))


def test_memory_running_out_makes_tiles_smaller(
    base: SuperResolveRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.methods.interpolation import Interpolation

    run(base)
    whole, predict = read(base.output), Interpolation.predict

    def scarce(self, patch):
        if patch.target.shape[-1] - 2 * patch.halo > 5:
            raise MemoryError
        return predict(self, patch)

    monkeypatch.setattr(Interpolation, "predict", scarce)
    feedback = Silent()
    result = super_resolve(base, feedback)
    assert result.tiles > 4 and "Memory ran out: going on with smaller tiles." in feedback.warnings
    np.testing.assert_allclose(read(base.output), whole, atol=1e-4)


def test_cancelling_leaves_nothing(base: SuperResolveRequest, tmp_path: Path) -> None:
    class Impatient(Silent):
        def check_cancelled(self) -> None:
            raise Cancelled("stopped")

    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(Cancelled):
        super_resolve(base, Impatient())
    assert sorted(p.name for p in tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"output": "/nowhere/x.tif"}, "folder /nowhere does not exist"),
        ({"output": "x.png"}, "must be a GeoTIFF"),
        ({"factor": None}, "needs a factor"),
        ({"factor": 1}, "not between 2 and 100"),
        ({"conservation": 1.5}, "not between 0 and 1"),
        ({"tile": -1}, "is negative"),
        ({"model": "nosuchmodel"}, "nosuchmodel"),
        ({"model": "climatologyratio"}, "needs the source climatology"),
        ({"sources": {"snow": RasterRef("x.tif")}}, "no source named snow"),
        ({"date": "soon"}, "is no date"),
        ({"quantity": "odd"}, "quantity 'odd' is unknown"),
    ],
)
def test_wrong_requests_are_refused_before_work(
    base: SuperResolveRequest, change: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        run(replace(base, **change))
    assert not Path(base.output).exists()


def test_all_dates_of_one_undated_field_are_that_field(base: SuperResolveRequest) -> None:
    result = run(replace(base, all_dates=True))
    assert result.dates == [] and result.covered == 1


def test_output_that_is_an_input_is_refused(base: SuperResolveRequest) -> None:
    with pytest.raises(InputError, match="also the input target"):
        run(replace(base, output=base.target.path))


def test_source_elsewhere_is_refused(base: SuperResolveRequest, write_raster) -> None:
    far = write_raster("far.tif", rain(8, 8), 0.5, -100, -20)
    with pytest.raises(InputError, match=r"climatology: .*far\.tif does not overlap"):
        run(replace(base, model="climatologyratio", sources={"climatology": RasterRef(far)}))


def test_cancelling_the_last_comparison_leaves_nothing(base: SuperResolveRequest) -> None:
    class Late(Silent):
        comparing = False

        def progress(self, fraction: float, phase: str, *rest: object) -> None:
            self.comparing = phase.startswith("Comparing")

        def check_cancelled(self) -> None:
            if self.comparing:
                raise Cancelled("stopped")

    grid = GridRequest(crs="EPSG:3035", resolution=25_000, extent=(4.4e6, 0.9e6, 5.43e6, 1.7e6))
    with pytest.raises(Cancelled):
        super_resolve(replace(base, grid=grid), Late())
    assert not Path(base.output).exists()


def test_a_target_of_undated_bands_asks_for_one(base: SuperResolveRequest, write_raster) -> None:
    target = write_raster("bands.tif", np.stack([rain(), rain(seed=4)]), 2.0, 10, 40)
    for date in (None, "11"):
        with pytest.raises(InputError, match="target has 2 bands without dates: choose one"):
            run(replace(base, target=RasterRef(target), date=date))
    run(replace(base, target=RasterRef(target, 2)))
    np.testing.assert_allclose(block_mean(read(base.output), 4), rain(seed=4), rtol=1e-5, atol=1e-4)


def test_values_that_cannot_be_and_empty_outputs_are_told(base: SuperResolveRequest, write_raster) -> None:
    values = np.full((4, 4), np.nan, np.float32)
    empty = write_raster("empty.tif", values, 2.0, 10, 40)
    with pytest.raises(InputError, match="holds no valid value"):
        super_resolve(replace(base, target=RasterRef(empty), quantity="signed"), Silent())
    values[:, 2:] = 1.0
    half = write_raster("half.tif", values, 2.0, 10, 40)
    feedback = Silent()
    grid = GridRequest(extent=(10, 32, 14, 40))
    super_resolve(replace(base, target=RasterRef(half), quantity="signed", grid=grid), feedback)
    assert any("holds no valid cell" in line for line in feedback.warnings)


@pytest.mark.parametrize("sign", ["\0", "\ud800"])
def test_an_output_that_no_file_can_be_called_is_refused(base: SuperResolveRequest, sign: str) -> None:
    with pytest.raises(InputError, match=r"output 'a.*b\.tif' holds a sign that no file name can"):
        run(replace(base, output=base.output.replace("fine", f"a{sign}b")))


@pytest.mark.parametrize("ending", ["tif", "nc"])
def test_a_target_that_is_a_result_is_told_before_the_run(base: SuperResolveRequest, ending: str) -> None:
    first = replace(base, output=base.output.replace("tif", ending))
    assert not any("result of MSR" in line for line in run(first).warnings)
    again = replace(base, target=RasterRef(first.output), output=base.output.replace("fine", "finer"))
    told = "target: it is itself a result of MSR (bicubic), whose fine detail was made, not measured."
    assert told in check(again, Silent())["warnings"]
    assert told in run(again).warnings
