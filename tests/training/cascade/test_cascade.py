"""Scale transfer: a coarse field with a known lapse rate, from a store without a fine truth."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
import torch
import yaml
from affine import Affine

from engine.errors import InputError
from engine.fields.conservation import aggregate
from engine.models.loading import load_model
from training import evaluate, lapse_rate
from training.cascade import __main__ as cascade
from training.cascade.train import outdone_by, train
from training.cascade.trainer import CascadeTrainer
from training.cascade.validation import folds_of, without
from training.data.archive import block_mean
from training.data.patches import View, Window, cut
from training.data.store import as_given
from training.preparation.prepare import prepare
from training.records.record import read, record_of
from training.results.claims.moselle import held_out, lapse
from training.schema.cascade import order_of_steps
from training.schema.config import load_config, parse_config

K, H, W = 6, 6, 12
LAPSE = -0.0065  # K per metre
DATES = tuple(f"{year}-{month:02d}-15" for year in (2001, 2002) for month in range(1, 13))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, np.ndarray, np.ndarray]:
    """A store of coarse temperatures and fine heights; the fine temperatures and heights."""
    folder = tmp_path_factory.mktemp("cascade")
    rng = np.random.default_rng(3)
    height = np.zeros((H * K, W * K))
    for scale in (2, 3, 6, 12, 18):  # relief at every scale
        rough = rng.normal(size=(H * K // scale, W * K // scale)) * 40 * scale**0.5
        height += rough.repeat(scale, 0).repeat(scale, 1)
    height += 900
    season = 10 - 9 * np.cos(2 * np.pi * np.arange(24) / 12)
    plane = np.linspace(0, 2, W * K)[None, None]
    fine = (season[:, None, None] + plane + LAPSE * height).astype(np.float32)
    transform = Affine(500, 0, 4_000_000, 0, -500, 2_800_000)
    profile = {"driver": "GTiff", "dtype": "float32", "crs": "EPSG:3035", "nodata": np.nan}
    for name, bands, scale in (
        ("warmth", block_mean(fine, K), K),
        ("elevation", height[None].astype(np.float32), 1),
    ):
        size = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2]}
        place = {"transform": transform * Affine.scale(scale)}
        with rasterio.open(folder / f"{name}.tif", "w", **profile, **size, **place) as file:
            file.write(bands)
            for band, date in enumerate(DATES[: len(bands)] if len(bands) > 1 else (), 1):
                file.update_tags(band, DATE=date)
    target = {"name": "warmth", "units": "degC", "coarse": {"files": "warmth.tif", "file_units": "degC"}}
    elevation = {"name": "elevation", "units": "m", "grid": "fine", "files": "elevation.tif"}
    described = {"name": "hills", "title": "Hills", "citation": "none", "licence": "CC0-1.0"}
    described |= {"simulated": True, "factor": K, "target": target, "sources": [elevation]}
    (folder / "hills.yaml").write_text(yaml.safe_dump(described), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.preparation.prepare.write_summary", lambda *_: None)
        prepare(folder / "hills.yaml", folder / "hills.zarr")
    return folder, fine, height


@pytest.fixture
def transfer(made) -> dict:
    """A cascade of a few hundred weights."""
    return {
        "model": {
            "id": "hills6",
            "name": "Hills",
            "version": "1.0.0",
            "licence": "CC0-1.0",
            "citation": "none",
        },
        "data": {"name": "store", "options": {"path": str(made[0] / "hills.zarr")}},
        "factor": K,
        "cascade": {"steps": [2, 3], "block": 6, "gap_days": 20},
        "target": {"conservation": "additive"},
        "sources": [{"name": "elevation", "value": False, "derived": ["anomaly"]}],
        "split": {"kind": "period", "train": [["2001", "2001"]], "test": [["2002", "2002"]]},
        "network": {"widths": [4, 4], "boxes": [0, 0], "attention": False, "inception": False},
        "losses": {"adversarial": None},
        "optimiser": {"rate": 0.02, "warmup_steps": 5, "ema": 0.9, "weight_decay": 0.0},
        "sampling": {"size": 6, "batch": 4, "flip_horizontal": True, "without_sources": 0.0},
        "validation": {"every": 100},
        "steps": 100,
        "precision": "float32",
        "layout": "contiguous",
    }


def test_the_lapse_rate_is_recovered_below_the_scale_that_was_seen(transfer, made, tmp_path, capsys):
    config = parse_config(transfer)
    package = train(config, tmp_path / "runs", quiet=True)
    card = package.card
    assert card.cascade == (2, 3) and card.factor == K
    assert 0.6 < card.shares[1] < card.shares[0] < 1, "a law, seen on few cells"
    assert card.raw["cascade"]["gain"]["explained"] > 0.9
    assert card.resolution == {"coarse": 3000.0, "fine": 500.0, "units": "metre"}
    assert card.raw["cascade"]["trained"][1] == {"step": 3, "coarse": 9000.0, "fine": 3000.0}
    assert "Scale invariance" in card.raw["cascade"]["assumption"]
    scores = card.raw["metrics"]
    for step in (2, 3):
        assert scores["hills6"][f"rmse_{step}"] < 0.5 * scores["bicubicsmooth"][f"rmse_{step}"]
    method = load_model(package, torch.device("cpu"), precision="float32")
    folder, fine, height = made
    given = as_given(str(folder / "hills.zarr"))
    assert np.isnan(given.fine[3]).all(), "no truth was known"
    assert card.sources[0].range == pytest.approx((height.min(), height.max())), "not of its means"
    seen = given.coarse[:12]
    assert card.target.range == pytest.approx((seen.min(), seen.max()))
    again = load_config(tmp_path / "runs/hills6/config.yaml")
    assert again.cascade == config.cascade and again.split == config.split
    patch, _ = cut(given, [Window(3, 0, 0)], given.shape, method.halo, View(("elevation",)))
    found = method.predict(patch)
    mean = aggregate(found, K)[0].numpy()
    np.testing.assert_allclose(mean, given.coarse[3], atol=1e-4)
    coarse = given.coarse[3].repeat(K, 0).repeat(K, 1)
    above = height - block_mean(height[None], K)[0].repeat(K, 0).repeat(K, 1)
    inner = slice(K, -K)
    detail, above = (found[0].numpy() - coarse)[inner, inner], above[inner, inner]
    slope = float((detail * above).sum() / (above**2).sum())
    assert 0.65 * LAPSE > slope > 1.1 * LAPSE
    error, before = found[0].numpy() - fine[3], coarse - fine[3]
    assert np.sqrt((error[inner, inner] ** 2).mean()) < 0.6 * np.sqrt((before[inner, inner] ** 2).mean())
    path, picture = tmp_path / "hills.yaml", tmp_path / "maps.png"
    path.write_text(yaml.safe_dump(transfer), encoding="utf-8")
    command = [str(path), "--model", str(package.folder), "--dates", "3", "--maps", str(picture), "--json"]
    assert lapse_rate.run(command) == 0
    told = json.loads(capsys.readouterr().out)
    own, smooth = told["methods"]["hills6"], told["methods"]["bicubicsmooth"]
    assert told["units"] == "degC/km"
    assert 5 < -own["slope"] < 8 and own["low"] <= own["slope"] <= own["high"]
    assert own["explained"] > 0.5 and abs(smooth["slope"]) < 1.5
    assert picture.stat().st_size > 10_000


def test_a_slope_is_that_of_the_detail_where_the_ground_is_known():
    rng = np.random.default_rng(0)
    height = rng.gamma(2, 150, (40, 60))
    height[:, 45:] = np.nan
    fields = [
        np.where(np.isfinite(height), 12 + day - 0.006 * height, 99.0) + rng.normal(0, 0.05, height.shape)
        for day in range(12)
    ]
    slope = lapse_rate.slope_of(fields, height, 10)
    value, low, high = slope.interval()
    assert low < -6 < high and abs(value + 6) < 0.05 and high - low < 0.2
    assert slope.explained > 0.99
    assert slope.interval([0, 1]).value == pytest.approx(value, abs=0.1)
    coarse = [block_mean(np.nan_to_num(f)[None], 10)[0].repeat(10, 0).repeat(10, 1) for f in fields]
    assert abs(lapse_rate.slope_of(coarse, height, 10).interval().value) < 1
    with pytest.raises(InputError, match="no relief"):
        lapse_rate.slope_of(fields, height * 0, 10)


def test_steps_share_their_weights_and_take_turns(transfer, tmp_path):
    config = parse_config(transfer)
    trainer = CascadeTrainer(cascade.load_data(config)[1], tmp_path)
    other = trainer.others[3].model.generator
    assert [b.truth.shape[-1] // b.coarse.shape[-1] for b in map(trainer.batch, range(4))] == [2, 3, 2, 3]
    before = {name: p.clone() for name, p in other.named_parameters()}
    trainer.step()
    trainer.step()
    assert any(not torch.equal(p, before[name]) for name, p in other.named_parameters())
    for (name, a), (_, b) in zip(
        trainer.model.generator.named_parameters(), other.named_parameters(), strict=True
    ):
        assert a is b, name
    assert trainer.others[3].target == trainer.target and trainer.others[3].sources == trainer.sources
    assert set(trainer.scored(trainer.average.weights)) >= {"rmse_2", "rmse_3", "mae_2"}


def test_a_fold_hides_its_block_and_its_year(transfer):
    config = parse_config(transfer)
    levels = cascade.load_data(config)[1]
    folds = folds_of(config, levels)
    assert len(folds) == 2 * 2
    assert sum(int(f.cells.sum()) for f in folds if f.year == 2001) == H * W, "every cell is held out once"
    fold = next(f for f in folds if f.year == 2002 and f.cells[0, 6])
    own = without(levels[1], fold, gap_days=20)
    assert np.isnan(own.archive.fine[:, :, 6:]).all() and np.isfinite(own.archive.fine[:, :, :6]).all()
    dates = [own.archive.dates[t] for t in own.split.train.times]
    assert dates[-1] == "2001-11-15", "December is nearer to the year than the gap"
    fine = levels[0].archive.fine.copy()
    fine[:, :, 6:] = np.nan  # without truth at ×2, but with one at ×3
    assert (
        len(folds_of(config, [replace(levels[0], archive=replace(levels[0].archive, fine=fine)), levels[1]]))
        == 4
    )
    shifted = folds[0].cells * False
    shifted[1:4, 1:4] = True  # cuts through larger cells: none of them trains
    own = without(levels[0], type(fold)(shifted, 2001), 0)
    assert np.isnan(own.archive.fine[:, 0:4, 0:4]).all() and np.isfinite(own.archive.fine[:, 4:]).all()


def test_cross_validation_scores_every_cell_and_goes_on(transfer, tmp_path, capsys):
    transfer["steps"] = 20
    path = tmp_path / "hills.yaml"
    path.write_text(yaml.safe_dump(transfer), encoding="utf-8")
    command = [str(path), "--runs", str(tmp_path / "runs"), "--record", str(tmp_path / "r.jsonl"), "--json"]
    assert cascade.run(command) == 0
    first = json.loads(capsys.readouterr().out)
    assert {"hills6", "trees", "bilinear", "elevationregression-conservative"} <= set(first["metrics"])
    assert np.isfinite(list(first["metrics"]["hills6"].values())).all()
    value, low, high = first["rmse_ratio"]["2_all"]["bilinear"]
    assert low <= value <= high and value < 1
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").rglob("*.safetensors")}
    assert len(kept) == 4
    assert cascade.run(command) == 0
    assert json.loads(capsys.readouterr().out) == first
    assert kept == {p: p.stat().st_mtime_ns for p in kept}, "finished folds are not trained again"
    record = read(tmp_path / "r.jsonl", "cross_validation")[0]
    assert record.metrics["hills6"] == first["metrics"]["hills6"] and record.notes["cells"]["2"] == H * W
    claims = held_out(record)
    assert [c.claim.split(", ")[1:3] for c in claims] == [
        [f"×{step}", f"{where} cells"] for step in (2, 3) for where in ("all", "covered")
    ]
    best = min(v["rmse_2_all"] for name, v in record.metrics.items() if name != "hills6")
    assert claims[0].value == pytest.approx(record.metrics["hills6"]["rmse_2_all"] / best, rel=1e-3)
    assert (claims[0].verdict != "no") == (claims[0].value < 1)


def test_a_lapse_rate_is_held_to_what_is_plausible(transfer):
    config = parse_config(transfer)

    def claims(slope: float) -> list:
        metrics = {"hills6": {"slope": slope, "low": slope - 1, "high": slope + 1}}
        notes = {"model": "hills6", "units": "degC/km"}
        return lapse(record_of("l", "lapse_rate", config, "hills.yaml", "c", metrics, notes=notes))

    told = [claims(slope)[0].verdict for slope in (-5.5, -6.5, -2.0, float("nan"))]
    assert told == ["yes", "not surely", "no", "no"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"factor": 8}, "product of the steps"),
        ({"losses": {}}, "losses.adversarial"),
        ({"cascade": {"steps": [2, 2]}}, "stands once"),
        ({"cascade": {"steps": [4]}}, "cascade.steps"),
    ],
)
def test_a_configuration_that_does_not_fit_is_one_sentence(transfer, change, word):
    with pytest.raises(InputError, match=word):
        parse_config({**transfer, **change})


def test_data_that_do_not_fit_are_one_sentence(transfer, tmp_path):
    with pytest.raises(InputError, match="the store has factor 6, not 12"):
        cascade.load_data(parse_config({**transfer, "factor": 12}))
    with pytest.raises(InputError, match="only a store"):
        cascade.load_data(parse_config({**transfer, "data": {"name": "itur"}}))
    path = tmp_path / "hills.yaml"
    path.write_text(yaml.safe_dump(transfer), encoding="utf-8")
    with pytest.raises(InputError, match="no fine truth"):
        evaluate.run([str(path)])


def test_a_field_without_whole_blocks_is_refused(transfer, tmp_path, monkeypatch):
    whole = as_given(transfer["data"]["options"]["path"])
    coarse = np.where(np.arange(H)[:, None] % 2 == 0, whole.coarse, np.nan)
    monkeypatch.setattr("training.data.store.as_given", lambda *_: replace(whole, coarse=coarse))
    with pytest.raises(InputError, match=r"cascade\.steps: nowhere are 2 × 2 coarse cells"):
        train(parse_config(transfer), tmp_path, quiet=True)


def test_small_steps_come_first():
    assert order_of_steps(48, (3, 2)) == (2, 2, 2, 2, 3)
    assert order_of_steps(30, (5, 3, 2)) == (2, 3, 5)


def test_the_shipped_configuration_is_valid():
    config = load_config("training/configs/moselle_temperature.yaml")
    assert config.cascade is not None and order_of_steps(config.factor, config.cascade.steps)


def test_a_simple_method_that_errs_less_is_named():
    def row(name: str, rmse: float) -> SimpleNamespace:
        return SimpleNamespace(case=SimpleNamespace(name=name, title=name.title()), values={"rmse": rmse})

    scores = [row("bicubic", 0.7), row("lapserate-conservative", 0.2), row("hills6", 0.3)]
    told = outdone_by(scores, "hills6", "degC")
    assert (
        "Lapserate-Conservative errs less than the cascade, 0.2 against 0.3 degC: take lapserate, or sharpen."
        in told
    )
    assert outdone_by([row("bicubic", 0.7), row("hills6", 0.3)], "hills6", "degC") == ""
    assert outdone_by([row("bicubic", math.nan), row("hills6", 0.3)], "hills6", "") == ""
