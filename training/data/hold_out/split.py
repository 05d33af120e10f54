"""What tests, where a configuration has no split: the last dates, or cells where dates are too few."""

from __future__ import annotations

from engine.errors import InputError
from training.data.archive import Archive
from training.data.blocks import valid_cells, valid_times
from training.data.hold_out.chosen import Chosen
from training.data.hold_out.validation import (
    FEWEST_DATES,
    FEWEST_MONTHS,
    SHARE,
    cells_to_hold_out,
    day_of,
    gap_of,
    last_block,
    one_event,
    too_few,
)
from training.schema.config import Config
from training.schema.split import (
    AutoSplit,
    BlockSection,
    PeriodSplit,
    SplitSection,
    TemporalSplit,
    WholeSplit,
    day_span,
)

MONTH_GAP = 1


def choose_split(config: Config, archive: Archive) -> Chosen:
    """Return the configuration with a split; one that has its own stays as it is.

    Raises:
        InputError: neither dates nor cells are enough to hold any out.
    """
    if not isinstance(config.split, AutoSplit):
        return Chosen(config)
    if not archive.has_years and (config.validation.held_out_periods or config.validation.periods):
        raise InputError(
            f"validation: the data set {archive.name} has months without years: name months to hold out, "
            f"not periods."
        )
    split, words, doubts = (_of_dates if archive.has_years else _of_months)(config, archive)
    return Chosen(config.model_copy(update={"split": split}), (f"Test: {words}.",), doubts)


_Made = tuple[SplitSection, str, tuple[str, ...]]  # the split, it in words, and what it cannot judge


def _of_months(config: Config, archive: Archive) -> _Made:
    months = sorted({int(archive.months[t]) for t in valid_times(archive)})
    if len(months) < FEWEST_MONTHS:
        few = f"{len(months)} month{'s' * (len(months) > 1)}"
        if config.cascade is not None:
            return _whole(few)
        blocks, words = _blocks(config, archive, few)
        split = TemporalSplit(kind="temporal", train=tuple(months), test=tuple(months), blocks=blocks)
        return split, words, ("Only cells are held out: how good it is in other months cannot be judged.",)
    count = max(1, round(SHARE * len(months)))
    train, test = tuple(months[:-count]), tuple(months[-count:])
    gap = MONTH_GAP if len(months) - count - 2 * MONTH_GAP >= FEWEST_MONTHS else 0
    split = TemporalSplit(kind="temporal", train=train, test=test, gap=gap)
    left = ", ".join(map(str, split.train_months))
    return split, f"months {', '.join(map(str, test))}; months {left} are left for training", ()


def _of_dates(config: Config, archive: Archive) -> _Made:
    names = sorted((archive.dates[t] for t in valid_times(archive)), key=day_span)
    days = [day_span(name) for name in names]
    first, last = day_of(names[0]), day_of(names[-1])
    if len(days) < FEWEST_DATES or one_event(days):
        span = days[-1][1] - days[0][0] + 1
        dates = f"{len(days)} date{'s' * (len(days) > 1)}"
        event = len(days) >= FEWEST_DATES
        time = f"{span} days" if span > 1 else "one day"
        few = f"{dates} within {time}, as those of one storm," if event else dates
        if config.cascade is not None:
            return _whole(few)
        blocks, words = _blocks(config, archive, few)
        split = PeriodSplit(kind="period", train=((first, last),), test=((first, last),), blocks=blocks)
        other = "in other weather" if event else "on other dates"
        return split, words, (f"Only cells are held out: how good it is {other} cannot be judged.",)
    count = last_block(days, SHARE)
    gap = gap_of(days, count)
    train = (first, day_of(names[-count - 1]))
    test = (day_of(names[-count]), last)
    split = PeriodSplit(kind="period", train=(train,), test=(test,), gap_days=gap)
    before = f"the {gap} days before are" if gap > 1 else "the day before is"
    left = f"; {before} left out" if gap else ""
    words = f"{test[0]} to {test[1]}, {count} of {len(days)} dates{left}"
    return split, words, ()


def _whole(few: str) -> _Made:
    """Return what a cascade has, whose cells are of several scales, where dates are `few`."""
    doubt = (
        f"Nothing is held out, since {too_few(few)} for that: errors one level up are those of what was "
        "learned."
    )
    return WholeSplit(kind="whole"), "all dates, which train too", (doubt,)


def _blocks(config: Config, archive: Archive, few: str) -> tuple[BlockSection, str]:
    """Return the blocks of cells that test, and say so; `few` says what the dates are."""
    section = None
    if config.validation.cells is None:
        valid = valid_cells(archive, range(len(archive.dates)))
        section = cells_to_hold_out(valid, archive.wrap, config.seed)
    if section is None:
        rows, columns = archive.shape
        raise InputError(
            f"split: {too_few(f'{few} of {rows} × {columns} coarse cells')} to hold any out for a test: add "
            f"dates or a larger area, or name a split."
        )
    words = (
        f"{section.share:.0%} of the blocks of {section.size} × {section.size} coarse cells, "
        f"{section.buffer} around them left out, since {too_few(few)} to test on others"
    )
    return section.drawn, words
