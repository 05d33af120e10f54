"""Fine truth and an independent coarse product that differs from it: conservation that gives way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml
from affine import Affine

from engine.feedback import Silent
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reference import RasterRef
from training.cascade.train import train
from training.data.archive import block_mean
from training.data.readers import load_archive
from training.preparation.prepare import prepare
from training.schema.config import parse_config

K, H, W = 2, 8, 10
BIAS = 1.5  # the coarse sensor reads too warm
DATES = tuple(f"{year}-{month:02d}" for year in (2001, 2002) for month in range(1, 13))


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("independent")
    rng = np.random.default_rng(1)
    height = rng.gamma(2.0, 200.0, (H * K, W * K))
    season = 10 - 9 * np.cos(2 * np.pi * np.arange(24) / 12)
    fine = (season[:, None, None] - 0.0065 * height).astype(np.float32)
    coarse = block_mean(fine, K) + BIAS + rng.normal(0, 0.1, (24, H, W)).astype(np.float32)
    transform = Affine(1000, 0, 4_000_000, 0, -1000, 2_800_000)
    profile = {"driver": "GTiff", "dtype": "float32", "crs": "EPSG:3035", "nodata": np.nan}
    for name, bands, scale in (("fine", fine, 1), ("coarse", coarse, K), ("elevation", height[None], 1)):
        size = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2]}
        with rasterio.open(
            folder / f"{name}.tif", "w", **profile, **size, transform=transform * Affine.scale(scale)
        ) as file:
            file.write(bands.astype(np.float32))
            for band, date in enumerate(DATES[: len(bands)] if len(bands) > 1 else (), 1):
                file.update_tags(band, DATE=date)
    files = {name: {"files": f"{name}.tif", "file_units": "degC"} for name in ("fine", "coarse")}
    elevation = {"name": "elevation", "units": "m", "grid": "fine", "files": "elevation.tif"}
    described = {"name": "two", "title": "Two sensors", "citation": "none", "licence": "CC0-1.0"}
    described |= {"simulated": True, "factor": K, "sources": [elevation]}
    described |= {"target": {"name": "warmth", "units": "degC", **files}}
    (folder / "two.yaml").write_text(yaml.safe_dump(described), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.preparation.prepare.write_summary", lambda *_: None)
        prepare(folder / "two.yaml", folder / "two.zarr")
    return folder


def settings(folder: Path, strength: float, weight: float) -> dict:
    return {
        "model": {"id": "two", "name": "Two", "version": "1.0.0", "licence": "CC0-1.0", "citation": "none"},
        "data": {"name": "store", "options": {"path": str(folder / "two.zarr")}},
        "factor": K,
        "target": {"strength": strength},
        "sources": [{"name": "elevation", "derived": ["anomaly"]}],
        "split": {"kind": "period", "train": [["2001", "2001"]], "test": [["2002", "2002"]]},
        "network": {"widths": [4, 4], "boxes": [0, 0], "attention": False, "inception": False},
        "losses": {"adversarial": None, "conservation": {"weight": weight}},
        "optimiser": {"rate": 0.03, "warmup_steps": 2, "ema": 0.9, "weight_decay": 0.0},
        "sampling": {"size": 8, "batch": 4, "without_sources": 0.0},
        "validation": {"every": 60},
        "steps": 60,
        "precision": "float32",
        "layout": "contiguous",
    }


def test_the_coarse_product_is_kept_apart_from_the_truth(store):
    archive = load_archive(parse_config(settings(store, 0.5, 0.0)))
    gap = archive.coarse - block_mean(archive.fine, K)
    assert abs(float(gap.mean()) - BIAS) < 0.05 and float(gap.std()) > 0.05


def test_soft_conservation_learns_the_bias_and_runs_end_to_end(store, tmp_path):
    """Held to its coarse cells a result keeps the sensor's bias; one that may give way loses it."""
    errors, residuals = {}, {}
    for name, strength, weight in (("hard", 1.0, 0.0), ("half", 0.5, 0.0), ("penalty", 0.0, 0.05)):
        config = parse_config(settings(store, strength, weight))
        package = train(config, tmp_path / name, quiet=True)
        assert package.card.target.strength == strength
        errors[name] = package.card.raw["metrics"]["two"]["rmse"]
        request = SuperResolveRequest(
            model=str(package.folder),
            target=RasterRef(str(store / "coarse.tif"), band=18),
            sources={"elevation": RasterRef(str(store / "elevation.tif"))},
            output=str(tmp_path / f"{name}.tif"),
        )
        residuals[name] = super_resolve(request, Silent()).residual
    assert residuals["hard"] < 1e-3
    assert 0.3 < residuals["half"] < residuals["penalty"]
    assert errors["hard"] > 0.9 * BIAS, "the bias stays"
    assert errors["half"] < 0.75 * errors["hard"]
    assert errors["penalty"] < 0.5 * errors["hard"]
