"""The rival networks in training: gradients, running statistics, packages."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from engine.package.folder import load_package
from training.cascade.train import train
from training.data.split import split_archive
from training.schema.config import parse_config
from training.trainer.discriminator import Discriminator
from training.trainer.trainer import Trainer

SETTINGS = {
    "model": {"id": "rival", "name": "Rival", "version": "0.1.0", "licence": "x", "citation": "x"},
    "data": {"name": "itur", "options": {"region": [0, 24, 12, 36]}},
    "factor": 4,
    "target": {"transform": "log1p", "bounds": [0, None], "conservation": "multiplicative", "strength": 0},
    "sources": [{"name": "temperature"}, {"name": "elevation"}],
    "split": {"kind": "temporal", "train": [1, 2, 3], "test": [10]},
    "losses": {
        "reconstruction": {"kind": "l1", "weight": 5},
        "physical": [],
        "conservation": {"weight": 0},
        "adversarial": None,
    },
    "optimiser": {"rate": 3e-4, "weight_decay": 0, "warmup_steps": 0, "ema": 0.5},
    "sampling": {"size": 4, "batch": 1, "without_sources": 0},
    "validation": {"every": 9},
    "steps": 1,
    "precision": "float32",
    "layout": "contiguous",
}
GAN = {"kind": "logistic", "weight": 1, "start": 0, "width": 8, "layers": 3, "spectral": False}


def make_trainer(tmp_path, itur_archive, kind: str, **adversarial) -> Trainer:
    section = {**GAN, **adversarial} if adversarial else None
    settings = {
        **SETTINGS,
        "network": {"kind": kind},
        "losses": {**SETTINGS["losses"], "adversarial": section},
    }
    config = parse_config(settings)
    return Trainer(config, itur_archive, split_archive(config, itur_archive), tmp_path)


@pytest.fixture(scope="module")
def itur_archive():
    from training.data.readers import load_archive

    return load_archive(parse_config(SETTINGS))


def gradients(trainer: Trainer) -> torch.Tensor:
    """Return the generator's gradient of the adversarial term alone."""
    batch = trainer.batch(0)
    drawn = trainer.generate(batch, trainer.plan)
    term = trainer.adversary.generator_loss(drawn.judged, batch, trainer._autocast)
    weights = list(trainer.model.generator.parameters())
    if not term.requires_grad:
        return torch.zeros(1)
    return torch.cat(
        [g.flatten() for g in torch.autograd.grad(term, weights, allow_unused=True) if g is not None]
    )


@pytest.mark.parametrize(("detached", "reaches"), [(True, False), (False, True)])
def test_the_adversarial_gradient_reaches_the_repaired_form_alone(tmp_path, itur_archive, detached, reaches):
    trainer = make_trainer(tmp_path, itur_archive, "encodedgan", detached=detached)
    before = [p.detach().clone() for p in trainer.adversary.network.parameters()]
    assert bool(gradients(trainer).any()) == reaches
    losses = trainer.step()
    assert losses.terms["adversarial"] > 0 and losses.terms["discriminator"] > 0
    moved = [
        not torch.equal(a, b) for a, b in zip(before, trainer.adversary.network.parameters(), strict=True)
    ]
    assert all(moved)  # the discriminator learns in both forms


def test_running_statistics_move_in_steps_alone_and_reach_the_average(tmp_path, itur_archive, monkeypatch):
    trainer = make_trainer(tmp_path, itur_archive, "encodedgan")
    norm = next(m for m in trainer.model.generator.modules() if isinstance(m, nn.BatchNorm2d))
    start = norm.running_mean.clone()
    tried = []
    monkeypatch.setattr(
        "training.trainer.trainer.choose", lambda trial, *_: (trainer.plan, tried.append(trial(trainer.plan)))
    )
    trainer.measure_plan()
    assert len(tried) == 1
    assert torch.equal(norm.running_mean, start) and norm.num_batches_tracked == 0
    trainer.step()
    assert not torch.equal(norm.running_mean, start) and norm.num_batches_tracked == 1
    held = trainer.average.weights
    name = next(n for n in held if n.endswith("running_mean"))
    assert not torch.equal(held[name], torch.zeros_like(held[name]))


@pytest.mark.parametrize("kind", ["unet", "encodedgan"])
def test_a_rival_trains_into_a_package_that_runs_as_it_was_trained(tmp_path, itur_archive, kind):
    from engine.compute.devices import PrecisionPlan
    from engine.models.loading import load_model
    from training.data.patches import Window, cut

    config = parse_config({**SETTINGS, "network": {"kind": kind}})
    package = train(config, tmp_path, quiet=True)
    assert load_package(package.folder).card.network["kind"] == kind
    method = load_model(package, torch.device("cpu"), plan=PrecisionPlan())
    view = split_archive(config, itur_archive).test_view
    whole, _ = cut(itur_archive, [Window(9, 0, 0)], (6, 9), method.halo, view)
    part, _ = cut(itur_archive, [Window(9, 3, 5)], (2, 3), method.halo, view)
    expected = method.predict(whole)[:, 12:20, 20:32]
    assert torch.isfinite(expected).all()
    assert torch.allclose(method.predict(part), expected, rtol=1e-4, atol=1e-4)


def test_four_strided_stages_reach_eight_times_the_width():
    network = Discriminator(5, width=64, layers=4, spectral=False)
    layers = [m for m in network.layers if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in layers] == [64, 128, 256, 512, 1]
    assert all(m.kernel_size == (4, 4) and m.stride == (2, 2) for m in layers[:-1])
    assert not any("parametrizations" in name for name in network.state_dict())
    assert network(torch.zeros(1, 1, 64, 64), torch.zeros(1, 5, 64, 64)).shape == (1, 1, 4, 4)
