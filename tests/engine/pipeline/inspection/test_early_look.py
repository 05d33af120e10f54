"""What is told of a source before the run, from a few of its cells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from engine.errors import Cancelled
from engine.feedback import Silent
from engine.pipeline.inspection.early_look import EarlyLook, doubts, early_coverage, early_look
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.run_plan import prepare
from engine.pipeline.super_resolve import super_resolve
from engine.raster.raster_file import go_on
from engine.raster.reader import Raster
from engine.raster.reference import GridRequest, RasterRef

GRID = GeoBox((32, 32), Affine(0.5, 0, 10, 0, -0.5, 50), "EPSG:4326")


def opened(path: str) -> Raster:
    return Raster(RasterRef(path), "elevation")


def test_the_share_is_that_of_valid_cells_under_the_grid(write_raster) -> None:
    values = np.ones((32, 32), np.float32)
    half = values.copy()
    half[:, :16] = -9999
    whole = opened(write_raster("w.tif", values, 0.5, 10.0, 50.0))
    assert early_coverage(whole, GRID) == 1
    assert early_coverage(opened(write_raster("t.tif", values, 0.5, 370.0, 50.0)), GRID) == 1
    assert early_coverage(opened(write_raster("h.tif", half, 0.5, 10.0, 50.0, nodata=-9999)), GRID) == 0.5
    void = np.full((32, 32), -9999, np.float32)
    assert early_coverage(opened(write_raster("v.tif", void, 0.5, 10.0, 50.0, nodata=-9999)), GRID) == 0
    corner = opened(write_raster("c.tif", values, 0.5, 25.0, 35.0))
    assert 0 < early_coverage(corner, GRID) < 0.02
    utm = GeoBox((20, 20), Affine(10_000, 0, 600_000, 0, -10_000, 5_400_000), "EPSG:32632")
    assert early_coverage(whole, utm) == 1


def test_a_large_raster_costs_few_cells(write_raster, monkeypatch: pytest.MonkeyPatch) -> None:
    raster = opened(write_raster("l.tif", np.ones((1200, 1200), np.uint8), 0.01, 10.0, 50.0))
    read: list[int] = []
    original = Raster.values

    def counted(self: Raster, bands: list[int], window: Window, *more: object) -> np.ndarray:
        read.append(int(window.width * window.height))
        return original(self, bands, window, *more)

    monkeypatch.setattr(Raster, "values", counted)
    assert early_coverage(raster, GeoBox((32, 32), Affine(0.375, 0, 10, 0, -0.375, 50), "EPSG:4326")) == 1
    assert sum(read) <= 256


def test_values_outside_the_range_of_training_are_counted(write_raster) -> None:
    values = np.full((32, 32), 20.0, np.float32)
    values[:8] = 300
    look = early_look(opened(write_raster("k.tif", values, 0.5, 10.0, 50.0)), GRID, 1, (-40.0, 45.0))
    assert look.outside == 0.25 and look.covered == 1
    assert "about 25% of its cells are outside the range" in doubts("t", look, (-40.0, 45.0), "degC")[0]
    assert "-40 to 45 degC" in doubts("t", look, (-40.0, 45.0), "degC")[0]


class Listener(Silent):
    """Keeps what is told, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def progress(self, fraction: float, phase: str, *_: object, **__: object) -> None:
        self.told.append(phase)

    def log(self, message: str, level: str = "info") -> None:
        self.told.append(message)


@pytest.mark.parametrize(
    ("left", "nodata", "words"),
    [
        (24.0, False, "covers about 2% of the output"),
        (10.0, True, "covers next to nothing (less than 1%) of the output"),
    ],
)
def test_a_source_that_is_hardly_there_is_told_before_the_run(
    write_raster, tmp_path: Path, left: float, nodata: bool, words: str
) -> None:
    coarse = np.random.default_rng(0).gamma(2.0, 5.0, (8, 8)).astype(np.float32)
    height = np.random.default_rng(1).random((32, 32)).astype(np.float32) * 1000
    if nodata:
        height[:] = -9999
    target = write_raster("t.tif", coarse, 2.0, 10.0, 50.0, units="mm")
    elevation = write_raster("e.tif", height, 0.5, left, 50.0 if nodata else 36.0, nodata=-9999, units="m")
    request = SuperResolveRequest("elevationregression", RasterRef(target), str(tmp_path / "o.tif"), factor=4)
    listener = Listener()
    result = super_resolve(replace(request, sources={"elevation": RasterRef(elevation)}), listener)
    line = next(i for i, text in enumerate(listener.told) if words in text)
    assert line < listener.told.index("Super-resolving")
    assert sum(words in text for text in listener.told) == 1 and any(words in w for w in result.warnings)


def test_an_output_that_lies_mostly_beside_the_target_is_told(write_raster, tmp_path: Path) -> None:
    coarse = np.random.default_rng(0).gamma(2.0, 5.0, (8, 8)).astype(np.float32)
    target = write_raster("t.tif", coarse, 2.0, 10.0, 50.0, units="mm")
    grid = GridRequest(extent=(24.0, 20.0, 60.0, 50.0))
    request = SuperResolveRequest("bilinear", RasterRef(target), str(tmp_path / "o.tif"), factor=2, grid=grid)
    with prepare(request) as plan:
        assert [line[:27] for line in plan.warnings] == ["target covers about 4% of t"]


def test_every_read_of_a_run_listens(write_raster, tmp_path: Path) -> None:
    coarse = np.random.default_rng(0).gamma(2.0, 5.0, (8, 8)).astype(np.float32)
    target = write_raster("t.tif", coarse, 2.0, 10.0, 50.0, units="mm")
    request = SuperResolveRequest("bilinear", RasterRef(target), str(tmp_path / "o.tif"), factor=2)
    calls: list[int] = []
    with prepare(request, lambda: calls.append(1)) as plan:
        before = len(calls)
        plan.inputs.target.read(plan.grids.coarse, [1], plan.inputs.target.resampling(plan.grids.coarse))
        assert len(calls) > before
        plan.inputs.stop()
        with pytest.raises(Cancelled):
            plan.inputs.target.read(plan.grids.coarse, [1], plan.inputs.target.resampling(plan.grids.coarse))


@pytest.mark.parametrize("grid", [None, GridRequest(extent=(10.7, 34.0, 26.0, 50.0), resolution=(0.7, 0.7))])
def test_no_read_of_a_run_is_deaf(
    write_raster, tmp_path: Path, monkeypatch, grid: GridRequest | None
) -> None:
    """Not the look for zeros in target and climatology, nor the comparison with the original raster."""
    target = write_raster("t.tif", np.full((8, 8), 5, np.float32), 2.0, 10.0, 50.0)
    wet = np.random.default_rng(0).gamma(2.0, 5.0, (12, 32, 32)).astype(np.float32)
    climatology = write_raster("c.tif", wet, 0.5, 10.0, 50.0)
    request = SuperResolveRequest("climatologyratio", RasterRef(target), str(tmp_path / "o.tif"), factor=2)
    request = replace(request, sources={"climatology": RasterRef(climatology)}, date="2020-11", grid=grid)
    deaf: list[str] = []
    heard: set[str] = set()
    values = Raster.values

    def noted(raster: Raster, *given: object) -> np.ndarray:
        (deaf.append if raster.check is go_on else heard.add)(raster.label)
        return values(raster, *given)  # type: ignore[arg-type]  # as they were given

    monkeypatch.setattr(Raster, "values", noted)
    super_resolve(request, Silent())
    assert deaf == []
    assert heard == {"target", "climatology"} | ({"output"} if grid else set())


def test_half_of_the_output_is_too_little() -> None:
    (line,) = doubts("dem", EarlyLook(0.5), None)
    assert line.startswith("dem covers about 50% of the output")
    assert not doubts("dem", EarlyLook(0.51), None)
