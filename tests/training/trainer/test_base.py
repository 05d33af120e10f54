"""A network on a base that was chosen: in the card, and never worse than the base on held-out data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.models.loading import load_model
from engine.package.folder import load_package
from engine.specs import BaseSpec
from training.cascade.train import train
from training.data.patches import Window, cut
from training.data.split import split_archive
from training.evaluation.cases import model_cases
from training.evaluation.predict import Strip, predict_field
from training.schema.config import parse_config
from training.trainer.draws import Draws
from training.trainer.trainer import Trainer
from training.trainer.validation import residual_share


@pytest.fixture
def quick(settings, small):
    settings["data"] = {"name": "small"}
    settings["sampling"] = {"size": 4, "batch": 4}
    settings["validation"] = {"every": 40, "held_out": [5]}
    settings["losses"] = {"adversarial": None}
    settings["base"] = "auto"
    return settings


def trainer_for(settings, archive, folder):
    config = parse_config(settings)
    return Trainer(config, archive, split_archive(config, archive), folder)


def test_the_card_carries_what_was_chosen_and_the_package_stands_on_it(quick, archive, tmp_path):
    folder = train(parse_config(quick), tmp_path, quiet=True).folder
    package = load_package(folder)
    entry = package.card.raw["base"]
    assert sum(entry["weights"].values()) == pytest.approx(1, abs=1e-3) and 0 <= entry["residual"] <= 1
    method = load_model(package, torch.device("cpu"), precision="float32")
    split = split_archive(parse_config(quick), archive)
    patch, _ = cut(archive, [Window(10, 0, 0)], (12, 20), method.halo, split.test_view)
    trainer = trainer_for(quick, archive, tmp_path / "again")
    assert dict(trainer.base.weights) == entry["weights"]
    untrained = trainer.model.forward_physical(patch).detach()  # its residual is zero
    stem = method.module.base.field(patch, 0)
    assert torch.allclose(untrained, stem, rtol=1e-4, atol=1e-3)
    expected = torch.lerp(stem, method.module.to_physical(whole(method, patch)), entry["residual"])
    assert torch.allclose(method.predict(patch), expected, rtol=1e-3, atol=1e-2)


def whole(method, patch):
    kept, method.module.base_spec = method.module.base_spec, replace(method.module.base_spec, residual=1.0)
    with torch.no_grad():
        field = method.module(method.module.prepare(patch))
    method.module.base_spec = kept
    return field


def test_a_card_has_no_base_where_the_configuration_asks_for_the_default_one(quick, tmp_path):
    quick["base"] = "default"
    package = train(parse_config(quick), tmp_path, quiet=True)
    assert "base" not in package.card.raw and package.card.base is None


@pytest.mark.parametrize("base", ["default", "auto", "elevationregression"])
def test_cached_batches_are_those_of_patches(quick, archive, tmp_path, base):
    quick["base"] = base
    trainer = trainer_for(quick, archive, tmp_path)
    windows = [Window(0, 2, 3), Window(4, 5, 7)]
    for gone in ((), ("climatology",), ("temperature", "elevation", "climatology")):
        view = trainer.split.training_view.without(gone)
        batch = trainer._batch(windows, view)
        patch, _ = cut(trainer.archive, windows, trainer.sampler.size, trainer.halo, view)
        assert torch.allclose(batch.inputs.base, trainer.model.prepare(patch).base, atol=1e-5)


def test_a_residual_that_gains_nothing_is_not_shipped(quick, archive, tmp_path):
    quick["base"] = "climatologyratioflat"
    trainer = trainer_for(quick, archive, tmp_path)
    model, split = trainer.model, trainer.split
    assert residual_share(model, archive, split, 3) == 0  # zero at first
    torch.manual_seed(1)
    torch.nn.init.normal_(model.generator.out.weight, std=0.3)
    rough = residual_share(model, archive, split, 3)
    assert rough < 0.2
    shipped = errors_of(trainer, rough)
    assert shipped <= errors_of(trainer, 0.0) < errors_of(trainer, 1.0)


@pytest.mark.parametrize("room", [2**30, 0])
def test_the_residual_is_measured_from_features_made_once(
    quick, archive, tmp_path, monkeypatch, capsys, room
):
    """The same share, whatever room there is to keep fields; progress is told."""
    quick["base"], quick["validation"]["held_out"] = "climatologyratioflat", [5, 6]
    trainer = trainer_for(quick, archive, tmp_path)
    torch.manual_seed(1)
    torch.nn.init.normal_(trainer.model.generator.out.weight, std=0.02)
    made, prepare = [], trainer.model.prepare
    monkeypatch.setattr(trainer.model, "prepare", lambda patch: made.append(1) or prepare(patch))
    share = residual_share(trainer.model, archive, trainer.split, 3, quiet=False, room=room)
    assert len(made) == (2 if room else 4)  # one tile for each of two months
    assert share == pytest.approx(by_hand(trainer, archive), abs=1e-3) and share > 0
    told = capsys.readouterr().err
    assert "Measuring the residual" in told and "Judging its share" in told


def by_hand(trainer, archive):
    base, whole = (errors_field(trainer, archive, share) for share in (0.0, 1.0))
    gain = np.concatenate([(whole[t] - base[t]).ravel() for t in base]).astype(np.float64)
    gap = np.concatenate([(archive.fine[t] - base[t]).ravel() for t in base]).astype(np.float64)
    return float((gain * gap).sum() / (gain**2).sum())


def errors_of(trainer, share):
    trainer.base = replace(trainer.base, residual=share)
    return trainer.scored(trainer.model.generator.state_dict())["rmse"]


def test_a_residual_of_twice_the_right_size_is_halved(quick, archive, tmp_path):
    """On a target without transform the share is that of least squares, exactly."""
    quick["base"], quick["sources"] = "bicubicsmooth", [{"name": "elevation"}]
    quick["target"] = {"transform": "identity", "bounds": [None, None], "conservation": "additive"}
    trainer = trainer_for(quick, archive, tmp_path)
    torch.nn.init.normal_(trainer.model.generator.out.weight, std=0.1)
    split = trainer.split
    base, whole = (errors_field(trainer, archive, share) for share in (0.0, 1.0))
    # A truth that stands half way between the base and the network's field.
    fine = archive.fine.copy()
    for time in split.validation.times:
        fine[time] = (base[time] + whole[time]) / 2
    other = replace(archive, fine=fine)
    assert residual_share(trainer.model, other, split, 3) == pytest.approx(0.5, abs=0.01)


def errors_field(trainer, archive, share):
    model = trainer.model
    model.base_spec = replace(model.base_spec, residual=share)
    case = model_cases("model", Draws(model), model.halo, trainer.split.training_view, model.sources, 1.0)[0]
    fields = {}
    for time in trainer.split.validation.times:
        with torch.no_grad():
            fields[time] = predict_field(case, archive, trainer.target, Strip(time, (0, 20)))[0][0].numpy()
    model.base_spec = replace(model.base_spec, residual=1.0)
    return fields


def test_nothing_is_shrunk_where_validation_is_not_apart(quick, archive, tmp_path):
    quick["validation"] = {"every": 40, "where": "training"}
    trainer = trainer_for(quick, archive, tmp_path)
    assert residual_share(trainer.model, archive, trainer.split, 3) == 1.0


@pytest.mark.parametrize("later", ["default", "auto"])
@pytest.mark.parametrize(
    "first, expected",
    [("climatologyratioflat", BaseSpec((("climatologyratioflat", 1.0),))), ("default", BaseSpec())],
)
def test_training_goes_on_from_a_package_on_its_own_base(quick, archive, tmp_path, first, expected, later):
    quick["base"], quick["steps"] = first, 2
    package = train(parse_config(quick), tmp_path, quiet=True)
    quick["base"], quick["start_from"] = later, str(package.folder)
    trainer = trainer_for(quick, archive, tmp_path / "on")
    assert trainer.base == expected
