"""How much memory what is made of a data set may take, beside the data themselves."""

from __future__ import annotations

import os

import numpy as np

from engine.compute.memory import system_memory
from training.data.archive import Archive
from training.data.store import SHARE
from training.schema.config import Config


def room_beside(config: Config, archive: Archive, most: int) -> int:
    """Return the bytes that may be held of what is made of an archive.

    They are what `data.options.memory_gib` leaves beside the arrays in memory, where it is given, else a
    share of what is free, which the processes of one training on this machine divide.

    Args:
        config: of the training.
        archive: its data set, as it was read.
        most: that are held in any case.
    """
    given = config.data.options.get("memory_gib")
    if given is None:
        return min(most, int(SHARE * system_memory()) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    return max(0, min(most, int(float(given) * 2**30) - bytes_held(archive)))


def bytes_held(archive: Archive) -> int:
    """Return what an archive's arrays take in memory, without the coarse target, which is always there."""
    arrays = [archive.fine, *(source.values for source in archive.sources.values())]
    return sum(array.nbytes for array in arrays if isinstance(array, np.ndarray) and not _repeats(array))


def _repeats(array: np.ndarray) -> bool:
    """Return whether one number stands for many: a truth that is missing everywhere."""
    return any(length > 1 and not stride for length, stride in zip(array.shape, array.strides))
