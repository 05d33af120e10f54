"""Square blocks of coarse cells, drawn at random: which of them test, validate and train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from engine.errors import InputError
from training.data.archive import Archive
from training.schema.split import BlockSection


@dataclass(frozen=True)
class Cells:
    """Coarse cells of an archive, (h, w) booleans each; no two of them have a cell in common."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def valid_cells(archive: Archive, times: Sequence[int]) -> np.ndarray:
    """Return (h, w) booleans: the coarse cells that have data at any of the times."""
    valid = np.zeros(archive.shape, bool)
    for time in times:
        valid |= np.isfinite(np.asarray(archive.coarse[time]))
    return valid


def valid_times(archive: Archive) -> list[int]:
    """Return the times that have data anywhere."""
    return [t for t in range(len(archive.dates)) if np.isfinite(np.asarray(archive.coarse[t])).any()]


def draw_cells(section: BlockSection, valid: np.ndarray, wrap: bool) -> Cells:
    """Draw the blocks that test and validate; train on the rest, less a margin around these.

    The grid of blocks starts in the upper left corner; blocks without a valid cell are not drawn, so
    that land is shared out where the sea has no data.

    Args:
        section: of the configuration.
        valid: (h, w) booleans, coarse cells with data.
        wrap: whether the columns go round the globe.

    Raises:
        InputError: too few blocks, or nothing is left to train on.
    """
    rows, columns = (np.arange(n) // section.size for n in valid.shape)
    block = rows[:, None] * (columns[-1] + 1) + columns
    known = np.unique(block[valid])
    counts = [round(share * known.size) for share in (section.test, section.validation)]
    counts = [max(count, 1) if share else 0 for count, share in zip(counts, (1, section.validation))]
    if sum(counts) >= known.size:
        raise InputError(
            f"split.blocks.size: {known.size} blocks of {section.size} × {section.size} coarse cells are too "
            f"few to hold {sum(counts)} out."
        )
    order = np.random.default_rng(section.seed).permutation(known)
    test, validation = (
        np.isin(block, drawn) for drawn in (order[: counts[0]], order[counts[0] : sum(counts)])
    )
    held = ndimage.maximum_filter(
        test | validation, 2 * section.buffer + 1, mode=("constant", "wrap" if wrap else "constant")
    )
    if not (valid & ~held).any():
        raise InputError("split.blocks.buffer: it leaves no coarse cell to train on.")
    return Cells(~held, validation, test)
