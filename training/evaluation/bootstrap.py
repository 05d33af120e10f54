"""Two-way block bootstrap: how far a number could be off, had other dates and other places been drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy import stats

# From totals of each table, (S,) or (S, K), to S values of a statistic, or (S, N) of several.
Statistic = Callable[[Sequence[np.ndarray]], np.ndarray]

FEWEST_DATES = 9  # below, no autocorrelation can be told


class Interval(NamedTuple):
    """A value and its confidence interval, NaN where there are too few dates and places for one."""

    value: float
    low: float
    high: float


def block_length(series: np.ndarray) -> int:
    """Return how many neighbouring dates to keep together, from a series' autocorrelation.

    Politis, D. N. & White, H. (2004), Automatic block-length selection for the dependent bootstrap,
    with the correction of Patton, A. et al. (2009), for circular blocks; at most a third of the dates.
    """
    x = np.asarray(series, dtype=np.float64)
    count = x.size
    x = x - x.mean()
    if count < FEWEST_DATES or not x.any():
        return 1
    run = max(5, math.ceil(math.log10(count)))
    longest = min(math.ceil(math.sqrt(count)) + run, count - 1)
    covariance = np.array([x[: count - lag] @ x[lag:] for lag in range(longest + 1)]) / count
    small = np.abs(covariance[1:] / covariance[0]) < 1.96 * math.sqrt(math.log10(count) / count)
    # The first lag after which a whole run of correlations is insignificant.
    ends = (lag for lag in range(longest) if small[lag : lag + run].all())
    last = min(2 * max(next(ends, longest), 1), longest)
    lags = np.arange(1, last + 1)
    window = np.minimum(1.0, 2 * (1 - lags / last))  # flat top
    spectrum = covariance[0] + 2 * float(window @ covariance[1 : last + 1])
    slope = 2 * float(window @ (lags * covariance[1 : last + 1]))
    if spectrum <= 0:
        return 1
    length = (2 * slope**2 / (4 / 3 * spectrum**2)) ** (1 / 3) * count ** (1 / 3)
    greatest = math.ceil(min(3 * math.sqrt(count), count / 3))
    return int(np.clip(round(length), 1, greatest))


def date_weights(rng: np.random.Generator, samples: int, dates: int, length: int) -> np.ndarray:
    """Return how often each date is drawn, (S, T), in circular blocks of neighbours that sum to T.

    Politis, D. N. & Romano, J. P. (1992), A circular block-resampling procedure for stationary data.
    """
    starts = rng.integers(0, dates, (samples, math.ceil(dates / length)))
    drawn = (starts[:, :, None] + np.arange(length)) % dates
    drawn = drawn.reshape(samples, -1)[:, :dates] + dates * np.arange(samples)[:, None]
    return np.bincount(drawn.ravel(), minlength=samples * dates).reshape(samples, dates).astype(float)


def place_weights(rng: np.random.Generator, samples: int, places: int) -> np.ndarray:
    """Return how often each place is drawn, (S, B), with replacement."""
    return rng.multinomial(places, np.full(places, 1 / places), size=samples).astype(float)


def two_way_interval(
    tables: Sequence[np.ndarray],
    statistic: Statistic,
    samples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    length: int | None = None,
) -> Interval:
    """Return a statistic of totals over dates and places, with its interval; see `two_way_intervals`."""
    return two_way_intervals(tables, statistic, samples, level, seed, length)[0]


def two_way_intervals(
    tables: Sequence[np.ndarray],
    statistic: Statistic,
    samples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    length: int | None = None,
) -> list[Interval]:
    """Return one or several statistics of totals over dates and places, with their intervals.

    Dates (in blocks of neighbours) and places are drawn with replacement, each on their own, and a
    cell counts as often as its date and its place together: what errors of one date have in common in
    all places, and those of one place at all dates, stays together. This counts what is neither thrice
    (Owen, A. B. 2007, The pigeonhole bootstrap), so the draws are rescaled to the variance of two-way
    clusters, of dates + of places − of what is neither (Cameron, A. C. et al. 2011, Robust inference
    with multiway clustering), all three taken from the bootstrap itself; and widened by Student's t
    where dates or places are few. Still too narrow where the dates span only a few times their memory.

    Args:
        tables: (T, B) or (T, B, K) sums by date, in order, and place.
        statistic: from their totals to the value, or (S, N) values of N statistics.
        samples, level, seed: number of draws, confidence, and their generator's seed.
        length: neighbouring dates in a block; None chooses it by `block_length`, for each statistic.

    Returns:
        An interval for each statistic.

    Raises:
        ValueError: there is no date or no place.
    """
    dates, places = tables[0].shape[:2]
    if not dates or not places:
        raise ValueError("there is nothing to draw from")
    by_date, by_place = [t.sum(1) for t in tables], [t.sum(0) for t in tables]
    values = _columns(statistic([np.ones((1, dates)) @ t for t in by_date]))[0]
    if length is not None:
        lengths = [length] * values.size
    else:
        apart = values - _columns(statistic([(1 - np.eye(dates)) @ t for t in by_date]))
        lengths = [block_length(column) for column in apart.T]
    intervals: list[Interval] = [Interval(float(value), math.nan, math.nan) for value in values]
    for each in set(lengths):
        if places == 1 and dates <= each:  # one of each
            continue
        rng = np.random.default_rng(seed)
        of_date, of_place = date_weights(rng, samples, dates, each), place_weights(rng, samples, places)
        draws = (
            _columns(statistic([_totals(t, of_date, of_place) for t in tables])),
            _columns(statistic([of_date @ t for t in by_date])),
            _columns(statistic([of_place @ t for t in by_place])),
        )
        for index in (i for i, own in enumerate(lengths) if own == each):
            columns = [d[:, index] for d in draws]
            intervals[index] = _interval(float(values[index]), columns, dates / each, float(places), level)
    return intervals


def _interval(
    value: float, draws: Sequence[np.ndarray], dates: float, places: float, level: float
) -> Interval:
    """Return a statistic's interval from its draws of both, of dates alone and of places alone, (S,) each.

    `dates` and `places` count what is drawn: blocks of dates, and places.
    """
    # A statistic that a draw leaves undefined (no cell at all in it) is no part of the interval.
    both, of_dates, of_places = (float(np.nanvar(drawn)) for drawn in draws)
    if not both > 0:
        return Interval(value, value, value) if both == 0 else Interval(value, math.nan, math.nan)
    neither = max(both - of_dates - of_places, 0.0)
    # A bootstrap of n units falls short of the variance by (n − 1) / n.
    parts = [(of_dates, dates - 1), (of_places, places - 1)]
    parts = [(part * (n + 1) / n, n) for part, n in parts if n > 0]
    variance = max(sum(part for part, _ in parts) - neither, *(part for part, _ in parts))
    # Few units know their own variance badly (Welch–Satterthwaite degrees of freedom).
    freedom = sum(part for part, _ in parts) ** 2 / sum(part**2 / n for part, n in parts)
    wider = stats.t.ppf((1 + level) / 2, freedom) / stats.norm.ppf((1 + level) / 2)
    apart = (draws[0] - np.nanmean(draws[0])) * (math.sqrt(variance / both) * wider)
    low, high = np.nanquantile(apart, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, value + float(low), value + float(high))


def contrast(first: np.ndarray, second: np.ndarray, statistic: Literal["difference", "ratio"]) -> np.ndarray:
    """Return first − second, or first / second, NaN where that is undefined; (S,) each."""
    if statistic == "difference":
        return first - second
    return np.divide(first, second, out=np.full_like(first, np.nan), where=second != 0)


def contrasts(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the difference and the ratio of two methods' values, (S, 2)."""
    return np.stack([contrast(first, second, "difference"), contrast(first, second, "ratio")], -1)


def _columns(values: np.ndarray) -> np.ndarray:
    return values if values.ndim == 2 else values[:, None]


def _totals(table: np.ndarray, by_date: np.ndarray, by_place: np.ndarray) -> np.ndarray:
    """Return a table's weighted totals, (S,) or (S, K)."""
    if table.ndim == 2:
        return ((by_date @ table) * by_place).sum(1)
    drawn = (by_date @ table.reshape(len(table), -1)).reshape(-1, *table.shape[1:])
    return (by_place[:, None] @ drawn)[:, 0]
