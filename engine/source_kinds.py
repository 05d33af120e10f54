"""The kinds of sources: how a raster of each is read, encoded, turned and seen by a network.

A new kind is a `SourceKind`, in a file of its own where it is long, and an entry of `KINDS`. Cards and
descriptions of data sets know those that stand there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]


@dataclass(frozen=True)
class SourceKind:
    """What is particular about one kind of source.

    Attributes:
        channels: from the source's classes to the names of the channels of one band, as read.
        encode: from bands, (bands, rows, columns) in the file's values, and the classes to channels. It
            comes before any averaging or interpolation; NaN stays NaN.
        turn: what a flip from left to right, and one from top to bottom, do to channels, (C, rows,
            columns), beside moving them.
        stacked: whether stores keep an axis of channels.
        unit: of every such source; None: each has its own, to which values are converted.
        labels: values are names, which must not be averaged or interpolated as they are.
        wants_classes: the source must list its classes, and may not change with time.
        scalar: the range of its values in training says something.
        optional_value: the network may see derived features without the value itself.
        of_target: it is a climatology of the target: bands for parts of the year, on the fine grid, of
            which the network sees derived features alone. A data set makes it from the truth.
    """

    channels: Callable[[Sequence[int]], tuple[str, ...]]
    encode: Callable[[Values, Sequence[int]], Values]
    turn: Callable[[NDArray[np.float32], bool, bool], NDArray[np.float32]] = lambda values, left, top: values
    stacked: bool = False
    unit: str | None = None
    labels: bool = False
    wants_classes: bool = False
    scalar: bool = False
    optional_value: bool = False
    of_target: bool = False


def _as_they_are(values: Values, classes: Sequence[int]) -> Values:
    return values


def _sine_and_cosine(values: Values, classes: Sequence[int]) -> Values:
    radians = np.deg2rad(values)
    return np.concatenate([f(radians) for f in (np.sin, np.cos)]).astype(np.float32)


def _mirrored(values: NDArray[np.float32], left: bool, top: bool) -> NDArray[np.float32]:
    """Mirror a compass direction, (2, ·, ·) sine and cosine."""
    signs = np.array([-1 if left else 1, -1 if top else 1])
    return values * signs[:, None, None].astype(values.dtype)


def _memberships(values: Values, classes: Sequence[int]) -> Values:
    """Return 1 where the first band is of a class and 0 where it is of another, for each class."""
    valid = np.isfinite(values[0])
    members = np.full((len(classes), *values.shape[1:]), np.nan, np.float32)
    for member, c in zip(members, classes, strict=True):
        member[valid] = values[0][valid] == c
    return members


KINDS: dict[str, SourceKind] = {
    "continuous": SourceKind(lambda classes: ("value",), _as_they_are, scalar=True, optional_value=True),
    "angle": SourceKind(  # degrees from north
        lambda classes: ("sine", "cosine"), _sine_and_cosine, _mirrored, stacked=True, unit="degree"
    ),
    "class": SourceKind(  # cover fractions, once averaged
        lambda classes: tuple(f"class_{value}" for value in classes),
        _memberships,
        stacked=True,
        unit="",
        labels=True,
        wants_classes=True,
    ),
    "climatology": SourceKind(lambda classes: ("value",), _as_they_are, scalar=True, of_target=True),
}


class OfKind:
    """What has a kind, one of `KINDS`, and the classes that go with it."""

    kind: str
    classes: tuple[int, ...]

    @property
    def traits(self) -> SourceKind:
        """What is particular about the kind."""
        return KINDS[self.kind]

    @property
    def channels(self) -> int:
        """Channels of one band as read: fractions per class, sine and cosine of an angle, else one."""
        return len(self.traits.channels(self.classes))


# Of a raster's cells, 1 where they are valid: what coverage is the mean of.
VALIDITY = SourceKind(
    lambda classes: ("valid",), lambda values, classes: np.isfinite(values).astype(np.float32)
)
