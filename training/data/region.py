"""Where and when something is learnt, validated or scored, and the truth that is there."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from training.data.archive import Archive
from training.data.masked_truth import mask_truth


@dataclass(frozen=True)
class Region:
    """Where and when scores are taken: times, and first and last + 1 coarse column.

    `cells`, (h, w) booleans of the whole archive, are those of the coarse cells that count; None: all.
    """

    times: tuple[int, ...]
    columns: tuple[int, int]
    cells: np.ndarray | None = field(default=None, repr=False, compare=False)

    def fine_columns(self, factor: int) -> slice:
        """The same columns on the fine grid."""
        return slice(self.columns[0] * factor, self.columns[1] * factor)


def truth_of(archive: Archive, region: Region, time: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the fine truth, (h·k, w·k), and the coarse field, (h, w), of one time in the region.

    Both are NaN in cells that do not count.
    """
    first, last = region.columns
    coarse = np.asarray(archive.coarse[time][:, first:last])
    truth = np.asarray(mask_truth(archive, region.cells).fine[time][:, region.fine_columns(archive.factor)])
    if region.cells is not None:
        coarse = np.where(region.cells[:, first:last], coarse, coarse.dtype.type(np.nan))
    return truth, coarse
