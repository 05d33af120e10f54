"""The configuration's `split`: which times and columns train, and which test, and how that is told.

A new kind is a class here, or in a file of its own, and an entry of `SPLITS`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from engine import dates
from engine.dates import When
from engine.time_axis import instant
from training.schema.base import Degrees, Month, Section


class BlockSection(Section):
    """Square blocks of coarse cells, drawn by the seed, whose truth is kept from training."""

    size: Annotated[int, Field(ge=1)]  # coarse cells along a block's edge
    test: Annotated[float, Field(gt=0, lt=1)]  # share of the blocks
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.0  # the same, to choose the weights by
    buffer: Annotated[int, Field(ge=0)] = 0  # coarse cells around these blocks that nothing is learned from
    seed: Annotated[int, Field(ge=0)] = 0


class CellSection(Section):
    """Square blocks of coarse cells, drawn by the seed, that validate at training dates."""

    size: Annotated[int, Field(ge=1)]  # coarse cells along a block's edge
    share: Annotated[float, Field(gt=0, lt=1)]  # of the blocks
    buffer: Annotated[int, Field(ge=0)] = 0  # coarse cells around these blocks that nothing is learned from
    seed: Annotated[int, Field(ge=0)] = 0

    @property
    def drawn(self) -> BlockSection:
        """The same as blocks that are drawn for a test."""
        return BlockSection(size=self.size, test=self.share, buffer=self.buffer, seed=self.seed)


class SplitSection(Section):
    """What every kind of split answers."""

    needs_years: ClassVar[bool] = False  # it cannot split an archive of months of any year

    if TYPE_CHECKING:  # keys of some kinds, worked out by others; pydantic takes either

        @property
        def train_months(self) -> tuple[int, ...]:
            """Months to train on."""

        @property
        def test_months(self) -> tuple[int, ...]:
            """Months to test on."""

    @property
    def train_extent(self) -> tuple[float, float] | None:
        """The x coordinates to train between, in the archive's CRS; None: all."""
        return None

    @property
    def test_extent(self) -> tuple[float, float] | None:
        """The x coordinates to test between; None: all."""
        return None

    @property
    def trains_beside(self) -> bool:
        """Whether it trains on both sides of the test's x coordinates, wherever these are not."""
        return self.test_extent is not None and self.train_extent is None

    @property
    def drawn_blocks(self) -> BlockSection | None:
        """The blocks whose truth is kept from training, where there are some."""
        return None

    def trains(self, date: str, month: int) -> bool:
        """Return whether a date, in this month, is one to train on."""
        return month in self.train_months

    def tests(self, date: str, month: int) -> bool:
        """Return whether a date, in this month, is one to test on."""
        return month in self.test_months

    @property
    def region(self) -> str:
        """Where it trains, in words."""
        blocks, extent = self.drawn_blocks, self.train_extent
        tested = self.test_extent
        if self.trains_beside and tested is not None:
            return f"all but x from {tested[0]:g} to {tested[1]:g}"
        if blocks is not None:
            return (
                f"all but {blocks.test + blocks.validation:.0%} of the blocks of {blocks.size} × "
                f"{blocks.size} coarse cells, and {blocks.buffer} cells around them, drawn with seed "
                f"{blocks.seed}"
            )
        return "all" if extent is None else f"x from {extent[0]:g} to {extent[1]:g}"


class TemporalSplit(SplitSection):
    """Train and test by month; by blocks as well, where given, and then the months may be the same."""

    kind: Literal["temporal"]
    train: tuple[Month, ...] = Field(min_length=1)
    test: tuple[Month, ...] = Field(min_length=1)
    gap: Annotated[int, Field(ge=0, le=5)] = 0  # training months this near a test month are left out
    blocks: BlockSection | None = None

    @model_validator(mode="after")
    def _apart(self) -> TemporalSplit:
        both = sorted(set(self.train) & set(self.test))
        if both and self.blocks is None:
            raise ValueError(f"month {both[0]} is in both train and test")
        if both and self.gap:
            raise ValueError(f"there is no gap where month {both[0]} is in both train and test")
        if not self.train_months:
            raise ValueError("the gap leaves no month to train on")
        return self

    @property
    def drawn_blocks(self) -> BlockSection | None:
        """See `SplitSection.drawn_blocks`."""
        return self.blocks

    @property
    def train_months(self) -> tuple[int, ...]:
        """Months to train on: `train` less those within `gap` months of a test month."""
        if not self.gap:
            return self.train
        near = {(t - 1 + d) % 12 + 1 for t in self.test for d in range(-self.gap, self.gap + 1)}
        return tuple(m for m in self.train if m not in near)

    @property
    def test_months(self) -> tuple[int, ...]:
        """Months to test on."""
        return self.test


class SpatialSplit(SplitSection):
    """Train and test by longitude (west to east, degrees), and by month as well."""

    kind: Literal["spatial"]
    train_longitudes: tuple[Degrees, Degrees]
    test_longitudes: tuple[Degrees, Degrees]
    train_months: tuple[Month, ...] = Field(min_length=1)
    test_months: tuple[Month, ...] = Field(min_length=1)

    @property
    def train_extent(self) -> tuple[float, float]:
        """See `SplitSection.train_extent`."""
        return self.train_longitudes

    @property
    def test_extent(self) -> tuple[float, float]:
        """See `SplitSection.test_extent`."""
        return self.test_longitudes

    @model_validator(mode="after")
    def _apart(self) -> SpatialSplit:
        for name in ("train_longitudes", "test_longitudes"):
            west, east = getattr(self, name)
            if west >= east:
                raise ValueError(f"{name} must go from west to east")
        (a, b), (c, d) = self.train_longitudes, self.test_longitudes
        if max(a, c) < min(b, d):
            raise ValueError("train_longitudes and test_longitudes overlap")
        return self


Day = Annotated[str, BeforeValidator(str)]  # YAML reads some dates as such


class EveryMonth(SplitSection):
    """What splits by something else than months: any may train, and test."""

    @property
    def train_months(self) -> tuple[int, ...]:
        """All months."""
        return tuple(range(1, 13))

    @property
    def test_months(self) -> tuple[int, ...]:
        """All months."""
        return tuple(range(1, 13))


class PeriodSplit(EveryMonth):
    """Train and test by dates, of archives of several years; and by x coordinates as well, where given."""

    kind: Literal["period"]
    train: tuple[tuple[Day, Day], ...] = Field(min_length=1)  # first and last date of each period
    test: tuple[tuple[Day, Day], ...] = Field(min_length=1)
    # Training dates in a test period, or this near one, are left out (not where the columns differ, nor
    # where there are blocks and no gap).
    gap_days: Annotated[int, Field(ge=0)] = 0
    train_columns: tuple[float, float] | None = None  # from west to east, in the archive's CRS
    test_columns: tuple[float, float] | None = None  # alone: trains on all the others
    blocks: BlockSection | None = None  # instead of columns

    needs_years: ClassVar[bool] = True

    @model_validator(mode="after")
    def _apart(self) -> PeriodSplit:
        for name in ("train", "test"):
            check_periods(name, getattr(self, name))
        train, test = self.train_columns, self.test_columns
        if train is None and test is None:
            return self
        if test is None:
            raise ValueError("train_columns need test_columns")
        if self.blocks is not None:
            raise ValueError("the split by space is by columns or by blocks, not by both")
        if train is None:
            return self
        if max(train[0], test[0]) < min(train[1], test[1]):
            raise ValueError("train_columns and test_columns overlap")
        return self

    @property
    def train_extent(self) -> tuple[float, float] | None:
        """See `SplitSection.train_extent`."""
        return self.train_columns

    @property
    def test_extent(self) -> tuple[float, float] | None:
        """See `SplitSection.test_extent`."""
        return self.test_columns

    @property
    def drawn_blocks(self) -> BlockSection | None:
        """See `SplitSection.drawn_blocks`."""
        return self.blocks

    def tests(self, date: str, month: int) -> bool:
        """Return whether a date is one to test on."""
        return in_periods(date, self.test)

    def trains(self, date: str, month: int) -> bool:
        """Return whether a date is one to train on."""
        by_space = self.test_columns is not None or (self.blocks is not None and not self.gap_days)
        apart = by_space or not in_periods(date, self.test, self.gap_days)
        return apart and in_periods(date, self.train)


class AutoSplit(EveryMonth):
    """Left to the data: see `training.data.hold_out.split`, which puts another split into its place."""

    kind: Literal["auto"] = "auto"

    needs_years: ClassVar[bool] = True  # where the data have them


class WholeSplit(EveryMonth):
    """Nothing is held out: for cascades of fewer dates than could be, which are judged between scales."""

    kind: Literal["whole"]


def in_periods(date: str, periods: tuple[tuple[str, str], ...], gap: int = 0) -> bool:
    """Return whether a date lies in one of the periods, or within `gap` days of it."""
    if not periods:
        return False
    first, last = day_span(date)
    return any(first - gap <= day_span(b)[1] and day_span(a)[0] <= last + gap for a, b in periods)


def check_periods(key: str, periods: tuple[tuple[str, str], ...]) -> None:
    """Look at the first and last date of each period of a key.

    Raises:
        ValueError: one is no date with a year, or a period ends before it begins; it names the key.
    """
    for first, last in periods:
        try:
            backwards = day_span(first)[0] > day_span(last)[1]
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None
        if backwards:
            raise ValueError(f"{key}: the period {first} to {last} ends before it begins")


@lru_cache(maxsize=65536)
def day_span(text: str) -> tuple[int, int]:
    """Return the first and last day that a date with a year may mean, counted from 2000 on.

    Raises:
        ValueError: it is no date, or has no year.
    """
    when = dates.find(text)
    if when is None or when.year is None:
        raise ValueError(
            f"{text} is no date with a year (write YYYY-MM-DD, YYYY-MM or YYYY; a time of day may follow)"
        )
    # A day that the standard calendar lacks, such as 30 February, is the last one of its month.
    month = When(when.year, when.month or 12)
    first = When(when.year, when.month or 1, min(when.day or 1, int(month.days_in_month)))
    last = replace(month, day=min(when.day or 31, int(month.days_in_month)))
    return int(instant(first) // 86400), int(instant(last) // 86400)


SPLITS: dict[str, type[SplitSection]] = {
    "temporal": TemporalSplit,
    "spatial": SpatialSplit,
    "period": PeriodSplit,
    "auto": AutoSplit,
    "whole": WholeSplit,
}
