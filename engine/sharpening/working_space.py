"""The space in which details add up, whatever the target's units, and interpolation in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from engine import transforms
from engine.disaggregation.base_field import base_field
from engine.disaggregation.interpolation import curved_space
from engine.disaggregation.smooth_correction import REACH
from engine.fields.conservation import clipped, conserve
from engine.fields.patch import Patch
from engine.fields.upsample import HALO as TAPS_HALO
from engine.specs import TargetSpec

HALO = TAPS_HALO["bicubic"] + REACH  # cells of the coarse side that a step looks at


@dataclass(frozen=True)
class WorkingSpace:
    """Signed targets as they are; non-negative ones as log(1 + x / mean): linear below the mean.

    Attributes:
        target: with that mean as its scale.
        centre, spread: of the transformed coarse field.
    """

    target: TargetSpec
    centre: float
    spread: float

    @classmethod
    def of(cls, coarse: Tensor, target: TargetSpec) -> WorkingSpace:
        """Return the space for a coarse field, (D, H, W), NaN where invalid."""
        known = coarse[torch.isfinite(coarse)].double()
        scale = 1.0
        if target.nonnegative and known.numel():
            scale = float(known.clamp_min(0).mean()) or 1.0
        spec = replace(target, scale=scale)
        values = transforms.transform(known.float(), curved_space(spec), scale).double()
        spread = float(values.std()) if values.numel() > 1 else 0.0
        return cls(spec, float(values.mean()) if values.numel() else 0.0, spread or 1.0)

    def forward(self, values: Tensor) -> Tensor:
        """Return physical values, transformed and standardised."""
        field = transforms.transform(values, curved_space(self.target), self.target.scale)
        return (field - self.centre) / self.spread

    def inverse(self, values: Tensor) -> Tensor:
        """Return what `forward` took, within the target's bounds."""
        field = values * self.spread + self.centre
        return clipped(transforms.inverse(field, curved_space(self.target), self.target.scale), self.target)

    def stretch(self, physical: Tensor) -> Tensor:
        """Return how many units of the target one unit of this space is worth at a physical value."""
        if curved_space(self.target) == "log1p":
            return self.spread * (physical.clamp_min(0) + self.target.scale)
        return torch.full_like(physical, self.spread)

    def interpolated(
        self, coarse: Tensor, k: int, area: Tensor | None, cut: int = 0, domain: Tensor | None = None
    ) -> Tensor:
        """Return the smoothly conserved interpolation of physical values.

        Args:
            coarse: (D, H, W), NaN where invalid.
            k: finer by.
            area: (D, H·k) relative area of each row's fine cells, or None.
            cut: cells of the coarse side to leave out at each edge; less than `HALO` are made up for by
                cells without data.
            domain: (D, H·k, W·k) the fine cells that the coarse values speak of, or None; then `cut` is at
                least `HALO`.

        Returns:
            (D, (H − 2·cut)·k, (W − 2·cut)·k), NaN where there is no coarse value and outside the domain.
        """
        pad = max(HALO - cut, 0)
        around = F.pad(coarse, (pad,) * 4, value=torch.nan)
        rows = None if area is None else F.pad(area.unsqueeze(1), (pad * k,) * 2, mode="replicate").squeeze(1)
        patch = Patch(factor=k, halo=pad + cut, target=around, area=rows, domain=domain)
        return base_field(patch, self.target, (), 0)

    def conserved(self, field: Tensor, coarse: Tensor, k: int, area: Tensor | None) -> Tensor:
        """Return physical values whose means are the coarse ones."""
        return conserve(field, coarse, k, self.target, area=area)
