"""Disaggregation by a climatology: what the two climatology methods share."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.disaggregation.climatology_ratio import disaggregate
from engine.errors import InputError
from engine.fields.climatology import flat_weights, season_weights, weighted_mean
from engine.fields.patch import Patch
from engine.fields.upsample import HALO
from engine.fields.windows import narrowed
from engine.methods.baseline_info import BaselineInfo
from engine.methods.interface import CLIMATOLOGY, Method
from engine.specs import SourceSpec, TargetSpec


class Disaggregation(Method):
    """Interpolated departure from a climatology, seasonal or flat."""

    halo = HALO["bicubic"]

    def __init__(self, info: BaselineInfo, seasonal: bool, factor: int, target: TargetSpec) -> None:
        source = SourceSpec(CLIMATOLOGY, target.units, "fine", kind="climatology", optional=False)
        super().__init__(info.id, info.title_for(target), factor, target, (source,))
        self.seasonal = seasonal

    def predict(self, patch: Patch) -> Tensor:
        """Return the disaggregated field; see `Method.predict`.

        Raises:
            InputError: the seasonal method has a climatology of several bands and no date.
        """
        patch = narrowed(patch, self.halo)
        bands, distance = patch.climatology, patch.climatology_distance
        if bands is None:
            raise InputError(f"{self.title} needs the source {CLIMATOLOGY}: give a raster for it.")
        if distance is None:
            if self.seasonal and bands.shape[1] > 1:
                raise InputError(f"{self.title} needs a date, since the climatology has several bands.")
            distance = torch.zeros(bands.shape[:2], device=bands.device)
        kernel = self.sources[0].kernel_months
        weights = season_weights(distance, kernel) if self.seasonal else flat_weights(distance)
        return disaggregate(patch, weighted_mean(bands, weights), self.target)
