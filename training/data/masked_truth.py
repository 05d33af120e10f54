"""An archive whose truth is hidden in some coarse cells, so that nothing can learn from it there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from training.data.archive import Archive
from training.data.lazy import LazyArray


class _MaskedTruth:
    """A fine array, (T, h·k, w·k), that reads as NaN where its coarse cells, (h, w), are not `shown`."""

    def __init__(self, array: Any, shown: np.ndarray, factor: int) -> None:
        self._array, self._shown, self._factor = array, shown, factor
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, key: tuple[Any, ...]) -> np.ndarray:
        values = np.asarray(self._array[key])
        rows, columns = (
            np.arange(length)[part] // self._factor
            for length, part in zip(self.shape[-2:], key[-2:], strict=True)
        )
        hole = ~self._shown[np.atleast_1d(rows)[:, None], np.atleast_1d(columns)]
        hole = hole.reshape(np.shape(rows) + np.shape(columns))
        return np.where(hole, values.dtype.type(np.nan), values)


def mask_truth(archive: Archive, cells: np.ndarray | None) -> Archive:
    """Return the archive with its fine truth NaN outside some coarse cells; its inputs stay.

    Args:
        archive: whole.
        cells: (h, w) booleans; None for all.

    Raises:
        ValueError: the cells are not those of the archive.
    """
    if cells is None:
        return archive
    if cells.shape != archive.shape:
        raise ValueError(f"cells {cells.shape} are not those of an archive of {archive.shape}")
    return replace(archive, fine=LazyArray(_MaskedTruth(archive.fine, cells, archive.factor)))
