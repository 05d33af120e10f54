"""How far members are to stand out, for each set of sources."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.package.folder import load_package
from engine.specs import SourceSpec, SpreadSpec
from training.data.split import split_archive
from training.evaluation.cases import model_cases
from training.evaluation.member_spread import FACTORS, MEMBERS, solved, spread_of, withheld
from training.evaluation.predict import Members, predicted_tiles
from training.evaluation.validation_strips import strips
from training.metrics.ensemble.spread_skill import SpreadSkill
from training.schema.config import parse_config
from training.trainer.draws import Draws
from training.trainer.run import train_network
from training.trainer.trainer import Trainer


@pytest.fixture
def noisy(settings, small):
    """Settings for the small archive, whose fine field elevation tells but for a tenth."""
    settings["data"] = {"name": "small"}
    settings["sources"] = [{"name": "elevation", "dropout": 0.1}]
    settings["network"] = {"widths": [16, 16], "boxes": [1, 0], "noise": 2}
    settings["losses"] = {"adversarial": None}
    settings["ensemble"] = {"members": 2, "scales": [1, 2]}
    settings["sampling"] = {"size": 4, "batch": 4}
    settings["validation"] = {"every": 120, "held_out": [5, 8]}
    settings.update(steps=120, optimiser={"rate": 0.01, "warmup_steps": 5, "ema": 0.9})
    return settings


def spread_over_skill(model, archive, split, name):
    """Return it over the validation region, as the validation's own scores take it."""
    draws = Draws(model)
    cases = model_cases("model", draws, model.halo, split.training_view, model.sources, 1.0, draws)
    case = next(case for case in cases if case.given == name)
    metric = SpreadSkill()
    for strip in strips(archive, split, 3):
        truth = archive.fine[strip.time]
        for place, (fields,) in predicted_tiles(
            [case], archive, model.target, strip, Members(MEMBERS, strip.time)
        ):
            metric.update(fields.numpy()[1:], truth[place])
    return metric.compute()


def test_members_spread_as_their_mean_errs_with_and_without_sources(noisy, make_small, tmp_path):
    config = parse_config(noisy)
    package = train_network(config, tmp_path / "runs", quiet=True)
    factors = {tuple(entry["sources"]): entry["factor"] for entry in package.card.raw["spread"]}
    assert set(factors) == {(), ("elevation",)}
    assert load_package(package.folder).card.spread.factor(["elevation"]) == factors["elevation",]
    archive = make_small()
    trainer = Trainer(config, archive, split_archive(config, archive), tmp_path / "again")
    model = trainer.downscaler(package.weights(), trainer.network)
    plain = [spread_over_skill(model, archive, trainer.split, name) for name in ("all", "without_sources")]
    model.spread = package.card.spread
    told = [spread_over_skill(model, archive, trainer.split, name) for name in ("all", "without_sources")]
    assert told == pytest.approx([1, 1], abs=0.06)
    assert plain[1] < 0.8  # what is unknown without the elevation is not what is unknown beside it
    assert factors[()] > 1.2


def test_nothing_is_told_where_nothing_is_held_out(noisy, archive, tmp_path):
    config = parse_config({**noisy, "validation": {"where": "training"}})
    trainer = Trainer(config, archive, split_archive(config, archive), tmp_path)
    model = trainer.downscaler(trainer.average.weights)
    assert not trainer.split.held_out
    assert spread_of(model, archive, trainer.split, 3) is None
    # Members that do not differ, as before any step, cannot be widened.
    held = replace(trainer.split, held_out=True)
    assert spread_of(model, archive, held, 3) is None


def test_sets_of_sources():
    sources = [SourceSpec(name, "", "fine", optional=name != "r") for name in ("a", "r", "b")]
    assert list(withheld(sources)) == [frozenset(x) for x in ((), "a", "b", "ab")]
    many = [SourceSpec(f"s{number}", "", "fine") for number in range(5)]
    sizes = sorted(len(gone) for gone in withheld(many))
    assert sizes == [0] + 5 * [1] + 5 * [4] + [5]


def test_the_factor_is_that_of_the_likest_set():
    spread = SpreadSpec(
        ((frozenset("abc"), 1.0), (frozenset("ab"), 1.1), (frozenset("c"), 1.7), (frozenset(), 2.0))
    )
    assert spread.factor("abc") == 1.0
    assert spread.factor("ba") == 1.1
    assert spread.factor("b") == 2.0  # as like ab as none: the wider of them
    assert SpreadSpec().factor("a") == 1.0


def test_the_factor_is_solved_for():
    ratios = [0.5 * factor for factor in FACTORS]
    assert solved(ratios) == pytest.approx(2.0, rel=0.01)
    assert solved([0.9 for _ in FACTORS]) == FACTORS[-1]
    assert solved([1.4 for _ in FACTORS]) == FACTORS[0]
    assert solved([0.0 for _ in FACTORS]) is None
    assert solved([float("nan") for _ in FACTORS]) is None


def test_members_are_widened_about_the_estimate(noisy, archive, tmp_path):
    config = parse_config(noisy)
    trainer = Trainer(config, archive, split_archive(config, archive), tmp_path)
    model = trainer.downscaler(trainer.average.weights)
    with torch.no_grad():
        for name, parameter in model.generator.named_parameters():
            if "out." in name or "amplitude" in name:
                parameter.normal_(0, 0.3)
    strip = next(strips(archive, trainer.split, 3))
    case = model_cases("model", Draws(model), model.halo, trainer.split.training_view, model.sources, 0.0)[0]
    from training.evaluation.predict import patches_of

    _, _, patch = next(patches_of(archive, strip, model.halo, case.view))
    _, _, bare = next(patches_of(archive, strip, model.halo, case.view.without({"elevation"})))
    with torch.no_grad():
        inputs, fewer = model.prepare(patch), model.prepare(bare)
        estimate, plain, other = (model(inputs, 1, member) for member in (0, 1, 2))
        alone = model(fewer, 1, 1)
        model.spread = SpreadSpec(((frozenset(["elevation"]), 2.0), (frozenset(), 1.0)))
        wide = model(inputs, 1, 1)
        assert torch.allclose(wide - estimate, 2 * (plain - estimate), atol=1e-5, equal_nan=True)
        assert torch.equal(model(inputs, 1, 0), estimate)  # the estimate stays
        assert torch.equal(model(fewer, 1, 1), alone)
        both = model(inputs, 1, [2])
        assert torch.allclose(both - estimate, 2 * (other - estimate), atol=1e-5, equal_nan=True)
    assert np.abs((plain - estimate).numpy()).max() > 0.01
