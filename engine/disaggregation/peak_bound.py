"""How far a fine value of a non-negative quantity may rise above what is known around it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.fields.kept import KeptForDates, kept_or_made
from engine.fields.windows import crop

# Times the coarse values around, or the climatology. Where that is nearly dry, one fine cell of noise
# would take a whole coarse cell's rain, up to k² times its mean.
LARGEST_PEAK = 10.0
HALO = 1  # coarse cells around a cell that its peak is compared with


def beyond_bound(
    field: Tensor,
    coarse: Tensor,
    climatology: Tensor,
    factor: int,
    halo: int,
    kept: KeptForDates | None = None,
) -> Tensor:
    """Return which coarse cells hold a fine value that nothing around explains.

    That is one above `LARGEST_PEAK` times the largest of the 3 × 3 coarse values around it and of the
    climatology's fine values there: what a climatology holds on a mountain top may also lie there when the
    coarse cell's mean is small.

    Args:
        field: (B, h·k, w·k) of a non-negative quantity; NaN is no value.
        coarse: (B, H, W), NaN where invalid.
        climatology: (B, H·k, W·k) or (B, bands, H·k, W·k) in the field's unit, NaN where invalid.
        factor: k.
        halo: coarse cells around the field, at least `HALO`.
        kept: holds the climatology's largest values from the first date on, where that is the same at all.

    Returns:
        (B, h, w) bool.
    """

    def largest() -> Tensor:
        fine = crop(climatology, halo - HALO, factor).nan_to_num(0, 0, 0)
        return _largest(fine if fine.dim() == 3 else fine.amax(1), factor)

    usual = kept_or_made(kept, ("largest of bands", climatology.shape, halo), largest)
    around = torch.maximum(crop(coarse, halo - HALO).nan_to_num(0, 0, 0), usual).clamp_min(0)
    highest = F.max_pool2d(around[:, None], 2 * HALO + 1, 1)[:, 0]
    blocks = _largest(field, factor)
    if not bool(torch.isfinite(blocks).all()):
        blocks = _largest(field.nan_to_num(0, float("inf"), 0), factor)
    return blocks > LARGEST_PEAK * highest


def _largest(field: Tensor, factor: int) -> Tensor:
    """Return the largest of the factor × factor fine values of each coarse cell."""
    return field.unflatten(-2, (-1, factor)).amax(-2).unflatten(-1, (-1, factor)).amax(-1)
