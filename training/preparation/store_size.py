"""How large a store will be, known before the first raster is read."""

from __future__ import annotations

import math
from pathlib import Path

from engine.files.free_disk import check_free
from training.preparation.planning import StorePlan

_CELL = 4  # bytes of a float32


def store_size(plan: StorePlan) -> int:
    """Return the bytes of a store's cells, before they are compressed."""
    cells = 0
    for variable in plan.variables:
        times = 1 if variable.indices is None else len(plan.times)
        channels = variable.series.channels if variable.series.traits.stacked else 1
        cells += times * channels * math.prod(plan.grid(variable).shape)
    if plan.dataset.target.mode == "aggregate":  # the truth's means come on top
        cells += len(plan.times) * math.prod(plan.coarse.shape)
    return cells * _CELL


def check_room(plan: StorePlan, final: Path) -> None:
    """Refuse a store that the disk has no room for.

    Args:
        plan: the data set, laid out.
        final: the store.

    Raises:
        InputError: tells the bytes needed and those that are free.
    """
    check_free(f"The store {final.name}", store_size(plan), final.parent, "a smaller extent or period")
