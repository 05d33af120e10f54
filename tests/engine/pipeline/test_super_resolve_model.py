"""The pipeline with a model package: sources on their grids, defaults, dates, ranges, tiles."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

from engine.errors import Cancelled, InputError, PackageError
from engine.features.derived import DERIVED
from engine.features.network_inputs import network_channels
from engine.feedback import Silent
from engine.models.model import build
from engine.nets.spec import NetworkSpec, stage_factors
from engine.package.folder import write_package
from engine.pipeline.method_choice import ModelCache
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reference import GridRequest, RasterRef
from engine.specs import SourceSpec, TargetSpec

FACTOR = 6
MONTHS = [f"--{m:02d}" for m in range(1, 10)]
SOURCES = [
    {
        "name": "temperature",
        "units": "degC",
        "grid": "coarse",
        "dynamic": True,
        "normalisation": {"value": {"mean": 10.0, "std": 8.0}},
        "range": [-20.0, 30.0],
    },
    {
        "name": "elevation",
        "units": "m",
        "grid": "fine",
        "optional": False,
        "derived": ["slope", "aspect", "land"],
        "normalisation": {"value": {"mean": 300.0, "std": 300.0}},
    },
    {
        "name": "cover",
        "units": "",
        "grid": "fine",
        "kind": "class",
        "classes": [1, 2],
    },
    {"name": "wind", "units": "degree", "grid": "fine", "kind": "angle"},
    {"name": "climatology", "units": "mm/month", "grid": "fine", "kind": "climatology"},
]


@pytest.fixture()
def model(tmp_path: Path, write_raster) -> Path:
    """A package of random weights, ×6, with a default elevation."""
    specs = tuple(
        SourceSpec(**{k: tuple(v) if isinstance(v, list) else v for k, v in s.items()}) for s in SOURCES
    )
    coarse, fine = network_channels(specs)
    network = NetworkSpec(FACTOR, coarse, fine, widths=(8,) * len(stage_factors(FACTOR)) + (4,)).to_json()
    target = {
        "name": "rain",
        "units": "mm/month",
        "transform": "log1p",
        "bounds": [0.0, None],
        "conservation": "multiplicative",
        "mean": 3.0,
        "std": 1.2,
        "range": [0.0, 300.0],
    }
    card = {
        "msr_card": 1,
        "id": "tinyrain",
        "name": "Tiny rain",
        "version": "0.0.1",
        "description": "Random weights, for tests.",
        "factor": FACTOR,
        "resolution": {"coarse": 3.0, "fine": 0.5, "units": "degree"},
        "target": target,
        "sources": SOURCES,
        "network": network,
        "training": {"data": "none", "simulated": True, "period": "none", "split": "none"},
        "metrics": {},
        "licence": "GPL-2.0-or-later",
    }
    from engine.package.card import Card

    drawn = torch.Generator().manual_seed(5)
    module = build(
        Card(
            "tinyrain",
            "",
            "",
            FACTOR,
            TargetSpec(**{**target, "bounds": (0.0, None)}),
            specs,
            network,
            {},
            True,
            {},
        )
    )
    weights = {
        name: torch.randn(value.shape, generator=drawn) * (0.6 / max(1, value[0].numel()) ** 0.5)
        for name, value in module.generator.state_dict().items()
    }
    shipped = write_raster("shipped.tif", fields("elevation"), 0.5, 0, 60, units="m")
    return write_package(tmp_path / "tinyrain", card, weights, {"elevation": Path(shipped)}).folder


def fields(name: str) -> np.ndarray:
    """Smooth made-up fields on 0.5° cells, 60 × 96 of them (coarse ones are 3°)."""
    y, x = np.mgrid[0:60, 0:96]
    rng = np.random.default_rng(len(name))
    if name == "elevation":
        return (400 + 300 * np.sin(x / 7) * np.cos(y / 5) + 20 * rng.random(x.shape)).astype(np.float32)
    if name == "cover":
        return (1 + (x // 4 + y // 3) % 2).astype(np.uint8)
    if name == "wind":
        return ((x * 9 + y * 4) % 360).astype(np.float32)
    base = 60 + 50 * np.sin(x / 9) * np.cos(y / 6) + 5 * rng.random(x.shape)
    return np.stack([base * (1 + 0.4 * np.sin(m / 2)) for m in range(9)]).astype(np.float32)


@pytest.fixture()
def request_(model: Path, write_raster, tmp_path: Path) -> SuperResolveRequest:
    """The model with all its sources, each on a grid of its own."""
    rng = np.random.default_rng(1)
    rain = rng.gamma(2.0, 30, (10, 16)).astype(np.float32)
    rain[3, 4] = np.nan
    kelvin = (280 + 8 * rng.random((13, 21))).astype(np.float32)
    return SuperResolveRequest(
        model=str(model),
        target=RasterRef(write_raster("rain.tif", rain, 3.0, 0, 60, units="mm", dates=["2001-03"])),
        output=str(tmp_path / "out.tif"),
        sources={
            "temperature": RasterRef(write_raster("t.tif", kelvin, 2.5, -1, 61, units="K", dates=["--03"])),
            "cover": RasterRef(write_raster("cover.tif", fields("cover"), 0.5, 0, 60)),
            "wind": RasterRef(write_raster("wind.tif", fields("wind"), 0.5, 0, 60)),
            "climatology": RasterRef(write_raster("c.tif", fields("climatology"), 0.5, 0, 60, dates=MONTHS)),
        },
        precision="float32",
    )


def read(path: str) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1, masked=True).filled(np.nan)


def test_tiled_equals_untiled_with_every_source(request_: SuperResolveRequest) -> None:
    whole = super_resolve(replace(request_, tile=50), Silent())
    one = read(request_.output)
    tiled = super_resolve(replace(request_, tile=3), Silent())
    two = read(request_.output)
    assert (whole.tiles, tiled.tiles) == (1, 24)
    np.testing.assert_array_equal(np.isnan(one), np.isnan(two))
    assert np.nanmax(np.abs(one - two)) <= 1e-4 * (np.nanmax(one) - np.nanmin(one))
    assert np.isnan(one[18:24, 24:30]).all() and np.isnan(one).sum() == 36
    assert whole.residual < 1e-3 and whole.covered == pytest.approx(159 / 160)


def test_bfloat16_is_named_in_the_provenance_and_tiles_agree_within_a_hundredth(
    request_: SuperResolveRequest,
) -> None:
    rough = replace(request_, precision="bfloat16")
    super_resolve(replace(rough, tile=50), Silent())
    one = read(request_.output)
    with rasterio.open(request_.output) as file:
        assert file.tags()["MSR_PRECISION"] == "bfloat16" and "simulated" in file.tags()["MSR_TRAINING_DATA"]
    result = super_resolve(replace(rough, tile=3), Silent())
    assert result.precision == "bfloat16" and result.residual < 1e-3
    two = read(request_.output)
    assert np.nanmax(np.abs(one - two)) <= 0.01 * (np.nanmax(one) - np.nanmin(one))


def test_sources_matter_and_may_lack(request_: SuperResolveRequest) -> None:
    super_resolve(request_, Silent())
    full = read(request_.output)
    for name in request_.sources:
        fewer = {n: r for n, r in request_.sources.items() if n != name}
        super_resolve(replace(request_, sources=fewer), Silent())
        assert np.nanmax(np.abs(read(request_.output) - full)) > 1e-3, name


def test_the_shipped_elevation_serves_until_one_is_given(request_: SuperResolveRequest, write_raster) -> None:
    result = super_resolve(request_, Silent())
    report = {s.name: s for s in result.sources}
    assert "shipped with the model" in report["elevation"].path and report["elevation"].covered == 1.0
    own = write_raster("own.tif", fields("elevation")[:, :48], 0.5, 0, 60)
    sources = {**request_.sources, "elevation": RasterRef(own)}
    result = super_resolve(replace(request_, sources=sources), Silent())
    report = {s.name: s for s in result.sources}
    assert report["elevation"].path == own and report["elevation"].covered == 0.5
    assert "bilinear" not in report["elevation"].resampling
    assert "onto the coarse grid" in report["temperature"].resampling


def test_a_required_source_without_default_is_asked_for(request_: SuperResolveRequest, model: Path) -> None:
    import json

    card = json.loads((model / "card.json").read_text())
    del card["sources"][1]["default"]
    (model / "card.json").write_text(json.dumps(card))
    with pytest.raises(InputError, match="needs the source elevation"):
        super_resolve(request_, Silent())


def test_values_outside_the_training_range_are_counted(request_: SuperResolveRequest, write_raster) -> None:
    hot = np.full((20, 32), 20.0, np.float32)
    hot[:10] = 45.0
    sources = {**request_.sources, "temperature": RasterRef(write_raster("hot.tif", hot, 1.5, 0, 60))}
    feedback = Silent()
    result = super_resolve(replace(request_, sources=sources), feedback)
    report = {s.name: s for s in result.sources}
    assert report["temperature"].outside_range == pytest.approx(0.5) == result.outside_range
    assert any("temperature: 50.0% of the cells are outside" in line for line in feedback.warnings)


def test_dates_pick_the_bands(request_: SuperResolveRequest, write_raster) -> None:
    climatology = fields("climatology")
    for_march = super_resolve(request_, Silent())
    assert for_march.dates == ["2001-03"]
    march = read(request_.output)
    undated = write_raster(
        "undated.tif", np.nan_to_num(rasterio.open(request_.target.path).read(1)), 3.0, 0, 60
    )
    with pytest.raises(InputError, match="climatology has a band for each month: give the date"):
        super_resolve(replace(request_, target=RasterRef(undated)), Silent())
    with pytest.raises(InputError, match="temperature has no band for 2001-08"):
        super_resolve(replace(request_, target=RasterRef(undated), date="2001-08"), Silent())
    sources = {n: r for n, r in request_.sources.items() if n != "temperature"}
    super_resolve(replace(request_, sources=sources, target=RasterRef(undated), date="--08"), Silent())
    assert np.nanmax(np.abs(read(request_.output) - march)) > 1e-2
    odd = write_raster("odd.tif", climatology[:5], 0.5, 0, 60)
    with pytest.raises(InputError, match="climatology must have one band, 12, 365 or 366"):
        super_resolve(
            replace(request_, sources={**request_.sources, "climatology": RasterRef(odd)}), Silent()
        )


@pytest.fixture()
def three_months(request_: SuperResolveRequest, write_raster) -> SuperResolveRequest:
    """The run for three months, of which rain and temperature differ; some tiles have no rain at all."""
    months, rng = ["2001-03", "2001-04", "2001-05"], np.random.default_rng(2)
    rain = rng.gamma(2.0, 30, (3, 10, 16)).astype(np.float32)
    rain[0, :3, :3] = np.nan
    kelvin = (280 + 8 * rng.random((3, 13, 21))).astype(np.float32)
    warmth = write_raster("t3.tif", kelvin, 2.5, -1, 61, units="K", dates=months)
    return replace(
        request_,
        target=RasterRef(write_raster("rain3.tif", rain, 3.0, 0, 60, units="mm", dates=months)),
        sources={**request_.sources, "temperature": RasterRef(warmth)},
        tile=3,
    )


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_each_of_many_dates_is_what_it_is_alone(three_months: SuperResolveRequest, precision: str) -> None:
    run = replace(three_months, precision=precision)
    alone = []
    for month in ("2001-03", "2001-04", "2001-05"):
        super_resolve(replace(run, date=month), Silent())
        alone.append(read(run.output))
    super_resolve(replace(run, all_dates=True), Silent())
    with rasterio.open(run.output) as file:
        together = file.read(masked=True).filled(np.nan)
    np.testing.assert_array_equal(together, np.stack(alone))


def test_what_static_sources_give_is_made_once_for_a_tile(
    three_months: SuperResolveRequest, write_raster, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    slope = DERIVED["slope"]

    def counted(given):
        made.append(given)
        return slope.compute(given)

    monkeypatch.setitem(DERIVED, "slope", replace(slope, compute=counted))
    cache, run = ModelCache(), replace(three_months, all_dates=True)
    tiles = super_resolve(run, Silent(), cache).tiles // 3
    assert tiles == 24 and len(made) == tiles
    super_resolve(replace(three_months, date="2001-04"), Silent(), cache)
    assert len(made) == 2 * tiles
    # Another run of the same model sees its own ground, in the same tiles.
    own = write_raster("own.tif", fields("elevation")[::-1], 0.5, 0, 60)
    other = replace(run, sources={**run.sources, "elevation": RasterRef(own)})
    super_resolve(other, Silent(), cache)
    after = read(run.output)
    super_resolve(other, Silent())
    np.testing.assert_array_equal(after, read(run.output))


def test_a_grid_far_from_the_trained_resolution_warns(request_: SuperResolveRequest) -> None:
    feedback = Silent()
    grid = GridRequest(crs="EPSG:3035", resolution=10_000, extent=(3.2e6, 1.6e6, 3.8e6, 2.0e6))
    result = super_resolve(replace(request_, grid=grid), feedback)
    assert any("training had 334 km" in line for line in feedback.warnings)
    assert result.residual < 1e-3


def test_cancel_is_heard_inside_a_tile(request_: SuperResolveRequest) -> None:
    class Late(Silent):
        asked = 0

        def check_cancelled(self) -> None:
            self.asked += 1
            if self.asked > 8:
                raise Cancelled("stopped")

    feedback = Late()
    with pytest.raises(Cancelled):
        super_resolve(replace(request_, tile=50), feedback)
    assert not Path(request_.output).exists() and not list(Path(request_.output).parent.glob("*.part.tif"))


def test_the_cache_keeps_the_model(request_: SuperResolveRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    import engine.models.loading as model_module

    loads = []
    load = model_module.load_model
    monkeypatch.setattr(model_module, "load_model", lambda *a, **k: loads.append(1) or load(*a, **k))
    cache = ModelCache()
    for _ in range(3):
        super_resolve(request_, Silent(), cache)
    assert len(loads) == 1


def test_a_virtual_raster_in_a_package_is_refused_and_not_followed(
    request_: SuperResolveRequest, model: Path
) -> None:
    from engine.commands.jobs import State, run_job

    place = model / "elevation.tif"
    secret = place.rename(model.parent / "secret.tif")
    with rasterio.open(secret) as file:
        size = f'rasterXSize="{file.width}" rasterYSize="{file.height}"'
        transform, crs = ", ".join(map(str, file.transform.to_gdal())), file.crs.to_string()
    place.write_text(
        f"<VRTDataset {size}><SRS>{crs}</SRS><GeoTransform>{transform}</GeoTransform>"
        f'<VRTRasterBand dataType="Float32" band="1"><SimpleSource><SourceFilename>{secret}</SourceFilename>'
        f"<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>",
        encoding="utf-8",
    )
    card = json.loads((model / "card.json").read_text(encoding="utf-8"))
    for source in card["sources"]:
        if source.get("default"):
            source["default"]["sha256"] = hashlib.sha256(place.read_bytes()).hexdigest()
            source["default"].pop("bytes", None)
    (model / "card.json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(PackageError, match=r"^elevation: .*elevation.tif of the model package is no GeoTIFF"):
        super_resolve(request_, Silent())
    with pytest.raises(PackageError, match="is no GeoTIFF"):
        run_job("check_package", {"folder": str(model)}, Silent(), State())
    assert not Path(request_.output).exists()


def test_no_file_of_the_model_is_replaced(request_: SuperResolveRequest, model: Path, tmp_path: Path) -> None:
    before = (model / "elevation.tif").read_bytes()
    (tmp_path / "link.tif").symlink_to(model / "elevation.tif")
    (tmp_path / "weights.tif").hardlink_to(model / "weights.safetensors")
    for output in (model / "elevation.tif", tmp_path / "link.tif", tmp_path / "weights.tif"):
        with pytest.raises(InputError, match=rf"{output.name} (would replace|is also)"):
            super_resolve(replace(request_, output=str(output)), Silent())
    assert (model / "elevation.tif").read_bytes() == before and (tmp_path / "link.tif").is_symlink()
    assert super_resolve(replace(request_, output=str(model / "new.tif")), Silent()).covered > 0
