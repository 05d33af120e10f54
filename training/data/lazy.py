"""Arrays on disk that are read where they are looked at, and as little of them as that needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from training.data.whole_store import whole_store


class LazyArray:
    """A view of an array on disk that behaves as a NumPy array does where an archive is cut.

    Whole numbers and slices of step 1 give a smaller view and read nothing. Lists and arrays of
    indices, `None`, and `np.asarray` read: one time after the other where a list of times comes
    first, else the box round what is asked for.

    Args:
        array: has `shape`, `dtype`, and reads by whole numbers and slices, as Zarr's arrays do.
        ranges: of each axis of `array`: first and last + 1, or a whole number for an axis left out.
    """

    def __init__(self, array: Any, ranges: Sequence[tuple[int, int] | int] | None = None) -> None:
        self._array = array
        self._ranges = tuple((0, n) for n in array.shape) if ranges is None else tuple(ranges)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the view."""
        return tuple(r[1] - r[0] for r in self._ranges if not isinstance(r, int))

    @property
    def ndim(self) -> int:
        """Number of axes of the view."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype:
        """Of the values."""
        return np.dtype(self._array.dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        parts = tuple(r if isinstance(r, int) else slice(*r) for r in self._ranges)
        with whole_store(str(getattr(self._array, "store_path", "that the data are read from"))):
            values = np.asarray(self._array[parts])
        return values if dtype is None else values.astype(dtype, copy=False)

    def astype(self, dtype: Any) -> np.ndarray:
        """Read all of it."""
        return np.asarray(self, dtype)

    def __getitem__(self, key: Any) -> Any:
        parts = list(key) if isinstance(key, tuple) else [key]
        new = next((i for i, part in enumerate(parts) if part is not None), len(parts))
        if new:  # new axes in front
            return np.asarray(self[tuple(parts[new:])])[(None,) * new]
        if any(part is None for part in parts):
            return np.asarray(self)[tuple(parts)]
        dots = next((i for i, part in enumerate(parts) if part is Ellipsis), len(parts))
        parts[dots : dots + 1] = [slice(None)] * (self.ndim - len([p for p in parts if p is not Ellipsis]))
        if all(_plain(part) for part in parts):
            return self._narrowed(parts)
        if not _plain(parts[0]) and all(_plain(part) for part in parts[1:]):
            rest = tuple(parts[1:])
            times = np.arange(len(self))[parts[0]]
            return np.stack([np.asarray(self[(int(t), *rest)]) for t in times])
        box, inside = [], []
        for part, length in zip(parts, self.shape):
            if _plain(part):
                box.append(part)
                inside += [slice(None)] if isinstance(part, slice) else []
                continue
            wanted = np.arange(length)[part]
            box.append(slice(int(wanted.min()), int(wanted.max()) + 1))
            inside.append(wanted - wanted.min())
        return np.asarray(self._narrowed(box))[tuple(inside)]

    def _narrowed(self, parts: Sequence[Any]) -> LazyArray:
        ranges = list(self._ranges)
        axes = [(i, r) for i, r in enumerate(ranges) if not isinstance(r, int)]
        for (axis, (start, stop)), part in zip(axes, parts):
            length = stop - start
            if isinstance(part, slice):
                first, last, _ = part.indices(length)
                ranges[axis] = (start + first, start + max(first, last))
            else:
                index = int(part) + (length if part < 0 else 0)
                if not 0 <= index < length:
                    raise IndexError(f"index {part} is out of range for an axis of {length}")
                ranges[axis] = start + index
        return LazyArray(self._array, ranges)


Array = np.ndarray | LazyArray  # what an archive holds: in memory, or read where it is looked at


class EveryNth:
    """An array on disk of which only every so many-th time is there, read one by one.

    Args:
        array: with the time as its first axis.
        step: from one time to the next.
    """

    def __init__(self, array: Any, step: int) -> None:
        self._array, self._step, self.dtype = array, step, array.dtype
        self.shape = (-(-array.shape[0] // step), *array.shape[1:])
        self.store_path = getattr(array, "store_path", "")

    def __getitem__(self, key: tuple[Any, ...]) -> np.ndarray:
        time, rest = key[0], key[1:]
        if not isinstance(time, slice):
            return np.asarray(self._array[(int(time) * self._step, *rest)])
        times = range(*time.indices(self.shape[0]))
        if not times:
            return np.asarray(self._array[(slice(0, 0), *rest)])
        return np.stack([np.asarray(self._array[(t * self._step, *rest)]) for t in times])


class FourAxes:
    """An array of (time, channel, rows, columns) of which some axes are not there, shown with length one.

    Args:
        array: on disk, with the axes that are there.
        time, channel: whether the first ones are.
    """

    def __init__(self, array: Any, time: bool, channel: bool) -> None:
        self._array, self._there, self.dtype = array, (time, channel, True, True), array.dtype
        lengths = iter(array.shape)
        self.shape = tuple(next(lengths) if there else 1 for there in self._there)
        self.store_path = getattr(array, "store_path", "")

    def __getitem__(self, key: tuple[Any, ...]) -> np.ndarray:
        values = np.asarray(self._array[tuple(part for part, there in zip(key, self._there) if there)])
        axis = 0
        for part, there in zip(key, self._there):
            if isinstance(part, slice):
                values = (
                    values
                    if there
                    else np.expand_dims(values, axis)[(slice(None),) * axis + (slice(*part.indices(1)),)]
                )
                axis += 1
        return values


def _plain(part: Any) -> bool:
    """Return whether an index can be put off: a whole number, or a slice of step 1."""
    if isinstance(part, slice):
        return part.step in (None, 1)
    return isinstance(part, (int, np.integer))
