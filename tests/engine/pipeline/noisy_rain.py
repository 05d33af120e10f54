"""A model of random weights that draws members, and what a run of it writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
import torch

from engine.features.network_inputs import network_channels
from engine.nets.downscaler import Downscaler
from engine.nets.spec import NetworkSpec
from engine.package.folder import write_package
from engine.pipeline.request import SuperResolveRequest
from engine.specs import SourceSpec, TargetSpec

FACTOR, MEMBERS = 4, 6
TARGET = {
    "name": "rain",
    "units": "mm",
    "transform": "log1p",
    "bounds": [0.0, None],
    "conservation": "multiplicative",
    "mean": 3.0,
    "std": 1.2,
}
SOURCES = [{"name": "elevation", "units": "m", "grid": "fine"}]


def package(folder: Path, identity: str, noise: int) -> Path:
    """Write a package with random weights, ×4."""
    sources = tuple(SourceSpec(**source) for source in SOURCES)
    coarse, fine = network_channels(sources)
    network = NetworkSpec(FACTOR, coarse, fine, widths=(8, 8, 4), noise=noise)
    module = Downscaler(TargetSpec(**{**TARGET, "bounds": (0.0, None)}), sources, network)
    drawn = torch.Generator().manual_seed(5)
    weights = {
        name: torch.randn(value.shape, generator=drawn) * (0.6 / max(1, value[0].numel()) ** 0.5)
        for name, value in module.generator.state_dict().items()
    }
    card = {
        "msr_card": 1,
        "id": identity,
        "name": "Noisy rain",
        "version": "0.0.1",
        "description": "Random weights, for tests.",
        "factor": FACTOR,
        "resolution": {"coarse": 2.0, "fine": 0.5, "units": "degree"},
        "target": TARGET,
        "sources": SOURCES,
        "network": network.to_json(),
        "training": {"data": "none", "simulated": True, "period": "none", "split": "none"},
        "metrics": {},
        "licence": "GPL-2.0-or-later",
    }
    return write_package(folder / identity, card, weights).folder


def read_all(request: SuperResolveRequest) -> dict[str, np.ndarray]:
    """Return every file of a request as (bands, rows, columns), NaN where there is no value."""
    found = {}
    for key, path in {"mean": request.output, **request.ensemble.files}.items():
        with rasterio.open(path) as file:
            found[key] = file.read(masked=True).filled(np.nan)
    return found
