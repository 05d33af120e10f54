"""Members about the estimate of a configuration that leaves its length open."""

from __future__ import annotations

import json

import pytest
import torch

from engine.compute.devices import PrecisionPlan
from engine.errors import EngineError
from engine.models.loading import load_model
from engine.nets.spec import default_widths
from engine.package.folder import load_package
from training.cascade import train as training
from training.data.split import split_archive
from training.defaults import members, schedule
from training.defaults.complete import complete
from training.defaults.members import members_of, wants_members
from training.evaluation.predict import patches_of
from training.evaluation.validation_strips import strips
from training.schema.config import parse_config


@pytest.fixture
def left_open(settings, small, monkeypatch):
    """Settings of the small archive that leave the length open, and a length of seconds."""
    for name in ("steps", "losses", "network", "optimiser", "sampling", "validation", "base"):
        settings.pop(name, None)
    settings["data"] = {"name": "small"}
    settings["sources"] = [{"name": "elevation"}]
    settings.update(base="default", precision="float32", layout="contiguous")
    monkeypatch.setattr(schedule, "FEWEST", 20)
    monkeypatch.setattr(schedule, "MOST", 20)
    monkeypatch.setattr(members, "FEWEST", 10)
    monkeypatch.setattr(members, "MOST", 10)
    return settings


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({}, True),
        ({"steps": 5}, False),
        ({"ensemble": None}, False),
        ({"network": {"noise": 2}}, False),
        ({"start_from": "rainitur8"}, False),
    ],
)
def test_they_are_wanted_where_nothing_says_otherwise(left_open, change, wanted):
    assert wants_members(parse_config({**left_open, **change})) is wanted


def test_what_they_are_trained_as(left_open, archive, tmp_path):
    config = complete(parse_config(left_open), archive).config
    second = members_of(config, tmp_path)
    assert second.start_from == str(tmp_path) and second.ensemble.generator == "flow"
    assert second.steps == 10 and second.validation.every == 2 and second.losses.adversarial is None
    assert (second.split, second.network["widths"]) == (config.split, config.network["widths"])
    assert len(second.ensemble.flow.widths) == len(default_widths(2))
    assert second.ensemble.estimate_stays
    # The estimate's network sees each cell by itself, the flow looks around.
    assert config.network["kind"] == "perceptron" and config.sampling.size < second.sampling.size == 24
    wide = {**left_open, "network": {"widths": [8, 8]}, "sampling": {"size": 5, "batch": 3}}
    second = members_of(complete(parse_config(wide), archive).config, tmp_path)
    assert (second.sampling.size, second.sampling.batch) == (5, 3)
    unheld = complete(parse_config({**left_open, "validation": {"where": "training"}}), archive).config
    assert members_of(unheld, tmp_path) is None


def test_the_package_draws_members_about_the_same_estimate(left_open, archive, tmp_path):
    package = training.train(parse_config(left_open), tmp_path / "runs", quiet=True)
    run = tmp_path / "runs" / "tiny"
    assert package.folder == (run / "package").resolve() and package.card.ensemble
    estimate = load_package(run / "estimate")
    assert not estimate.card.ensemble and estimate.card.network == {
        key: value for key, value in package.card.network.items() if key not in ("flow", "noise")
    } | {"noise": 0}
    sets = {tuple(entry["sources"]) for entry in package.card.raw["spread"]}
    assert sets == {(), ("elevation",)}
    config = complete(parse_config(left_open), archive).config
    split = split_archive(config, archive)
    methods = [load_model(p, torch.device("cpu"), PrecisionPlan()) for p in (estimate, package)]
    strip = next(strips(archive, split, 1))
    _, _, patch = next(patches_of(archive, strip, max(m.halo for m in methods), split.test_view))
    fields = [method.predict(patch) for method in methods]
    torch.testing.assert_close(*fields, equal_nan=True)
    one, other = methods[1].predict_members(patch, 1, (1, 2))
    assert float((one - other).nanmean().abs()) > 0
    numbers = package.card.raw["metrics"]["tiny"]
    assert numbers["crps"] > 0 and numbers["rmse"] == pytest.approx(
        estimate.card.raw["metrics"]["tiny"]["rmse"], rel=1e-4
    )
    again = training.train(parse_config(left_open), tmp_path / "runs", resume=True, quiet=True)
    assert again.sha256 == package.sha256
    log = [json.loads(line) for line in (run / "members/tiny/log.jsonl").read_text().splitlines()]
    assert "flow" in log[1]


def test_a_model_without_members_stays_where_they_cannot_be(left_open, tmp_path, monkeypatch, capsys):
    def refused(config, folder):
        raise EngineError("their loss is no number")

    monkeypatch.setattr(training, "members_of", refused)
    package = training.train(parse_config(left_open), tmp_path / "runs", quiet=True)
    assert not package.card.ensemble and package.card.raw["metrics"]["tiny"]["rmse"] > 0
    assert "The model draws no members: their loss is no number" in capsys.readouterr().err
