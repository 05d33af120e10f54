"""The model as a method, with tiny networks of random weights."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from engine.compute.devices import PrecisionPlan
from engine.errors import InputError
from engine.features.network_inputs import network_channels
from engine.fields.conservation import aggregate, conserve
from engine.fields.patch import Patch
from engine.models.model import ModelMethod, build
from engine.nets.spec import NetworkSpec, stage_factors
from engine.package.card import Card
from engine.specs import SourceSpec, TargetSpec

CPU = torch.device("cpu")
RAIN = TargetSpec(
    "rain",
    "mm",
    transform="log1p",
    bounds=(0.0, None),
    conservation="multiplicative",
    mean=3.0,
    std=1.2,
)
TEMPERATURE = TargetSpec("temperature", "K", mean=280.0, std=10.0)
HUMIDITY = TargetSpec("humidity", "percent", bounds=(0.0, 100.0), mean=50.0, std=20.0)
TARGETS = {"rain": RAIN, "temperature": TEMPERATURE, "humidity": HUMIDITY}
LEVELS = {"rain": (0.0, 200.0), "temperature": (265.0, 30.0), "humidity": (5.0, 90.0)}
STATISTICS = {"value": {"mean": 300.0, "std": 300.0}}
WARMTH = SourceSpec(
    "warmth",
    "degC",
    "coarse",
    dynamic=True,
    normalisation={"value": {"mean": 10.0, "std": 8.0}},
)
ELEVATION = SourceSpec(
    "elevation", "m", "fine", derived=("slope", "aspect", "land"), normalisation=STATISTICS
)
CLIMATOLOGY = SourceSpec("climatology", "", "fine", kind="climatology")
SOURCES = (WARMTH, ELEVATION, CLIMATOLOGY)
FACTORS = (2, 3, 8, 20)


def make_card(target: TargetSpec, factor: int, sources: tuple[SourceSpec, ...] = SOURCES) -> Card:
    coarse, fine = network_channels(sources)
    stages = len(stage_factors(factor))
    spec = NetworkSpec(factor, coarse, fine, season=True, widths=(8,) * stages + (4,))
    resolution = {"coarse": 2.0, "fine": 2.0 / factor, "units": "degree"}
    return Card("tiny", "Tiny", "0.0.1", factor, target, sources, spec.to_json(), resolution, True, {})


def make_method(
    target: TargetSpec, factor: int, plan: PrecisionPlan | None = None, **changes: object
) -> ModelMethod:
    card = make_card(target, factor, **changes)
    generator = torch.Generator().manual_seed(7)
    weights = {
        name: torch.randn(value.shape, generator=generator) * (0.5 / max(1, value[0].numel()) ** 0.5)
        for name, value in build(card).generator.state_dict().items()
    }
    return ModelMethod(card, weights, CPU, plan or PrecisionPlan())


def make_patch(name: str, method: ModelMethod, rows: int = 3, columns: int = 4, holes: bool = False) -> Patch:
    factor, halo = method.factor, method.halo + 1
    generator = torch.Generator().manual_seed(factor)
    height, width = rows + 2 * halo, columns + 2 * halo
    offset, scale = LEVELS[name]

    def random(bands: int, k: int) -> torch.Tensor:
        return torch.rand(1, bands, height * k, width * k, generator=generator)

    patch = Patch(
        factor,
        halo,
        random(1, 1)[:, 0] ** 2 * scale + offset,
        coarse={"warmth": random(1, 1) * 30},
        fine={"elevation": random(1, factor) * 2000 - 200},
        climatology=random(12, factor) ** 2 * scale + offset,
        climatology_distance=torch.tensor([[0.0, 1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1]]),
        cell_size=torch.full((1, 2, height * factor), 500.0),
        day_of_year=torch.tensor([320.0]),
    )
    if holes:
        patch.target[0, halo, halo + 1] = torch.nan
        patch.target[0, halo + 1, halo + 3] = torch.inf
        patch.target[0, : halo - 1] = torch.nan
        patch.coarse["warmth"][0, 0, halo + 1] = torch.nan
        patch.fine["elevation"][0, 0, :, (halo + 1) * factor :: 5] = -torch.inf
        patch.climatology[0, 2, : (halo + 1) * factor] = torch.nan
        patch.climatology[0, :, (halo + 1) * factor + 1 :, : (halo + 2) * factor] = torch.nan
        patch.climatology[0, 0, -1, -1] = torch.inf
    return patch


def window(patch: Patch, row: int, column: int, rows: int, columns: int, halo: int) -> Patch:
    k, top, left = patch.factor, row + patch.halo - halo, column + patch.halo - halo
    height, width = rows + 2 * halo, columns + 2 * halo

    def cut(field: torch.Tensor | None, scale: int) -> torch.Tensor | None:
        if field is None:
            return None
        part = field[..., top * scale : (top + height) * scale, left * scale : (left + width) * scale]
        return part.contiguous()

    return dataclasses.replace(
        patch,
        halo=halo,
        target=cut(patch.target, 1),
        coarse={n: cut(x, 1) for n, x in patch.coarse.items()},
        fine={n: cut(x, k) for n, x in patch.fine.items()},
        climatology=cut(patch.climatology, k),
        cell_size=patch.cell_size[..., top * k : (top + height) * k],
    )


def without(patch: Patch, names: set[str]) -> Patch:
    return dataclasses.replace(
        patch,
        coarse={n: x for n, x in patch.coarse.items() if n not in names},
        fine={n: x for n, x in patch.fine.items() if n not in names},
        climatology=None if "climatology" in names else patch.climatology,
        climatology_distance=None if "climatology" in names else patch.climatology_distance,
    )


def assert_tiles_equal_whole(method: ModelMethod, patch: Patch, tolerance: float) -> None:
    whole, k = method.predict(patch), method.factor
    finite = whole[torch.isfinite(whole)]
    span = float(finite.max() - finite.min())
    assert span > 0
    for row, column, rows, columns in ((0, 0, 2, 2), (0, 2, 2, 2), (2, 0, 1, 4)):
        tile = method.predict(window(patch, row, column, rows, columns, method.halo))
        part = whole[:, row * k : (row + rows) * k, column * k : (column + columns) * k]
        assert torch.equal(torch.isnan(tile), torch.isnan(part))
        assert float((tile - part).abs().nan_to_num(0).max()) <= tolerance * span


@pytest.mark.parametrize("missing", [set(), {"climatology"}], ids=["all", "noclimatology"])
@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("name", TARGETS)
def test_tiles_equal_the_whole(name: str, factor: int, missing: set[str]) -> None:
    method = make_method(TARGETS[name], factor)
    patch = without(make_patch(name, method, holes=True), missing)
    assert_tiles_equal_whole(method, patch, 1e-4)


def test_the_residual_does_something_and_training_starts_at_the_base() -> None:
    method = make_method(RAIN, 8)
    patch = make_patch("rain", method)
    fresh = build(method.card).eval()
    with torch.no_grad():
        base = fresh.forward_physical(patch)
        prepared = fresh.to_physical(fresh.prepare(patch).base)
    torch.testing.assert_close(base, prepared)
    assert float((method.predict(patch) - base).abs().max()) > 1


@pytest.mark.parametrize("transform", ["log1p", "cuberoot"])
def test_round_off_below_zero_gives_what_zeros_give(transform: str) -> None:
    method = make_method(dataclasses.replace(RAIN, transform=transform), 2)
    dry = make_patch("rain", method, 6, 6)
    dry.target[:, :, ::2] = 0
    packed = dataclasses.replace(dry, target=torch.where(dry.target == 0, -2.8e-9, dry.target))
    assert torch.equal(method.predict(packed), method.predict(dry))


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("name", TARGETS)
def test_holes_stay_holes_and_bounds_are_kept(name: str, factor: int) -> None:
    target = TARGETS[name]
    method = make_method(target, factor)
    patch = make_patch(name, method, holes=True)
    seen: list[bool] = []

    def look(module: torch.nn.Module, args: tuple[object, ...]) -> None:
        coarse, fine, vector, _ = args
        seen.extend(bool(torch.isfinite(x).all()) for x in (*coarse.values(), *fine.values(), vector))

    handle = method.module.generator.register_forward_pre_hook(look)
    result = method.predict(patch)
    handle.remove()
    assert len(seen) == 6 and all(seen)
    inner = patch.target[:, patch.halo : -patch.halo, patch.halo : -patch.halo]
    known = torch.isfinite(inner).repeat_interleave(factor, -1).repeat_interleave(factor, -2)
    assert torch.equal(torch.isfinite(result), known) and torch.equal(torch.isnan(result), ~known)
    low, high = target.bounds
    assert low is None or float(result[known].min()) >= low
    assert high is None or float(result[known].max()) <= high
    fine = conserve(result, inner, factor, target)
    error = (aggregate(fine, factor) - inner).abs()[torch.isfinite(inner)]
    assert float(error.max()) <= 2e-6 * (LEVELS[name][0] + LEVELS[name][1])


@pytest.mark.parametrize(
    "missing",
    [{"warmth"}, {"elevation"}, {"climatology"}, {"warmth", "elevation", "climatology"}],
    ids=lambda names: "+".join(sorted(names)),
)
def test_runs_with_any_subset_of_optional_sources(missing: set[str]) -> None:
    method = make_method(RAIN, 3)
    patch = make_patch("rain", method)
    method.check({"warmth", "elevation", "climatology"} - missing)
    result = method.predict(without(patch, missing))
    assert bool(torch.isfinite(result).all())
    assert not torch.allclose(result, method.predict(patch))


def test_a_required_source_is_asked_for_by_name() -> None:
    required = dataclasses.replace(ELEVATION, optional=False)
    method = make_method(RAIN, 2, sources=(WARMTH, required))
    with pytest.raises(InputError, match="elevation"):
        method.check({"warmth"})
    method.check({"elevation"})


def test_the_season_wants_a_date() -> None:
    method = make_method(RAIN, 2)
    patch = dataclasses.replace(make_patch("rain", method), day_of_year=None)
    with pytest.raises(InputError, match="date"):
        method.predict(patch)


def test_bfloat16_is_near_float32_and_going_back_is_exact() -> None:
    method = make_method(RAIN, 8)
    patch = make_patch("rain", method, holes=True)
    exact = method.predict(patch)
    span = float(exact.nan_to_num(0).max())
    method.use(PrecisionPlan(torch.bfloat16, True))
    near = method.predict(patch)
    assert near.dtype == torch.float32
    assert 0 < float((near - exact).abs().nan_to_num(0).max()) < 0.05 * span
    method.use(PrecisionPlan(torch.float32, True))
    torch.testing.assert_close(method.predict(patch), exact, rtol=1e-4, atol=1e-3, equal_nan=True)
    method.use(PrecisionPlan())
    assert torch.equal(method.predict(patch).nan_to_num(-1), exact.nan_to_num(-1))


def test_gradients_reach_every_weight_and_are_finite_over_holes() -> None:
    method = make_method(RAIN, 8)
    module = method.module.train().requires_grad_(True)
    patch = make_patch("rain", method, holes=True)
    inner = patch.target[:, patch.halo : -patch.halo, patch.halo : -patch.halo]
    result = conserve(module.forward_physical(patch), inner, 8, RAIN)
    valid = torch.isfinite(result)
    result[valid].square().mean().backward()
    for name, weight in module.generator.named_parameters():
        assert weight.grad is not None and bool(torch.isfinite(weight.grad).all()), name
    assert sum(float(w.grad.abs().sum()) > 0 for w in module.generator.parameters()) > 20


def test_a_network_that_does_not_fit_its_sources_is_refused() -> None:
    card = make_card(RAIN, 2)
    with pytest.raises(InputError, match="elevation"):
        build(dataclasses.replace(card, sources=(WARMTH, CLIMATOLOGY)))
    with pytest.raises(InputError, match="factor"):
        build(dataclasses.replace(card, factor=3))
    with pytest.raises(InputError, match="colour"):
        build(dataclasses.replace(card, network={**card.network, "colour": 1}))
    with pytest.raises(InputError, match="network"):
        build(dataclasses.replace(card, network={"factor": 2}))


def noisy_method() -> ModelMethod:
    card = make_card(RAIN, 8)
    return ModelMethod(
        dataclasses.replace(card, network={**card.network, "noise": 2}),
        noisy_weights(card),
        CPU,
        PrecisionPlan(),
    )


def noisy_weights(card: Card) -> dict[str, torch.Tensor]:
    spec = dataclasses.replace(card, network={**card.network, "noise": 2})
    drawn = torch.Generator().manual_seed(7)
    return {
        name: torch.randn(value.shape, generator=drawn) * (0.5 / max(1, value[0].numel()) ** 0.5)
        for name, value in build(spec).generator.state_dict().items()
    }


def test_members_are_drawn_by_number_and_zero_is_the_estimate() -> None:
    method = noisy_method()
    assert method.ensemble and not make_method(RAIN, 8).ensemble
    patch = make_patch("rain", method)
    patch.origin = torch.tensor([[-3, 40]])
    estimate, *members = method.predict_members(patch, 5, range(4))
    torch.testing.assert_close(method.predict(patch), estimate, rtol=0, atol=0)
    torch.testing.assert_close(method.predict_member(patch, 5, 2), members[1], rtol=0, atol=0)
    for number, member in enumerate(members, start=1):
        assert member.shape == estimate.shape and float((member - estimate).abs().max()) > 0.01
        assert float((member - method.predict_member(patch, 6, number)).abs().max()) > 0.01


def test_members_of_a_place_unknown_or_of_a_model_without_noise_are_refused() -> None:
    method = noisy_method()
    with pytest.raises(InputError, match="does not say where it lies"):
        method.predict_member(make_patch("rain", method), 0, 1)
    quiet = make_method(RAIN, 8)
    with pytest.raises(InputError, match="no noise input"):
        quiet.predict_member(make_patch("rain", quiet), 0, 1)
