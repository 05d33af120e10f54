"""Which times, columns and cells train, validate and test, and what each may see."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.errors import InputError
from training.data.archive import Archive
from training.data.blocks import Cells, draw_cells, valid_cells
from training.data.domain import Domain, domain_of
from training.data.hold_out.split import choose_split
from training.data.hold_out.validation import choose_validation
from training.data.patches import View
from training.data.region import Region, truth_of
from training.data.streamed.climatology_bands import MOST_DATES
from training.schema.config import Config
from training.schema.split import in_periods


@dataclass(frozen=True)
class Split:
    """Regions for training, validation and test.

    `training_view` is what samples see in training and validation, `test_view` what a released
    model sees: its climatology holds the validation's months too.
    """

    train: Region
    validation: Region
    test: Region
    training_view: View
    test_view: View
    held_out: bool  # whether validation is apart from training
    domain: Domain | None = None  # the fine cells that count, which both views have; None: all


def split_archive(config: Config, archive: Archive) -> Split:
    """Apply the configuration's split to an archive; what it leaves open is chosen as in training.

    Raises:
        InputError: a part is left without data; the sentence names the key.
    """
    split = split_regions(config, archive)
    domain = domain_of(config, archive, split.train)
    return split if domain is None else _inside(split, domain)


def check_truth(archive: Archive, split: Split) -> None:
    """Refuse before long work a split of which a part has no truth to be judged by.

    Raises:
        InputError: names the part.
    """
    for key, region in (("split.test", split.test), ("validation", split.validation)):
        if not any(np.isfinite(truth_of(archive, region, time)[0]).any() for time in region.times):
            first, last = (archive.dates[region.times[end]] for end in (0, -1))
            raise InputError(
                f"{key}: the data set {archive.name} has no truth there ({first} to {last}), so nothing can "
                f"be judged: name other dates or places."
            )


def split_regions(config: Config, archive: Archive) -> Split:
    """Return the split without its domain, for which all of the training's truth is looked through.

    Raises:
        InputError: as `split_archive`.
    """
    config = choose_split(config, archive).config
    if config.split.needs_years and not archive.has_years:
        raise InputError(f"split.kind: the data set {archive.name} has months without years.")
    config = choose_validation(config, archive).config
    rule, held = config.split, config.validation
    train_columns = archive.columns_of(rule.train_extent)
    test_columns = archive.columns_of(rule.test_extent)
    dated = [(t, date, int(archive.months[t])) for t, date in enumerate(archive.dates)]
    seen = [t for t, date, month in dated if rule.trains(date, month)]
    test = [t for t, date, month in dated if rule.tests(date, month)]
    apart = [
        t
        for t in seen
        if int(archive.months[t]) in held.held_out or in_periods(archive.dates[t], held.held_out_periods)
    ]
    if held.held_out_periods and not apart:
        raise InputError("validation.held_out_periods: there is no training date in them.")
    near = [t for t in seen if in_periods(archive.dates[t], held.held_out_periods, held.gap_days)]
    hidden = {*apart, *near}
    train = [t for t in seen if t not in hidden]
    validation = apart or train
    validation_columns = train_columns
    if held.held_out_longitudes is not None:
        validation_columns = archive.columns_of(held.held_out_longitudes)
        train_columns = _without(train_columns, validation_columns)
    for key, times in (("split.train", train), ("split.test", test)):
        if not times:
            raise InputError(f"{key}: the data set {archive.name} has no time in it.")
    for key, columns in (
        ("split.train_longitudes", train_columns),
        ("split.test_longitudes", test_columns),
        ("validation.held_out_longitudes", validation_columns),
    ):
        if columns[0] >= columns[1]:
            raise InputError(f"{key}: the data set {archive.name} has no column there.")
    names = tuple(source.name for source in config.sources)
    only = None if rule.train_extent is None else train_columns
    by_month = len(seen) > MOST_DATES
    split = Split(
        train=Region(tuple(train), train_columns),
        validation=Region(tuple(validation), validation_columns),
        test=Region(tuple(test), test_columns),
        training_view=View(names, tuple(train), only, climatology_by_month=by_month),
        test_view=View(names, tuple(seen), only, climatology_by_month=by_month),
        held_out=bool(apart) or held.held_out_longitudes is not None,
    )
    beside = None
    if rule.trains_beside:
        beside = np.ones(archive.shape, bool)
        beside[:, test_columns[0] : test_columns[1]] = False
        split = _beside(split, beside)
    if rule.drawn_blocks is not None:
        return _within(split, draw_cells(rule.drawn_blocks, valid_cells(archive, seen), archive.wrap))
    if held.cells is not None:
        valid = valid_cells(archive, train)
        valid = valid if beside is None else valid & beside
        return _apart(split, draw_cells(held.cells.drawn, valid, archive.wrap))
    return split


def _inside(split: Split, domain: Domain) -> Split:
    views = {
        name: replace(getattr(split, name), domain=domain.cells) for name in ("training_view", "test_view")
    }
    return replace(split, domain=domain, **views)


def _beside(split: Split, cells: np.ndarray) -> Split:
    """Return the split with training and validation in some cells alone; climatologies know no others."""
    views = {
        name: replace(getattr(split, name), climatology_cells=cells)
        for name in ("training_view", "test_view")
    }
    train, validation = (replace(region, cells=cells) for region in (split.train, split.validation))
    return replace(split, train=train, validation=validation, **views)


def _within(split: Split, cells: Cells) -> Split:
    """Return the split with each of its parts in its own cells; climatologies know no test cell."""
    apart = bool(cells.validation.any())
    return replace(
        split,
        train=replace(split.train, cells=cells.train),
        validation=replace(split.validation, cells=cells.validation if apart else cells.train),
        test=replace(split.test, cells=cells.test),
        training_view=replace(split.training_view, climatology_cells=cells.train),
        test_view=replace(split.test_view, climatology_cells=cells.train | cells.validation),
        held_out=split.held_out or apart,
    )


def _apart(split: Split, cells: Cells) -> Split:
    """Return the split with some cells for validation alone; the test's are what they were."""
    return replace(
        split,
        train=replace(split.train, cells=cells.train),
        validation=replace(split.validation, cells=cells.test),
        training_view=replace(split.training_view, climatology_cells=cells.train),
        held_out=True,
    )


def _without(columns: tuple[int, int], held: tuple[int, int]) -> tuple[int, int]:
    """Return the longer rest of a range of columns beside the held-out ones."""
    left, right = (columns[0], min(columns[1], held[0])), (max(columns[0], held[1]), columns[1])
    return max(left, right, key=lambda part: part[1] - part[0])
