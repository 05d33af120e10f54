"""Writes a small model package with random weights; run by the engine's Python.

python make_model.py FOLDER ID [NAME [NOISE | cascade | corrected]]; with channels of noise it can draw
members, and takes a climatology; a cascade makes two steps of ×2; a corrected one first adds 3 mm to the
coarse values.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from engine.features.network_inputs import network_channels
from engine.nets.downscaler import Downscaler
from engine.nets.spec import NetworkSpec
from engine.package.folder import write_package
from engine.specs import SourceSpec, TargetSpec

TARGET = {
    "name": "rain",
    "title": "Rainfall",
    "units": "mm",
    "transform": "log1p",
    "bounds": [0, None],
    "conservation": "multiplicative",
    "mean": 1.0,
    "std": 1.0,
    "range": [0, 80],
}
SOURCES = [
    {
        "name": "temperature",
        "title": "Air temperature",
        "units": "degC",
        "grid": "coarse",
        "dynamic": True,
        "optional": True,
        "normalisation": {"temperature": {"mean": 10.0, "std": 10.0}},
        "range": [-40, 45],
    },
    {
        "name": "elevation",
        "title": "Elevation",
        "units": "m",
        "grid": "fine",
        "optional": False,
        "normalisation": {"elevation": {"mean": 500.0, "std": 700.0}},
        "range": [-100, 6000],
    },
]
CLIMATOLOGY = {
    "name": "climate",
    "title": "Rainfall climatology",
    "units": "mm",
    "grid": "fine",
    "kind": "climatology",
    "optional": True,
}


BIAS = {
    **{"method": "mean", "kind": "additive", "group": "all", "groups": [0], "months": list(range(1, 13))},
    "grid": {"crs": "EPSG:4326", "transform": [1, 0, 0, 0, -1, 50], "shape": [10, 12]},
}
ADDED = {
    "quantiles": torch.tensor([0.5]),
    "source": torch.zeros(1, 1, 10, 12),
    "factors": torch.full((1, 1, 10, 12), 3.0),
}
CASCADE = {"steps": [2, 2], "assumption": "Rain follows the terrain alike at every scale."}


def main(folder: Path, identity: str, name: str, kind: str) -> None:
    torch.manual_seed(1)
    cascade, noise = kind == "cascade", int(kind) if kind.isdigit() else 0
    entries = [*SOURCES, CLIMATOLOGY] if noise else SOURCES
    sources = [SourceSpec(**source) for source in entries]
    coarse, fine = network_channels(sources)
    factor, widths = (2, (8, 4)) if cascade else (4, (8, 8, 4))
    spec = NetworkSpec(factor, coarse, fine, widths=widths, noise=noise)
    network = Downscaler(TargetSpec(**{**TARGET, "bounds": (0, None), "range": (0, 80)}), sources, spec)
    for parameter in network.parameters():  # a fresh generator's residual is zero
        torch.nn.init.normal_(parameter, std=0.15)
    card = {
        "msr_card": 1,
        "id": identity,
        "name": name,
        "version": "1.0.0",
        "description": "A test's model with random weights.",
        "factor": 4,
        "resolution": {"coarse": 1.0, "fine": 0.25, "units": "degree"},
        "target": TARGET,
        "sources": entries,
        "network": spec.to_json(),
        "training": {"data": "none", "simulated": True, "period": None, "split": None},
        "metrics": {"model": {"rmse": 1.5, "mae": 0.5}, "bilinear": {"rmse": 2.5, "mae": None}},
        "licence": "CC0-1.0",
        **({"cascade": CASCADE} if cascade else {}),
        **({"bias": BIAS} if kind == "corrected" else {}),
    }
    bias = ADDED if kind == "corrected" else None
    write_package(folder / identity, card, network.generator.state_dict(), bias=bias)


words = [*sys.argv[3:], *("Rain with elevation", "0")[len(sys.argv) - 3 :]]
main(Path(sys.argv[1]), sys.argv[2], words[0], words[1])
