"""What a run learns from its own field before its steps, as part of the job that is handed on."""

from __future__ import annotations

from engine.cluster.step_job import StepJob
from engine.feedback import Feedback, Silent
from engine.methods.interface import FittedMethod
from engine.pipeline.fit_data import coarse_stack
from engine.pipeline.method_choice import Choice, ModelCache
from engine.pipeline.run_plan import RunPlan, prepare


def learns(plan: RunPlan, choice: Choice) -> bool:
    """Return whether a run has something to learn before its steps."""
    fitted = choice.package is None and isinstance(choice.method(), FittedMethod)
    return fitted or plan.inputs.correction is not None


def fitted_job(job: StepJob, feedback: Feedback | None = None) -> StepJob:
    """Return the job with what it learned: reads all dates of the coarse field, or a sample of many."""
    hears = feedback or Silent()
    with prepare(job.request, hears.check_cancelled, outputs="none") as plan:
        learned, correction = None, plan.inputs.correction
        if correction is not None:
            plan.inputs.take_period(plan.dates, lambda share: hears.check_cancelled())
        if plan.choice.package is None:
            method = ModelCache().method(plan.choice, job.request, hears)
            if isinstance(method, FittedMethod):
                stack = coarse_stack(plan.inputs, plan.grids, plan.choice.target, plan.dates, hears)
                method.fit(stack, hears.check_cancelled)
                learned = method
    return StepJob(job.request, job.edge, job.plan, job.threads, learned, correction)
