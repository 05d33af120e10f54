"""What is asked of a method that knows what it cannot know, judged on the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from training.withheld.engine_methods import REFERENCE
from training.withheld.ranking import Ranked
from training.withheld.scores import CaseScores

HARM = 1.01  # largest ratio to the reference anywhere
REACHABLE, REACHED = 0.75, 0.85  # where a regression on the truth has the first, the method has the second
NEAR_BEST = 1.02  # of the best method's mean ratio
BEATEN = ("dms", "gwr", "atprk")  # means that must be strictly worse
STATED, STATED_CASES = 0.25, 0.75  # how far the expected error may be off, in how many of the cases
INVENTED = 0.05  # supported share where there is no relation


@dataclass(frozen=True)
class Demand:
    """One demand: what, on which case, the number, its limit, whether it holds, and whether surely so.

    It holds surely, or misses surely, where the whole 95 % interval does.
    """

    what: str
    where: str
    value: float
    limit: float
    holds: bool
    sure: bool = True


def demands(results: Sequence[CaseScores], ranked: Mapping[str, Ranked], method: str) -> list[Demand]:
    """Return every demand on a method that the results can judge."""
    judged = []
    for result in results:
        if method not in result.methods:
            continue
        judged.append(_ratio_demand("no harm", result, method, HARM))
        if result.oracle <= REACHABLE:
            judged.append(_ratio_demand("takes what is there", result, method, REACHED))
        if result.most is not None:
            judged.append(_ratio_demand("as good as shown before", result, method, result.most))
        if result.seconds is not None:
            took = result.methods[method].seconds
            judged.append(Demand("is quick", result.case, took, result.seconds, took <= result.seconds))
    return judged + _over_all(ranked, method) + _honest(results, method)


def _ratio_demand(what: str, result: CaseScores, method: str, limit: float) -> Demand:
    ratio = result.methods[method].ratio
    holds = ratio.value <= limit
    sure = ratio.high <= limit if holds else ratio.low > limit
    return Demand(what, result.case, ratio.value, limit, holds, sure)


def _over_all(ranked: Mapping[str, Ranked], method: str) -> list[Demand]:
    others = {name: r.ratio.value for name, r in ranked.items() if name not in (method, REFERENCE)}
    if method not in ranked or not others:
        return []
    mean, best = ranked[method].ratio.value, min(others.values())
    judged = [Demand("best or near it", "all", mean, best * NEAR_BEST, mean <= best * NEAR_BEST)]
    return judged + [
        Demand(f"better than {name}", "all", mean, others[name], mean < others[name])
        for name in BEATEN
        if name in others
    ]


def _honest(results: Sequence[CaseScores], method: str) -> list[Demand]:
    own = [(r, r.methods[method]) for r in results if method in r.methods]
    judged = []
    stated = [score.stated for _, score in own if score.stated == score.stated]
    if stated:
        right = sum(abs(ratio - 1) <= STATED for ratio in stated) / len(stated)
        judged.append(Demand("states its error", "all", right, STATED_CASES, right >= STATED_CASES))
    return judged + [
        Demand("invents nothing", result.case, score.support, INVENTED, score.support < INVENTED)
        for result, score in own
        if not result.related and score.support == score.support
    ]
