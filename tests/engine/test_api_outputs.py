"""What the lazy interface gives beside the field: the bits of the command line's further files."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray

pytest.importorskip("dask")

import dask

from engine import api
from engine.cluster.step_job import OPEN_JOBS
from engine.errors import InputError
from engine.feedback import Silent
from engine.pipeline.request import EnsembleRequest, SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reference import RasterRef
from tests.engine.pipeline.noisy_rain import package
from tests.engine.pipeline.rough_ground import CELL, UTM, block_mean
from tests.engine.pipeline.rough_ground import ground as rough

ENSEMBLE = ("spread", "quantiles", "members", "supported_share")


@pytest.fixture(autouse=True)
def hushed():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


@pytest.fixture()
def rain(write_raster) -> str:
    values = np.random.default_rng(1).gamma(2.0, 30, (2, 9, 14)).astype(np.float32)
    values[:, 4, 9] = np.nan
    return write_raster("rain.tif", values, 2.0, 11, 40, units="mm", dates=["2001-01", "2001-02"])


@pytest.fixture()
def ground(write_raster) -> str:
    values = np.random.default_rng(2).gamma(1.0, 400, (36, 56)).astype(np.float32)
    return write_raster("dem.tif", values, 0.5, 11, 40, units="m")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package(tmp_path_factory.mktemp("models"), "noisyrain", 2)


def written(path: Path) -> xarray.DataArray:
    with xarray.open_dataset(path, decode_coords="all") as data:
        return data[next(iter(data.data_vars))].load()


def same(one: xarray.DataArray, other: xarray.DataArray) -> bool:
    """Return whether two arrays have the same bits, names, axes and units."""
    assert one.dims == other.dims and one.name == other.name and one.attrs["units"] == other.attrs["units"]
    for name in other.dims:
        np.testing.assert_array_equal(one[name], other[name])
    return one.dtype == other.dtype and one.values.tobytes() == other.values.tobytes()


def test_an_ensemble(
    rain: str, ground: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {name: tmp_path / f"{name}.nc" for name in ("mean", *ENSEMBLE)}
    asked = EnsembleRequest(
        3,
        spread=str(files["spread"]),
        quantiles=str(files["quantiles"]),
        levels=(0.25, 0.75),
        member_file=str(files["members"]),
        support=str(files["supported_share"]),
    )
    more = {"sources": {"elevation": RasterRef(ground)}, "all_dates": True, "precision": "float32", "tile": 5}
    super_resolve(
        SuperResolveRequest(str(model), RasterRef(rain), str(files["mean"]), ensemble=asked, seed=3, **more),
        Silent(),
    )
    made: list[int] = []
    make = OPEN_JOBS.make
    monkeypatch.setattr(OPEN_JOBS, "make", lambda *step: made.append(1) or make(*step))
    data = api.super_resolve(
        *(rain, model, {"elevation": ground}),
        **{"all_dates": True, "precision": "float32", "tile": 5, "seed": 3},
        **{"members": 3, "levels": (0.25, 0.75), "outputs": ENSEMBLE},
    )
    assert isinstance(data, xarray.Dataset) and made == [] and len(data.data_vars) == 5
    computed = data.compute()
    assert len(made) == 2 * 2 * 3  # dates × tiles: each step once for all arrays
    for path in files.values():
        other = written(path)
        assert same(computed[other.name], other), path.name
    assert data["quantile"].values.tolist() == [0.25, 0.75] and data.sizes["member"] == 3
    alone = api.super_resolve(
        *(rain, model, {"elevation": ground}),
        **{"all_dates": True, "precision": "float32", "tile": 5, "seed": 3, "members": 3},
    )
    assert isinstance(alone, xarray.DataArray) and same(alone.compute(), written(files["mean"]))


def test_a_window_makes_its_tiles_alone(
    rain: str, ground: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = api.super_resolve(
        *(rain, model, {"elevation": ground}),
        **{"all_dates": True, "tile": 5, "members": 2, "outputs": ["spread", "members"]},
    )
    made: list[tuple[int, int]] = []
    make = OPEN_JOBS.make
    monkeypatch.setattr(OPEN_JOBS, "make", lambda *step: made.append(step[1:]) or make(*step))
    part = data.isel(time=1, lat=slice(0, 3), lon=slice(50, 56))
    dask.compute(*part.data_vars.values())
    assert made == [(2, 1)]


def test_what_sharpen_expects(write_raster, tmp_path: Path) -> None:
    height = rough(4)
    target = write_raster("coarse.tif", block_mean(15 - 0.0065 * height, 4), CELL, **UTM, units="degC")
    dem = write_raster("dem.tif", height, CELL / 4, **UTM, units="m")
    files = {name: str(tmp_path / f"{name}.nc") for name in ("fine", "expected_error", "supported_share")}
    super_resolve(
        SuperResolveRequest(
            *("sharpen", RasterRef(target), files["fine"]),
            **{"sources": {"dem": RasterRef(dem)}, "factor": 4, "quantity": "signed", "tile": 9},
            **{name: files[name] for name in ("expected_error", "supported_share")},
        ),
        Silent(),
    )
    data = api.super_resolve(
        *(target, "sharpen", {"dem": dem}),
        **{"factor": 4, "quantity": "signed", "tile": 9},
        outputs=["expected_error", "supported_share"],
    )
    computed = data.compute()
    assert len(computed.data_vars) == 3
    for path in files.values():
        other = written(Path(path))
        assert same(computed[other.name], other), path


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"outputs": ["spread"]}, "The output spread needs an ensemble: give members, such as members=20."),
        ({"outputs": ["median"]}, "There is no output median: give a list of expected_error"),
        ({"outputs": "spread"}, "give a list of"),
        ({"outputs": ["expected_error"]}, "expected error"),
        ({"members": 3}, "bicubic gives one estimate, no ensemble"),
        ({"members": 1}, "An ensemble needs 2 to"),
        ({"members": 3, "outputs": ["expected_error"]}, "of one estimate, not of an ensemble"),
        ({"members": 3, "outputs": ["quantiles"], "levels": (2,)}, "The quantile 2 is not between 0 and 1"),
    ],
)
def test_what_cannot_be_is_said_at_once(rain: str, arguments: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        api.super_resolve(rain, "bicubic", factor=2, all_dates=True, **arguments)
