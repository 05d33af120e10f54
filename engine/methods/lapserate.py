"""Lapse rate: temperatures brought to the height of the fine ground at a published rate."""

from __future__ import annotations

from torch import Tensor

from engine.disaggregation import elevation_regression
from engine.disaggregation.interpolation import interpolate
from engine.disaggregation.lapse_rate import lapse_rate
from engine.errors import InputError
from engine.fields.conservation import aggregate
from engine.fields.domain import within
from engine.fields.patch import Patch
from engine.fields.upsample import HALO
from engine.fields.windows import narrowed
from engine.methods.baseline_info import BaselineInfo
from engine.methods.interface import ELEVATION, Method
from engine.specs import SourceSpec, TargetSpec
from engine.units import conversion, is_temperature


class LapseRate(Method):
    """Bicubic interpolation, less the month's rate times the height above the interpolated ground.

    Without a date the rate is the year's mean.
    """

    halo = HALO["bicubic"]

    def check(self, given: set[str]) -> None:
        """Refuse to run without an elevation, or on what is no temperature; see `Method.check`."""
        units = self.target.units
        if not is_temperature(units):
            raise InputError(f"{self.title} is for temperatures, but the target is in {units or 'no unit'}.")
        super().check(given)

    def predict(self, patch: Patch) -> Tensor:
        """Return the field at the ground's height; see `Method.predict`.

        Raises:
            InputError: the target is no temperature, or the patch has no elevation of one band.
        """
        self.check(set(patch.fine))
        if patch.fine[ELEVATION].shape[1] != 1:
            raise InputError(f"{self.title} needs one band of {ELEVATION}.")
        patch, k = narrowed(patch, self.halo), self.factor
        elevation = within(patch.fine[ELEVATION][:, 0], patch)
        area = patch.averaging_area(self.target)
        height = elevation_regression.above(elevation, aggregate(elevation, k, area), k, patch.halo)
        unit = conversion("K", self.target.units, self.target.name).factor
        rate = lapse_rate(patch.day_of_year).to(height.device) * (unit / 1000)
        field = interpolate(patch.target, k, self.target, "bicubic", patch.halo)
        return field - rate * height


def build(info: BaselineInfo, factor: int, target: TargetSpec) -> LapseRate:
    """Return the method for a factor and a target."""
    source = SourceSpec(ELEVATION, "m", "fine", optional=False)
    return LapseRate(info.id, info.title, factor, target, (source,))
