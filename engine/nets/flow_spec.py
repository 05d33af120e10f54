"""What a flow is made of, which carries noise to the residuals of an ensemble's members."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from engine.errors import InputError

MOST_STEPS = 16


@dataclass(frozen=True)
class FlowSpec:
    """What a flow is made of; the card keeps it as `network.flow`.

    `scale` is what residuals are measured in, in transformed space: the error of the base in training.
    `widths` are those of the velocity's network, as in `NetworkSpec`.
    """

    steps: int = 4  # Euler steps from noise to residual
    scale: float = 1.0
    widths: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check it; raises InputError."""
        object.__setattr__(self, "widths", tuple(int(width) for width in self.widths))
        whole = isinstance(self.steps, int) and not isinstance(self.steps, bool)
        if not whole or not 1 <= self.steps <= MOST_STEPS:
            raise InputError(f"network.flow.steps must be a whole number from 1 to {MOST_STEPS}.")
        number = isinstance(self.scale, (int, float)) and not isinstance(self.scale, bool)
        if not number or not 0 < self.scale < math.inf:
            raise InputError("network.flow.scale must be a number above 0.")

    def to_json(self) -> dict[str, Any]:
        """Return plain data for the card."""
        return {**asdict(self), "widths": list(self.widths)}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any] | FlowSpec) -> FlowSpec:
        """Read what `to_json` wrote; raises InputError on unknown keys."""
        if isinstance(raw, FlowSpec):
            return raw
        if not isinstance(raw, Mapping):
            raise InputError("network.flow must be keys with values.")
        unknown = sorted(set(raw) - set(cls.__dataclass_fields__))
        if unknown:
            raise InputError(f"network.flow has unknown keys: {', '.join(unknown)}.")
        return cls(**{**raw, "widths": tuple(raw.get("widths", ()))})
