"""The method `sharpen` from files to file: what it learns, what its sources are taken for, what it tells."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from scipy.io import netcdf_file

from engine.commands.cli import main
from engine.commands.jobs import State, run_job
from engine.errors import Cancelled, InputError
from engine.feedback import Silent
from engine.fields.kept import LastKept
from engine.pipeline.request import EnsembleRequest, SuperResolveRequest
from engine.raster.reference import GridRequest, RasterRef
from engine.sharpening import terms
from tests.engine.pipeline.rough_ground import (
    CELL,
    COLUMNS,
    ROWS,
    UTM,
    Listening,
    bands,
    block_mean,
    ground,
    interpolated,
    rmse,
    run,
)


@pytest.mark.parametrize("k", [4, 7])
def test_a_lapse_rate_is_learned_and_told(make, tmp_path: Path, k: int) -> None:
    z = ground(k)
    truth = 10 - 0.0065 * z
    request = make(k, truth, dem=z)
    error, share = str(tmp_path / "error.tif"), str(tmp_path / "share.tif")
    told = Listening()
    result = run(replace(request, expected_error=error, supported_share=share), told)
    made, smooth = bands(request.output), interpolated(request, tmp_path)
    assert rmse(made, truth) < 0.05 * rmse(smooth, truth)  # a law without noise: hardly anything is left
    np.testing.assert_allclose(block_mean(made[0], k), block_mean(truth, k), atol=1e-3)
    assert result.outputs == {"expected_error": error, "support": share}
    expected = bands(error)
    assert expected.min() > 0
    assert 0.4 * rmse(made, truth) < rmse(expected, 0) < 0.1 * rmse(smooth, truth)
    assert 0.5 < bands(share).mean() <= 1 and bands(share).min() >= 0
    learned = result.sharpening
    assert learned["covariates"]["dem"]["carries"] and learned["levels"] >= 2
    assert learned["expected"]["over_interpolation"] < 0.6
    assert "Learning from the coarse field" in told.phases
    assert any(line.startswith("dem: carries ") for line in told.lines)
    assert any("times that of smooth interpolation" in line for line in told.lines)
    with rasterio.open(request.output) as file:
        assert json.loads(file.tags()["MSR_SHARPENING"]) == learned
    with rasterio.open(error) as file:
        assert file.units == ("degC",) and "expected" in file.tags()["MSR_QUANTITY"]


@pytest.mark.parametrize("moving", [False, True])
def test_terms_of_static_covariates_are_made_once_for_a_tile(
    make, moving: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    k, dates = 4, ["2020-01", "2020-02", "2020-03"]
    z, rng = ground(k), np.random.default_rng(4)
    truth = np.stack([10 + month - 0.0065 * z + rng.normal(0, 0.2, z.shape) for month in range(3)])
    truth[1, : 2 * k, : 3 * k] = np.nan  # a hole that two dates have not
    covariates = {"dem": z, "cover": np.stack([z > 500, z > 700, z > 400]) if moving else z > 500}
    request = replace(
        make(k, truth, dates, **{n: x.astype(np.float32) for n, x in covariates.items()}), tile=9
    )
    if moving:
        with rasterio.open(request.sources["cover"].path, "r+") as file:
            for band, date in enumerate(dates, 1):
                file.update_tags(band, DATE=date)
    counted, differences = [], terms._differences
    monkeypatch.setattr(terms, "_differences", lambda z: counted.append(1) or differences(z))
    tiles = run(request).tiles // 3
    together, once = bands(request.output), len(counted)
    monkeypatch.setattr(LastKept, "of", lambda self, tile: None)
    run(request)
    each = len(counted) - once
    np.testing.assert_array_equal(bands(request.output), together)
    assert tiles > 1 and each > 0
    # What was looked at in the fit counts in both; the hole changes the means of one tile.
    assert once == each if moving else once < 0.6 * each


def test_it_runs_from_the_command_line(make, tmp_path: Path, capsys) -> None:
    z = ground(4)
    request = make(4, 10 - 0.0065 * z, dem=z)
    words = ["--target", request.target.path, "--source", f"dem={request.sources['dem'].path}"]
    words += [
        "--factor",
        "4",
        "--output",
        request.output,
        "--expected-error",
        str(tmp_path / "e.tif"),
        "--json",
    ]
    assert main(["super-resolve", "--model", "sharpen", *words, "--kind", "dem=continuous"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["sharpening"]["covariates"]["dem"]["carries"]
    assert bands(tmp_path / "e.tif").min() > 0
    assert main(["super-resolve", "--model", "sharpen", *words, "--kind", "dem=height"]) == 2
    assert "one of continuous, class, angle" in capsys.readouterr().err


@pytest.mark.parametrize("seed", [1, 3])
def test_a_class_of_a_few_fine_cells_is_not_learned(make, seed: int) -> None:
    k = 8
    z, rng = ground(k), np.random.default_rng(seed)
    noise = np.kron(rng.normal(0, 0.3, (ROWS * k // 2, COLUMNS * k // 2)), np.ones((2, 2)))
    cover = np.where(ground(k, seed=7) > 0, 1, 2).astype(np.uint8)
    rare = rng.choice(cover.size, 12, replace=False)
    cover.flat[rare] = np.repeat([3, 4, 5], [1, 3, 8])
    truth = (10 - 0.0065 * z + np.where(cover == 2, 1.5, 0) + noise).astype(np.float32)
    request = make(k, truth, dem=z, cover=cover)
    learned = run(request).sharpening["covariates"]
    assert learned["cover"]["carries"] and learned["dem"]["carries"]
    off = np.abs(bands(request.output)[0] - truth)
    # The coarse cells hold next to nothing of what is that rare: its cells stood out by up to 28 degrees.
    assert off.flat[rare].max() < 1.5 * off.max(where=cover < 3, initial=0)


def test_tiles_agree(make) -> None:
    z = ground(4)
    request = make(4, 10 - 0.0065 * z, dem=z)
    whole = run(replace(request, tile=100))
    one = bands(request.output)
    assert whole.tiles == 1 and run(replace(request, tile=7)).tiles > 20
    np.testing.assert_allclose(bands(request.output), one, atol=2e-4 * np.ptp(one))


@pytest.mark.parametrize("sources", [{}, {"noise": np.zeros((120, 144), np.float32)}])
def test_without_a_gain_it_is_the_interpolation_and_says_so(make, tmp_path: Path, sources) -> None:
    request, told = make(4, ground(4), **sources), Listening()
    result = run(request, told)
    np.testing.assert_allclose(bands(request.output), interpolated(request, tmp_path), rtol=1e-5, atol=1e-3)
    assert result.sharpening["expected"]["over_interpolation"] == pytest.approx(1, abs=1e-6)
    said = "No source shows a gain" if sources else "No source is given"
    assert [line.startswith(said) for line in told.warnings] == [True]
    assert result.warnings == told.warnings


def test_all_dates_are_as_each_alone_where_the_fit_is_the_same(make) -> None:
    z = ground(4)
    truth = np.stack([10 - 0.0065 * z] * 2)
    request = make(4, truth, ["2001-01", "2001-02"], dem=z)
    run(request)
    both = bands(request.output)
    run(replace(request, all_dates=False, date="2001-02"))
    np.testing.assert_allclose(bands(request.output)[0], both[1], atol=5e-3 * np.ptp(both))


def test_dates_beyond_the_sample_take_the_season(make, monkeypatch, tmp_path: Path) -> None:
    z = ground(4)
    slopes = [-0.008, -0.002, -0.008, -0.002, -0.008]
    truth = np.stack([10 + slope * z for slope in slopes])
    dates = ["2001-01", "2001-07", "2002-01", "2002-07", "2003-01"]
    request = make(4, truth, dates, dem=z)
    monkeypatch.setattr("engine.pipeline.fit_data.MOST_CELLS", 2 * ROWS * COLUMNS)
    monkeypatch.setattr("engine.pipeline.fit_data._sampled", lambda wanted, most: list(wanted)[:most])
    result = run(request)
    assert result.sharpening["dates"] == 2
    made, smooth = bands(request.output), interpolated(request, tmp_path)
    for date in range(5):
        assert rmse(made[date], truth[date]) < 0.5 * rmse(smooth[date], truth[date])


def test_of_a_small_field_it_says_that_nothing_is_known(make, tmp_path: Path) -> None:
    z = ground(4, rows=5, columns=5)
    request = replace(make(4, 10 - 0.0065 * z, dem=z), expected_error=str(tmp_path / "e.tif"))
    result = run(request)
    np.testing.assert_allclose(bands(request.output), interpolated(request, tmp_path), atol=1e-4)
    assert np.isnan(bands(tmp_path / "e.tif")).all()
    assert result.sharpening["expected"] == {"error": None, "over_interpolation": None, "units": "degC"}
    assert result.warnings[0].startswith("The coarse field is too small to learn from")


def test_masks_stay(make, write_raster) -> None:
    k, z = 4, ground(4)
    truth = 10 - 0.0065 * z
    request = make(k, truth)
    coarse = block_mean(truth, k)
    coarse[3:6, 10:14] = np.nan
    holed = z.copy()
    holed[:, :20] = np.nan
    target = write_raster("holes.tif", coarse, CELL, **UTM, units="degC")
    dem = write_raster("holed.tif", holed, CELL / k, **UTM)
    error = request.output.replace("fine", "error")
    run(replace(request, target=RasterRef(target), sources={"dem": RasterRef(dem)}, expected_error=error))
    valid = np.isfinite(coarse).repeat(k, 0).repeat(k, 1)
    for path in (request.output, error):
        np.testing.assert_array_equal(np.isfinite(bands(path)[0]), valid)


def test_rain_stays_possible_on_latitudes_and_longitudes(write_raster, tmp_path: Path) -> None:
    k, z = 4, ground(4)
    truth = np.exp(z / 700).astype(np.float32)
    target = write_raster("rain.tif", block_mean(truth, k), 0.5, 5, 60, units="mm/day")
    dem = write_raster("z.tif", z, 0.5 / k, 5, 60, units="m")
    output = str(tmp_path / "o.tif")
    run(SuperResolveRequest("sharpen", RasterRef(target), output, {"dem": RasterRef(dem)}, factor=k))
    made = bands(output)[0]
    assert made.min() >= 0
    np.testing.assert_allclose(block_mean(made, k), block_mean(truth, k), rtol=1e-4)


def test_on_the_grid_of_another_raster(make, write_raster, tmp_path: Path) -> None:
    k, z = 4, ground(4)
    truth = 10 - 0.0065 * z
    request = make(k, truth, dem=z)
    cut = slice(36, 84), slice(40, 100)
    like = write_raster(
        "like.tif",
        z[cut],
        CELL / k,
        crs=UTM["crs"],
        left=UTM["left"] + 40 * CELL / k,
        top=UTM["top"] - 36 * CELL / k,
    )
    run(replace(request, grid=GridRequest(like=like)))
    made = bands(request.output)
    assert made.shape == (1, 48, 60)
    assert rmse(made[0], truth[cut]) < 0.5 * rmse(interpolated(request, tmp_path)[0][cut], truth[cut])


def test_other_methods_do_not_tell_what_to_expect(make, tmp_path: Path) -> None:
    request = replace(make(4, ground(4), dem=ground(4)), model="bicubic")
    for key, word in (("expected_error", "expected error"), ("supported_share", "supported share")):
        with pytest.raises(InputError, match=f"bicubic does not tell its {word}.*sharpen"):
            run(replace(request, sources={}, **{key: str(tmp_path / "e.tif")}))
    ensemble = EnsembleRequest(4)
    with pytest.raises(InputError, match=r"sharpen gives one estimate, .* its expected error"):
        run(replace(request, model="sharpen", ensemble=ensemble))
    dem = replace(request.sources["dem"], kind="continuous")
    with pytest.raises(InputError, match="knows the kind"):
        run(replace(request, model="elevationregression", sources={"elevation": dem}))


def test_the_expected_error_takes_no_place_of_an_input(make) -> None:
    request = make(4, ground(4), dem=ground(4))
    with pytest.raises(InputError, match=r"The output of the expected error .* is also the input dem"):
        run(replace(request, expected_error=request.sources["dem"].path))
    with pytest.raises(InputError, match="also that of the expected error"):
        run(replace(request, expected_error=request.output + ".tif", supported_share=request.output + ".TIF"))


def test_it_can_be_stopped_while_it_learns(make, tmp_path: Path) -> None:
    class Stopping(Silent):
        def __init__(self) -> None:
            super().__init__()
            self.learning = False

        def progress(self, fraction: float, phase: str, *more: object) -> None:
            self.learning = phase.startswith("Learning")

        def check_cancelled(self) -> None:
            if self.learning:
                raise Cancelled("Stopped.")

    request = make(4, ground(4), dem=ground(4))
    with pytest.raises(Cancelled):
        run(request, Stopping())
    assert not Path(request.output).exists()


def test_a_stack_in_netcdf_from_the_worker(make, tmp_path: Path) -> None:
    k, z = 4, ground(4)
    truth = np.stack([10 + month - 0.0065 * z for month in range(3)])
    request = make(k, truth, ["2001-01", "2001-02", "2001-03"], dem=z)
    path = tmp_path / "stack.nc"
    with netcdf_file(path, "w") as file:
        for name, values, units in (
            ("time", np.array([15.0, 45, 75]), "days since 2001-01-01"),
            ("y", UTM["top"] - CELL * (np.arange(ROWS) + 0.5), "m"),
            ("x", UTM["left"] + CELL * (np.arange(COLUMNS) + 0.5), "m"),
        ):
            file.createDimension(name, len(values))
            axis = file.createVariable(name, "d", (name,))
            axis[:], axis.units = values, units
            axis.standard_name = {"y": "projection_y_coordinate", "x": "projection_x_coordinate"}.get(
                name, name
            )
        field = file.createVariable("t2m", "f", ("time", "y", "x"))
        field[:], field.units = block_mean(truth, k), "degC"
    message = request.to_json()
    message["target"] = {"path": str(path), "crs": "EPSG:32633"}
    message["supported_share"] = str(tmp_path / "share.tif")
    message["sources"] = {"dem": {"path": request.sources["dem"].path, "kind": "continuous"}}
    result = run_job("super_resolve", message, Silent(), State())
    assert len(result["dates"]) == 3 and result["sharpening"]["covariates"]["dem"]["carries"]
    assert rmse(bands(request.output), truth) < 0.4 * rmse(interpolated(request, tmp_path), truth)
    assert bands(tmp_path / "share.tif").shape[0] == 3


def test_a_covariate_with_one_wild_cell_is_named(make, tmp_path: Path) -> None:
    z = ground(4)
    told = Listening()
    assert not any("declare them as nodata" in line for line in run(make(4, 10 - z, dem=z), told).warnings)
    z = z.copy()
    z[9, 9] = 1e9
    result = run(make(4, 10 - ground(4), dem=z), told)
    (line,) = [line for line in result.warnings if "declare them as nodata" in line]
    assert line.startswith("dem: one coarse cell is 6.25e+07") and line in told.lines


def test_a_wild_cell_of_the_target_is_named(make) -> None:
    z = ground(4)
    wild = 10 - 0.0065 * z
    wild[8:12, 8:12] = 1e9
    (line,) = [line for line in run(make(4, wild, dem=z)).warnings if "declare them as nodata" in line]
    assert line.startswith("target: one coarse cell is 1e+09")


def test_a_covariate_of_noise_does_not_raise_the_expected_error(make, tmp_path: Path) -> None:
    z, k = ground(8), 8
    truth = 10 - 0.0065 * z + ground(8, seed=7) / 2000
    noise = np.random.default_rng(4).normal(0, 50, z.shape).astype(np.float32)
    for sources, most in (({"dem": z, "noise": noise}, 1.5), ({"noise": noise}, 1.6)):
        request = replace(make(k, truth, **sources), expected_error=str(tmp_path / "error.tif"))
        run(request)
        true, told = rmse(bands(request.output), truth), rmse(bands(tmp_path / "error.tif"), 0)
        assert 0.6 * true < told < most * true, (list(sources), true, told)
