"""The losses against numpy, and which cells they count."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.schema.config import AdversarialLoss, OptimiserSection, PointLoss
from training.trainer.losses import adversarial_loss, conservation_loss, discriminator_loss, point_loss
from training.trainer.schedule import adversarial_weight, rate


@pytest.fixture
def fields():
    rng = torch.Generator().manual_seed(0)
    return torch.rand(2, 8, 8, generator=rng), torch.rand(2, 8, 8, generator=rng)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("l1", lambda e: np.abs(e).mean()),
        ("mse", lambda e: (e**2).mean()),
        ("charbonnier", lambda e: (np.sqrt(e**2 + 0.1**2) - 0.1).mean()),
    ],
)
def test_point_losses(fields, kind, expected):
    prediction, truth = fields
    loss = point_loss(prediction, truth, PointLoss(kind=kind, epsilon=0.1))
    assert float(loss) == pytest.approx(expected((prediction - truth).numpy().astype(np.float64)), rel=1e-5)


def test_invalid_cells_do_not_count_and_spoil_no_gradient(fields):
    prediction, truth = fields
    holes = truth.clone()
    holes[0, :4] = torch.nan
    leaf = prediction.clone().requires_grad_()
    loss = point_loss(leaf, holes, PointLoss(kind="mse"))
    expected = ((prediction - truth) ** 2)[torch.isfinite(holes)].mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    loss.backward()
    assert torch.isfinite(leaf.grad).all()
    assert (leaf.grad[0, :4] == 0).all() and (leaf.grad[1] != 0).all()


def test_conservation_loss_is_the_mean_residual(fields):
    fine, _ = fields
    coarse = torch.nn.functional.avg_pool2d(fine[:, None], 4)[:, 0]
    assert float(conservation_loss(fine, coarse, 4)) == pytest.approx(0, abs=1e-6)
    off = coarse + torch.tensor([[0.5, -0.5], [0.25, 0.25]])
    assert float(conservation_loss(fine, off, 4)) == pytest.approx(0.375, rel=1e-4)
    off[0, 0, 0] = torch.nan
    assert torch.isfinite(conservation_loss(fine, off, 4))


def test_hinge_and_least_squares():
    real, fake = torch.tensor([2.0, 0.0]), torch.tensor([-3.0, 1.0])
    assert float(discriminator_loss(real, fake, "hinge")) == pytest.approx(0.5 + 1.0)
    assert float(adversarial_loss(fake, "hinge")) == pytest.approx(1.0)
    assert float(discriminator_loss(real, fake, "leastsquares")) == pytest.approx(1.0 + 5.0)
    assert float(adversarial_loss(fake, "leastsquares")) == pytest.approx(8.0)


def test_the_logistic_loss_is_a_cross_entropy():
    real, fake = torch.tensor([2.0, 0.0]), torch.tensor([-3.0, 1.0])
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    expected = entropy(real, torch.ones(2)) + entropy(fake, torch.zeros(2))
    assert float(discriminator_loss(real, fake, "logistic")) == pytest.approx(float(expected))
    expected = entropy(fake, torch.ones(2))
    assert float(adversarial_loss(fake, "logistic")) == pytest.approx(float(expected))


def test_the_rate_warms_up_and_falls():
    section = OptimiserSection(rate=1.0, final_rate=0.01, warmup_steps=10)
    rates = [rate(step, 100, section) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == pytest.approx(1.0)
    assert all(a >= b for a, b in zip(rates[10:], rates[11:], strict=False))
    assert rates[-1] == pytest.approx(0.01, abs=2e-3)


def test_the_adversarial_term_waits_then_ramps():
    section = AdversarialLoss(weight=0.4, start=10, ramp=4)
    assert adversarial_weight(9, section) == 0
    assert [adversarial_weight(s, section) for s in (10, 11, 13, 50)] == pytest.approx([0.1, 0.2, 0.4, 0.4])
    assert adversarial_weight(50, None) == 0
