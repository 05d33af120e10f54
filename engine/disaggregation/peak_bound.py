"""How far a fine value of a non-negative quantity may rise above the coarse ones around it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.fields.windows import crop

# Times the coarse values around. Where a climatology is nearly dry, one fine cell of noise would take a
# whole coarse cell's rain, up to k² times its mean.
LARGEST_PEAK = 10.0
HALO = 1  # coarse cells around a cell that its peak is compared with


def beyond_bound(field: Tensor, coarse: Tensor, factor: int, halo: int) -> Tensor:
    """Return which coarse cells hold a fine value that no neighbour's rain explains.

    That is one above `LARGEST_PEAK` times the largest of the 3 × 3 coarse values around it.

    Args:
        field: (B, h·k, w·k) of a non-negative quantity; NaN is no value.
        coarse: (B, H, W), NaN where invalid.
        factor: k.
        halo: coarse cells around the field, at least `HALO`.

    Returns:
        (B, h, w) bool.
    """
    around = crop(coarse, halo - HALO).clamp_min(0).nan_to_num(0, 0, 0)
    highest = F.max_pool2d(around[:, None], 2 * HALO + 1, 1)[:, 0]
    blocks = field.unflatten(-2, (-1, factor)).amax(-2).unflatten(-1, (-1, factor)).amax(-1)
    if not bool(torch.isfinite(blocks).all()):
        known = field.nan_to_num(0, float("inf"), 0)
        blocks = known.unflatten(-2, (-1, factor)).amax(-2).unflatten(-1, (-1, factor)).amax(-1)
    return blocks > LARGEST_PEAK * highest
