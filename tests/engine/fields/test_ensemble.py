"""Statistics over members, against torch and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.fields import ensemble
from engine.fields.ensemble import MemberMoments, quantiles


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_moments_are_those_of_torch() -> None:
    members = 280 + drawn(7, 5, 6)
    moments = MemberMoments()
    for member in members:
        moments.add(member)
    torch.testing.assert_close(moments.mean, members.mean(0))
    torch.testing.assert_close(moments.variance, members.var(0), rtol=1e-4, atol=1e-6)


def test_the_variance_of_one_member_is_unknown() -> None:
    moments = MemberMoments()
    moments.add(drawn(3, 4))
    assert moments.variance.isnan().all()


@pytest.mark.parametrize("count", [2, 3, 5, 8, 20, 33, 200])
def test_quantiles_are_numpys_weibull_ones(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ensemble, "_PIECE", 20)  # so that there are several blocks
    members, levels = drawn(count, 11, 7), (0.9, 0.5, 0.01, 0.25, 0.99)
    expected = np.quantile(members.numpy(), levels, axis=0, method="weibull")
    found = torch.stack(quantiles(list(members), levels)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_quantiles_of_a_calibrated_ensemble_cover_what_they_say() -> None:
    members, truth = drawn(9, 200, 300), drawn(200, 300, seed=1)
    for level, field in zip((0.2, 0.5, 0.8), quantiles(list(members), (0.2, 0.5, 0.8)), strict=True):
        assert float((truth < field).float().mean()) == pytest.approx(level, abs=0.01)


def test_a_cell_without_value_has_no_quantile() -> None:
    members = drawn(5, 4, 4)
    members[:, 1, 2] = torch.nan
    members[3, 2, 0] = torch.nan
    field = quantiles(list(members), (0.1,))[0]
    assert field[1, 2].isnan() and field[2, 0].isnan() and field.isnan().sum() == 2
