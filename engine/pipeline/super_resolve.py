"""The pipeline: plan → read → predict → conserve → write, tile by tile, in bounded memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from engine.feedback import Feedback
from engine.methods.interface import Method
from engine.pipeline.fit_data import correct, fit
from engine.pipeline.method_choice import ModelCache
from engine.pipeline.output_files import MAIN
from engine.pipeline.provenance import check_unchanged
from engine.pipeline.request import SourceReport, SuperResolveRequest, SuperResolveResult
from engine.pipeline.residual import against_original
from engine.pipeline.run_plan import OutputChecks, RunPlan, prepare
from engine.pipeline.steps.run_totals import RunTotals
from engine.pipeline.tile_loop import TileJob

WHOLE = 0.995  # of the coarse cells: from here on nothing is said of the rest


class RunJob(Protocol):
    """Makes and writes all tiles of a run, summed up in `totals`."""

    plan: RunPlan
    totals: RunTotals

    def run(self, last: Callable[[Mapping[str, Path]], None]) -> None:
        """Write the files; see `TileJob.run`."""


def super_resolve(
    request: SuperResolveRequest,
    feedback: Feedback,
    cache: ModelCache | None = None,
    runs: Callable[[RunPlan, Method, Feedback], RunJob] = TileJob,
    outputs: OutputChecks = "all",
    finished: Callable[[RunPlan], SuperResolveResult | None] = lambda plan: None,
) -> SuperResolveResult:
    """Downscale one raster: run a model or a baseline and write the fine raster, or an ensemble's rasters.

    Args:
        request: what to do.
        feedback: hears of the progress, and says when to stop.
        cache: keeps models loaded between calls.
        runs: makes the tiles.
        outputs: see `prepare`.
        finished: returns the result of a run that is to end at once, as its files are there already.

    Raises:
        InputError: the request or a raster is wrong; nothing was written.
        Cancelled: the user stopped it; nothing stays under the output's name.
        OutOfMemoryError: even one coarse cell does not fit into memory.
    """
    started = time.monotonic()
    feedback.progress(0.0, "Checking the inputs")
    with prepare(request, feedback.check_cancelled, outputs) as plan:
        feedback.check_cancelled()
        for each in plan.understood:
            feedback.log(str(each))
        for line in plan.warnings:
            feedback.log(line, "warning")
        if (there := finished(plan)) is not None:
            return there
        feedback.progress(0.01, "Loading the model")
        method = (cache or ModelCache()).method(plan.choice, request, feedback)
        warnings = [*plan.warnings, *correct(plan, feedback), *fit(plan, method, feedback)]
        warnings += _elsewhere(plan, method, feedback)
        if runs is TileJob:  # parts are made elsewhere, where another choice would make other bits
            _settle(plan, method, feedback)
        job = runs(plan, method, feedback)
        residuals: list[float] = []

        def last(files: Mapping[str, Path]) -> None:
            residuals.append(_residual_of_original(job, files[MAIN], feedback))
            check_unchanged(plan)

        job.run(last)
        reports = plan.inputs.reports()
    _tell_expectation(job, feedback)
    if told := job.totals.change.in_words(job.plan.choice.target.units):
        feedback.log(told)
    later = [*job.totals.warnings(), *_out_of_range(reports)]
    if plan.inputs.domain is not None:
        later += plan.inputs.domain.later_doubts()
    for line in later:
        feedback.log(line, "warning")
    warnings += later
    feedback.progress(1.0, "Done", job.totals.steps, job.totals.steps, 0.0)
    return job.totals.result(residuals[0], reports, warnings, time.monotonic() - started)


def _settle(plan: RunPlan, method: Method, feedback: Feedback) -> None:
    """Let a model's network run compiled where the run is long and that is faster."""
    from engine.models.model import ModelMethod  # baselines do without

    if not isinstance(method, ModelMethod):
        return
    from engine.models.compiled import settle

    rows, cols = plan.grids.output.shape
    drawn = plan.request.ensemble is not None  # by the network with its noise, which torch runs
    cells = 0 if drawn else rows * cols * len(plan.dates)
    settle(method, plan.inputs.names, cells, feedback.log)


def _elsewhere(plan: RunPlan, method: Method, feedback: Feedback) -> list[str]:
    """Say where a model's regression on the coarse cells around was not fitted, so that others stand in."""
    base = plan.inputs.base_in_use(method)
    if base is None or base.fitted is None or base.fitted >= WHOLE:
        return []
    share = f"{1 - base.fitted:.0%} of" if base.fitted else "all"
    line = (
        f"{plan.choice.id}: {share} the coarse cells are none that its regression was fitted on in training; "
        f"there the rest of its base stands in, and the result is less sure."
    )
    feedback.log(line, "warning")
    return [line]


def _tell_expectation(job: RunJob, feedback: Feedback) -> None:
    """Say by how much a method expects to be better than interpolation."""
    made = job.totals.sharpening()
    if made is None or made["expected"]["over_interpolation"] is None:
        return
    expected, unit = made["expected"], f" {job.plan.choice.target.units}".rstrip()
    feedback.log(
        f"Expected error: {expected['error']:.3g}{unit}, {expected['over_interpolation']:.2f} times that of "
        f"smooth interpolation."
    )


def check(request: SuperResolveRequest, feedback: Feedback) -> dict[str, Any]:
    """Say what a run would do, without it.

    Args:
        request: of the run.
        feedback: says when to stop.

    Returns:
        `inputs` (see `engine.pipeline.inspection.understood.Understood`), `dates`, `width`, `height` and
        `warnings`.

    Raises:
        InputError: the request or a raster is wrong.
    """
    with prepare(request, feedback.check_cancelled) as plan:
        rows, columns = plan.grids.output.shape
        return {
            "inputs": [each.to_json() for each in plan.understood],
            "dates": [str(when) for when in plan.dates if when is not None],
            "width": columns,
            "height": rows,
            "warnings": plan.warnings,
        }


def _residual_of_original(job: RunJob, output: Path, feedback: Feedback) -> float:
    """Return the largest difference from the raster as given, read again where it had to be resampled.

    A target that is corrected first has that from its corrected cells alone: from the others it is to differ.
    """
    plan = job.plan
    if plan.grids.target_cells or plan.inputs.correction is not None:
        return job.totals.residual
    feedback.progress(0.99, "Comparing with the original raster")
    return against_original(plan.request, plan.choice.units, output, plan.dates, feedback)


def _out_of_range(reports: Sequence[SourceReport]) -> list[str]:
    return [
        f"{r.name}: {r.outside_range:.1%} of the cells are outside the range seen in training."
        for r in reports
        if r.outside_range > 0.001
    ]
