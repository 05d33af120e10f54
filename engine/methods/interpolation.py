"""Interpolation as a method: what `bilinear` and `bicubic` share."""

from __future__ import annotations

from torch import Tensor

from engine.disaggregation.interpolation import interpolate
from engine.fields.patch import Patch
from engine.fields.upsample import HALO
from engine.specs import SourceSpec, TargetSpec


class Interpolation:
    """Interpolation of the coarse field alone."""

    sources: tuple[SourceSpec, ...] = ()

    def __init__(self, id: str, title: str, kernel: str, factor: int, target: TargetSpec) -> None:
        self.id, self.title, self.kernel = id, title, kernel
        self.factor, self.target = factor, target
        self.halo = HALO[kernel]

    def check(self, given: set[str]) -> None:
        """Nothing is required."""

    def predict(self, patch: Patch) -> Tensor:
        """Return the interpolated field; see `Method.predict`."""
        return interpolate(patch.target, self.factor, self.target, self.kernel, patch.halo)
