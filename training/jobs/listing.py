"""The jobs that training's worker serves: the engine's, and training's own.

What they need is imported when they run: the worker starts, and serves the engine's jobs, where the packages
of training are missing.
"""

from __future__ import annotations

from engine.commands.jobs import JOBS as ENGINE_JOBS
from engine.commands.jobs import Job, Json, State
from engine.feedback import Feedback
from training.jobs.further_packages import check_installed

# For a job to heed a cancel: a training takes its step to the end and keeps a checkpoint.
GRACE_SECONDS = 15.0


def prepare(request: Json, feedback: Feedback, state: State) -> Json:
    """Make a store of rasters: see `training.jobs.preparing`."""
    check_installed()
    from training.jobs.preparing import prepare as work

    return work(request, feedback)


def train(request: Json, feedback: Feedback, state: State) -> Json:
    """Train a model to its package, from a checkpoint on where there is one: see `training.jobs.fitting`."""
    check_installed()
    from training.jobs.fitting import train as work

    return work(request, feedback)


def evaluate(request: Json, feedback: Feedback, state: State) -> Json:
    """Compare a model with other methods on a page: see `training.jobs.judging`."""
    check_installed()
    from training.jobs.judging import evaluate as work

    return work(request, feedback)


def ablate(request: Json, feedback: Feedback, state: State) -> Json:
    """Tell on a page what each source and constraint is worth: see `training.jobs.judging`."""
    check_installed()
    from training.jobs.judging import ablate as work

    return work(request, feedback)


OWN_JOBS: dict[str, Job] = {"prepare": prepare, "train": train, "evaluate": evaluate, "ablate": ablate}
JOBS: dict[str, Job] = {**ENGINE_JOBS, **OWN_JOBS}
GRACE: dict[str, float] = dict.fromkeys(OWN_JOBS, GRACE_SECONDS)
