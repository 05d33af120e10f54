"""A small archive with known values, and configurations that train in seconds."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine

from training.data.archive import Archive, ArchiveSource, block_mean

FACTOR = 2


def make_archive(seed: int = 0, height: int = 12, width: int = 20, wrap: bool = True) -> Archive:
    """Twelve months of a smooth seasonal field that follows elevation, on a small globe."""
    rng = np.random.default_rng(seed)
    elevation = rng.gamma(1.0, 400.0, (height * FACTOR, width * FACTOR)).astype(np.float32)
    months = np.arange(1, 13)
    season = 1 + 0.5 * np.cos(2 * np.pi * (months - 7) / 12)
    noise = rng.uniform(0.9, 1.1, (12, height * FACTOR, width * FACTOR))
    fine = (season[:, None, None] * (20 + elevation / 20) * noise).astype(np.float32)
    temperature = rng.normal(10, 5, (12, 1, height, width)).astype(np.float32)
    aspect = rng.uniform(0, 2 * np.pi, elevation.shape)
    return Archive(
        name="small",
        title="A small archive",
        citation="none",
        simulated=True,
        factor=FACTOR,
        target_name="rain",
        target_title="Rain",
        units="mm/month",
        weights="count",
        months=months,
        days=np.arange(15, 366, 30)[:12],
        dates=tuple(f"--{m:02d}" for m in months),
        period="twelve months",
        coarse=block_mean(fine, FACTOR),
        fine=fine,
        transform=Affine(360 / width, 0, -180, 0, -10, 60),
        crs="EPSG:4326",
        wrap=wrap,
        cell_size=np.full((2, height * FACTOR), 25000, dtype=np.float32),
        sources={
            "temperature": ArchiveSource(
                "temperature", "degC", "coarse", "Temperature", dynamic=True, values=temperature
            ),
            "elevation": ArchiveSource("elevation", "m", "fine", "Elevation", values=elevation[None, None]),
            "aspect": ArchiveSource(
                "aspect",
                "degree",
                "fine",
                "Aspect",
                kind="angle",
                values=np.stack([np.sin(aspect), np.cos(aspect)])[None].astype(np.float32),
            ),
            "climatology": ArchiveSource(
                "climatology", "mm/month", "fine", "Climatology", kind="climatology"
            ),
        },
    )


@pytest.fixture
def archive() -> Archive:
    return make_archive()


@pytest.fixture(scope="session")
def make_small():
    """The maker of small archives, for fixtures that live long."""
    return make_archive


@pytest.fixture
def make():
    """The maker of small archives."""
    return make_archive


@pytest.fixture
def small(monkeypatch):
    """Make the small archive a data set that configurations can name."""
    from training.data.readers import READERS

    monkeypatch.setitem(READERS, "small", lambda factor: make_archive())


@pytest.fixture
def settings() -> dict:
    """A configuration of the ITU-R data set that trains in a second or two."""
    return {
        "model": {
            "id": "tiny",
            "name": "Tiny rain model",
            "version": "1.0.0",
            "licence": "CC-BY-4.0",
            "citation": "none",
        },
        "data": {"name": "itur", "options": {"region": [-20, 0, 44, 64]}},
        "factor": 2,
        "target": {"transform": "log1p", "bounds": [0, None], "conservation": "multiplicative"},
        "sources": [
            {"name": "temperature"},
            {"name": "elevation", "derived": ["slope", "aspect", "land"]},
            {"name": "climatology", "dropout": 0.2},
        ],
        "split": {"kind": "temporal", "train": [1, 2, 3, 4, 5, 6, 7, 8, 9], "test": [10, 11, 12]},
        "network": {"widths": [8, 8], "boxes": [1, 0]},
        "base": "default",
        "losses": {"adversarial": {"start": 4, "width": 4, "weight": 0.01}},
        "optimiser": {"rate": 0.005, "warmup_steps": 2},
        "sampling": {"size": 12, "batch": 2},
        "validation": {"every": 6, "held_out": [5]},
        "steps": 12,
        "checkpoint_every": 3,
        "precision": "float32",
        "layout": "contiguous",
        "seed": 3,
    }
