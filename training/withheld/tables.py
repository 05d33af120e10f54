"""The results as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from training.withheld.demands import Demand
from training.withheld.engine_methods import REFERENCE
from training.withheld.ranking import Ranked
from training.withheld.scores import CaseScores


def case_table(result: CaseScores, titles: Mapping[str, str]) -> str:
    """Return one case: each method's ratio to the reference, the smallest first."""
    width = max(len(titles[name]) for name in (*result.methods, *result.failed))
    lines = [
        f"{result.case}: {result.title} ({result.origin}). {titles[REFERENCE]}: RMSE {result.reference:.4g} "
        f"{result.units}; a regression on the truth itself: {result.oracle:.3f} of it."
    ]
    for name, score in sorted(result.methods.items(), key=lambda item: item[1].ratio.value):
        told = f"{score.ratio.low:.3f} to {score.ratio.high:.3f}"
        further = [
            f"expects {score.stated:.2f} of its error" if math.isfinite(score.stated) else "",
            f"supported {score.support:.0%}" if math.isfinite(score.support) else "",
            f"without a value in {score.missing:.1%}" if score.missing else "",
            score.chosen,
            f"by hindsight {score.hindsight:.3f}" if math.isfinite(score.hindsight) else "",
        ]
        rest = "; ".join(part for part in further if part)
        lines.append(
            f"  {titles[name]:<{width}}  {score.ratio.value:6.3f}  {told:>16}  {score.seconds:6.1f} s  {rest}"
        )
    lines += [f"  {titles[name]:<{width}}  failed: {why}" for name, why in result.failed.items()]
    return "\n".join(line.rstrip() for line in lines)


def ranking_table(ranked: Mapping[str, Ranked], titles: Mapping[str, str]) -> str:
    """Return all methods over all cases."""
    width = max(map(len, (titles[name] for name in ranked)))
    lines = [f"{'All cases, RMSE over the reference':<{width + 4}}  mean   95 % interval   worst  cases"]
    for name, r in ranked.items():
        told = f"{r.ratio.low:.3f} to {r.ratio.high:.3f}" if math.isfinite(r.ratio.low) else "few cases"
        numbers = f"{r.ratio.value:.3f}  {told:>14}  {r.worst:6.3f}  {r.cases:5d}"
        lines.append(f"{r.rank:>2}. {titles[name]:<{width}}  {numbers}")
    return "\n".join(lines)


def demands_table(judged: Sequence[Demand], title: str) -> str:
    """Return what is asked of a method, and whether it holds."""
    lines = [f"{title}:"]
    for demand in judged:
        verdict = ("holds" if demand.holds else "misses") + ("" if demand.sure else ", not surely")
        lines.append(
            f"  {demand.what:<24} {demand.where:<20} {demand.value:6.3f}  limit {demand.limit:.3f}  {verdict}"
        )
    return "\n".join(lines)
