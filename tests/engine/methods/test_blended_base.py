"""The base that a card names: methods by weight, conserved, with less where sources are missing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from affine import Affine
from rasterio.crs import CRS

from engine.disaggregation.base_field import base_field
from engine.disaggregation.cell_regression import CellRegression
from engine.disaggregation.cell_relation import CellRelation
from engine.errors import InputError, PackageError
from engine.features.network_inputs import network_channels
from engine.fields.conservation import aggregate
from engine.fields.patch import Patch
from engine.fields.windows import narrowed
from engine.methods.blended_base import BlendedBase, base_ids
from engine.methods.registry import baseline
from engine.nets.downscaler import Downscaler
from engine.nets.spec import NetworkSpec
from engine.package.card import Card
from engine.package.card_check import check_card
from engine.raster.georeference import Georeference
from engine.raster.grids import window
from engine.specs import BaseSpec, SourceSpec, TargetSpec

K, HALO, SIZE = 4, 14, 6
TARGET = TargetSpec(
    "rain",
    "mm/month",
    transform="log1p",
    bounds=(0.0, None),
    conservation="multiplicative",
    mean=3.0,
    std=1.2,
)
SOURCES = (
    SourceSpec("normals", "mm/month", "fine", kind="climatology"),
    SourceSpec("elevation", "m", "fine"),
)
BLEND = BaseSpec((("climatologyratioflat", 0.5), ("elevationregression", 0.3), ("bicubicsmooth", 0.2)))


def patch_of(seed: int = 0, sources: bool = True) -> Patch:
    drawn = torch.Generator().manual_seed(seed)
    edge = SIZE + 2 * HALO
    patch = Patch(K, HALO, torch.rand(2, edge, edge, generator=drawn) * 90)
    if sources:
        patch.fine["elevation"] = torch.rand(2, 1, edge * K, edge * K, generator=drawn) * 900
        patch.climatology = torch.rand(2, 12, edge * K, edge * K, generator=drawn) * 90 + 1
        patch.climatology_distance = torch.arange(12.0).expand(2, 12) % 6
    return patch


def own(patch: Patch) -> torch.Tensor:
    return patch.target[:, HALO:-HALO, HALO:-HALO]


def test_without_weights_it_is_what_it_was_to_the_byte() -> None:
    patch = patch_of()
    for margin in (0, 1):
        base = BlendedBase(BaseSpec(), K, TARGET, SOURCES).field(patch, margin)
        assert torch.equal(base, base_field(patch, TARGET, SOURCES, margin))


def test_a_blend_is_the_weighted_mean_of_conserved_methods() -> None:
    patch = patch_of()
    blend = BlendedBase(BLEND, K, TARGET, SOURCES).field(patch, 0)
    assert torch.allclose(aggregate(blend, K), own(patch), rtol=1e-5)
    parts = []
    for id, weight in BLEND.weights:
        field = BlendedBase(BaseSpec(((id, 1.0),)), K, TARGET, SOURCES).field(patch, 0)
        assert torch.allclose(aggregate(field, K), own(patch), rtol=1e-5)
        parts.append(weight * field)
    assert torch.allclose(blend, sum(parts), rtol=1e-5)
    smooth = baseline("bicubicsmooth", K, TARGET).predict(patch)
    assert torch.allclose(parts[2], 0.2 * smooth, rtol=1e-5)


def test_a_margin_and_a_halo_change_nothing_inside() -> None:
    patch = patch_of()
    base = BlendedBase(BLEND, K, TARGET, SOURCES)
    inner = base.field(patch, 0)
    assert torch.allclose(base.field(patch, 2)[:, 2 * K : -2 * K, 2 * K : -2 * K], inner, rtol=1e-5)
    assert torch.allclose(base.field(narrowed(patch, base.halo), 0), inner, rtol=1e-5)


def test_a_method_without_its_source_leaves_its_weight_to_the_others() -> None:
    patch = patch_of()
    base = BlendedBase(BLEND, K, TARGET, SOURCES)
    bare = replace(patch, fine={}, climatology=None, climatology_distance=None)
    without_elevation = BaseSpec((("climatologyratioflat", 0.5 / 0.7), ("bicubicsmooth", 0.2 / 0.7)))
    expected = BlendedBase(without_elevation, K, TARGET, SOURCES).field(patch, 0)
    assert torch.allclose(base.field(replace(patch, fine={}), 0), expected, rtol=1e-5)
    smooth = BlendedBase(BaseSpec((("bicubicsmooth", 1.0),)), K, TARGET, SOURCES).field(bare, 0)
    assert torch.equal(base.field(bare, 0), smooth)
    # Nothing is left of the base: it is that of a card that names none.
    alone = BlendedBase(BaseSpec((("climatologyratio", 1.0),)), K, TARGET, SOURCES)
    assert torch.equal(alone.field(bare, 0), base_field(bare, TARGET, SOURCES, 0))


def test_methods_are_left_free_where_the_card_says_so() -> None:
    patch = patch_of()
    spec = BaseSpec((("bilinear", 1.0),), conserved=False)
    free = BlendedBase(spec, K, TARGET, SOURCES).field(patch, 0)
    inner = replace(patch, halo=patch.halo)
    assert torch.equal(free, baseline("bilinear", K, TARGET).predict(inner))
    held = BlendedBase(replace(spec, conserved=True), K, TARGET, SOURCES).field(patch, 0)
    assert not torch.allclose(free, held, rtol=1e-2)


def test_an_unknown_method_and_one_that_learns_in_the_run_are_refused() -> None:
    assert "sharpen" not in base_ids()
    for id in ("sharpen", "magic"):
        with pytest.raises(InputError, match=f"{id} cannot be a model's base"):
            BlendedBase(BaseSpec(((id, 1.0),)), K, TARGET, SOURCES)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_the_share_of_the_residual_counts_in_the_units_of_the_target(share: float) -> None:
    coarse, fine = network_channels(SOURCES[1:])
    spec = NetworkSpec(K, coarse, fine, widths=(8, 8, 4))
    fields, patch = [], patch_of(3)
    for residual in (share, 0.0, 1.0):
        torch.manual_seed(0)
        model = Downscaler(TARGET, SOURCES[1:], spec, replace(BLEND, residual=residual)).eval()
        for weight in model.generator.parameters():
            torch.nn.init.normal_(weight, std=0.05)
        wide = replace(patch, halo=model.halo) if patch.halo < model.halo else patch
        with torch.no_grad():
            fields.append(model.forward_physical(wide))
    assert not torch.allclose(fields[1], fields[2], rtol=1e-2)
    assert torch.allclose(fields[0], torch.lerp(fields[1], fields[2], share), rtol=1e-4, atol=1e-3)


def card(**more: object) -> dict:
    coarse, fine = network_channels(SOURCES[1:])
    return {
        "msr_card": 1,
        "id": "m",
        "name": "M",
        "version": "0.1.0",
        "description": "A card.",
        "factor": K,
        "resolution": {"coarse": 2.0, "fine": 0.5, "units": "degree"},
        "target": {
            "name": "rain",
            "units": "mm/month",
            "transform": "log1p",
            "bounds": [0.0, None],
            "conservation": "multiplicative",
        },
        "sources": [{"name": "elevation", "units": "m", "grid": "fine"}],
        "network": NetworkSpec(K, coarse, fine, widths=(8, 8, 4)).to_json(),
        "training": {"data": "none", "simulated": True, "period": "none", "split": "none"},
        "metrics": {},
        "licence": "none",
        "weights": {"file": "weights.safetensors", "sha256": "0" * 64, "bytes": 1},
        **more,
    }


def test_a_card_carries_the_base_and_an_old_one_has_none() -> None:
    entry = {"weights": {"bicubicsmooth": 0.25, "elevationregression": 0.75}, "residual": 0.5}
    check_card(card(base=entry), "card")
    weights = (("bicubicsmooth", 0.25), ("elevationregression", 0.75))
    assert Card.from_json(card(base=entry)).base == BaseSpec(weights, 0.5)
    free = Card.from_json(card(base={**entry, "conserved": False})).base
    assert free == BaseSpec(weights, 0.5, conserved=False)
    assert Card.from_json(card()).base is None


@pytest.mark.parametrize(
    "entry, words",
    [
        ({"weights": {"bicubicsmooth": 0.25}}, "must sum to 1"),
        ({"weights": {"bicubicsmooth": -1, "bilinear": 2}}, "at least 0|at most 1"),
        ({"residual": 1.5}, "at most 1"),
        ({"kind": "x"}, "unknown field"),
    ],
)
def test_a_wrong_base_in_a_card_is_named(entry: dict, words: str) -> None:
    with pytest.raises(PackageError, match=words):
        check_card(card(base=entry), "card")


PLACE = Georeference(CRS.from_epsg(32630), Affine(1000, 0, 0, 0, -1000, 0), SIZE, SIZE)
FITTED = BaseSpec((("neighbourhood", 0.6), ("elevationregression", 0.3), ("bicubicsmooth", 0.1)))


def regression(known: torch.Tensor | None = None) -> CellRegression:
    drawn = torch.Generator().manual_seed(4)
    weights = torch.randn(SIZE, SIZE, 9, K * K, generator=drawn) * 0.1
    relation = CellRelation(torch.full((SIZE, SIZE, 9), 0.5), torch.zeros(SIZE, SIZE, K * K), weights)
    known = torch.ones(SIZE, SIZE, dtype=torch.bool) if known is None else known
    return CellRegression(relation, known, 1, True, PLACE)


def placed(patch: Patch, row: int = 0) -> Patch:
    return replace(patch, lattice=PLACE.geobox, origin=torch.tensor([[row, 0]] * 2))


def test_the_regression_is_a_part_like_others_where_it_was_fitted() -> None:
    patch = placed(patch_of())
    blend = BlendedBase(FITTED, K, TARGET, SOURCES, regression()).field(patch, 0)
    assert torch.allclose(aggregate(blend, K), own(patch), rtol=1e-5)
    alone = BlendedBase(BaseSpec((("neighbourhood", 1.0),)), K, TARGET, SOURCES, regression()).field(patch, 0)
    rest = BaseSpec((("elevationregression", 0.75), ("bicubicsmooth", 0.25)))
    others = BlendedBase(rest, K, TARGET, SOURCES).field(patch, 0)
    assert not torch.allclose(alone, others, rtol=0.05)
    assert torch.allclose(blend, 0.6 * alone + 0.4 * others, rtol=1e-5)


def test_a_margin_moves_no_cell_of_the_regression() -> None:
    patch = placed(patch_of())
    base = BlendedBase(FITTED, K, TARGET, SOURCES, regression())
    inner = base.field(patch, 0)
    assert torch.allclose(base.field(patch, 2)[:, 2 * K : -2 * K, 2 * K : -2 * K], inner, rtol=1e-5)


def test_the_regression_leaves_its_weight_to_the_others_elsewhere() -> None:
    known = torch.ones(SIZE, SIZE, dtype=torch.bool)
    known[0] = False
    base = BlendedBase(FITTED, K, TARGET, SOURCES, regression(known))
    field = base.field(placed(patch_of(), row=-2), 0)
    rest = BaseSpec((("elevationregression", 0.75), ("bicubicsmooth", 0.25)))
    others = BlendedBase(rest, K, TARGET, SOURCES).field(placed(patch_of()), 0)
    assert torch.allclose(field[:, : 3 * K], others[:, : 3 * K], rtol=1e-6)
    assert not torch.allclose(field[:, 3 * K :], others[:, 3 * K :], rtol=0.05)
    assert torch.allclose(aggregate(field, K), own(patch_of()), rtol=1e-5)
    alone = BlendedBase(BaseSpec((("neighbourhood", 1.0),)), K, TARGET, SOURCES, regression())
    far = placed(patch_of(), row=100)
    assert torch.equal(alone.field(far, 0), base_field(far, TARGET, SOURCES, 0))


def test_what_is_in_use_is_told_for_a_run() -> None:
    base = BlendedBase(FITTED, K, TARGET, SOURCES, regression())
    used = base.in_use({"elevation"}, False, PLACE.geobox)
    assert dict(used.weights) == pytest.approx(dict(FITTED.weights)) and used.fitted == 1
    elsewhere = base.in_use(set(), False, window(PLACE.geobox, 100, 0, 4, 4))
    assert elsewhere.weights == (("bicubicsmooth", 1.0),) and elsewhere.fitted == 0


def test_a_base_that_names_a_regression_needs_one() -> None:
    with pytest.raises(InputError, match="no fitted regression"):
        BlendedBase(FITTED, K, TARGET, SOURCES)
