"""A flow learns the residuals that the one estimate leaves over, beside it, and ships."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from engine.compute.devices import PrecisionPlan
from engine.errors import InputError
from engine.models.loading import load_model
from engine.package.folder import load_package
from training.cascade.train import train
from training.data.patches import Window, cut
from training.data.split import split_archive
from training.defaults.complete import complete
from training.schema.config import parse_config
from training.trainer.progress import COMPARED
from training.trainer.trainer import Trainer


@pytest.fixture
def plain(settings, small):
    """Settings for the small archive, whose fine field varies by a tenth that nothing tells."""
    settings["data"] = {"name": "small"}
    settings["sources"] = [{"name": "elevation"}]
    settings["network"] = {"widths": [8, 8], "boxes": [1, 0]}
    settings["losses"] = {"adversarial": None}
    settings["sampling"] = {"size": 4, "batch": 4}
    settings["validation"] = {"every": 500, "held_out": [5]}
    return {**settings, "steps": 40}


@pytest.fixture
def flows(plain, tmp_path):
    """Settings of a flow that starts from a trained estimate."""
    package = train(parse_config(plain), tmp_path / "estimate", quiet=True, command="none")
    ensemble = {"generator": "flow", "flow": {"steps": 3, "widths": [16, 16]}, "validated": 4, "gain": 1.1}
    return {**plain, "start_from": str(package.folder), "ensemble": ensemble}


def test_a_flow_learns_the_spread_and_ships(flows, archive, tmp_path):
    flows.update(steps=150, optimiser={"rate": 0.01, "warmup_steps": 5, "ema": 0.9})
    estimate = load_package(flows["start_from"])
    package = train(parse_config(flows), tmp_path / "runs", quiet=True, command="none")
    log = [json.loads(line) for line in (tmp_path / "runs" / "tiny" / "log.jsonl").read_text().splitlines()]
    last = log[-1]["validation"]
    assert last["crps"] < 0.85 * last["mae"]
    assert 0.6 < last["spread_skill"] < 1.5
    network = package.card.network
    assert network["noise"] == 1 and network["noise_gain"] == 1.1 and network["flow"]["steps"] == 3
    assert 0 < network["flow"]["scale"] < 1
    assert "flow of 3 steps" in package.card.raw["mlm:architecture"]
    weights, own = package.weights(), estimate.weights()
    assert all(torch.equal(weights[f"estimate.{name}"], value) for name, value in own.items())

    # The engine draws what training drew, and the one estimate is the package's that it began with.
    config = parse_config(flows)
    split = split_archive(config, archive)
    method = load_model(load_package(package.folder), torch.device("cpu"), PrecisionPlan())
    before = load_model(estimate, torch.device("cpu"), PrecisionPlan())
    patch, _ = cut(archive, [Window(10, 2, 3)], (4, 4), method.halo, split.test_view)
    assert method.ensemble and not before.ensemble
    assert torch.allclose(method.predict(patch), before.predict(patch), rtol=1e-5)
    first, again, other = (method.predict_member(patch, 7, number) for number in (1, 1, 2))
    assert torch.equal(first, again) and float((first - other).abs().mean()) > 0.1

    # A flow may begin with a package that has one already: its estimate is taken, the rest is learned anew.
    anew = Trainer(parse_config({**flows, "start_from": str(package.folder)}), archive, split, tmp_path)
    kept = anew.model.generator.state_dict()
    assert all(torch.equal(kept[f"estimate.{name}"], value) for name, value in own.items())
    name = "velocity.out.weight"
    assert not kept[name].any() and weights[name].any()


def test_a_step_leaves_the_estimate_as_it_is_and_goes_on_after_a_stop(flows, archive, tmp_path):
    config = parse_config({**flows, "steps": 4, "precision": "float32", "layout": "contiguous"})
    split = split_archive(config, archive)

    def steps(trainer, count):
        return [trainer.step().terms for _ in range(count)]

    whole = Trainer(config, archive, split, tmp_path / "whole")
    before = {n: w.clone() for n, w in whole.model.generator.estimate.state_dict().items()}
    told = steps(whole, 4)
    assert set(told[0]) == {"flow", "flow_scale", "total"} and not {"flow"}.isdisjoint(COMPARED)
    after = whole.model.generator.estimate.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    first = Trainer(config, archive, split, tmp_path / "part")
    assert steps(first, 2) == told[:2]
    first.save()
    second = Trainer(config, archive, split, tmp_path / "part")
    second.restore()
    assert steps(second, 2) == told[2:]


def test_holes_in_the_truth_take_no_part(flows, make, tmp_path):
    archive = make()
    archive.fine[:, ::3, ::2] = float("nan")
    config = parse_config({**flows, "steps": 3})
    trainer = Trainer(config, archive, split_archive(config, archive), tmp_path)
    for _ in range(3):
        losses = trainer.step()
        assert np.isfinite(list(losses.terms.values())).all()


def test_an_ensemble_that_leaves_it_open_is_a_flow_beside_the_packages_network(flows, archive, tmp_path):
    left = {key: value for key, value in flows.items() if key not in ("network", "losses")}
    config = complete(parse_config({**left, "ensemble": {}}), archive).config
    assert config.ensemble.generator == "flow" and config.losses.adversarial is None
    trainer = Trainer(config, archive, split_archive(config, archive), tmp_path)
    assert trainer.network.boxes == (1, 0) and trainer.network.flow.steps == 4
    noisy = parse_config({**flows, "ensemble": {}, "network": {**flows["network"], "noise": 2}})
    assert noisy.ensemble.generator == "noise"
    with pytest.raises(InputError, match=r"network\.noise"):
        parse_config({**flows, "ensemble": {}, "start_from": None})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"start_from": None}, "start_from"),
        ({"network": {"widths": [8, 8], "noise": 2}}, r"network\.noise"),
        ({"losses": {"adversarial": {"weight": 0.01}}}, r"losses\.adversarial"),
        ({"ensemble": {"generator": "flow", "flow": {"steps": 9}}}, r"ensemble\.flow\.steps"),
        ({"ensemble": {"generator": "diffusion"}}, r"ensemble\.generator"),
    ],
)
def test_a_wrong_flow_is_refused(plain, change, words):
    told = {**plain, "start_from": "any", "ensemble": {"generator": "flow"}}
    with pytest.raises(InputError, match=words):
        parse_config({**told, **change})


def test_another_network_than_the_packages_is_refused(flows, archive, tmp_path):
    for change, words in (
        ({"network": {"widths": [12, 8], "boxes": [1, 0]}}, "start_from: the network"),
        ({"ensemble": {"generator": "flow", "flow": {"widths": [8]}}}, r"network\.flow\.widths"),
        ({"network": {**flows["network"], "flow": {"steps": 2}}}, r"network\.flow"),
    ):
        config = parse_config({**flows, **change})
        with pytest.raises(InputError, match=words):
            Trainer(config, archive, split_archive(config, archive), tmp_path)
