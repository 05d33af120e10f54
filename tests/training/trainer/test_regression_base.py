"""A network on the regression: out of sample in training, the whole fit in what is shipped."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.models.loading import load_model
from engine.package.folder import load_package
from tests.training.evaluation.test_neighbourhood import SHAPE, daily
from training.cross_validate import cross_validate
from training.data.patches import Window, cut
from training.data.readers import READERS, load_archive
from training.data.split import split_archive
from training.evaluation.compared.methods import package_cases
from training.evaluation.comparison import evaluate_all
from training.evaluation.predict import Strip, predict_field
from training.schema.config import parse_config
from training.trainer.run import fit, train_network
from training.trainer.trainer import Trainer


@pytest.fixture
def quick(settings, make, monkeypatch):
    monkeypatch.setitem(READERS, "days", lambda factor: daily(make(), 160))
    settings["data"] = {"name": "days"}
    settings["target"] = {"transform": "identity", "conservation": "additive"}
    settings["sources"] = []
    settings["split"] = {
        "kind": "period",
        "train": [["2000-01", "2003-12"]],
        "test": [["2004-01", "2005-12"]],
    }
    settings["sampling"] = {"size": 4, "batch": 4}
    settings["validation"] = {"every": 6, "held_out_periods": [["2003-01", "2003-12"]]}
    settings["losses"] = {"adversarial": None}
    settings["steps"], settings["base"] = 6, "neighbourhood"
    return settings


def trainer_for(settings, folder):
    config = parse_config(settings)
    archive = load_archive(config)
    return Trainer(config, archive, split_archive(config, archive), folder)


def test_the_network_learns_from_bases_that_do_not_know_its_dates(quick, tmp_path):
    trainer = trainer_for(quick, tmp_path)
    windows = [Window(3, 1, 2), Window(80, 0, 4)]
    view = trainer.split.training_view
    batch = trainer._batch(windows, view)
    fitted = trainer.model.base.regression
    patch, _ = cut(trainer.archive, windows, trainer.sampler.size, trainer.halo, view)
    assert patch.fold.tolist() == [0, 4]
    for number, fold in enumerate(patch.fold.tolist()):
        one, _ = cut(trainer.archive, windows[number : number + 1], (4, 4), trainer.halo, view)
        own = trainer.model.base.field(one, 0)
        assert torch.allclose(trainer.model.to_physical(batch.inputs.base[number]), own[0], atol=1e-4)
        one.fold = None
        assert not torch.allclose(trainer.model.base.field(one, 0), own, atol=1e-3)
        assert torch.equal(fitted.folds[fold].mean.isfinite(), fitted.relation.mean.isfinite())
    # Dates of validation and of the test know no block: all training dates are seen.
    later, _ = cut(
        trainer.archive, [Window(80, 0, 0), Window(100, 0, 0), Window(150, 0, 0)], SHAPE, trainer.halo, view
    )
    assert later.fold.tolist() == [4, -1, -1]
    scale = trainer.scales[False].rmse
    assert scale > 0.04  # the noise that no regression can know


def test_the_package_carries_it_and_gives_what_training_scored(quick, tmp_path):
    config = parse_config(quick)
    package = train_network(config, tmp_path, quiet=True)
    entry = package.card.raw["base"]
    assert entry["weights"] == {"neighbourhood": 1.0} and entry["regression"]["radius"] in (1, 2)
    read = load_package(package.folder)
    archive = load_archive(config)
    split = split_archive(config, archive)
    case = package_cases(read, split)[0]
    squares = []
    for time in split.test.times:
        field = predict_field(case, archive, read.card.target, Strip(time, split.test.columns))[0][0].numpy()
        squares.append(((field - archive.fine[time]) ** 2).mean())
    told = package.card.raw["metrics"]
    assert float(np.sqrt(np.mean(squares))) == pytest.approx(told["tiny"]["rmse"], rel=1e-4)
    assert told["tiny"]["rmse"] < 0.3 * told["bicubicsmooth"]["rmse"]
    # The base stands beside the model, by its name, and they are compared.
    assert told["tiny-base"]["rmse"] == pytest.approx(told["neighbourhood"]["rmse"], rel=1e-4)
    evaluation = evaluate_all(config, archive, split, read, trees=False, further=False, samples=20)
    stem = evaluation.score("tiny-base")
    assert stem.case.title.endswith("its base alone: neighbourhood")
    assert stem.values["rmse"] == pytest.approx(told["tiny-base"]["rmse"], rel=1e-4)
    pairs = {(one.method, one.reference) for one in evaluation.comparisons if one.measure == "rmse"}
    assert ("tiny", "tiny-base") in pairs and evaluation.reference == "neighbourhood"
    # Training again from the package: on its base, the regression fitted anew.
    quick["base"], quick["start_from"] = "default", str(package.folder)
    on = trainer_for(quick, tmp_path / "on")
    fresh = load_model(read, torch.device("cpu"), precision="float32").module.base.regression
    assert dict(on.base.weights) == {"neighbourhood": 1.0}
    assert torch.allclose(on.base_choice.regression.relation.weights, fresh.relation.weights, atol=1e-5)


def test_a_run_goes_on_after_a_stop_as_if_nothing_had_been(quick, tmp_path):
    quick["base"] = "auto"
    config = parse_config(quick)
    archive = load_archive(config)
    split = split_archive(config, archive)
    whole = fit(config, archive, split, tmp_path / "whole", quiet=True)
    trainer = Trainer(config, archive, split, tmp_path / "part")
    trainer.measure_plan()
    (tmp_path / "part").mkdir(exist_ok=True)
    for _ in range(3):
        trainer.step()
    trainer.save()
    again = fit(config, archive, split, tmp_path / "part", resume=True, quiet=True)
    assert again.base == whole.base
    for name, weight in whole.model.generator.state_dict().items():
        assert torch.equal(again.model.generator.state_dict()[name], weight)


def test_folds_of_cross_validation_fit_their_own(quick, tmp_path):
    quick["validation"] = {"every": 6, "periods": [["2000-01", "2000-12"], ["2003-01", "2003-12"]]}
    result = cross_validate(parse_config(quick), tmp_path, quiet=True)
    assert len(result["folds"]) == 2 and all(scores["rmse"] < 0.3 for scores in result["mean"].values())
