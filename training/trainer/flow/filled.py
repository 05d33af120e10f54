"""Residuals where the truth has holes: a flow must see there what it will see where all cells are made."""

from __future__ import annotations

import torch
from torch import Tensor

ROUNDS = 8
_AROUND = tuple((row, column) for row in (-1, 0, 1) for column in (-1, 0, 1) if row or column)


def filled(residual: Tensor, rounds: int = ROUNDS) -> Tensor:
    """Return the residuals with holes filled from known cells around them, drawn at random.

    In each round every hole looks at one of its eight neighbours, drawn by torch's generator, and takes its
    value where that is known. So the values keep their distribution, and near cells are alike; a mean of
    neighbours would have less spread than the truth has.

    Args:
        residual: (B, h, w), NaN in holes.
        rounds: how far holes are filled, in cells, at most.

    Returns:
        (B, h, w), NaN in holes farther away.
    """
    if bool(torch.isfinite(residual).all()):
        return residual
    batch, height, width = residual.shape
    flat = residual.flatten(1)
    row = torch.arange(height, device=residual.device)[:, None].expand(height, width)
    column = torch.arange(width, device=residual.device).expand(height, width)
    offsets = torch.tensor(_AROUND, device=residual.device)
    for _ in range(rounds):
        drawn = offsets[torch.randint(len(_AROUND), (batch, height, width), device=residual.device)]
        rows, columns = (
            (row + drawn[..., 0]).clamp(0, height - 1),
            (column + drawn[..., 1]).clamp(0, width - 1),
        )
        beside = flat.gather(1, (rows * width + columns).flatten(1))
        flat = torch.where(torch.isnan(flat), beside, flat)
    return flat.unflatten(1, (height, width))
