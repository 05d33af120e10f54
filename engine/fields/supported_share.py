"""How much of the fine detail the sources support: the share of its variance that members agree on.

Detail is what a member adds to the smooth interpolation of the coarse field, less its mean over the
coarse cell. With M members, d(m, i) the detail of member m in the fine cell i, and ⟨·⟩ the mean over
the fine cells around one (with weights that fall along rows and columns, to zero at the distance of two
coarse cells), the analysis of variance of Rowell (1998, "Assessing potential seasonal predictability
with an ensemble of multidecadal GCM simulations", J. Climate 11, 109–120), with space in the place of
years, gives

    noise  = ⟨ variance of d over the members, unbiased ⟩
    signal = ⟨ (mean of d over the members)² ⟩ − noise / M
    share  = signal / (signal + noise), cut off at 0 and 1.

The term noise / M makes the signal unbiased: without it, M members that agree on nothing would seem to
agree on 1/M of the detail. 1: the sources, and what training learnt of them, determine the detail; 0:
all of it is invented. If the ensemble is calibrated, the share is the squared correlation that the
detail of its mean has, on average, with that of the truth. It cannot tell where all members are wrong.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.fields.conservation import aggregate
from engine.fields.ensemble import MemberMoments
from engine.fields.windows import crop, spread_cells

RING = 2  # coarse cells around a window that the neighbourhood reaches into
NEGLIGIBLE = 1e-6  # detail below this share of the field's size is rounding, not detail


class SupportedShare:
    """Gathers members of one window and tells the supported share of their detail.

    Args:
        smooth: ((h + 2·RING)·k, (w + 2·RING)·k) the coarse field's smooth interpolation, in the
            members' units, NaN where there is no coarse value.
        factor: k, fine cells along a coarse cell.
    """

    def __init__(self, smooth: Tensor, factor: int) -> None:
        self._smooth, self._factor = smooth, factor
        self._detail, self._size = MemberMoments(), torch.zeros(())

    def add(self, member: Tensor) -> None:
        """Take a member, of the shape of `smooth`."""
        added = member - self._smooth
        coarse = aggregate(added, self._factor)
        self._detail.add(added - spread_cells(coarse, self._factor))
        self._size = torch.maximum(self._size, member.abs())

    def share(self) -> Tensor:
        """Return the share, (h·k, w·k) float32 in 0…1.

        NaN where there is no value, and where no member has any detail nearby. Needs two members.
        """
        k, detail = self._factor, self._detail
        valid = torch.isfinite(detail.mean)
        noise = _pooled(torch.where(valid, detail.variance, 0.0), k)
        agreed = _pooled(torch.where(valid, detail.mean.square(), 0.0), k)
        size = _pooled(torch.where(valid, self._size.square(), 0.0), k)
        # Sums, not means: the number of valid cells is the same in all three.
        total = agreed + noise * (1 - 1 / detail.count)
        known = crop(valid, RING, k) & (total > NEGLIGIBLE**2 * size)
        share = (agreed - noise / detail.count) / torch.where(known, total, 1.0)
        return torch.where(known, share.clamp(0, 1), torch.nan)


def _pooled(field: Tensor, factor: int) -> Tensor:
    """Return, for each fine cell, the weighted sum over its surroundings.

    A sliding sum taken twice weighs triangularly. Maps ((h + 4)·k, (w + 4)·k) to (h·k, w·k). Each sum
    starts anew in its coarse cell, so nothing that lies further away leaves a trace in it by rounding,
    and tiles agree.
    """
    for _ in range(RING):
        field = _window_sum(_window_sum(field, factor).transpose(-1, -2), factor).transpose(-1, -2)
    return field


def _window_sum(field: Tensor, factor: int) -> Tensor:
    """Sum over 2·factor + 1 cells around each along the last dimension; a block less at each end."""
    blocks = field.unflatten(-1, (-1, factor))
    before = blocks.flip(-1).cumsum(-1).flip(-1)  # from a cell to its block's end
    after = blocks.cumsum(-1)  # from its block's start to a cell
    whole = after[..., -1:]
    return (before[..., :-2, :] + whole[..., 1:-1, :] + after[..., 2:, :]).flatten(-2)
