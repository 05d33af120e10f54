"""The quick ablation: one trained model, every subset of its source groups withheld at the test."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from engine.specs import TargetSpec
from training.ablation.blocks import RunBlockErrors, SquaredErrorBlocks
from training.ablation.importance import Results
from training.ablation.plan import Subset, groups_of, subset_name, subsets
from training.data.archive import Archive
from training.data.region import Region, truth_of
from training.evaluation.measurements import MeasurementPlan
from training.evaluation.predict import Case
from training.evaluation.scores import CaseTotals, Score, Scoring, plan_scores, score_block
from training.schema.config import Config


def subset_cases(config: Config, case: Case, optional: Collection[str]) -> list[Case]:
    """Return a model's case with each subset of the groups given, named after it.

    Args:
        config: whose groups they are.
        case: of the model with all its sources.
        optional: sources that it can do without; a subset that lacks another one is left out.
    """
    groups = groups_of(config)

    def gone(chosen: Subset) -> set[str]:
        return {s for name, sources in groups.items() if name not in chosen for s in sources}

    return [
        replace(case, name=name, title=name, view=case.view.without(gone(subset)))
        for subset in subsets(groups)
        if gone(subset) <= set(optional)
        for name in [subset_name(subset, groups)]
    ]


def score_by_block(
    case: Case,
    archive: Archive,
    region: Region,
    target: TargetSpec,
    plan: MeasurementPlan | None = None,
) -> tuple[Score, SquaredErrorBlocks]:
    """Measure a case and its errors by block; without a `plan`, every metric is taken."""
    scoring = Scoring(plan or plan_scores(archive, region, further=True), keep=True)
    totals = CaseTotals(case, target, scoring)
    errors = RunBlockErrors(len(region.times), archive.factor)
    for number, time in enumerate(region.times):  # one field at a time is held
        (one,) = score_block([(case, target)], archive, region, scoring, (time,))
        (field,) = one.kept["central"]
        one.kept["central"].clear()
        errors.update(number, field, truth_of(archive, region, time)[0])
        totals.merge(one)
    return totals.scores()[0], errors.blocks()


def withheld_results(
    config: Config,
    case: Case,
    optional: Collection[str],
    archive: Archive,
    region: Region,
    target: TargetSpec,
) -> Results:
    """Return RMSE and MAE of a trained model, given each subset of the groups, as of one seed."""
    metrics, blocks = {}, {}
    plan = plan_scores(archive, region)
    for one in subset_cases(config, case, optional):
        scored, errors = score_by_block(one, archive, region, target, plan=plan)
        metrics[one.name], blocks[one.name] = {config.seed: scored.values}, {config.seed: errors}
    return Results((config.seed,), metrics, blocks)
