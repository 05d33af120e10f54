"""What a run learns from its own field before its steps, as part of the job that is handed on."""

from __future__ import annotations

from engine.cluster.step_job import StepJob
from engine.feedback import Silent
from engine.methods.interface import FittedMethod
from engine.pipeline.fit_data import correct, fit
from engine.pipeline.method_choice import Choice, ModelCache
from engine.pipeline.run_plan import RunPlan, prepare


def learns(plan: RunPlan, choice: Choice) -> bool:
    """Return whether a run has something to learn before its steps."""
    fitted = choice.package is None and isinstance(choice.method(), FittedMethod)
    return fitted or plan.inputs.correction is not None


def fitted_job(job: StepJob) -> StepJob:
    """Return the job with what it learned: reads all dates of the coarse field, or a sample of many."""
    hears = Silent()
    with prepare(job.request, outputs="none") as plan:
        correct(plan, hears)
        learned = None
        if plan.choice.package is None:
            method = ModelCache().method(plan.choice, job.request, hears)
            fit(plan, method, hears)
            learned = method if isinstance(method, FittedMethod) else None
        return job.with_learned(learned, plan.inputs.correction)
