"""The methods without learning: alignment, masks, bounds, tiles, what they need."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from engine.errors import InputError
from engine.fields.climatology import flat_weights, season_weights, weighted_mean
from engine.fields.conservation import aggregate
from engine.fields.patch import Patch
from engine.fields.upsample import upsample
from engine.fields.windows import crop, narrowed
from engine.methods.registry import BASELINES, baseline, variants
from engine.specs import TargetSpec

RAIN = TargetSpec("rain", "mm", transform="log1p", bounds=(0.0, None), conservation="multiplicative")
TEMPERATURE = TargetSpec("temperature", "K")
TARGETS = {"rain": RAIN, "temperature": TEMPERATURE}
SUITED = [  # what is fitted first has tests of its own
    (i, n)
    for i, info in BASELINES.items()
    for n, target in TARGETS.items()
    if info.suits(target) and not info.tells_error
]
MARGIN = 6


def make_patch(
    target: TargetSpec, factor: int, rows: int = 4, columns: int = 5, holes: bool = False
) -> Patch:
    """A window with a wide halo; `holes` makes coarse, climatology, elevation and infinite cells invalid."""
    generator = torch.Generator().manual_seed(factor)
    size = (rows + 2 * MARGIN, columns + 2 * MARGIN)
    coarse = torch.rand(1, *size, generator=generator) ** 3 * 200
    fine = (size[0] * factor, size[1] * factor)
    bands = torch.rand(1, 12, *fine, generator=generator) ** 2 * 100
    elevation = torch.rand(1, 1, *fine, generator=generator) * 1000
    elevation += upsample(torch.rand(1, *size, generator=generator) * 2000, factor, "bilinear")
    if target is TEMPERATURE:
        coarse, bands = coarse / 10 + 270, bands / 5 + 265
    if holes:
        coarse[0, MARGIN, MARGIN + 1] = torch.nan
        coarse[0, MARGIN + 2, MARGIN + 2] = torch.inf
        coarse[0, :, : MARGIN - 1] = torch.nan
        bands[0, 3, : (MARGIN + 1) * factor] = torch.nan
        bands[0, :, (MARGIN + 1) * factor : (MARGIN + 2) * factor + 1, MARGIN * factor :] = torch.nan
        bands[0, 5, -3:] = torch.inf
        elevation[..., : (MARGIN + 1) * factor + 1, :] = torch.nan
        elevation[..., (MARGIN + 2) * factor + 1, MARGIN * factor :: 3] = torch.inf
    months = torch.arange(12.0)
    distance = torch.minimum((months - 9).abs(), 12 - (months - 9).abs())[None]
    fields = {"elevation": elevation}
    return Patch(factor, MARGIN, coarse, fine=fields, climatology=bands, climatology_distance=distance)


def window(patch: Patch, row: int, column: int, rows: int, columns: int, halo: int) -> Patch:
    """Cut a tile with its halo out of a patch; row and column count from the window inside the halo."""
    k, top, left = patch.factor, row + patch.halo - halo, column + patch.halo - halo
    height, width = rows + 2 * halo, columns + 2 * halo

    def fine(values: torch.Tensor) -> torch.Tensor:
        values = values[..., top * k : (top + height) * k, left * k : (left + width) * k]
        return values.contiguous()

    return Patch(
        factor=k,
        halo=halo,
        target=patch.target[:, top : top + height, left : left + width],
        fine={name: fine(values) for name, values in patch.fine.items()},
        climatology=fine(patch.climatology),
        climatology_distance=patch.climatology_distance,
    )


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
@pytest.mark.parametrize("factor", [2, 3, 8, 20, 100])
def test_interpolation_agrees_with_pytorch(kernel: str, factor: int) -> None:
    coarse = torch.rand(2, 5, 6, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(coarse[:, None], scale_factor=factor, mode=kernel, align_corners=False)[:, 0]
    torch.testing.assert_close(upsample(coarse, factor, kernel), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
def test_data_continue_flatly_beyond_their_edge(kernel: str) -> None:
    coarse = torch.rand(1, 6, 7, generator=torch.Generator().manual_seed(1))
    framed = F.pad(coarse, (3, 3, 3, 3), value=torch.nan)
    whole, inside = upsample(coarse, 4, kernel), upsample(framed, 4, kernel, crop=3)
    torch.testing.assert_close(inside, whole, rtol=0, atol=1e-6)


def test_interpolation_over_a_hole_stays_within_its_neighbours() -> None:
    coarse = torch.full((1, 7, 7), 5.0)
    coarse[0, 3, 3] = torch.nan
    coarse[0, 0, 0] = torch.inf
    for kernel in ("bilinear", "bicubic"):
        torch.testing.assert_close(upsample(coarse, 3, kernel), torch.full((1, 21, 21), 5.0))


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("factor", [2, 3, 8, 20])
@pytest.mark.parametrize(("method_id", "name"), SUITED)
def test_tiles_equal_the_whole(method_id: str, name: str, factor: int, holes: bool) -> None:
    patch = make_patch(TARGETS[name], factor, holes=holes)
    method = baseline(method_id, factor, TARGETS[name])
    whole = method.predict(patch)
    assert whole.dtype == torch.float32 and whole.shape == (1, 4 * factor, 5 * factor)
    for row, column, rows, columns in ((0, 0, 3, 2), (0, 2, 3, 3), (3, 0, 1, 5)):
        tile = method.predict(window(patch, row, column, rows, columns, method.halo))
        part = whole[:, row * factor : (row + rows) * factor, column * factor : (column + columns) * factor]
        assert torch.equal(torch.isnan(tile), torch.isnan(part))
        if BASELINES[method_id].conserves:  # a fit and divisions lie between
            close = 1e-4 * float(whole.nan_to_num(0).abs().max())
            torch.testing.assert_close(tile, part, rtol=0, atol=close, equal_nan=True)
        elif method.sources:  # sums over bands or fine cells may round in another order
            torch.testing.assert_close(tile, part, rtol=1e-5, atol=1e-6, equal_nan=True)
        else:
            assert torch.equal(tile.nan_to_num(-1), part.nan_to_num(-1))


@pytest.mark.parametrize(("method_id", "name"), SUITED)
def test_valid_exactly_where_the_coarse_field_is_and_within_bounds(method_id: str, name: str) -> None:
    factor, target = 4, TARGETS[name]
    patch = make_patch(target, factor, holes=True)
    result = baseline(method_id, factor, target).predict(patch)
    known = torch.isfinite(crop(patch.target, MARGIN))
    known = known.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
    assert torch.equal(torch.isfinite(result), known)
    assert torch.equal(torch.isnan(result), ~known)
    if target is RAIN:
        assert float(result[known].min()) >= 0


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("method_id", ["climatologyratio", "climatologyratioflat"])
def test_a_coarse_field_equal_to_the_climatology_returns_it(method_id: str, name: str) -> None:
    factor, target = 4, TARGETS[name]
    patch = make_patch(target, factor)
    weights = (season_weights if method_id == "climatologyratio" else flat_weights)(
        patch.climatology_distance, *((0.7,) if method_id == "climatologyratio" else ())
    )
    mean = weighted_mean(patch.climatology, weights)
    patch.target = aggregate(mean, factor)
    result = baseline(method_id, factor, target).predict(patch)
    torch.testing.assert_close(result, crop(mean, MARGIN, factor), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", TARGETS)
def test_without_usable_climatology_it_is_conserved_interpolation(name: str) -> None:
    factor, target = 4, TARGETS[name]
    patch = make_patch(target, factor)
    patch.climatology_distance = torch.full((1, 12), torch.inf)
    result = baseline("climatologyratio", factor, target).predict(patch)
    coarse = crop(patch.target, MARGIN)
    torch.testing.assert_close(aggregate(result, factor), coarse, rtol=1e-6, atol=1e-5)
    smooth = baseline("bicubic", factor, target).predict(patch)
    assert float(torch.corrcoef(torch.stack([result.flatten(), smooth.flatten()]))[0, 1]) > 0.9


def test_dry_climatology_under_rain_gives_rain() -> None:
    patch = make_patch(RAIN, 4)
    patch.climatology[..., (MARGIN + 1) * 4 : (MARGIN + 2) * 4, :] = 0
    patch.target[0, MARGIN + 1] = 50
    result = baseline("climatologyratio", 4, RAIN).predict(patch)
    torch.testing.assert_close(aggregate(result, 4)[0, 1], torch.full((5,), 50.0), rtol=1e-5, atol=0)


def test_withheld_and_invalid_bands_have_no_weight() -> None:
    distance = torch.tensor([[0.0, 1.0, torch.inf], [torch.inf, 6.0, 5.0]])
    weights = season_weights(distance, 0.7)
    torch.testing.assert_close(weights.sum(1), torch.ones(2))
    assert weights[0, 2] == 0 and weights[1, 0] == 0
    assert float(weights[0, 1] / weights[0, 0]) == pytest.approx(2.718281828 ** (-1 / 0.7), rel=1e-5)
    bands = torch.tensor([1.0, torch.nan, 5.0]).reshape(1, 3, 1, 1)
    assert weighted_mean(bands, torch.tensor([[0.5, 0.5, 0.0]])).item() == 1.0
    assert weighted_mean(bands, torch.tensor([[0.25, 0.5, 0.75]])).item() == pytest.approx(4.0)
    assert bool(torch.isnan(weighted_mean(bands, torch.tensor([[0.0, 1.0, 0.0]]))).all())
    assert bool(torch.isnan(weighted_mean(bands, torch.zeros(1, 3))).all())


def test_season_matters() -> None:
    patch = make_patch(RAIN, 4)
    method = baseline("climatologyratio", 4, RAIN)
    winter = method.predict(patch)
    patch.climatology_distance = patch.climatology_distance.roll(6, -1)
    assert float((method.predict(patch) - winter).abs().max()) > 1
    flat = baseline("climatologyratioflat", 4, RAIN)
    first = flat.predict(patch)
    patch.climatology_distance = patch.climatology_distance.roll(3, -1)
    assert torch.equal(flat.predict(patch), first)


def test_of_a_signed_target_it_is_the_anomaly_and_no_ratio() -> None:
    for id in ("climatologyratio", "climatologyratioflat"):
        assert all("ratio" in title and "anomaly" not in title for _, title, _ in variants(id, RAIN))
        assert all("anomaly" in title and "ratio" not in title for _, title, _ in variants(id, TEMPERATURE))
        assert "anomaly" in baseline(id, 4, TEMPERATURE).title and "anomaly" in BASELINES[id].help
    assert {title for _, title, _ in variants("bicubic", TEMPERATURE)} == {
        "Bicubic interpolation",
        "Bicubic interpolation, conservative",
    }


def test_what_a_method_needs() -> None:
    for method_id, info in BASELINES.items():
        method = baseline(method_id, 8, RAIN if info.suits(RAIN) else TEMPERATURE)
        assert method.id == method_id and method.title == info.title and info.help
        needed = {source.name for source in method.sources if not source.optional}
        assert ("climatology" in needed) == info.needs_climatology
        for name in needed:
            with pytest.raises(InputError, match=name):
                method.check(needed - {name})
        method.check(needed)
    with pytest.raises(InputError, match="bilinear"):
        baseline("nosuchmethod", 8, RAIN)
    for factor in (1, 101):
        with pytest.raises(InputError, match="factor"):
            baseline("bilinear", factor, RAIN)
    patch = make_patch(RAIN, 2)
    patch.climatology_distance = None
    with pytest.raises(InputError, match="date"):
        baseline("climatologyratio", 2, RAIN).predict(patch)


def test_a_halo_too_narrow_is_an_error() -> None:
    with pytest.raises(ValueError, match="halo"):
        narrowed(make_patch(RAIN, 2), MARGIN + 1)
