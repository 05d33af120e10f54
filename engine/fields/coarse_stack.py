"""What a method is fitted on: the coarse field of several dates, and covariates averaged onto its cells."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from engine.dates import When


@dataclass(frozen=True)
class CoarseStack:
    """D dates of a window of H × W coarse cells, in physical units, NaN where invalid.

    Attributes:
        target: (D, H, W).
        covariates: (D or 1, C, H, W) of each source, D where it changes with the date; means over the fine
            cells that count.
        dates: of the D fields; None: without a date.
        corner: row and column of the first cell, in the numbering of `Patch.origin`.
        fine: (C, h·k, w·k) of each source, a window in the middle of it as it is below the coarse cells.
        area: (H,) relative area of each row's cells, or None where they count alike.
    """

    target: Tensor
    covariates: dict[str, Tensor] = field(default_factory=dict)
    dates: tuple[When | None, ...] = (None,)
    corner: tuple[int, int] = (0, 0)
    area: Tensor | None = None
    fine: dict[str, Tensor] = field(default_factory=dict)
