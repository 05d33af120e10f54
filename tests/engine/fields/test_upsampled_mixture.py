"""A mixture of fine fields by interpolated weights, against the weights interpolated one by one."""

from __future__ import annotations

import pytest
import torch

from engine.fields import upsample as module
from engine.fields.upsample import upsample, upsampled_mixture


@pytest.mark.parametrize("factor", [2, 3, 8])
@pytest.mark.parametrize("piece", [1, 2**20])
def test_it_is_the_sum_of_the_bands_by_their_own_weights(factor, piece, monkeypatch):
    monkeypatch.setattr(module, "_PIECE", piece)
    drawn = torch.Generator().manual_seed(0)
    weights = torch.randn(2, 4, 5 + 2, 7 + 2, generator=drawn)
    fields = torch.rand(2, 4, 5 * factor, 7 * factor, generator=drawn)
    fields[1, 2, 3, 4] = torch.nan
    mixture = upsampled_mixture(weights, fields, factor, torch.sqrt)
    own = upsample(weights.flatten(0, 1), factor, "bilinear", 1).unflatten(0, (2, 4))
    torch.testing.assert_close(mixture, (own * fields.sqrt()).sum(1), equal_nan=True)
    assert mixture.isnan().nonzero().tolist() == [[1, 3, 4]]


def test_it_is_the_same_to_the_bit_wherever_a_tile_begins():
    drawn = torch.Generator().manual_seed(1)
    weights, fields = torch.randn(1, 3, 12, 12, generator=drawn), torch.rand(1, 3, 40, 40, generator=drawn)
    whole = upsampled_mixture(weights, fields, 4, torch.sqrt)
    part = upsampled_mixture(weights[..., 3:9, 2:10], fields[..., 12:28, 8:32], 4, torch.sqrt)
    assert torch.equal(part, whole[:, 12:28, 8:32])
