"""Elevation regression: the coarse field's local relation to height, carried over to the fine ground.

Near cells weigh more, as in geographically weighted regression; `elevationregressionlocal` is the same
with equal weights in a moving window.
"""

from __future__ import annotations

from torch import Tensor

from engine.disaggregation import elevation_regression
from engine.disaggregation.interpolation import curved_space, mask_like
from engine.errors import InputError
from engine.fields import transforms
from engine.fields.conservation import limits
from engine.fields.patch import Patch
from engine.fields.windows import crop, narrowed
from engine.methods.interface import ELEVATION, BaselineInfo, check_sources
from engine.specs import SourceSpec, TargetSpec

TITLE = "Elevation regression"


class ElevationRegression:
    """`engine.disaggregation.elevation_regression.regressed` in the space of the bicubic interpolation."""

    halo = elevation_regression.HALO

    def __init__(
        self,
        factor: int,
        target: TargetSpec,
        id: str = "elevationregression",
        title: str = TITLE,
        kernel: tuple[float, ...] = elevation_regression.KERNEL,
    ) -> None:
        self.factor, self.target = factor, target
        self.id, self.title, self.kernel = id, title, kernel
        self.sources = (SourceSpec(ELEVATION, "m", "fine", optional=False),)

    def check(self, given: set[str]) -> None:
        """Refuse to run without an elevation; see `Method.check`."""
        check_sources(self.sources, given, self.title)

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
        area = patch.area if target.weights == "area" else None
        values = transforms.transform(patch.target, space, target.scale)
        elevation = patch.fine[ELEVATION][:, 0]
        field = elevation_regression.regressed(values, elevation, self.factor, patch.halo, area, self.kernel)
        field = transforms.inverse(field, space, target.scale)
        low, high = limits(target)
        if low is not None or high is not None:
            field = field.clamp(low, high)
        return mask_like(field, crop(patch.target, patch.halo), self.factor)


INFO = BaselineInfo(
    title=TITLE,
    help="Bicubic interpolation, and the elevation above its own interpolated mean times the slope that fits "
    "the coarse cells around (a local lapse rate).",
    needs_climatology=False,
    needs_date=False,
    build=ElevationRegression,
)
