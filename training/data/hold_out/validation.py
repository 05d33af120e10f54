"""What validates, where a configuration does not say it: training data that lie together, held out.

Errors on cells or dates next to those that were trained on are too good (Roberts et al. 2017, Ecography
40:913–929), so blocks are held out, with a gap around them: dates where there are enough, cells or columns
where the split is by space or dates are too few.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.errors import InputError
from training.data.archive import Archive
from training.data.blocks import draw_cells, valid_cells, valid_times
from training.data.hold_out.chosen import Chosen
from training.schema.config import Config
from training.schema.split import CellSection, day_span

SHARE = 0.2  # of the training data, that is held out
FEWEST_DATES, FEWEST_MONTHS, FEWEST_COLUMNS, FEWEST_BLOCKS = 6, 5, 5, 8
SHORTEST = 10  # days from first to last: dates nearer together are one event
GAP_DAYS = 10
YEAR, THREE_YEARS = 365, 1000  # days; three years of dates may lack some at their ends
NEARLY_A_YEAR = 330  # days
SEASONS = 4  # of a year
BLOCKS = 16  # that the cells with data are cut into, about
LEAST_LEFT = 0.5  # of the training data, that a gap must leave

_Choice = tuple[dict[str, Any], dict[str, Any], str]  # of validation, of the split, and in words


def choose_validation(config: Config, archive: Archive) -> Chosen:
    """Return the configuration with what its validation holds out.

    What it names stays as it is. Where nothing can be held out, validation looks at training data, and that
    is told as a doubt.
    """
    rule, held = config.split, config.validation
    if held.where == "training" or held.names_something:
        return Chosen(config)
    if rule.drawn_blocks is not None and rule.drawn_blocks.validation:
        return Chosen(config)
    known = valid_times(archive)
    seen = [t for t in known if rule.trains(archive.dates[t], int(archive.months[t]))]
    ways = [_by_dates, _by_cells]
    if config.cascade is not None:  # cells of several scales
        ways = [_by_dates]
    elif rule.drawn_blocks is not None:
        ways = [_by_blocks, _by_dates]
    elif rule.train_extent is not None:
        ways = [_by_columns, _by_dates]
    for way in ways:
        choice = way(config, archive, seen) if seen else None
        if choice is not None:
            more, of_split, words = choice
            update: dict[str, Any] = {"validation": held.model_copy(update=more)}
            if of_split:
                update["split"] = rule.model_copy(update=of_split)
            return Chosen(config.model_copy(update=update), (f"Validation: {words}, held out of training.",))
    count = f"{len(seen)} date{'' if len(seen) == 1 else 's'}"
    cells = f"{count} of {archive.shape[0]} × {archive.shape[1]} coarse cells"
    doubt = (
        f"Validation looks at the training data, since {too_few(cells)} to hold any out: its scores judge "
        f"nothing, and the last weights are kept."
    )
    where = held.model_copy(update={"where": "training"})
    return Chosen(config.model_copy(update={"validation": where}), doubts=(doubt,))


def too_few(what: str) -> str:
    """Return that something, counted in words, is too few."""
    return f"{what} {'is' if what.startswith('1 ') else 'are'} too few"


def last_block(days: list[tuple[int, int]], share: float) -> int:
    """Return how many dates at the end are held out: a share of them, or a year where there are three.

    Args:
        days: first and last day of each date, in order.
        share: of the dates, or of the time that they span.
    """
    span = days[-1][1] - days[0][0] + 1
    if span < THREE_YEARS:
        return max(1, round(share * len(days)))
    begin = days[-1][1] - max(YEAR, round(share * span))
    return sum(first > begin for first, _ in days)


def season_blocks(days: list[tuple[int, int]]) -> tuple[list[tuple[int, int]], int] | None:
    """Return a block of dates in each season, and the days of the gap around them.

    Of one or two years a block at the end would judge by one season alone: of snow, say, while it melts.

    Args:
        days: first and last day of each date, in order.

    Returns:
        First and last number of each block's dates; None of less than a year, of three years and more, and
        where a season has no date.
    """
    begin, span = days[0][0], days[-1][1] - days[0][0] + 1
    if not NEARLY_A_YEAR <= span < THREE_YEARS:
        return None
    years, length = max(1, round(span / YEAR)), round(SHARE * span / SEASONS)
    blocks = []
    for season in range(SEASONS):
        middle = YEAR * (season * years // SEASONS) + YEAR * (season + 0.5) / SEASONS
        first = begin + round(min(middle - length / 2, span - length))
        inside = [n for n, day in enumerate(days) if first <= sum(day) / 2 < first + length]
        if not inside:
            return None
        blocks.append((inside[0], inside[-1]))
    gap = min(GAP_DAYS, length // 2)
    held = sum(last - first + 1 for first, last in blocks)
    near = [
        any(days[first][0] - gap <= own[1] and own[0] <= days[last][1] + gap for first, last in blocks)
        for own in days
    ]
    enough = len(days) - sum(near) >= LEAST_LEFT * (len(days) - held)
    return blocks, gap if enough else 0


def gap_of(days: list[tuple[int, int]], count: int) -> int:
    """Return the days of the gap before the last `count` dates; no more than half of the time they span."""
    span = days[-1][1] - days[-count][0] + 1
    gap = min(GAP_DAYS, span // 2)
    left = sum(last < days[-count][0] - gap for _, last in days)
    return gap if left >= LEAST_LEFT * (len(days) - count) else 0


def one_event(days: list[tuple[int, int]]) -> bool:
    """Return whether dates follow each other within some days, as those of one storm do."""
    return days[-1][1] - days[0][0] + 1 < SHORTEST


def day_of(name: str) -> str:
    """Return a date without its time of day."""
    return name.partition("T")[0]


def _by_dates(config: Config, archive: Archive, seen: list[int]) -> _Choice | None:
    """Hold out the last training dates; whole months of all years where the split is by months."""
    if not config.split.needs_years:
        months = [m for m in config.split.train_months if any(int(archive.months[t]) == m for t in seen)]
        if len(months) < FEWEST_MONTHS:
            return None
        kept = tuple(months[-max(1, round(SHARE * len(months))) :])
        return {"held_out": kept}, {}, f"month{'s' * (len(kept) > 1)} {', '.join(map(str, kept))}"
    days = sorted(day_span(archive.dates[t]) for t in seen)
    if len(days) < FEWEST_DATES or one_event(days):
        return None
    names = sorted((archive.dates[t] for t in seen), key=day_span)
    seasons = season_blocks(days)
    if seasons is not None:
        return _of_seasons(names, *seasons)
    count = last_block(days, SHARE)
    first, last = day_of(names[-count]), day_of(names[-1])
    gap = gap_of(days, count)
    words = f"the last {count} of {len(days)} training dates, {first} to {last}"
    if gap:
        words += f", and {gap} day{'s' * (gap > 1)} before them"
    return {"held_out_periods": ((first, last),), "gap_days": gap}, {}, words


def _of_seasons(names: list[str], blocks: list[tuple[int, int]], gap: int) -> _Choice:
    """Hold out blocks of dates, each from its first to its last number among the sorted ones."""
    periods = tuple((day_of(names[first]), day_of(names[last])) for first, last in blocks)
    count = sum(last - first + 1 for first, last in blocks)
    spans = ", ".join(f"{first} to {last}" for first, last in periods)
    words = f"{count} of {len(names)} training dates in {len(blocks)} seasons, {spans}"
    if gap:
        words += f", and {gap} day{'s' * (gap > 1)} on both sides of them"
    return {"held_out_periods": periods, "gap_days": gap}, {}, words


def _by_columns(config: Config, archive: Archive, seen: list[int]) -> _Choice | None:
    """Hold out the training columns that are nearest to the test's."""
    first, last = archive.columns_of(config.split.train_extent)
    counts = valid_cells(archive, seen)[:, first:last].sum(0)
    if (counts > 0).sum() < FEWEST_COLUMNS:
        return None
    tested = archive.columns_of(config.split.test_extent)
    west = sum(tested) < first + last
    running = np.cumsum(counts if west else counts[::-1])
    count = int(np.argmax(running >= SHARE * running[-1])) + 1
    if count > last - first - 2:
        return None
    columns = (first, first + count) if west else (last - count, last)
    edges = tuple(float(archive.transform.c + archive.transform.a * column) for column in columns)
    words = f"{count} of {last - first} columns, x from {edges[0]:g} to {edges[1]:g}"
    return {"held_out_longitudes": edges}, {}, words


def _by_blocks(config: Config, archive: Archive, seen: list[int]) -> _Choice | None:
    """Hold out more of the blocks that the split draws."""
    section, rule = config.split.drawn_blocks, config.split
    if section is None or "blocks" not in type(rule).model_fields:
        return None
    more = section.model_copy(update={"validation": min(section.test, SHARE)})
    try:
        left = draw_cells(more, valid_cells(archive, seen), archive.wrap)
        before = draw_cells(section, valid_cells(archive, seen), archive.wrap)
    except InputError:
        return None
    if left.train.sum() < LEAST_LEFT * before.train.sum():
        return None
    return {}, {"blocks": more}, f"{more.validation:.0%} of the blocks of the split"


def _by_cells(config: Config, archive: Archive, seen: list[int]) -> _Choice | None:
    """Hold out blocks of coarse cells at all training dates."""
    section = cells_to_hold_out(valid_cells(archive, seen), archive.wrap, config.seed)
    if section is None:
        return None
    words = (
        f"{section.share:.0%} of the blocks of {section.size} × {section.size} coarse cells and "
        f"{section.buffer} around them, drawn with seed {section.seed}, since there are too few dates"
    )
    return {"cells": section}, {}, words


def cells_to_hold_out(valid: np.ndarray, wrap: bool, seed: int) -> CellSection | None:
    """Return the blocks of coarse cells that can be held out; None where too few cells have data.

    Args:
        valid: (h, w) booleans, coarse cells with data.
        wrap: whether the columns go round the globe.
        seed: of the draw.
    """
    size = int(np.sqrt(valid.sum() / BLOCKS))
    if size < 1:
        return None
    for buffer in (1, 0):
        section = CellSection(size=size, share=SHARE, buffer=buffer, seed=seed)
        try:
            cells = draw_cells(section.drawn, valid, wrap)
        except InputError:
            continue
        rows, columns = (np.arange(n) // size for n in valid.shape)
        known = np.unique((rows[:, None] * (columns[-1] + 1) + columns)[valid]).size
        if known >= FEWEST_BLOCKS and (cells.train & valid).sum() >= LEAST_LEFT * valid.sum():
            return section
    return None
