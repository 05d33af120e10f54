"""What groups of sources and constraints are worth, from an ablation's runs, with intervals.

The gain of a group is how far the error falls when it is added. It depends on what is there already;
its average over all orders in which the groups may come is the Shapley value (Shapley 1953; for the
error of a model, Covert, Lundberg & Lee 2020, "Understanding global feature contributions with
additive importance measures"). The values add up to the whole gain, from no group to all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy import stats

from training.ablation.blocks import SquaredErrorBlocks
from training.ablation.plan import Subset, subset_name, subsets
from training.evaluation.bootstrap import Interval, two_way_interval

SAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Results:
    """Results of some variants, each with every one of the seeds.

    `metrics[variant][seed]` holds a run's test metrics, `blocks[variant][seed]` its errors by block.
    """

    seeds: tuple[int, ...]
    metrics: Mapping[str, Mapping[int, Mapping[str, float | None]]]
    blocks: Mapping[str, Mapping[int, SquaredErrorBlocks]]

    def values(self, variant: str, metric: str) -> list[float]:
        """Return a metric of a variant by seed, NaN where it was not finite."""
        numbers = (self.metrics[variant][seed].get(metric) for seed in self.seeds)
        return [math.nan if value is None else float(value) for value in numbers]

    def mean(self, variant: str, metric: str) -> float:
        """Return a metric's mean over the seeds."""
        return float(np.mean(self.values(variant, metric)))


class Estimate(NamedTuple):
    """A contrast of variants: its value, and its 95 % intervals.

    `blocks` is the bootstrap over places and dates, `seeds` Student's t over the seeds, `both` their
    half-widths added in quadrature: the test sample and the training's chance are unrelated.
    """

    value: float
    blocks: Interval
    seeds: Interval
    both: Interval


Contrast = Mapping[str, float]  # variant → factor of its error


def shapley(groups: Sequence[str]) -> dict[str, Contrast]:
    """Return the contrast that gives each group's average gain.

    With every subset at hand, the Shapley value; otherwise the mean of the gain as the first group and
    as the last one, the two ends of that average.
    """
    known = set(subsets(groups))
    return {g: _weights(g, groups, len(known) == 2 ** len(groups)) for g in groups}


def _weights(group: str, groups: Sequence[str], every: bool) -> Contrast:
    others, count = [g for g in groups if g != group], len(groups)
    weights: dict[str, float] = {}
    for size in range(count) if every else sorted({0, count - 1}):
        for chosen in combinations(others, size):
            if every:
                share = math.factorial(size) * math.factorial(count - size - 1) / math.factorial(count)
            else:
                share = 0.5 if count > 1 else 1.0
            for subset, sign in ((set(chosen), 1.0), ({*chosen, group}, -1.0)):
                name = subset_name(subset, groups)
                weights[name] = weights.get(name, 0.0) + sign * share
    return weights


def alone(group: str) -> Contrast:
    """Return the contrast of a group's gain over no group: leave one in."""
    return {"none": 1.0, group: -1.0}


def on_top(group: str, groups: Sequence[str]) -> Contrast:
    """Return the contrast of a group's gain over all the others: leave one out."""
    rest = subset_name(set(groups) - {group}, groups)
    return {rest: 1.0, subset_name(groups, groups): -1.0}


def estimate(results: Results, contrast: Contrast, metric: str = "rmse", samples: int = SAMPLES) -> Estimate:
    """Return a contrast of a metric, averaged over the seeds, with its intervals.

    Only the RMSE is kept by block; for other metrics there is the interval over the seeds alone.
    """
    names = list(contrast)
    factors = np.array([contrast[name] for name in names])
    by_seed = factors @ np.array([results.values(name, metric) for name in names])
    value = float(by_seed.mean())
    seeds = _over_seeds(by_seed)
    blocks = Interval(value, math.nan, math.nan)
    if metric == "rmse":
        over_blocks = _over_blocks(results, names, factors, samples)
        blocks = Interval(
            value, value + over_blocks.low - over_blocks.value, value + over_blocks.high - over_blocks.value
        )
    parts = [i for i in (blocks, seeds) if not math.isnan(i.low)]
    below, above = (
        math.sqrt(sum((i.value - i.low) ** 2 for i in parts)),
        math.sqrt(sum((i.high - i.value) ** 2 for i in parts)),
    )
    both = Interval(value, value - below, value + above) if parts else Interval(value, math.nan, math.nan)
    return Estimate(value, blocks, seeds, both)


def _over_seeds(values: np.ndarray) -> Interval:
    mean, count = float(values.mean()), values.size
    if count < 2:
        return Interval(mean, math.nan, math.nan)
    half = float(stats.t.ppf((1 + LEVEL) / 2, count - 1) * values.std(ddof=1) / math.sqrt(count))
    return Interval(mean, mean - half, mean + half)


def _over_blocks(results: Results, names: Sequence[str], factors: np.ndarray, samples: int) -> Interval:
    held = [results.blocks[name][seed] for name in names for seed in results.seeds]
    squared, count = np.stack([b.squared for b in held], -1), np.stack([b.count for b in held], -1)
    rows, columns = count[..., 0].any(1), count[..., 0].any(0)
    tables = [table[np.ix_(rows, columns)] for table in (squared, count)]

    def compare(totals: Sequence[np.ndarray]) -> np.ndarray:
        mean = np.divide(totals[0], totals[1], out=np.full_like(totals[0], np.nan), where=totals[1] > 0)
        rmse = np.sqrt(mean).reshape(-1, len(names), len(results.seeds))
        return rmse.mean(2) @ factors

    return two_way_interval(tables, compare, samples, LEVEL)


class Agreement(NamedTuple):
    """How far gains of retrained models and of one model with sources withheld agree."""

    names: tuple[str, ...]  # group given what was there
    retrained: tuple[float, ...]
    withheld: tuple[float, ...]
    rank_correlation: float  # Spearman's
    difference: float  # mean |retrained − withheld|


def agreement(retrained: Results, withheld: Results, groups: Sequence[str]) -> Agreement:
    """Compare the gain of every group over every subset that both have, by RMSE, averaged over seeds."""
    known = [s for s in subsets(groups) if subset_name(s, groups) in withheld.metrics]
    names, pairs = [], []
    for subset in known:
        for group in groups:
            more: Subset = subset | {group}
            if group in subset or more not in known:
                continue
            ends = subset_name(subset, groups), subset_name(more, groups)
            names.append(f"{group} after {ends[0]}" if subset else f"{group} first")
            pairs.append([r.mean(ends[0], "rmse") - r.mean(ends[1], "rmse") for r in (retrained, withheld)])
    table = np.array(pairs).reshape(-1, 2)
    rank = math.nan
    if len(names) > 2 and all(np.ptp(column) > 0 for column in table.T):
        rank = float(stats.spearmanr(table[:, 0], table[:, 1]).statistic)
    difference = float(np.abs(table[:, 0] - table[:, 1]).mean()) if names else math.nan
    return Agreement(tuple(names), tuple(table[:, 0]), tuple(table[:, 1]), rank, difference)
