"""Lapse rate: temperatures brought to the height of the fine ground at a published rate."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.disaggregation import elevation_regression
from engine.disaggregation.interpolation import interpolate
from engine.errors import InputError
from engine.fields.conservation import aggregate
from engine.fields.patch import Patch
from engine.fields.upsample import HALO
from engine.fields.windows import narrowed
from engine.methods.interface import ELEVATION, BaselineInfo, check_sources
from engine.specs import SourceSpec, TargetSpec
from engine.units import conversion, is_temperature

TITLE = "Lapse rate"
# Kelvin per kilometre, January to December, of the northern hemisphere (Kunkel 1989, J. Climate 2, as
# used in MicroMet: Liston & Elder 2006, J. Hydrometeorol. 7, table 1).
RATES = (4.4, 5.9, 7.1, 7.8, 8.1, 8.2, 8.1, 8.1, 7.7, 6.8, 5.5, 4.7)
_ENDS = (31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)  # last day of each month but December


class LapseRate:
    """Bicubic interpolation, less the month's rate times the height above the interpolated ground.

    Without a date the rate is the year's mean.
    """

    id, title = "lapserate", TITLE
    halo = HALO["bicubic"]

    def __init__(self, factor: int, target: TargetSpec) -> None:
        self.factor, self.target = factor, target
        self.sources = (SourceSpec(ELEVATION, "m", "fine", optional=False),)

    def check(self, given: set[str]) -> None:
        """Refuse to run without an elevation, or on what is no temperature; see `Method.check`."""
        units = self.target.units
        if not is_temperature(units):
            raise InputError(f"{TITLE} is for temperatures, but the target is in {units or 'no unit'}.")
        check_sources(self.sources, given, self.title)

    def predict(self, patch: Patch) -> Tensor:
        """Return the field at the ground's height; see `Method.predict`.

        Raises:
            InputError: the target is no temperature, or the patch has no elevation of one band.
        """
        self.check(set(patch.fine))
        if patch.fine[ELEVATION].shape[1] != 1:
            raise InputError(f"{self.title} needs one band of {ELEVATION}.")
        patch, k = narrowed(patch, self.halo), self.factor
        elevation = patch.fine[ELEVATION][:, 0]
        area = patch.area if self.target.weights == "area" else None
        height = elevation_regression.above(elevation, aggregate(elevation, k, area), k, patch.halo)
        unit = conversion("K", self.target.units, self.target.name).factor
        rate = lapse_rate(patch.day_of_year).to(height.device) * (unit / 1000)
        field = interpolate(patch.target, k, self.target, "bicubic", patch.halo)
        return field - rate * height


def lapse_rate(day_of_year: Tensor | None) -> Tensor:
    """Return the rate of a date's month in K/km, (B, 1, 1); the year's mean for no date."""
    if day_of_year is None:
        return torch.tensor(sum(RATES) / len(RATES)).view(1, 1, 1)
    month = torch.bucketize(day_of_year.cpu().float(), torch.tensor(_ENDS))
    return torch.tensor(RATES)[month][:, None, None]


INFO = BaselineInfo(
    title=TITLE,
    help="Bicubic interpolation of a temperature, brought to the height of the fine ground at the month's "
    "published lapse rate (Liston and Elder 2006).",
    needs_climatology=False,
    needs_date=False,
    build=LapseRate,
    suits=lambda target: is_temperature(target.units),
)
