"""Sums over a fixed neighbourhood of coarse cells: a tile with enough context gives what the whole gives."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def weighted_sum(fields: Tensor, kernel: tuple[float, ...]) -> Tensor:
    """Return the separable weighted sum over the neighbourhood of each cell, zero beyond the border.

    Args:
        fields: (B, C, H, W), finite.
        kernel: weights along rows and along columns, an odd number of them.
    """
    reach = len(kernel) // 2
    height, width = fields.shape[-2:]
    padded = F.pad(fields, (reach, reach, reach, reach))
    rows = padded[..., :height, :] * kernel[0]
    for index, weight in enumerate(kernel[1:], start=1):
        rows.add_(padded[..., index : index + height, :], alpha=weight)
    total = rows[..., :width] * kernel[0]
    for index, weight in enumerate(kernel[1:], start=1):
        total.add_(rows[..., index : index + width], alpha=weight)
    return total
