"""The field on which a model's residual stands, as a method of its own: what the two of them share."""

from __future__ import annotations

from torch import Tensor

from engine.disaggregation.base_field import BASE_HALO, base_field
from engine.errors import InputError
from engine.fields.patch import Patch
from engine.fields.windows import narrowed
from engine.methods.baseline_info import BaselineInfo
from engine.methods.interface import Method
from engine.specs import SourceSpec, TargetSpec


class BaseField(Method):
    """The field on which residuals stand, with a climatology or without; it conserves of itself."""

    halo = BASE_HALO

    def __init__(
        self, info: BaselineInfo, factor: int, target: TargetSpec, sources: tuple[SourceSpec, ...]
    ) -> None:
        super().__init__(info.id, info.title, factor, target, sources)

    def predict(self, patch: Patch) -> Tensor:
        """Return the field, conserved; see `Method.predict`.

        Raises:
            InputError: a climatology of several bands comes without a date.
        """
        patch = narrowed(patch, self.halo)
        dateless = patch.climatology_distance is None
        if self.sources and dateless and (patch.climatology is None or patch.climatology.shape[1] > 1):
            raise InputError(f"{self.title} needs a climatology and a date.")
        return base_field(patch, self.target, self.sources, 0)
