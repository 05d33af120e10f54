"""Starts a run in parts."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch

from engine.cluster.finished_result import finished_result
from engine.cluster.parts_folder import PartsFolder
from engine.cluster.parts_request import PartsRequest
from engine.cluster.parts_run import PartsRun, PlanningModels
from engine.feedback import Feedback
from engine.pipeline.request import SuperResolveRequest, SuperResolveResult, output_path
from engine.pipeline.run_plan import RunPlan
from engine.pipeline.super_resolve import super_resolve


def start(request: SuperResolveRequest, wanted: PartsRequest, feedback: Feedback) -> SuperResolveResult:
    """Downscale one raster, in parts where that is wanted.

    Args:
        request: what to do.
        wanted: how.
        feedback: hears of the progress, and says when to stop.

    Raises:
        InputError: the request or a raster is wrong, or the parts of another run are in the way.
        EngineError: no scheduler answers, or what stopped it, and which parts are kept.
    """
    before = torch.get_num_threads()
    try:
        if wanted.threads is not None:
            torch.set_num_threads(wanted.threads)
        if not wanted.in_parts:
            return super_resolve(request, feedback)
        if wanted.cluster is not None:
            from engine.cluster.scheduler import check_cluster  # needs packages that --resume does without

            check_cluster(wanted)
        kept = PartsFolder(output_path(request)).facts() if wanted.resume else None
        if kept is not None:  # what a method learns before the parts is to be the same
            torch.set_num_threads(kept.threads)
        runs = partial(PartsRun, wanted)
        if not wanted.resume:
            return super_resolve(request, feedback, PlanningModels(), runs, "place")

        def finished(plan: RunPlan) -> SuperResolveResult | None:
            return finished_result(plan, wanted.format, request.overwrite, feedback)

        # Whether what exists may be replaced is seen once it is known what it is.
        allowed = replace(request, overwrite=True)
        return super_resolve(allowed, feedback, PlanningModels(), runs, "place", finished)
    finally:
        torch.set_num_threads(before)
