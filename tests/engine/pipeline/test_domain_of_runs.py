"""Runs with a domain: a mask of the user's, the model's own, or where a source has data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

from engine.errors import InputError
from engine.features.network_inputs import network_channels
from engine.feedback import Silent
from engine.models.model import build
from engine.nets.spec import NetworkSpec, stage_factors
from engine.package.card import Card
from engine.package.folder import load_package, write_package
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reference import RasterRef
from engine.specs import SourceSpec, TargetSpec
from tests.engine.pipeline.rough_ground import ROWS as ROUGH
from tests.engine.pipeline.rough_ground import ground

K = 4
ROWS, COLUMNS = 8, 10


def read(path: str) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1, masked=True).filled(np.nan)


def mask(seed: int = 2) -> np.ndarray:
    """Ragged, without any cell of the coarse cell in row 1 and column 2."""
    inside = np.random.default_rng(seed).random((ROWS * K, COLUMNS * K)) > 0.4
    inside[K : 2 * K, 2 * K : 3 * K] = False
    return inside.astype(np.uint8)


def assert_over(inside: np.ndarray, fine: np.ndarray, coarse: np.ndarray) -> None:
    np.testing.assert_array_equal(np.isfinite(fine), inside > 0)
    blocks = np.where(inside > 0, fine, np.nan).reshape(ROWS, K, COLUMNS, K).swapaxes(1, 2)
    there = np.isfinite(blocks).any((2, 3))
    assert there.sum() == ROWS * COLUMNS - 1
    np.testing.assert_allclose(np.nanmean(blocks[there], (1, 2)), coarse[there], rtol=2e-6)


@pytest.fixture()
def coarse() -> np.ndarray:
    return (20 + 15 * np.random.default_rng(1).random((ROWS, COLUMNS))).astype(np.float32)


@pytest.fixture()
def request_(write_raster, tmp_path: Path, coarse: np.ndarray) -> SuperResolveRequest:
    """A bicubic run of ×4 with a mask on its own fine grid."""
    target = write_raster("coarse.tif", coarse, 2.0, 10.0, 40.0, units="degC")
    own = write_raster("mask.tif", mask(), 0.5, 10.0, 40.0)
    output = str(tmp_path / "fine.tif")
    return SuperResolveRequest("bicubic", RasterRef(target), output, factor=K, domain=RasterRef(own))


@pytest.mark.parametrize("method", ("bicubic", "bicubicsmooth", "sharpen"))
def test_a_mask_leaves_cells_out_of_the_result_and_of_its_means(
    request_: SuperResolveRequest, write_raster, coarse: np.ndarray, method: str
) -> None:
    sources = {}
    if method == "sharpen":
        dem = np.random.default_rng(4).random((ROWS * K, COLUMNS * K)).astype(np.float32)
        sources["dem"] = RasterRef(write_raster("dem.tif", dem, 0.5, 10.0, 40.0))
    request = replace(request_, model=method, sources=sources)
    result = super_resolve(request, Silent())
    whole = read(request.output)
    assert_over(mask(), whole, coarse)
    assert result.residual < 1e-4 and result.covered == pytest.approx(mask().mean())
    with rasterio.open(request.output) as file:
        assert file.tags()["MSR_DOMAIN"] == request.domain.path
        assert json.loads(file.tags()["MSR_INPUTS"])["domain"]["path"] == request.domain.path
    report = next(s for s in result.sources if s.name == "domain")
    assert report.covered == pytest.approx(mask().mean()) and report.path == request.domain.path
    assert super_resolve(replace(request, tile=3), Silent()).tiles > 1
    np.testing.assert_allclose(read(request.output), whole, rtol=1e-5)


def test_what_sharpening_learns_knows_nothing_of_covariates_outside(
    request_: SuperResolveRequest, write_raster
) -> None:
    fields, dem = [], ground(K)
    inside = dem > np.quantile(dem, 0.3)
    truth = np.where(inside, 20 - 0.0065 * dem, np.nan).reshape(ROUGH, K, -1, K)
    count = np.isfinite(truth).sum((1, 3))
    coarse = np.where(count > 0, np.nansum(truth, (1, 3)) / np.maximum(count, 1), np.nan)
    place = {"resolution": 0.5, "left": 10.0, "top": 40.0}
    target = write_raster("of-land.tif", coarse.astype(np.float32), 2.0, 10.0, 40.0, units="degC")
    land = RasterRef(write_raster("land.tif", inside.astype(np.uint8), **place))
    request = replace(request_, model="sharpen", target=RasterRef(target), domain=land, quantity="signed")
    for sea in (0, 4000, np.nan):
        path = write_raster(f"dem{sea}.tif", np.where(inside, dem, sea).astype(np.float32), **place)
        result = super_resolve(replace(request, sources={"dem": RasterRef(path)}), Silent())
        assert result.sharpening["covariates"]["dem"]["carries"]
        fields.append(read(request.output))
    np.testing.assert_array_equal(np.isfinite(fields[0]), inside)
    np.testing.assert_array_equal(fields[0], fields[1])
    np.testing.assert_array_equal(fields[0], fields[2])


def test_a_finer_mask_counts_by_half_a_cell_and_nodata_is_outside(
    request_: SuperResolveRequest, write_raster, coarse: np.ndarray
) -> None:
    fine = mask().repeat(3, 0).repeat(3, 1).astype(np.int16) * 7
    fine[::3, ::3] = 7  # a ninth of each cell, which is not half of it
    fine[fine == 0] = -1
    path = write_raster("finer.tif", fine, 0.5 / 3, 10.0, 40.0, nodata=-1)
    super_resolve(replace(request_, domain=RasterRef(path)), Silent())
    assert_over(mask(), read(request_.output), coarse)


def test_what_cannot_be_a_mask_is_refused_before_the_run(request_: SuperResolveRequest, write_raster) -> None:
    ones = np.ones((20, 20), np.uint8)
    cases = {
        write_raster("far.tif", ones, 0.5, 100.0, 40.0): "domain: .*far.tif does not overlap the output",
        write_raster("none.tif", 0 * ones, 1.0, 10.0, 40.0): "domain: .*none.tif marks no cell of the output",
        write_raster("where.tif", ones, 1.0, 10.0, 40.0, crs=None): "domain: .*where.tif has no CRS",
    }
    for path, words in cases.items():
        with pytest.raises(InputError, match=words):
            super_resolve(replace(request_, domain=RasterRef(path)), Silent())
    with pytest.raises(InputError, match="domain: band 2 of"):
        super_resolve(replace(request_, domain=RasterRef(request_.domain.path, 2)), Silent())
    with pytest.raises(InputError, match="is also the input domain"):
        super_resolve(replace(request_, output=request_.domain.path), Silent())
    assert not Path(request_.output).exists()


def test_a_mask_that_leaves_nothing_out_is_told(request_: SuperResolveRequest, write_raster) -> None:
    path = write_raster("all.tif", np.full((8, 10), -9999, np.float32), 2.0, 10.0, 40.0)
    result = super_resolve(replace(request_, domain=RasterRef(path)), Silent())
    assert result.covered == 1
    assert any("marks every cell of the output" in line for line in result.warnings)
    assert not any("marks every" in line for line in super_resolve(request_, Silent()).warnings)


ELEVATION = {"name": "elevation", "units": "m", "grid": "fine", "optional": False}


@pytest.fixture()
def package(write_raster, tmp_path: Path):
    """Return a function that writes a package of random weights with a domain, and returns its folder."""

    def made(raster: str | None = None, **domain: str) -> str:
        specs = (SourceSpec(**ELEVATION),)
        inputs = network_channels(specs)
        network = NetworkSpec(K, *inputs, widths=(8,) * len(stage_factors(K)) + (4,)).to_json()
        target = {"name": "temperature", "units": "degC", "transform": "identity", "conservation": "additive"}
        card = {
            "msr_card": 1,
            "id": "tiny",
            "name": "Tiny",
            "version": "0.0.1",
            "description": "Random weights, for tests.",
            "factor": K,
            "resolution": {"coarse": 2.0, "fine": 0.5, "units": "degree"},
            "target": target,
            "sources": [ELEVATION],
            "network": network,
            "training": {"data": "none", "simulated": True, "period": "none", "split": "none"},
            "metrics": {},
            "licence": "GPL-2.0-or-later",
            **({"domain": domain} if domain else {}),
        }
        module = build(Card("tiny", "", "", K, TargetSpec(**target), specs, network, {}, False, {}))
        drawn = torch.Generator().manual_seed(5)
        weights = {
            name: 0.1 * torch.randn(value.shape, generator=drawn)
            for name, value in module.generator.state_dict().items()
        }
        mask_file = None if raster is None else Path(raster)
        return str(write_package(tmp_path / "tiny", card, weights, {}, domain=mask_file).folder)

    return made


@pytest.fixture()
def with_model(request_: SuperResolveRequest, write_raster) -> SuperResolveRequest:
    """A run of a package, whose folder is still to be given, at its own place."""
    dem = np.random.default_rng(4).random((ROWS * K, COLUMNS * K)).astype(np.float32)
    sources = {"elevation": RasterRef(write_raster("dem.tif", dem, 0.5, 10.0, 40.0, units="m"))}
    return replace(request_, factor=None, domain=None, sources=sources, precision="float32")


def test_a_models_own_domain_holds_at_its_place_until_the_user_gives_one(
    with_model: SuperResolveRequest, package, write_raster, coarse: np.ndarray
) -> None:
    shipped = write_raster("shipped.tif", mask(), 0.5, 10.0, 40.0)
    request = replace(with_model, model=package(shipped))
    result = super_resolve(request, Silent())
    assert_over(mask(), read(request.output), coarse)
    assert any(s.name == "domain" and "of the model" in s.path for s in result.sources)
    other = write_raster("other.tif", mask(9), 0.5, 10.0, 40.0)
    super_resolve(replace(request, domain=RasterRef(other)), Silent())
    assert_over(mask(9), read(request.output), coarse)


def test_beyond_a_models_own_domain_every_cell_counts(
    with_model: SuperResolveRequest, package, write_raster
) -> None:
    part = write_raster("part.tif", mask()[:, : 5 * K], 0.5, 10.0, 40.0)
    request = replace(with_model, model=package(part))
    super_resolve(request, Silent())
    there = np.isfinite(read(request.output))
    np.testing.assert_array_equal(there[:, : 5 * K], mask()[:, : 5 * K] > 0)
    assert there[:, 5 * K :].all()
    far = write_raster("far.tif", mask(), 0.5, 100.0, 40.0)
    result = super_resolve(replace(with_model, model=package(far)), Silent())
    assert result.covered == 1 and any("lies elsewhere" in line for line in result.warnings)
    sea = write_raster("sea.tif", 0 * mask(), 0.5, 10.0, 40.0)
    with pytest.raises(InputError, match="the model counts no fine cell of the output"):
        super_resolve(replace(with_model, model=package(sea)), Silent())


def test_a_domain_may_be_where_a_source_has_data(
    with_model: SuperResolveRequest, package, write_raster, coarse: np.ndarray
) -> None:
    dem = np.where(mask() > 0, 100 + mask(), np.nan).astype(np.float32)
    ref = RasterRef(write_raster("holes.tif", dem, 0.5, 10.0, 40.0, units="m"))
    request = replace(with_model, model=package(source="elevation"), sources={"elevation": ref})
    result = super_resolve(request, Silent())
    assert_over(mask(), read(request.output), coarse)
    assert any(s.path == "where elevation has data" for s in result.sources)
    without = replace(request, model=package())
    assert super_resolve(without, Silent()).covered == 1


def test_a_package_keeps_its_domain(package, write_raster) -> None:
    folder = Path(package(write_raster("shipped.tif", mask(), 0.5, 10.0, 40.0)))
    kept = load_package(folder)
    assert kept.domain_raster == folder / kept.card.domain.file
    np.testing.assert_array_equal(read(str(kept.domain_raster)), mask())
    kept.domain_raster.write_bytes(b"else")
    with pytest.raises(InputError, match=r"domain-mask.tif (has 4 bytes|does not have the sha256)"):
        load_package(folder)


@pytest.mark.parametrize(
    ("domain", "words"),
    [
        ({}, "either a file or a source"),
        ({"file": "a.tif"}, "domain.sha256 is missing"),
        ({"file": "../a.tif", "sha256": "0" * 64}, "plain file name"),
        ({"source": "rain"}, "domain.source is no fine source"),
        ({"cells": 3}, "unknown field in domain: cells"),
    ],
)
def test_a_wrong_domain_of_a_card_is_named(package, domain: dict, words: str) -> None:
    path = Path(package()) / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "domain": domain}))
    with pytest.raises(InputError, match=words):
        load_package(path.parent)
