"""A small step taken again and again, with tiny networks of random weights."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine

from engine.compute.devices import PrecisionPlan
from engine.errors import PackageError
from engine.features.network_inputs import network_channels
from engine.feedback import Silent
from engine.fields.conservation import aggregate, conserve
from engine.fields.kept import KeptForDates
from engine.fields.patch import Patch
from engine.fields.windows import crop, narrowed
from engine.methods.registry import baseline
from engine.models.cascade import CascadeMethod
from engine.models.loading import load_model
from engine.models.model import ModelMethod, build
from engine.nets.spec import NetworkSpec
from engine.package.card import Card
from engine.package.folder import find_package, write_package
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reference import RasterRef
from engine.specs import SourceSpec, TargetSpec

CPU = torch.device("cpu")
WARMTH = TargetSpec("warmth", "degC", mean=10.0, std=8.0)
RAIN = TargetSpec("rain", "mm", "log1p", bounds=(0.0, None), conservation="multiplicative", mean=1.0)
TARGETS = {"warmth": WARMTH, "rain": RAIN}
SOURCES = (
    SourceSpec("moisture", "mm", "coarse", dynamic=True, normalisation={"value": {"mean": 2.0, "std": 3.0}}),
    SourceSpec(
        "elevation",
        "m",
        "fine",
        derived=("anomaly",),
        normalisation={"value": {"mean": 500.0, "std": 300.0}, "anomaly": {"mean": 0.0, "std": 100.0}},
    ),
)
ASSUMPTION = "The relation holds at every scale."


def make_card(target: TargetSpec, steps: tuple[int, ...], season: bool = True) -> Card:
    coarse, fine = network_channels(SOURCES)
    spec = NetworkSpec(steps[0], coarse, fine, season=season, widths=(8, 4), boxes=(0, 0))
    factor = int(np.prod(steps))
    resolution = {"coarse": 12.0, "fine": 12.0 / factor, "units": "metre"}
    raw = {"cascade": {"steps": list(steps), "assumption": ASSUMPTION}}
    return Card(
        "tiny", "Tiny", "0.0.1", factor, target, SOURCES, spec.to_json(), resolution, season, raw, steps
    )


def make_weights(card: Card) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    module = build(card.one_step(0))
    return {
        name: torch.randn(value.shape, generator=generator) * (0.5 / max(1, value[0].numel()) ** 0.5)
        for name, value in module.generator.state_dict().items()
    }


def make_method(name: str, steps: tuple[int, ...], shares: tuple[float, ...] = ()) -> CascadeMethod:
    card = dataclasses.replace(make_card(TARGETS[name], steps), shares=shares)
    return CascadeMethod(card, make_weights(card), CPU, PrecisionPlan())


def make_patch(method: CascadeMethod, rows: int, columns: int, holes: bool = True) -> Patch:
    k, halo = method.factor, method.halo
    generator = torch.Generator().manual_seed(1)
    height, width = rows + 2 * halo, columns + 2 * halo

    def random(bands: int, scale: int) -> torch.Tensor:
        return torch.rand(1, bands, height * scale, width * scale, generator=generator)

    patch = Patch(
        k,
        halo,
        random(1, 1)[:, 0] * 20,
        coarse={"moisture": random(1, 1) * 9},
        fine={"elevation": random(1, k) * 1000},
        cell_size=torch.linspace(400.0, 600.0, height * k).expand(1, 2, -1).clone(),
        area=torch.linspace(0.9, 1.1, height * k)[None],
        day_of_year=torch.tensor([200.0]),
    )
    if holes:
        patch.target[0, halo, halo + 1] = torch.nan
        patch.coarse["moisture"][0, 0, halo + 1] = torch.nan
        patch.fine["elevation"][0, 0, :, (halo + 1) * k :: 5] = torch.nan
        patch.fine["elevation"][0, 0, : (halo + 1) * k, : (halo + 2) * k] = torch.nan
    return patch


def window(patch: Patch, row: int, column: int, rows: int, columns: int) -> Patch:
    k, h = patch.factor, patch.halo

    def cut(field: torch.Tensor, scale: int) -> torch.Tensor:
        down, right = row * scale, column * scale
        return field[..., down : down + (rows + 2 * h) * scale, right : right + (columns + 2 * h) * scale]

    tall = slice(row * k, (row + rows + 2 * h) * k)
    return dataclasses.replace(
        patch,
        target=cut(patch.target, 1),
        coarse={n: cut(x, 1) for n, x in patch.coarse.items()},
        fine={n: cut(x, k) for n, x in patch.fine.items()},
        cell_size=patch.cell_size[..., tall],
        area=patch.area[..., tall],
    )


@pytest.mark.parametrize("steps", [(2, 3), (3, 2, 2), (2, 2, 2)])
@pytest.mark.parametrize("name", TARGETS)
def test_tiles_equal_the_whole(name: str, steps: tuple[int, ...]) -> None:
    method = make_method(name, steps)
    patch = make_patch(method, 3, 4)
    whole, k = method.predict(patch), method.factor
    finite = whole[torch.isfinite(whole)]
    span = float(finite.max() - finite.min())
    assert whole.shape == (1, 3 * k, 4 * k)
    assert span > 1
    for row, column, rows, columns in ((0, 0, 2, 2), (1, 1, 1, 3), (2, 0, 1, 1)):
        tile = method.predict(window(patch, row, column, rows, columns))
        part = whole[:, row * k : (row + rows) * k, column * k : (column + columns) * k]
        assert torch.equal(torch.isnan(tile), torch.isnan(part))
        assert float((tile - part).abs().nan_to_num(0).max()) <= 1e-4 * span


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("weights", ["count", "area"])
def test_every_step_is_conserved(name: str, weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.models import cascade

    seen: list[tuple[torch.Tensor, torch.Tensor, int, torch.Tensor | None]] = []

    def watch(fine, coarse, factor, target, area=None):
        result = conserve(fine, coarse, factor, target, area=area)
        seen.append((result, coarse, factor, area))
        return result

    monkeypatch.setattr(cascade, "conserve", watch)
    method = make_method(name, (2, 2, 3))
    method.target = dataclasses.replace(method.target, weights=weights)
    patch = make_patch(method, 2, 2)
    fine = method.predict(patch)
    assert [factor for _, _, factor, _ in seen] == [2, 2, 3]
    for result, coarse, factor, area in seen:
        used = area if weights == "area" else None
        torch.testing.assert_close(
            aggregate(result, factor, used), coarse, equal_nan=True, rtol=1e-4, atol=1e-4
        )
    edge = patch.halo * method.factor
    area = patch.area[:, edge:-edge] if weights == "area" else None
    mean = aggregate(fine, method.factor, area)
    torch.testing.assert_close(mean, crop(patch.target, patch.halo), equal_nan=True, rtol=1e-4, atol=1e-4)


def test_the_first_step_is_the_networks_own() -> None:
    """A cascade of one step is the model."""
    method = make_method("warmth", (3,))
    card = method.card.one_step(0)
    model = ModelMethod(card, make_weights(method.card), CPU, PrecisionPlan())
    patch = make_patch(method, 3, 2)
    wanted = conserve(model.predict(patch), crop(patch.target, patch.halo), 3, WARMTH)
    assert method.halo == model.halo
    torch.testing.assert_close(method.predict(patch), wanted, equal_nan=True)


@pytest.mark.parametrize("name", TARGETS)
def test_where_no_detail_counts_it_is_interpolation_to_the_last_digit(name: str) -> None:
    method = make_method(name, (2, 3), (0.0, 0.0))
    patch = make_patch(method, 3, 4)
    reference = baseline("bicubicsmooth", 6, TARGETS[name])
    wanted = reference.predict(narrowed(patch, reference.halo))
    assert torch.equal(method.predict(patch).nan_to_num(), wanted.nan_to_num())


def test_a_steps_detail_is_multiplied_by_its_share() -> None:
    """Against the same step alone; the first one's share alters what the next one sees."""
    patch = make_patch(make_method("warmth", (2, 2)), 3, 4)
    whole, none, half = (
        make_method("warmth", (2, 2), (share, 0.0)).predict(patch) for share in (1, 1e-9, 0.5)
    )
    assert float((whole - none).abs().nan_to_num().max()) > 0.5
    # The second step is interpolation, which is linear in what it is given.
    torch.testing.assert_close(half, (whole + none) / 2, equal_nan=True, rtol=1e-4, atol=1e-4)
    parts = make_method("warmth", (2, 2, 2), (1.0, 0.5, 0.5)).parts
    assert parts[1] is parts[2] is not parts[0], "weights are held once for each step and share"


def test_sources_reach_every_step() -> None:
    """A change of a fine source beneath the scale of the first step changes the result."""
    method = make_method("warmth", (2, 2))
    patch = make_patch(method, 2, 2, holes=False)
    before = method.predict(patch)
    other = patch.fine["elevation"].clone()
    k = method.factor
    middle = patch.halo * k
    other[0, 0, middle, middle] += 400  # the pair keeps its mean
    other[0, 0, middle, middle + 1] -= 400
    after = method.predict(dataclasses.replace(patch, fine={"elevation": other}))
    assert float((after - before)[0, 0, :2].abs().max()) > 1e-3
    assert float((after - before).abs()[0, -1, -1]) < 1e-5


def write(folder: Path, **changes: object) -> Path:
    card = make_card(WARMTH, (2, 2, 3), season=False)
    text = {
        "msr_card": 1,
        "id": "tinycascade",
        "name": "Tiny cascade",
        "version": "0.0.1",
        "description": "Random weights.",
        "factor": 12,
        "resolution": card.resolution,
        "target": {
            **{k: v for k, v in dataclasses.asdict(card.target).items() if k != "bounds"},
            "bounds": [None, None],
        },
        "sources": [
            {"name": "moisture", "units": "mm", "grid": "coarse", "dynamic": True},
            {"name": "elevation", "units": "m", "grid": "fine", "derived": ["anomaly"]},
        ],
        "network": card.network,
        "cascade": {"steps": [2, 2, 3], "assumption": ASSUMPTION},
        "training": {"data": "none", "simulated": True, "period": "none", "split": "none"},
        "metrics": {},
        "licence": "none",
        **changes,
    }
    write_package(folder, text, make_weights(card))
    return folder


def test_a_package_runs_through_the_pipeline(tmp_path: Path) -> None:
    folder = write(tmp_path / "tinycascade")
    rng = np.random.default_rng(0)
    paths = {}
    for name, shape, size in (("target", (5, 6), 12.0), ("elevation", (60, 72), 1.0)):
        paths[name] = tmp_path / f"{name}.tif"
        values = rng.uniform(0, 500 if name == "elevation" else 20, shape).astype(np.float32)
        profile = {"driver": "GTiff", "width": shape[1], "height": shape[0], "count": 1, "dtype": "float32"}
        profile |= {"crs": "EPSG:3035", "transform": Affine(size, 0, 4e6, 0, -size, 3e6), "nodata": np.nan}
        if name == "elevation":
            values[:, 40:] = np.nan
        with rasterio.open(paths[name], "w", **profile) as raster:
            raster.write(values, 1)
            raster.units = ["degC" if name == "target" else "m"]
    results = []
    for tile in (0, 2):
        request = SuperResolveRequest(
            model=str(folder),
            target=RasterRef(str(paths["target"])),
            sources={"elevation": RasterRef(str(paths["elevation"]))},
            output=str(tmp_path / f"fine{tile}.tif"),
            tile=tile,
            precision="float32",
        )
        done = super_resolve(request, Silent())
        assert done.residual < 1e-4
        with rasterio.open(done.output) as raster:
            results.append(raster.read(1))
            assert raster.transform.a == 1.0
            assert raster.tags()["MSR_STEPS"] == "2 2 3, learned without a fine truth"
            assert "MSR_DETAIL_SHARES" not in raster.tags()
    assert results[0].shape == (60, 72)
    assert np.isfinite(results[0]).all()
    np.testing.assert_allclose(results[0], results[1], atol=1e-3)
    assert isinstance(load_model(find_package(str(folder)), CPU, PrecisionPlan()), CascadeMethod)


@pytest.mark.parametrize(
    ("shares", "measured", "why"),
    [
        ((0.5, 0.2, 0.1), True, ""),
        ((0, 0, 0), True, "showed no gain"),
        ((0, 0, 0), False, "could not be tried"),
    ],
)
def test_a_run_tells_what_the_detail_is_taken_for(
    tmp_path: Path, shares: tuple, measured: bool, why: str
) -> None:
    cascade: dict = {"steps": [2, 2, 3], "assumption": ASSUMPTION, "shares": list(shares)}
    if measured:
        cascade["gain"] = {"here": {"factor": 0.5, "error": 0.1}, "across": [], "explained": 0.1}
    folder = write(tmp_path / "tinycascade", cascade=cascade)
    values = np.random.default_rng(0).uniform(0, 20, (5, 6)).astype(np.float32)
    profile = {"driver": "GTiff", "width": 6, "height": 5, "count": 1, "dtype": "float32"}
    profile |= {"crs": "EPSG:3035", "transform": Affine(12, 0, 4e6, 0, -12, 3e6)}
    with rasterio.open(tmp_path / "target.tif", "w", **profile) as raster:
        raster.write(values, 1)
        raster.units = ["degC"]
    request = SuperResolveRequest(
        model=str(folder),
        target=RasterRef(str(tmp_path / "target.tif")),
        output=str(tmp_path / "fine.tif"),
        precision="float32",
    )
    done = super_resolve(request, Silent())
    told = [text for text in done.warnings if "adds no detail to interpolation" in text]
    assert len(told) == bool(why) and all(why in text for text in told)
    with rasterio.open(done.output) as raster:
        assert raster.tags()["MSR_DETAIL_SHARES"] == ("0 0 0" if why else "0.5 0.2 0.1")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"cascade": {"steps": [2, 3], "assumption": "x"}}, "product of cascade.steps"),
        ({"cascade": {"steps": [12], "assumption": "x"}}, "cascade.steps"),
        ({"cascade": {"steps": [2, 2, 3]}}, "assumption"),
        ({"cascade": {"steps": [2, 2, 3], "assumption": "x", "shares": [1, 0.5]}}, "cascade.shares"),
        ({"cascade": {"steps": [2, 2, 3], "assumption": "x", "shares": [1, 0.5, -1]}}, "cascade.shares"),
        (
            {"sources": [{"name": "climatology", "units": "K", "grid": "fine", "kind": "climatology"}]},
            "climatology",
        ),
    ],
)
def test_a_wrong_card_is_refused(tmp_path: Path, change: dict, word: str) -> None:
    with pytest.raises(PackageError, match=word):
        write(tmp_path / "wrong", **json.loads(json.dumps(change)))


def test_what_static_sources_give_at_each_step_is_kept_for_other_dates() -> None:
    method = make_method("rain", (2, 2, 2))
    first = make_patch(method, 3, 4)
    kept = dataclasses.replace(first, kept=KeptForDates())
    for times in (1.0, 3.0):
        alone = dataclasses.replace(first, target=first.target * times)
        with_kept = dataclasses.replace(kept, target=first.target * times)
        assert torch.equal(method.predict(with_kept).nan_to_num(-1), method.predict(alone).nan_to_num(-1))
    assert len({id(kept.kept.part(("scale", scale))) for scale in (1, 2, 4)}) == 3
    assert kept.kept.part(("scale", 2)).made(("means", "elevation"), lambda: None) is not None
