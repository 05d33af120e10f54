"""A method's error on a case over that of the reference, with an interval over blocks and dates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from training.evaluation.block_errors import BlockErrors
from training.evaluation.bootstrap import Interval, two_way_interval
from training.withheld.engine_methods import MadeField
from training.withheld.problem import HiddenCase

FEWEST = 5  # groups of cases, for an interval over them


@dataclass(frozen=True)
class HiddenScore:
    """What came of one method on one case.

    Attributes:
        rmse: in the target's units, over the cells with truth.
        ratio: of it to the reference's, with its 95 % interval.
        seconds: that the method took, its choice of a setting included.
        missing: share of the cells with truth where it has no value, and counts as the reference.
        stated: the error that it expected over the one it has, NaN where it told none.
        support: the mean share of the detail that it took for supported, NaN where it told none.
        chosen: its setting, in words.
        hindsight: the ratio of the setting that turned out to be the best, NaN where it was not looked for.
    """

    rmse: float
    ratio: Interval
    seconds: float
    missing: float = 0.0
    stated: float = math.nan
    support: float = math.nan
    chosen: str = ""
    hindsight: float = math.nan


@dataclass
class CaseScores:
    """What came of all methods on one case; `failed` has the sentence of each that could not."""

    case: str
    title: str
    origin: str
    group: str
    units: str
    factor: int
    reference: float  # root mean square error of the reference
    oracle: float  # ratio of the regression on the truth
    most: float | None
    related: bool
    seconds: float | None = None
    methods: dict[str, HiddenScore] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain data, null for a number that is none."""
        told = {name: plain(vars(score)) for name, score in self.methods.items()}
        return plain(vars(self)) | {"methods": told}


def score(
    case: HiddenCase, made: MadeField, reference: np.ndarray, hindsight: float = math.nan
) -> HiddenScore:
    """Compare a field with the truth.

    Args:
        case: whose truth it is.
        made: the method's field.
        reference: (T, h·k, w·k), the reference's.
        hindsight: see `HiddenScore`.
    """
    values, missing = filled(case, made.values, reference)
    known = np.isfinite(case.truth)
    rmse = root_mean_square(values - case.truth)
    stated = math.nan
    if made.expected_error is not None:
        stated = root_mean_square(np.where(known, made.expected_error, np.nan)) / rmse
    support = math.nan if made.support is None else float(np.nanmean(np.where(known, made.support, np.nan)))
    return HiddenScore(
        rmse,
        ratio_interval(_errors(case, values), _errors(case, reference)),
        made.seconds,
        missing,
        stated,
        support,
        made.chosen,
        hindsight,
    )


def filled(case: HiddenCase, values: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, float]:
    """Return a field with the reference where it lacks a value, and the share of the truth where it does."""
    known = np.isfinite(case.truth)
    lacking = known & ~np.isfinite(values)
    return np.where(lacking, reference, values), float(lacking.sum() / known.sum())


def root_mean_square(values: np.ndarray) -> float:
    """Return the root of the mean square of the cells that have a value."""
    return float(np.sqrt(np.nanmean(np.square(values, dtype=np.float64))))


def ratio_interval(method: BlockErrors, reference: BlockErrors) -> Interval:
    """Return the ratio of two root mean square errors on the same cells, with its 95 % interval.

    The bootstrap draws the ratio's logarithm, so that no bound is negative.
    """
    squares, cells = zip(*(errors.table("rmse")[1] for errors in (method, reference)))
    kept = np.ix_(cells[0].any(1), cells[0].any(0))

    def logarithm(totals: Sequence[np.ndarray]) -> np.ndarray:
        ratio = np.divide(totals[0], totals[1], out=np.full_like(totals[0], np.nan), where=totals[1] > 0)
        return 0.5 * np.log(np.maximum(ratio, 1e-12))

    drawn = two_way_interval([table[kept] for table in squares], logarithm)
    return Interval(*(math.exp(bound) for bound in drawn))


def mean_log_ratio(by_group: list[float]) -> Interval:
    """Return the mean of logarithms of ratios, one for each group of cases, with its 95 % interval.

    Fewer than `FEWEST` groups have none.
    """
    if len(by_group) < FEWEST:
        return Interval(float(np.mean(by_group)), math.nan, math.nan)
    logs = np.array(by_group)[None]
    return two_way_interval([logs, np.ones_like(logs)], lambda totals: totals[0] / totals[1], length=1)


def _errors(case: HiddenCase, values: np.ndarray) -> BlockErrors:
    errors = BlockErrors(case.problem.factor)
    for time, (field_, truth) in enumerate(zip(values, case.truth)):
        errors.update(time, np.where(np.isfinite(truth), field_, np.nan), truth)
    return errors


def plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields as JSON has them: an interval as a list, null for a number that is none."""

    def told(value: Any) -> Any:
        if isinstance(value, Interval):
            return [told(part) for part in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return {name: told(value) for name, value in fields.items()}
