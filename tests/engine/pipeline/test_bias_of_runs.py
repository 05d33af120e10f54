"""Runs of a model that corrects its target first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

from engine.commands.jobs import check_package
from engine.errors import InputError, PackageError
from engine.features.network_inputs import network_channels
from engine.feedback import Silent
from engine.nets.downscaler import Downscaler
from engine.nets.spec import NetworkSpec
from engine.package.folder import BIAS_FILE, load_package, write_package
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import check, super_resolve
from engine.raster.reference import GridRequest, RasterRef
from engine.specs import TargetSpec

K, ROWS, COLUMNS = 4, 5, 6
ADDED = np.arange(ROWS * COLUMNS, dtype=np.float32).reshape(1, 1, ROWS, COLUMNS) / 10
TARGET = {"name": "temperature", "units": "degC", "transform": "identity", "conservation": "additive"}


def package(
    folder: Path, method: str = "mean", months: tuple[int, ...] = (1, 2, 12), **entry: object
) -> Path:
    """A package of random weights, ×4, on 2° cells; each cell has a factor of its own, the last none."""
    coarse, fine = network_channels(())
    network = NetworkSpec(K, coarse, fine, widths=(8, 8, 4))
    module = Downscaler(TargetSpec(**TARGET), (), network)
    drawn = torch.Generator().manual_seed(5)
    state = module.generator.state_dict()
    weights = {n: torch.randn(v.shape, generator=drawn) * 0.1 for n, v in state.items()}
    added = ADDED.copy()
    added[..., -1, -1] = np.nan
    quantiles = np.array([0.5], np.float32)
    if method != "mean":  # 100 more at the highest quantile
        added, quantiles = np.concatenate([added, added + 100], 1), np.array([0, 1], np.float32)
    source = np.concatenate([np.full_like(ADDED, -50), np.full_like(ADDED, 50)], 1)[:, : len(quantiles)]
    grid = {"crs": "EPSG:4326", "transform": [2, 0, 10, 0, -2, 50], "shape": [ROWS, COLUMNS]}
    card = {
        "msr_card": 1,
        "id": "biased",
        "name": "Biased",
        "version": "0.0.1",
        "description": "Random weights, for tests.",
        "factor": K,
        "resolution": {"coarse": 2.0, "fine": 0.5, "units": "degree"},
        "target": TARGET,
        "sources": [],
        "network": network.to_json(),
        "bias": {
            "method": method,
            "kind": "additive",
            "group": "all",
            "groups": [0],
            "months": list(months),
            "grid": grid,
            **entry,
        },
        "training": {"data": "none", "simulated": True, "period": "none", "split": "none"},
        "metrics": {},
        "licence": "GPL-2.0-or-later",
    }
    arrays = {"quantiles": quantiles, "source": source, "factors": added}
    return write_package(
        folder / "biased", card, weights, bias={n: torch.from_numpy(a) for n, a in arrays.items()}
    ).folder


@pytest.fixture()
def request_(write_raster, tmp_path: Path) -> SuperResolveRequest:
    """One January day on the factors' own cells."""
    values = np.random.default_rng(0).normal(5, 4, (ROWS, COLUMNS)).astype(np.float32)
    path = write_raster("t.tif", values, 2.0, 10, 50, units="degC", dates=["2001-01-05"])
    return SuperResolveRequest(
        str(package(tmp_path)), RasterRef(path), str(tmp_path / "out.tif"), precision="float32"
    )


def read(path: str) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(masked=True).filled(np.nan)


def means(fine: np.ndarray) -> np.ndarray:
    return fine.reshape(-1, ROWS, K, COLUMNS, K).mean((2, 4))


def test_the_fine_field_conserves_the_corrected_value(request_: SuperResolveRequest) -> None:
    result = super_resolve(request_, Silent())
    expected = read(request_.target.path)[0] + ADDED[0, 0]
    expected[-1, -1] = np.nan
    np.testing.assert_allclose(means(read(request_.output))[0], expected, atol=1e-4)
    assert result.residual < 1e-4 and result.residual_original < 1e-4
    assert any("3.3% of the coarse cells are missing in the output" in line for line in result.warnings)
    assert result.sources[0].resampling.endswith("corrected by mean (additive)")
    with rasterio.open(request_.output) as file:
        assert file.tags()["MSR_BIAS_CORRECTION"] == "mean (additive)"
    whole = read(request_.output)
    super_resolve(replace(request_, tile=2), Silent())
    np.testing.assert_allclose(read(request_.output), whole, atol=1e-4)


def test_a_target_on_other_cells_is_averaged_onto_the_models(
    request_: SuperResolveRequest, write_raster
) -> None:
    values = np.random.default_rng(1).normal(5, 4, (2 * ROWS, 2 * COLUMNS)).astype(np.float32)
    finer = write_raster("finer.tif", values, 1.0, 10, 50, units="degC", dates=["2001-01-05"])
    super_resolve(replace(request_, target=RasterRef(finer)), Silent())
    expected = values.reshape(ROWS, 2, COLUMNS, 2).mean((1, 3)) + ADDED[0, 0]
    got = means(read(request_.output))[0]
    np.testing.assert_allclose(got.ravel()[:-1], expected.ravel()[:-1], atol=1e-3)


def test_other_cells_asked_for_and_other_months_are_refused_before_the_run(
    request_: SuperResolveRequest, write_raster
) -> None:
    shifted = replace(request_, grid=GridRequest(extent=(11.25, 41, 19.25, 49), resolution=0.5))
    with pytest.raises(InputError, match="cells of 2° × 2° of its own in EPSG:4326"):
        check(shifted, Silent())
    values = read(request_.target.path)[0]
    summer = write_raster("july.tif", values, 2.0, 10, 50, units="degC", dates=["2001-07-05"])
    with pytest.raises(InputError, match="fitted in Jan, Feb, Dec alone, and 2001-07-05"):
        check(replace(request_, target=RasterRef(summer)), Silent())
    undated = write_raster("undated.tif", values, 2.0, 10, 50, units="degC")
    with pytest.raises(InputError, match="by the time of year: give the date"):
        check(replace(request_, target=RasterRef(undated)), Silent())
    assert not Path(request_.output).exists()


def test_a_stack_of_dates_is_a_period_of_its_own_and_one_date_is_not(
    request_: SuperResolveRequest, write_raster, tmp_path: Path
) -> None:
    model = str(package(tmp_path / "delta", "quantile_delta_mapping"))
    values = 200 + np.random.default_rng(2).normal(0, 4, (31, ROWS, COLUMNS)).astype(np.float32)
    days = [f"2085-01-{day:02d}" for day in range(1, 32)]
    stack = write_raster("stack.tif", values, 2.0, 10, 50, units="degC", dates=days)
    many = replace(request_, model=model, target=RasterRef(stack), all_dates=True)
    assert not [line for line in super_resolve(many, Silent()).warnings if "quantile mapping" in line]
    added = means(read(request_.output))[:, 1, 1] - values[:, 1, 1] - ADDED[0, 0, 1, 1]
    ranks = values[:, 1, 1].argsort().argsort() / 30
    np.testing.assert_allclose(added, 100 * ranks, atol=1e-2)
    one = super_resolve(replace(many, all_dates=False, date="2085-01-05"), Silent())
    assert any("1 of 1 dates are corrected by quantile mapping" in line for line in one.warnings)
    added = means(read(request_.output))[0, 1, 1] - values[4, 1, 1] - ADDED[0, 0, 1, 1]
    assert added == pytest.approx(100, abs=1e-2)  # beyond all that training saw
    with rasterio.open(request_.output) as file:
        assert file.tags()["MSR_BIAS_CORRECTION"] == "quantile mapping (additive)"


def test_a_run_over_years_tells_the_means_change(request_: SuperResolveRequest, write_raster) -> None:
    rng = np.random.default_rng(3)
    days = [f"{year}-{month:02d}-05" for year in (2000, 2001, 2050, 2051) for month in (1, 2)]
    values = rng.normal(0, 4, (8, ROWS, COLUMNS)).astype(np.float32)
    values[4:] += 3
    stack = write_raster("years.tif", values, 2.0, 10, 50, units="degC", dates=days)

    lines = []

    class Log(Silent):
        def log(self, message: str, level: str = "info") -> None:
            lines.append(message)

    asked = replace(request_, target=RasterRef(stack), all_dates=True)
    change = super_resolve(asked, Log()).change
    flat = values.reshape(8, -1)[:, :-1]  # the last cell is not corrected
    assert (change["earlier"], change["later"]) == ([2000, 2001], [2050, 2051])
    assert change["coarse"] == pytest.approx(flat[4:].mean() - flat[:4].mean(), abs=1e-4)
    assert change["fine"] == pytest.approx(change["coarse"], abs=1e-4)
    assert any(line.startswith("Mean change from 2000–2001 to 2050–2051") for line in lines)
    tiled = super_resolve(replace(asked, tile=2), Silent()).change
    assert tiled["fine"] == pytest.approx(change["fine"], abs=1e-4)
    assert super_resolve(request_, Silent()).change is None


def test_damaged_factors_are_refused(request_: SuperResolveRequest) -> None:
    folder = Path(request_.model)
    assert check_package({"folder": str(folder)}, Silent(), None)["id"] == "biased"
    data = bytearray((folder / BIAS_FILE).read_bytes())
    data[-1] ^= 1
    (folder / BIAS_FILE).write_bytes(data)
    with pytest.raises(PackageError, match="does not have the sha256"):
        super_resolve(request_, Silent())
    (folder / BIAS_FILE).unlink()
    with pytest.raises(PackageError, match=f"{BIAS_FILE} is missing"):
        load_package(folder)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"groups": [1]}, "no part of the year for bias.group all"),
        ({"kind": "multiplicative"}, "bias.kind is multiplicative, so target.conservation"),
        ({"method": "magic"}, "bias.method"),
        ({"months": []}, "bias.months"),
        ({"grid": {"crs": "EPSG:4326", "transform": [2, 0, 1, 0, 2, 5], "shape": [5, 6]}}, "north up"),
    ],
)
def test_a_card_that_tells_no_correction_is_refused(tmp_path: Path, entry: dict, told: str) -> None:
    with pytest.raises(PackageError, match=told):
        package(tmp_path, **entry)


def test_factors_of_another_shape_are_refused(tmp_path: Path) -> None:
    grid = {"crs": "EPSG:4326", "transform": [2, 0, 10, 0, -2, 50], "shape": [COLUMNS, ROWS]}
    with pytest.raises(PackageError, match="holds other factors than its card tells"):
        load_package(package(tmp_path, grid=grid)).bias_tensors()
