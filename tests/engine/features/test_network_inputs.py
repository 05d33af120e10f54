"""From patches to what the generator sees: values, masks, derived features."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from engine.errors import InputError
from engine.features.derived import DERIVED, gradient
from engine.features.network_inputs import (
    channel_names,
    network_channels,
    network_inputs,
    normalise,
    source_channels,
)
from engine.fields.patch import Patch
from engine.fields.windows import crop
from engine.specs import SourceSpec, TargetSpec
from engine.transforms import inverse, normalised, physical, transform

RAIN = TargetSpec(
    "rain",
    "mm",
    transform="log1p",
    bounds=(0.0, None),
    conservation="multiplicative",
    mean=3.0,
    std=1.5,
)
ELEVATION = SourceSpec("elevation", "m", "fine", derived=("slope", "aspect", "land", "anomaly"))
CLIMATOLOGY = SourceSpec("climatology", "mm", "fine", kind="climatology")
COVER = SourceSpec("cover", "", "fine", kind="class", classes=(1, 7))
WIND = SourceSpec("wind", "degree", "coarse", kind="angle", dynamic=True)
WARMTH = SourceSpec(
    "warmth", "degC", "coarse", dynamic=True, normalisation={"value": {"mean": 10.0, "std": 4.0}}
)
SOURCES = (ELEVATION, CLIMATOLOGY, COVER, WIND, WARMTH)
FACTOR, HALO, EXTRA = 3, 2, 3


def make_patch(**changes: object) -> Patch:
    generator = torch.Generator().manual_seed(0)
    rows = columns = 4 + 2 * (HALO + EXTRA)

    def random(*shape: int, scale: int) -> torch.Tensor:
        return torch.rand(2, *shape, rows * scale, columns * scale, generator=generator)

    fine = {
        "elevation": random(1, scale=FACTOR) * 900 - 100,
        "cover": random(2, scale=FACTOR),
    }
    coarse = {"wind": random(2, scale=1) * 2 - 1, "warmth": random(1, scale=1) * 20}
    patch = Patch(
        FACTOR,
        HALO + EXTRA,
        random(scale=1) * 100,
        coarse=coarse,
        fine=fine,
        climatology=random(12, scale=FACTOR) * 50,
        climatology_distance=torch.tensor([[0.0, 1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1]]).repeat(2, 1),
        cell_size=torch.tensor([200.0, 100.0])[None, :, None].expand(2, 2, rows * FACTOR),
        day_of_year=torch.tensor([1.0, 183.0]),
    )
    for name, value in changes.items():
        setattr(patch, name, value)
    return patch


def base_for(patch: Patch) -> torch.Tensor:
    size = (4 + 2 * HALO) * FACTOR
    return torch.rand(2, size, size, generator=torch.Generator().manual_seed(1)) * 100


@pytest.mark.parametrize("name", ["identity", "log1p", "cuberoot"])
def test_transforms_invert(name: str) -> None:
    target = TargetSpec("x", "1", transform=name, scale=2.0, mean=0.7, std=1.3)
    values = torch.tensor([0.0, 1e-3, 1.0, 500.0])
    torch.testing.assert_close(physical(normalised(values, target), target), values, rtol=1e-5, atol=1e-5)
    assert bool(torch.isnan(normalised(torch.tensor([torch.nan]), target)).all())
    leaf = torch.tensor([0.0, 2.0], requires_grad=True)
    transform(leaf, name).sum().backward()
    assert bool(torch.isfinite(leaf.grad).all())
    assert bool(torch.isfinite(inverse(torch.tensor([1e4]), name)).all())


@pytest.mark.parametrize(
    "rule", [{"conservation": "multiplicative"}, {"conservation": "additive", "bounds": (0.0, None)}]
)
@pytest.mark.parametrize("name", ["identity", "log1p", "cuberoot"])
def test_round_off_below_zero_is_seen_as_zero(name: str, rule: dict[str, object]) -> None:
    target = replace(RAIN, transform=name, mean=0.7, std=0.5, **{"bounds": (None, None), **rule})
    packed = torch.tensor([-2.8e-9, -1e-7, 4.0, torch.nan])
    torch.testing.assert_close(
        normalised(packed, target),
        normalised(torch.tensor([0.0, 0.0, 4.0, torch.nan]), target),
        rtol=0,
        atol=0,
        equal_nan=True,
    )


def test_negatives_stay_where_the_target_may_be_negative() -> None:
    target = replace(RAIN, transform="cuberoot", bounds=(None, None), conservation="additive")
    below, above = normalised(torch.tensor([-8.0, 8.0]), target).tolist()
    assert below == pytest.approx(2 * (0.0 - target.mean) / target.std - above)


def test_gradient_of_a_plane_is_its_slope() -> None:
    rows, columns = torch.meshgrid(torch.arange(6.0), torch.arange(7.0), indexing="ij")
    height = (30.0 * columns - 50.0 * rows)[None]  # rises to the east and to the north
    east, north = gradient(height, torch.full((1, 6, 1), 200.0), torch.full((1, 6, 1), 100.0))
    torch.testing.assert_close(east[:, 1:-1, 1:-1], torch.full((1, 4, 5), 0.3))
    torch.testing.assert_close(north[:, 1:-1, 1:-1], torch.full((1, 4, 5), 0.25))


def test_derived_surface_features() -> None:
    size = (4 + 2 * (HALO + EXTRA)) * FACTOR
    east = 30.0 * torch.arange(float(size)).expand(2, 1, size, size) - 100
    patch = make_patch()
    patch.fine["elevation"] = east.clone()
    channels = source_channels(ELEVATION, patch, RAIN)
    names = channel_names(ELEVATION)
    assert names == ("value", "slope", "aspect_sine", "aspect_cosine", "land", "anomaly")
    inner = dict(zip(names, channels[:, :, 9:-9, 9:-9].unbind(1), strict=True))
    root = math.sqrt(0.3)
    torch.testing.assert_close(inner["slope"], torch.full_like(inner["slope"], root))
    torch.testing.assert_close(inner["aspect_sine"], torch.full_like(inner["slope"], -root))  # faces west
    torch.testing.assert_close(inner["aspect_cosine"], torch.zeros_like(inner["slope"]), atol=1e-4, rtol=0)
    torch.testing.assert_close(inner["anomaly"], torch.zeros_like(inner["slope"]), atol=1e-2, rtol=0)
    assert torch.equal(inner["land"], (east[:, 0, 9:-9, 9:-9] > 0).float())
    patch.fine["elevation"] = torch.full_like(east, 12.0)
    flat = source_channels(ELEVATION, patch, RAIN)
    assert float(flat[:, 1:4].abs().max()) == 0


def test_a_hole_has_no_cliff_at_its_edge() -> None:
    patch = make_patch()
    level = torch.full_like(patch.fine["elevation"], 800.0)
    level[..., 10:14, 10:14] = torch.nan
    level[..., 20, 20] = torch.inf
    patch.fine["elevation"] = level
    channels = source_channels(ELEVATION, patch, RAIN)
    hole = ~torch.isfinite(level[:, 0])
    assert bool(torch.isnan(channels[:, 1]).eq(hole).all())
    assert float(channels[:, 1].nan_to_num(0).abs().max()) == 0


def test_climatology_features_follow_the_season() -> None:
    patch = make_patch()
    first = source_channels(CLIMATOLOGY, patch, RAIN)
    assert channel_names(CLIMATOLOGY) == ("seasonal", "flat")
    patch.climatology_distance = patch.climatology_distance.roll(6, 1)
    second = source_channels(CLIMATOLOGY, patch, RAIN)
    assert not torch.allclose(first[:, 0], second[:, 0])
    torch.testing.assert_close(first[:, 1], second[:, 1])
    torch.testing.assert_close(first[:, 1], normalised(patch.climatology.mean(1), RAIN), rtol=1e-4, atol=1e-4)


def test_inputs_have_the_promised_channels_and_sizes() -> None:
    patch = make_patch()
    inputs = network_inputs(patch, RAIN, SOURCES, base_for(patch), HALO, season=True)
    coarse, fine = network_channels(SOURCES)
    assert {n: x.shape[1] for n, x in inputs.coarse.items()} == coarse
    assert {n: x.shape[1] for n, x in inputs.fine.items()} == fine
    assert {x.shape[-2:] for x in inputs.coarse.values()} == {(8, 8)}
    assert {x.shape[-2:] for x in inputs.fine.values()} == {(8 * FACTOR, 8 * FACTOR)}
    assert inputs.base.shape == (2, 4 * FACTOR, 4 * FACTOR)
    torch.testing.assert_close(inputs.vector.square().sum(1), torch.ones(2))
    wanted = (patch.coarse["warmth"][:, 0, EXTRA:-EXTRA, EXTRA:-EXTRA] - 10) / 4
    torch.testing.assert_close(inputs.coarse["warmth"][:, 0], wanted)
    torch.testing.assert_close(
        inputs.coarse["target"][:, 0], normalised(patch.target[:, EXTRA:-EXTRA, EXTRA:-EXTRA], RAIN)
    )


def test_invalid_cells_are_zero_with_mask_zero_and_all_else_finite() -> None:
    patch = make_patch()
    whole = network_inputs(patch, RAIN, SOURCES, base_for(patch), HALO)
    base = base_for(patch)
    base[0, :5, :5] = torch.nan
    patch.target[0, 6, 6] = torch.nan
    patch.target[1, 7, 7] = torch.inf
    patch.coarse["wind"][0, 1, 5, 5] = torch.nan
    patch.fine["elevation"][1, 0, 17:20, 17:20] = -torch.inf
    patch.fine["cover"][0, 0, 20, 20] = torch.nan
    patch.climatology[0, :, 21, 22] = torch.nan
    inputs = network_inputs(patch, RAIN, SOURCES, base, HALO)
    for group, before in ((inputs.coarse, whole.coarse), (inputs.fine, whole.fine)):
        for name, x in group.items():
            assert bool(torch.isfinite(x).all()), name
            mask = x[:, -1:]
            assert set(mask.unique().tolist()) <= {0.0, 1.0}
            if name != "warmth":
                assert 0 < int((mask == 0).sum()) < mask.numel() / 4, name
            assert float((x[:, :-1] * (1 - mask)).abs().max()) == 0, name
            assert bool((before[name][:, -1] == 1).all())
    assert torch.equal(torch.isnan(inputs.base), torch.isnan(base[:, 6:-6, 6:-6]))


def test_missing_sources_are_left_out() -> None:
    patch = make_patch(coarse={}, fine={"cover": make_patch().fine["cover"]}, climatology=None)
    inputs = network_inputs(patch, RAIN, SOURCES, base_for(patch), HALO)
    assert set(inputs.coarse) == {"target"} and set(inputs.fine) == {"base", "cover"}
    assert set(inputs.without(["cover"]).fine) == {"base"}


def test_values_far_outside_are_cut_off() -> None:
    channels = torch.tensor([1e30, -1e30, 3.0]).reshape(1, 1, 1, 3)
    assert normalise(channels, ("value",), {})[0, 0, 0].tolist() == [10.0, -10.0, 3.0]


def test_a_source_can_hide_its_value_behind_its_features() -> None:
    whole = SourceSpec("elevation", "m", "fine", derived=("anomaly", "land"))
    hidden = SourceSpec("elevation", "m", "fine", derived=("anomaly", "land"), value=False)
    patch = make_patch()
    patch.fine["elevation"][0, 0, 5, 7] = torch.nan
    assert channel_names(hidden) == channel_names(whole)[1:] == ("anomaly", "land")
    shown = source_channels(hidden, patch, RAIN)
    torch.testing.assert_close(shown, source_channels(whole, patch, RAIN)[:, 1:], equal_nan=True)
    assert bool(torch.isnan(shown[0, :, 5, 7]).all()), "features end where the source ends"
    with pytest.raises(InputError, match="derived"):
        channel_names(SourceSpec("elevation", "m", "fine", value=False))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="curvature"):
        channel_names(SourceSpec("elevation", "m", "fine", derived=("curvature",)))
    with pytest.raises(InputError, match="slope"):
        channel_names(SourceSpec("cover", "", "fine", kind="class", classes=(1,), derived=("slope",)))
    for name in ("base", "target"):
        with pytest.raises(InputError, match=name):
            network_channels([SourceSpec(name, "m", "fine")])
    with pytest.raises(InputError, match="date"):
        network_inputs(make_patch(day_of_year=None), RAIN, (), base_for(make_patch()), HALO, season=True)
    with pytest.raises(ValueError, match="cell size"):
        source_channels(ELEVATION, make_patch(cell_size=None), RAIN)


def test_every_registered_feature_gives_its_channels() -> None:
    patch = make_patch()
    for name, derived in DERIVED.items():
        base = CLIMATOLOGY if "climatology" in derived.kinds else ELEVATION
        source = SourceSpec(base.name, base.units, "fine", kind=base.kind, derived=(name,))
        channels = source_channels(source, patch, RAIN)
        assert channels.shape[1] == len(channel_names(source))
        assert bool(torch.isfinite(channels).all())
        assert float(channels[:, -1].std()) > 0
        inner = source_channels(source, patch, RAIN, 1)
        torch.testing.assert_close(inner, crop(channels, 1, patch.factor), rtol=1e-5, atol=1e-4)
