"""Elevation regression: the coarse field's local relation to height, carried over to the fine ground.

Near cells weigh more, as in geographically weighted regression; `elevationregressionlocal` is the same
with equal weights in a moving window.
"""

from __future__ import annotations

from torch import Tensor

from engine import transforms
from engine.disaggregation import elevation_regression
from engine.disaggregation.interpolation import curved_space, mask_like
from engine.errors import InputError
from engine.fields.conservation import clipped
from engine.fields.domain import within
from engine.fields.patch import Patch
from engine.fields.windows import crop, narrowed
from engine.methods.baseline_info import BaselineInfo
from engine.methods.interface import ELEVATION, Method
from engine.specs import SourceSpec, TargetSpec


class ElevationRegression(Method):
    """`engine.disaggregation.elevation_regression` in the space of the bicubic interpolation."""

    halo = elevation_regression.HALO

    def __init__(
        self,
        info: BaselineInfo,
        factor: int,
        target: TargetSpec,
        kernel: tuple[float, ...] = elevation_regression.KERNEL,
    ) -> None:
        source = SourceSpec(ELEVATION, "m", "fine", optional=False)
        super().__init__(info.id, info.title, factor, target, (source,))
        self.kernel = kernel

    def predict(self, patch: Patch) -> Tensor:
        """Return the regressed field; see `Method.predict`.

        Raises:
            InputError: the patch has no elevation.
        """
        self.check(set(patch.fine))
        if patch.fine[ELEVATION].shape[1] != 1:
            raise InputError(f"{self.title} needs one band of {ELEVATION}.")
        patch, target = narrowed(patch, self.halo), self.target
        space = curved_space(target)
        area = patch.averaging_area(target)
        values = transforms.transform(patch.target, space, target.scale)
        elevation = within(patch.fine[ELEVATION][:, 0], patch)
        field = elevation_regression.regressed(values, elevation, self.factor, patch.halo, area, self.kernel)
        field = transforms.inverse(field, space, target.scale)
        return mask_like(clipped(field, target), crop(patch.target, patch.halo), self.factor)


def build(info: BaselineInfo, factor: int, target: TargetSpec) -> ElevationRegression:
    """Return the method for a factor and a target."""
    return ElevationRegression(info, factor, target)
