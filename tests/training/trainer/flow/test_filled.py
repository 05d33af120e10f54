"""Holes in residuals are filled from around, with the values' own spread."""

from __future__ import annotations

import math

import pytest
import torch

from training.trainer.flow.filled import filled


def test_holes_take_values_of_known_cells_near_them():
    torch.manual_seed(1)
    field = torch.randn(2, 60, 60)
    sparse = torch.where(torch.rand(2, 60, 60) < 0.25, field, torch.full_like(field, math.nan))
    known = torch.isfinite(sparse)
    whole = filled(sparse)
    assert torch.equal(whole[known], sparse[known])
    made = whole[~known & torch.isfinite(whole)]
    assert made.numel() > 0.99 * int((~known).sum())
    assert torch.isin(made, sparse[known]).all()
    assert float(made.std()) == pytest.approx(float(sparse[known].std()), rel=0.05)


def test_holes_far_from_any_truth_stay():
    field = torch.full((1, 30, 30), math.nan)
    field[0, 0, 0] = 3.0
    whole = filled(field, rounds=4)
    assert torch.isnan(whole[0, 5:]).all() and torch.isnan(whole[0, :, 5:]).all()
    assert torch.equal(filled(torch.ones(1, 4, 4)), torch.ones(1, 4, 4))
