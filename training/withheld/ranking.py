"""How methods stand over all cases together."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluation.bootstrap import Interval
from training.withheld.scores import CaseScores, mean_log_ratio


@dataclass(frozen=True)
class Ranked:
    """One method over all cases.

    Attributes:
        ratio: the geometric mean of its ratios to the reference, groups of cases counting alike, with its
            interval; a case that it cannot do counts as 1, since one would take the reference there.
        cases: that it did.
        worst: its largest ratio.
        rank: 1 for the smallest mean.
    """

    ratio: Interval
    cases: int
    worst: float
    rank: int


def ranking(results: Sequence[CaseScores]) -> dict[str, Ranked]:
    """Return the methods in the order of their mean ratio, the smallest first."""
    methods = list(dict.fromkeys(name for result in results for name in result.methods))
    means = {name: mean_log_ratio(_by_group(results, name)) for name in methods}
    ranked = {}
    for rank, name in enumerate(sorted(methods, key=lambda name: means[name].value), start=1):
        own = [r.methods[name].ratio.value for r in results if name in r.methods]
        ranked[name] = Ranked(Interval(*(math.exp(v) for v in means[name])), len(own), max(own), rank)
    return ranked


def _by_group(results: Sequence[CaseScores], method: str) -> list[float]:
    groups = defaultdict(list)
    for result in results:
        done = method in result.methods
        groups[result.group].append(math.log(result.methods[method].ratio.value) if done else 0.0)
    return [float(np.mean(logs)) for logs in groups.values()]
