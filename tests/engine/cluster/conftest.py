"""A small run of many parts, and what is compared of its files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.cluster.parts_request import PartsRequest
from engine.cluster.start import start
from engine.feedback import Silent
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reference import RasterRef
from tests.engine.pipeline.noisy_rain import package

DATES = ["2001-01", "2001-02", "2004-01", "2004-02"]
PARTS = 60  # of the run: 15 tiles at 4 dates


@pytest.fixture(autouse=True)
def one_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs tell the same time, so that the same run makes the same bytes."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package(tmp_path_factory.mktemp("models"), "noisyrain", 2)


@pytest.fixture()
def run_of(write_raster, tmp_path: Path) -> Callable[..., SuperResolveRequest]:
    """Return a function that gives the request of a run with an empty tile, a hole and a source."""
    values = np.random.default_rng(1).gamma(2.0, 30, (4, 9, 14)).astype(np.float32)
    values[:, :3, :3], values[:, 4, 9] = np.nan, np.nan
    ground = np.random.default_rng(2).gamma(1.0, 400, (36, 56)).astype(np.float32)
    rain = write_raster("rain.tif", values, 2.0, 11, 40, units="mm", dates=DATES)
    dem = write_raster("dem.tif", ground, 0.5, 11, 40, units="m")

    def made(name: str, model: str | Path = "bicubicsmooth", **more: object) -> SuperResolveRequest:
        factor = 4 if isinstance(model, str) else None
        sources = {} if isinstance(model, str) else {"elevation": RasterRef(dem)}
        folder = tmp_path / "out"
        folder.mkdir(exist_ok=True)
        asked = {"sources": sources, "factor": factor, "all_dates": True, "tile": 3, "precision": "float32"}
        return SuperResolveRequest(str(model), RasterRef(rain), str(folder / name), **{**asked, **more})

    return made


@pytest.fixture()
def plain(tmp_path: Path) -> Callable[[SuperResolveRequest], dict[str, bytes]]:
    """Return a function that gives the bytes of the files that one process writes."""

    def made(request: SuperResolveRequest) -> dict[str, bytes]:
        folder = tmp_path / "plain"
        folder.mkdir(exist_ok=True)
        own = replace(request, output=str(folder / Path(request.output).name))
        if request.ensemble is not None:
            asked = request.ensemble
            files = ("spread", "quantiles", "member_file", "support")
            moved = {f: str(folder / Path(p).name) for f in files if (p := getattr(asked, f))}
            own = replace(own, ensemble=replace(asked, **moved))
        for key in ("expected_error", "supported_share"):
            if path := getattr(request, key):
                own = replace(own, **{key: str(folder / Path(path).name)})
        super_resolve(own, Silent())
        return bytes_in(folder)

    return made


def bytes_in(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file, by its path in the folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def in_parts(request: SuperResolveRequest, feedback: Silent | None = None, **wanted: object):
    return start(request, PartsRequest(**{"resume": True, **wanted}), feedback or Silent())
