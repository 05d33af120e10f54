"""How a command's work is followed from outside: by a worker's parent, where there is one.

What trains or prepares tells of its phases here; without anybody who follows, that costs nothing. Whoever
follows may cancel: then what is told raises `Cancelled`, and a training keeps a checkpoint.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from engine.feedback import Feedback

NEWS_SECONDS = 15.0  # between two calls of what watches the curves: it may draw them


@dataclass
class LossCurve:
    """The losses of one phase of a training, and what validations gave: step → number."""

    phase: str
    steps: int
    losses: dict[int, float] = field(default_factory=dict)
    validation: dict[int, float] = field(default_factory=dict)


class FollowedWork:
    """A job in phases that share its progress evenly.

    Args:
        feedback: of whoever follows.
        watch: is called with the curves now and then, from the first step on.
    """

    def __init__(
        self, feedback: Feedback, watch: Callable[[list[LossCurve]], None] = lambda curves: None
    ) -> None:
        self._feedback, self._watch = feedback, watch
        self._phase, self._begun, self._expected = "", 0, 1
        self._fraction = 0.0
        self._watched = -math.inf
        self.curves: list[LossCurve] = []

    def expect(self, phases: int) -> None:
        """Say how many phases are still to begin, as far as is known."""
        self._expected = max(self._expected, self._begun + phases)

    def begin(self, phase: str) -> None:
        """Begin a phase.

        Raises:
            Cancelled: whoever follows wants no more of it.
        """
        self._phase, self._begun = phase, self._begun + 1
        self._expected = max(self._expected, self._begun)
        self.tell(0.0)

    def tell(
        self,
        share: float,
        done: int = 0,
        total: int = 0,
        seconds_left: float | None = None,
        training: Mapping[str, object] | None = None,
    ) -> None:
        """Tell how much of the phase is done.

        Raises:
            Cancelled: whoever follows wants no more of it.
        """
        reached = (max(self._begun, 1) - 1 + min(1.0, max(0.0, share))) / self._expected
        self._fraction = min(0.99, max(self._fraction, reached))
        self._feedback.progress(self._fraction, self._phase, done, total, seconds_left, training)
        self._feedback.check_cancelled()

    def tell_between(self, words: str, done: int, total: int) -> None:
        """Tell of work between two phases, which has no share in the progress.

        Raises:
            Cancelled: whoever follows wants no more of it.
        """
        self._feedback.progress(self._fraction, words, done, total, None, None)
        self._feedback.check_cancelled()

    def begin_training(self, phase: str, steps: int, losses: Mapping[int, float] | None = None) -> None:
        """Begin a phase of training, with the losses of steps taken before it was stopped.

        Raises:
            Cancelled: whoever follows wants no more of it.
        """
        self.curves.append(LossCurve(phase, steps, dict(losses or {})))
        self.begin(phase)

    def step(
        self,
        step: int,
        losses: Mapping[str, float],
        validation: Mapping[str, float] | None,
        judged_by: str,
        seconds_left: float | None,
    ) -> None:
        """Tell of a training's step.

        Args:
            step: how many are done.
            losses: of that step, their sum as `total`.
            validation: its scores, where there was one.
            judged_by: which of them chooses the weights.
            seconds_left: of this phase.

        Raises:
            Cancelled: whoever follows wants no more of it.
        """
        curve = self.curves[-1]
        curve.losses[step] = losses["total"]
        training: dict[str, object] = {"step": step, "steps": curve.steps, "losses": dict(losses)}
        if validation:
            scores = [value for name, value in validation.items() if name.split("_")[0] == judged_by]
            if scores:
                curve.validation[step] = sum(scores) / len(scores)
            training["validation"] = dict(validation)
        now = time.monotonic()
        if now - self._watched > NEWS_SECONDS:
            self._watched = now
            self._watch(self.curves)
        self.tell(step / curve.steps, step, curve.steps, seconds_left, training)


_followed: list[FollowedWork] = []


def followed() -> FollowedWork | None:
    """Return the work as it is followed; None where nobody does."""
    return _followed[-1] if _followed else None


@contextmanager
def following(work: FollowedWork) -> Iterator[FollowedWork]:
    """Let a job's work be followed inside."""
    _followed.append(work)
    try:
        yield work
    finally:
        _followed.remove(work)
