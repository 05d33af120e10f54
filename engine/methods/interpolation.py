"""Interpolation as a method: what `bilinear` and `bicubic` share."""

from __future__ import annotations

from torch import Tensor

from engine.disaggregation.interpolation import interpolate
from engine.fields.patch import Patch
from engine.fields.upsample import HALO
from engine.methods.baseline_info import BaselineInfo
from engine.methods.interface import Method
from engine.specs import TargetSpec


class Interpolation(Method):
    """Interpolation of the coarse field alone."""

    def __init__(self, info: BaselineInfo, kernel: str, factor: int, target: TargetSpec) -> None:
        super().__init__(info.id, info.title, factor, target)
        self.kernel = kernel
        self.halo = HALO[kernel]

    def predict(self, patch: Patch) -> Tensor:
        """Return the interpolated field; see `Method.predict`."""
        return interpolate(patch.target, self.factor, self.target, self.kernel, patch.halo)
