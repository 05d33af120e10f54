"""Training: what the generator learns from, what it may know, and what it leaves behind."""

from __future__ import annotations

import copy
import json
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.errors import EngineError, InputError
from engine.models.loading import load_model
from engine.package.folder import load_package
from training.cascade.train import train
from training.cross_validate import cross_validate, folds_of
from training.data.patches import Window, cut
from training.data.readers import READERS
from training.data.split import split_archive
from training.schema.config import parse_config
from training.trainer.trainer import Trainer


@pytest.fixture
def quick(settings, small):
    """Settings for the small archive: elevation tells nearly all of the fine field."""
    settings["data"] = {"name": "small"}
    settings["sampling"] = {"size": 4, "batch": 4}
    settings["validation"] = {"every": 40, "held_out": [5]}
    return settings


def trainer_for(settings, archive, folder):
    config = parse_config(settings)
    return Trainer(config, archive, split_archive(config, archive), folder)


def roughened(trainer):
    """Give the generator's last layer, zero at first, some weights."""
    torch.manual_seed(0)
    with torch.no_grad():
        trainer.model.generator.out.weight.normal_(0, 0.1)
    return trainer


def gradients(module):
    return [p.grad.abs().sum().item() for p in module.parameters() if p.grad is not None]


def test_the_adversarial_gradient_reaches_the_generator(quick, archive, tmp_path):
    trainer = roughened(trainer_for(quick, archive, tmp_path))
    batch = trainer.batch(0)
    fine = trainer.generate(batch, trainer.plan).judged
    assert fine.requires_grad
    trainer.adversary.generator_loss(fine, batch, nullcontext).backward()
    generator = gradients(trainer.model.generator)
    assert len(generator) > 5 and sum(g > 0 for g in generator) > 0.8 * len(generator)
    assert not gradients(trainer.adversary.network)  # its own weights stay out of it


def test_the_discriminator_does_not_move_the_generator(quick, archive, tmp_path):
    trainer = roughened(trainer_for(quick, archive, tmp_path))
    batch = trainer.batch(0)
    fine = trainer.generate(batch, trainer.plan).judged
    trainer.adversary.own_loss(fine, batch, nullcontext).backward()
    assert sum(gradients(trainer.adversary.network)) > 0
    assert not gradients(trainer.model.generator)


def test_the_adversarial_term_changes_what_is_learned(quick, archive, tmp_path):
    weights = []
    for weight in (0.0, 1.0):
        quick["losses"]["adversarial"].update(start=0, weight=weight)
        trainer = roughened(trainer_for(quick, archive, tmp_path))
        losses = [trainer.step() for _ in range(3)]
        assert ("adversarial" in losses[-1].terms) == (weight > 0)
        weights.append(trainer.model.generator.out.weight.detach().clone())
    assert not torch.equal(*weights)


def test_statistics_come_from_training_times_alone(quick, make, tmp_path):
    quick["sources"] = [{"name": "temperature"}, {"name": "climatology"}]

    def statistics(archive):
        trainer = trainer_for(quick, archive, tmp_path)
        return trainer.target, trainer.sources, trainer.spread

    def scaled(times):
        archive = make()
        factors = np.ones(12, dtype=np.float32)
        factors[times] = 50
        temperature = archive.sources["temperature"]
        warmer = replace(temperature, values=temperature.values * factors[:, None, None, None])
        return replace(
            archive,
            coarse=archive.coarse * factors[:, None, None],
            fine=archive.fine * factors[:, None, None],
            sources={**archive.sources, "temperature": warmer},
        )

    plain = statistics(make())
    assert statistics(scaled([9, 10, 11])) == plain  # test months
    assert statistics(scaled([4])) == plain  # the validation month
    changed = statistics(scaled([2]))
    assert changed[0].mean != plain[0].mean and changed[0].range != plain[0].range
    assert changed[1][0].normalisation != plain[1][0].normalisation
    assert changed[1][1].range != plain[1][1].range and changed[2] != plain[2]


def test_spatial_statistics_come_from_training_columns_alone(quick, make, tmp_path):
    quick["split"] = {
        "kind": "spatial",
        "train_longitudes": [-180, 90],
        "test_longitudes": [90, 180],
        "train_months": [1, 2, 3],
        "test_months": [10],
    }
    quick["validation"] = {"where": "training"}
    quick["sources"] = [{"name": "elevation"}]

    def statistics(first):
        archive = make()
        archive.fine[:, :, first * 2 :] *= 7
        archive.coarse[:, :, first:] *= 7
        archive.sources["elevation"].values[..., first * 2 :] *= 7
        trainer = trainer_for(quick, archive, tmp_path)
        return trainer.target, trainer.sources, trainer.spread

    plain = statistics(20)
    assert statistics(15) == plain  # 90°E on
    assert statistics(14)[0] != plain[0] and statistics(14)[1] != plain[1]


def test_a_short_training_learns_and_leaves_a_whole_package(quick, tmp_path):
    quick["sources"] = [{"name": "elevation"}]
    quick["losses"] = {"adversarial": None}
    quick["network"] = {"widths": [16, 16], "boxes": [1, 0]}
    quick["optimiser"] = {"rate": 0.01, "warmup_steps": 5, "ema": 0.9}
    quick["steps"] = 120
    package = train(parse_config(quick), tmp_path / "runs", quiet=True, command="none")
    record = json.loads((tmp_path / "runs" / "tiny" / "record.json").read_text())
    metrics = package.card.raw["metrics"]
    assert metrics["tiny"]["rmse"] < 0.7 * metrics["bicubic-conservative"]["rmse"]
    assert metrics["tiny-without-sources"]["rmse"] > 1.2 * metrics["tiny"]["rmse"]
    assert record["metrics"] == metrics
    log = [json.loads(line) for line in (tmp_path / "runs" / "tiny" / "log.jsonl").read_text().splitlines()]
    assert [r["step"] for r in log] == list(range(121))
    start, end = (np.mean([r["total"] for r in part]) for part in (log[1:11], log[-10:]))
    assert log[-1]["validation"]["rmse"] < 0.8 * log[0]["validation"]["rmse"]
    assert end < 0.8 * start
    assert load_package(package.folder).card.raw["training"]["configuration"]["steps"] == 120


def test_a_number_that_is_not_finite_is_null_in_the_card(quick, tmp_path, monkeypatch):
    numbers = {"rmse": 2.0, "pearson": float("nan"), "ralsd": float("inf")}
    monkeypatch.setattr("training.trainer.run._numbers", lambda score: numbers)
    quick["steps"] = 1
    package = train(parse_config(quick), tmp_path / "runs", quiet=True)
    expected = {"rmse": 2.0, "pearson": None, "ralsd": None}
    assert load_package(package.folder).card.raw["metrics"]["tiny"] == expected
    record = (tmp_path / "runs" / "tiny" / "record.json").read_text()
    assert "NaN" not in record and json.loads(record)["metrics"]["tiny"] == expected


def test_the_package_predicts_what_was_trained(quick, archive, tmp_path):
    quick["steps"] = 6
    quick["validation"] = {"every": 6, "where": "training"}
    config = parse_config(quick)
    package = train(config, tmp_path / "runs", tmp_path / "out", quiet=True)
    assert package.folder == tmp_path / "out"
    method = load_model(package, torch.device("cpu"), precision="float32")
    trainer = Trainer(config, archive, split_archive(config, archive), tmp_path / "runs" / "tiny")
    trainer.restore()
    trainer.model.generator.load_state_dict(trainer.best_weights)
    patch, _ = cut(archive, [Window(10, 2, 3)], (4, 4), method.halo, trainer.split.test_view)
    with torch.no_grad():
        expected = trainer.model.forward_physical(patch)
    assert torch.allclose(method.predict(patch), expected, rtol=1e-5, atol=1e-5)


def test_a_default_raster_ships_with_the_model(quick, archive, tmp_path):
    import rasterio

    quick["steps"] = 1
    quick["sources"] = [{"name": "elevation", "default": True}]
    package = train(parse_config(quick), tmp_path / "runs", quiet=True)
    with rasterio.open(package.default_raster("elevation")) as raster:
        values = raster.read(1) * raster.scales[0]
        assert raster.dtypes[0] == "int16"
    expected = archive.sources["elevation"].values[0, 0]
    assert np.abs(values - expected).max() <= raster.scales[0] / 2 + 1e-3
    quick["sources"] = [{"name": "climatology", "default": True}]
    with pytest.raises(InputError, match=r"climatology\.default"):
        train(parse_config(quick), tmp_path / "runs", quiet=True)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_source_that_says_nothing_does_no_harm(quick, archive, tmp_path, monkeypatch):
    """One value everywhere, or none anywhere: the package is valid, and ships no raster without a value."""
    elevation = archive.sources["elevation"]
    for name, value, span in (("constant", 7.0, (7.0, 7.0)), ("missing", np.nan, None)):
        values = np.full_like(elevation.values, value)
        sources = {**archive.sources, "elevation": replace(elevation, values=values)}
        data = replace(archive, sources=sources)
        monkeypatch.setitem(READERS, "small", lambda factor, data=data: data)
        quick["steps"] = 1
        quick["sources"] = [{"name": "elevation", "default": True}]
        card = train(parse_config(quick), tmp_path / name, quiet=True).card
        assert card.sources[0].range == span
        assert ("default" in card.raw["sources"][0]) == (name == "constant")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"network": {"depth": 3}}, ["network", "depth"]),
        ({"network": {"widths": [8, 8, 8]}}, ["network", "widths"]),
        ({"network": {"widths": "wide"}}, ["network"]),
        ({"network": {"factor": 3}}, ["network.factor"]),
        ({"sources": [{"name": "snow"}]}, ["sources", "snow"]),
        ({"sources": [{"name": "elevation", "derived": ["smell"]}]}, ["sources.elevation.derived", "smell"]),
        ({"data": {"name": "nowhere"}}, ["data.name", "nowhere"]),
        ({"data": {"name": "small", "options": {"colour": 1}}}, ["data.options", "colour"]),
    ],
)
def test_what_only_the_data_can_tell_names_the_key_too(quick, tmp_path, change, words):
    with pytest.raises(InputError) as caught:
        train(parse_config({**quick, **change}), tmp_path, quiet=True)
    for word in words:
        assert word in str(caught.value)


def test_a_loss_that_is_not_finite_ends_the_run_with_a_sentence(quick, archive, tmp_path):
    trainer = trainer_for(quick, archive, tmp_path)
    with torch.no_grad():
        trainer.model.generator.out.bias.fill_(float("nan"))
    lost = torch.tensor(float("nan"), requires_grad=True)
    trainer.reconstruction = lambda *a: {"reconstruction": lost}
    with pytest.raises(EngineError, match=r"not finite at step 0.*reconstruction"):
        trainer.step()


def test_source_dropout_withholds_optional_sources_alone(quick, archive, tmp_path):
    quick["sources"] = [
        {"name": "temperature", "dropout": 0.5},
        {"name": "elevation", "optional": False, "dropout": 1.0},
    ]
    quick["sampling"]["without_sources"] = 0.3
    trainer = trainer_for(quick, archive, tmp_path)
    seen = {trainer.view(np.random.default_rng(i)).sources for i in range(40)}
    assert seen == {("temperature", "elevation"), ("elevation",)}


def test_an_older_run_is_set_aside_not_overwritten(quick, tmp_path):
    quick["steps"] = 2
    first = copy.deepcopy(quick)
    train(parse_config(first), tmp_path, tmp_path / "a", quiet=True)
    train(parse_config({**quick, "seed": 9}), tmp_path, tmp_path / "b", quiet=True)
    assert (tmp_path / "tiny.1" / "checkpoint.safetensors").is_file()
    assert (tmp_path / "tiny" / "checkpoint.safetensors").is_file()


def test_cross_validation_holds_out_each_block_and_goes_on(quick, tmp_path):
    quick["steps"] = 4
    quick["validation"] = {"every": 2, "blocks": [[1, 2], [6, 7]], "cases": ["all", "without_climatology"]}
    config = parse_config(quick)
    found = cross_validate(config, tmp_path, quiet=True)
    assert [fold["held_out"] for fold in found["folds"]] == [[1, 2], [6, 7]]
    assert list(found["mean"]) == [0, 2, 4] and found["best_step"] in (0, 2, 4)
    logs = [(tmp_path / f"tiny-fold{n}" / "log.jsonl").read_text() for n in (1, 2)]
    scores = [json.loads(text.splitlines()[-1])["validation"] for text in logs]
    assert found["mean"][4]["rmse"] == pytest.approx(np.sqrt(np.mean([s["rmse"] ** 2 for s in scores])))
    assert scores[0]["rmse"] != scores[1]["rmse"] != scores[1]["rmse_without_climatology"]
    assert cross_validate(config, tmp_path, quiet=True) == found  # nothing is done twice
    assert [(tmp_path / f"tiny-fold{n}" / "log.jsonl").read_text() for n in (1, 2)] == logs


def test_a_held_out_block_of_longitude_is_not_trained_on(quick, archive):
    quick["validation"] = {"longitude_blocks": [[-180, -90], [0, 180]], "held_out_longitudes": [0, 180]}
    config = parse_config(quick)
    assert [f["held_out_longitudes"] for f in folds_of(config)] == [[-180, -90], [0, 180]]
    split = split_archive(config, archive)
    assert split.train.columns == (0, 10) and split.validation.columns == (10, 20)
    assert split.held_out and split.train.times == split.validation.times


def test_cross_validation_blocks_are_thirds_by_default(quick):
    del quick["validation"]["held_out"]
    found = folds_of(parse_config(quick))
    assert found == [{"held_out": [1, 2, 3]}, {"held_out": [4, 5, 6]}, {"held_out": [7, 8, 9]}]
    quick["validation"]["blocks"] = [[10, 11]]
    with pytest.raises(InputError, match=r"validation\.blocks"):
        folds_of(parse_config(quick))


def test_the_small_data_set_is_only_for_tests():
    assert "small" not in READERS
