"""A package whose base is a regression of random coefficients on a few coarse cells, beside interpolation."""

from __future__ import annotations

from pathlib import Path

import torch
from affine import Affine
from rasterio.crs import CRS

from engine.disaggregation.cell_regression import CellRegression
from engine.disaggregation.cell_relation import CellRelation
from engine.features.network_inputs import network_channels
from engine.models.model import build
from engine.models.regression_file import card_entry, file_tensors
from engine.nets.spec import NetworkSpec
from engine.package.card import Card
from engine.package.folder import write_package
from engine.raster.georeference import Georeference
from engine.specs import TargetSpec

K = 2
PLACE = Georeference(CRS.from_epsg(3035), Affine(5000.0, 0, 4e6, 0, -5000.0, 3e6), 4, 3)


def fitted(weights: bool = True) -> CellRegression:
    torch.manual_seed(3)
    relation = CellRelation(
        torch.randn(3, 4, 9), torch.randn(3, 4, 4), torch.randn(3, 4, 9, 4) if weights else None
    )
    known = torch.ones(3, 4, dtype=torch.bool)
    known[1, 2] = False
    return CellRegression(relation, known, 1, False, PLACE)


def package_with(folder: Path, regression: CellRegression) -> Path:
    coarse, fine = network_channels(())
    target = {"name": "t", "units": "K", "transform": "identity", "conservation": "additive"}
    card = {
        "msr_card": 1,
        "id": "tiny",
        "name": "Tiny",
        "version": "0.0.1",
        "description": "none",
        "factor": K,
        "resolution": {"coarse": 5000.0, "fine": 2500.0, "units": "metre"},
        "target": target,
        "sources": [],
        "network": NetworkSpec(K, coarse, fine, widths=(8, 4)).to_json(),
        "base": {"weights": {"neighbourhood": 0.75, "bilinear": 0.25}, "regression": card_entry(regression)},
        "training": {"data": "none", "simulated": True, "period": "none", "split": "none"},
        "metrics": {},
        "licence": "none",
    }
    made = Card("tiny", "Tiny", "0", K, TargetSpec(**target), (), card["network"], {}, False, card)
    weights = build(made).generator.state_dict()
    return write_package(folder, card, weights, regression=file_tensors(regression)).folder
