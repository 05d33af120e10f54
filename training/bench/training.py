"""How much of a training step is waiting for data: for the rain maps, and for a store read from disk."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import yaml
from affine import Affine
from scipy import ndimage

from engine.compute.prefetch import Prefetcher
from engine.files.root import ROOT
from training.data.readers import load_archive
from training.data.split import split_archive
from training.preparation.prepare import prepare
from training.schema.config import load_config, parse_config
from training.trainer.trainer import Trainer

RAIN = ROOT / "training" / "configs" / "rain_itur.yaml"
FACTOR, ROWS, COLUMNS, DAYS = 8, 24, 48, 120  # of the store


def make_store(folder: Path) -> Path:
    """Make a store of made-up daily rain that follows elevation; returns its path."""
    rng = np.random.default_rng(0)
    shape = (ROWS * FACTOR, COLUMNS * FACTOR)
    height = ndimage.gaussian_filter(rng.normal(0, 1, shape), 6)
    elevation = (height - height.min()) / np.ptp(height) * 2000
    weather = ndimage.gaussian_filter(rng.gamma(0.5, 40, (DAYS, *shape)), (1, 12, 12))
    temperature = 15 + ndimage.gaussian_filter(rng.normal(0, 20, (DAYS, ROWS, COLUMNS)), (2, 3, 3))
    dates = [str(np.datetime64("2001-01-01") + day) for day in range(DAYS)]
    fine = Affine(1000, 0, 4_000_000, 0, -1000, 2_800_000)
    for name, bands, transform, days in (
        ("rain", weather * (0.5 + elevation / 2000), fine, dates),
        ("elevation", elevation[None], fine, ()),
        ("temperature", temperature, fine * Affine.scale(FACTOR), dates),
    ):
        size = {"count": bands.shape[0], "height": bands.shape[1], "width": bands.shape[2]}
        with rasterio.open(
            folder / f"{name}.tif",
            "w",
            "GTiff",
            **size,
            dtype="float32",
            crs="EPSG:3035",
            transform=transform,
        ) as file:
            file.write(bands.astype(np.float32))
            for band, date in enumerate(days, 1):
                file.update_tags(band, DATE=date)
    description = {
        "name": "bench",
        "title": "Made-up rain",
        "citation": "none",
        "licence": "CC0-1.0",
        "simulated": True,
        "factor": FACTOR,
        "target": {"name": "rain", "units": "mm", "fine": {"files": "rain.tif", "file_units": "mm"}},
        "sources": [
            {"name": "elevation", "units": "m", "grid": "fine", "files": "elevation.tif"},
            {"name": "temperature", "grid": "coarse", "dynamic": True, "files": "temperature.tif"},
        ],
    }
    (folder / "bench.yaml").write_text(yaml.safe_dump(description), encoding="utf-8")
    return prepare(folder / "bench.yaml", folder / "bench.zarr").store


def store_settings(store: Path) -> dict[str, Any]:
    """Return a configuration over the store, read where it is looked at, with the rain model's network."""
    rain = yaml.safe_load(RAIN.read_text(encoding="utf-8"))
    return {
        **rain,
        "data": {"name": "store", "options": {"path": str(store), "memory_gib": 0}},
        "sources": [{"name": "temperature"}, {"name": "elevation", "derived": ["slope", "aspect"]}],
        "split": {
            "kind": "period",
            "train": [["2001-01-01", "2001-03-31"]],
            "test": [["2001-04-01", "2001-04-30"]],
        },
        "sampling": {"size": 16, "batch": 4},
        "validation": {"every": 1000, "where": "training"},
    }


def loading(settings: Mapping[str, Any], folder: Path, steps: int, kept: bool = True) -> dict[str, float]:
    """Measure steps of a training; returns seconds and shares.

    Args:
        settings: of the training.
        folder: for the run.
        steps: how many.
        kept: with the inputs kept that earlier steps have made, in memory or in a file; else each step makes
            its own.

    Returns:
        `step`: seconds of a step; `making`: those that making its batch takes; `waiting`: those that
        the step waits for it, as it is made ahead; `share`: waiting over step.
    """
    config = parse_config(dict(settings))
    archive = load_archive(config)
    trainer = Trainer(config, archive, split_archive(config, archive), folder)
    trainer.measure_plan()
    if kept:
        for step in range(steps):
            trainer.batch(step)
    else:
        trainer.whole_fields = False
    start = time.perf_counter()
    for step in range(steps):
        trainer.batch(step)
    making = (time.perf_counter() - start) / steps
    with Prefetcher(trainer.batch, steps) as trainer.take:
        trainer.step()  # the first one has nothing made ahead
        trainer.take.waited = 0.0
        start = time.perf_counter()
        for _ in range(steps - 1):
            trainer.step()
        taken = (time.perf_counter() - start) / (steps - 1)
        waiting = trainer.take.waited / (steps - 1)
    return {"step": taken, "making": making, "waiting": waiting, "share": waiting / taken}


def loading_shares(folder: Path, steps: int) -> dict[str, dict[str, float]]:
    """Measure the rain maps in memory and a store on disk, its inputs kept and not."""
    rain = load_config(RAIN).model_dump(mode="json")
    store = store_settings(make_store(folder))
    return {
        "rain maps": loading(rain, folder, steps),
        "store on disk": loading(store, folder, steps),
        "store, nothing kept": loading(store, folder, steps, kept=False),
    }
