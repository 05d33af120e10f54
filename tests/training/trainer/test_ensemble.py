"""The probabilistic objective: the CRPS, what is drawn, warm starts, and what an ensemble learns."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from engine.errors import InputError
from engine.fields.conservation import aggregate
from engine.nets.downscaler import Downscaler
from engine.package.folder import load_package
from training.cascade.train import train
from training.data.patches import Window, cut
from training.data.split import split_archive
from training.metrics.ensemble.crps import crps_cells
from training.schema.config import parse_config
from training.trainer.losses import differences_crps, ensemble_crps
from training.trainer.trainer import Trainer
from training.trainer.validation import validate


@pytest.fixture
def noisy(settings, small):
    """Settings for the small archive, whose fine field varies by a tenth that nothing tells."""
    settings["data"] = {"name": "small"}
    settings["sources"] = [{"name": "elevation"}]
    settings["network"] = {"widths": [16, 16], "boxes": [1, 0], "noise": 2}
    settings["losses"] = {"adversarial": None}
    settings["ensemble"] = {"members": 2, "scales": [1, 2], "gain": 1.1}
    settings["sampling"] = {"size": 4, "batch": 4}
    settings["validation"] = {"every": 180, "held_out": [5]}
    return settings


def trainer_for(settings, archive, folder):
    config = parse_config(settings)
    return Trainer(config, archive, split_archive(config, archive), folder)


@pytest.mark.parametrize(("members", "fairness"), [(2, 1.0), (5, 1.0), (5, 0.0), (3, 0.95)])
def test_crps_of_the_losses_is_that_of_the_metrics(members, fairness):
    rng = np.random.default_rng(members)
    x, y = rng.normal(size=(members, 2, 6, 6)), rng.normal(size=(2, 6, 6))
    y[0, :2] = np.nan
    wanted = fairness * crps_cells(x, y, True) + (1 - fairness) * crps_cells(x, y, False)
    leaf = torch.from_numpy(x).requires_grad_()
    found = ensemble_crps(leaf, torch.from_numpy(y), fairness)
    assert float(found.detach()) == pytest.approx(np.nanmean(wanted), rel=1e-9)
    found.backward()
    assert torch.isfinite(leaf.grad).all() and (leaf.grad[:, 0, :2] == 0).all()


def test_the_fair_crps_is_least_for_the_right_spread():
    """Truth and members from N(0, 1): members spread too little or too much score worse, with M = 2."""
    rng = torch.Generator().manual_seed(0)
    truth, members = torch.randn(1, 400, 400, generator=rng), torch.randn(2, 1, 400, 400, generator=rng)
    scores = [float(ensemble_crps(members * spread, truth)) for spread in (0.5, 1.0, 1.5)]
    assert scores[1] == pytest.approx(np.pi**-0.5, rel=0.02)
    assert scores[1] < scores[0] - 0.02 and scores[1] < scores[2] - 0.02


def test_the_crps_of_differences_tells_textures_apart_that_cells_alone_do_not():
    generator = torch.Generator().manual_seed(2)
    white = torch.randn(9, 40, 12, 12, generator=generator)
    level = torch.randn(9, 40, 1, 1, generator=generator).expand_as(white)
    truth, level = level[0], level[1:]  # smooth: one level a field, with the cells' distribution of noise
    cells = [float(ensemble_crps(members, truth)) for members in (level, white[1:])]
    assert cells[1] == pytest.approx(cells[0], rel=0.15)
    assert float(differences_crps(level, truth, (1, 3))) == pytest.approx(0, abs=1e-6)
    # Differences of white noise are N(0, 2): against zero, the fair score is E|d| − E|d − d'| / 2.
    expected = 2 / math.pi**0.5 - 2**0.5 / math.pi**0.5
    assert float(differences_crps(white[1:], truth, (1, 3))) == pytest.approx(expected, rel=0.02)


def test_holes_take_no_part_in_differences():
    generator = torch.Generator().manual_seed(3)
    members, truth = torch.randn(3, 1, 5, 6, generator=generator), torch.randn(1, 5, 6, generator=generator)
    truth[0, :, 3] = math.nan
    members.requires_grad_(True)
    found = differences_crps(members, truth, (1, 5), 0.9)  # five cells apart there is one pair of columns
    found.backward()
    assert torch.isfinite(found) and torch.isfinite(members.grad).all()
    assert not members.grad[..., 3].any() and members.grad[..., 2].any()


def test_only_what_a_loss_looks_at_is_drawn(noisy, archive, tmp_path):
    for change, members in (
        ({}, (0, 1, 2)),
        (
            {"losses": {"reconstruction": {"weight": 0}, "physical": [], "conservation": {"weight": 0}}},
            (1, 2),
        ),
        ({"ensemble": None}, (0,)),
    ):
        trainer = trainer_for({**noisy, **change}, archive, tmp_path)
        assert trainer.objective.members == members
        drawn = trainer.generate(trainer.batch(0), trainer.plan)
        assert (drawn.fine is None) == (0 not in members)
        assert (drawn.members is None) == (len(members) == 1)
        assert np.isfinite(trainer.step().terms["total"])


def test_every_member_is_conserved(noisy, archive, tmp_path):
    trainer = trainer_for(noisy, archive, tmp_path)
    with torch.no_grad():
        for name, parameter in trainer.model.named_parameters():
            if "out." in name or "amplitude" in name:
                parameter.normal_(0, 0.3)
        batch = trainer.batch(0)
        drawn = trainer.generate(batch, trainer.plan, seed=5)
    for fine in (drawn.fine, *drawn.members):
        assert torch.allclose(aggregate(fine, 2), batch.coarse, rtol=1e-4, atol=1e-4)
    assert float((drawn.members[0] - drawn.members[1]).abs().mean()) > 0.1
    assert torch.equal(drawn.judged, drawn.members[0])


def test_an_ensemble_learns_the_spread_and_ships(noisy, archive, tmp_path):
    noisy.update(steps=180, optimiser={"rate": 0.01, "warmup_steps": 5, "ema": 0.9})
    config = parse_config(noisy)
    package = train(config, tmp_path / "runs", quiet=True, command="none")
    log = [json.loads(line) for line in (tmp_path / "runs" / "tiny" / "log.jsonl").read_text().splitlines()]
    first, last = log[0]["validation"], log[-1]["validation"]
    assert first["crps"] == pytest.approx(first["mae"], rel=1e-3)  # new noise adds nothing
    assert last["crps"] < 0.85 * last["mae"]
    assert 0.6 < last["spread_skill"] < 1.5
    assert "ensembles" in package.card.raw["mlm:architecture"] and package.card.network["noise"] == 2
    assert package.card.network["noise_gain"] == 1.1
    assert load_package(package.folder).card.raw["training"]["configuration"]["ensemble"]["members"] == 2

    scores = package.card.raw["metrics"]["tiny"]
    assert 0 < scores["crps"] < scores["mae"] and scores["spread_skill"] > 0.5

    # The noise alone learns on top of it, anew: what the network says without noise stays.
    noisy["start_from"] = str(package.folder)
    noisy["ensemble"] = {"members": 3, "train": "noise"}
    trainer = trainer_for({**noisy, "steps": 3}, archive, tmp_path / "more")
    patch, _ = cut(archive, [Window(10, 2, 3)], (4, 4), trainer.halo, trainer.split.test_view)

    def said() -> list[torch.Tensor]:
        with torch.no_grad():
            return [trainer.model.forward_physical(patch, 1, member) for member in (0, 1)]

    before = said()
    assert torch.equal(before[0], before[1])
    for _ in range(3):
        trainer.step()
    after = said()
    assert torch.equal(before[0], after[0]) and not torch.equal(before[1], after[1])
    split = split_archive(config, archive)
    fresh = Downscaler(trainer.target, trainer.sources, trainer.network)
    fresh.generator.load_state_dict(package.weights())
    again = validate(fresh, archive, split, 3, members=4)
    assert again["crps"] == pytest.approx(last["crps"], rel=1e-4)


def test_a_model_without_noise_starts_one_with_noise(noisy, archive, tmp_path):
    plain = {**noisy, "network": {"widths": [16, 16], "boxes": [1, 0]}, "ensemble": None, "steps": 3}
    package = train(parse_config(plain), tmp_path / "runs", quiet=True)
    told = {**noisy, "start_from": str(package.folder), "sampling": {"size": 4, "withheld_months": 1}}
    told["split"] = {"kind": "temporal", "train": [1, 2, 3], "test": [10, 11, 12]}
    trainer = trainer_for({**told, "validation": {}}, archive, tmp_path)
    # Its weights go with its statistics, whatever the configuration's own months say.
    assert trainer.target.mean == package.card.target.mean
    assert trainer.sources[0].normalisation == package.card.sources[0].normalisation
    weights = package.weights()
    for name, value in trainer.model.generator.state_dict().items():
        assert name not in weights or torch.equal(value, weights[name])
    patch, _ = cut(archive, [Window(10, 2, 3)], (4, 4), trainer.halo, trainer.split.test_view)
    with torch.no_grad():
        same = trainer.model.forward_physical(patch, 1, 1)
        assert torch.equal(same, trainer.model.forward_physical(patch))
    wider = {**noisy, "network": {"widths": [20, 16], "boxes": [1, 0], "noise": 2}}
    for change, words in (
        ({**wider, "start_from": str(package.folder)}, "start_from: the network"),
        ({**noisy, "start_from": str(package.folder), "sources": []}, "start_from: the sources"),
        (
            {**noisy, "start_from": str(package.folder), "target": {"transform": "identity"}},
            "start_from: the target",
        ),
        ({**noisy, "start_from": "nosuchmodel"}, "nosuchmodel"),
    ):
        with pytest.raises(InputError, match=words):
            trainer_for(change, archive, tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"network": {"widths": [16, 16], "boxes": [1, 0]}}, "network.noise"),
        ({"ensemble": {"train": "noise"}}, "start_from"),
        ({"ensemble": {"members": 1}}, "ensemble.members"),
        ({"ensemble": None, "validation": {"score": "crps"}}, "validation.score"),
    ],
)
def test_a_wrong_ensemble_is_refused(noisy, change, words):
    with pytest.raises(InputError, match=words):
        parse_config({**noisy, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"network": {"widths": [8, 8], "boxes": [1, 0], "attention": False, "inception": False}},
        {"losses": {"adversarial": None}},
        {"losses": {"adversarial": {"start": 0, "width": 4}}, "ensemble": {"members": 2}},
        {"target": {"transform": "cuberoot", "strength": 0, "conservation": "additive"}},
        {"sources": []},
    ],
)
def test_each_part_can_be_switched_off(noisy, tmp_path, change):
    plain = {**noisy, "steps": 2, "validation": {}}
    if "ensemble" not in change:
        plain.update(ensemble=None, network={"widths": [8, 8], "boxes": [1, 0]})
    package = train(parse_config({**plain, **change}), tmp_path, quiet=True)
    assert np.isfinite(package.card.raw["metrics"]["tiny"]["rmse"])
    if "strength" in change.get("target", {}):
        assert package.card.raw["metrics"]["tiny"]["conservation_residual"] > 1e-3
