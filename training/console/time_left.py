"""How long a training still takes, from steps like those to come."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

LEFT_OUT = 5  # first steps of a run: they wait for data to be made ready, and for compilation
FEWEST = 5  # steps measured before anything is said
RECENT = 50  # steps that the estimate looks back at


class TimeLeft:
    """Measures steps and validations apart from each other.

    Args:
        done, steps: taken before, and in all.
        every: steps from validation to validation; the last step validates too.
        clock: seconds.
    """

    def __init__(
        self, done: int, steps: int, every: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._steps, self._every, self._clock = steps, every, clock
        self._first = done
        self._before: float | None = None
        self._plain: deque[float] = deque(maxlen=RECENT)
        self._validated: float | None = None  # seconds of the last step with a validation

    def after(self, step: int, validated: bool) -> None:
        """Take in that so many steps are done now, the last one with a validation or without."""
        now = self._clock()
        if self._before is not None and step - self._first > LEFT_OUT:
            if validated:
                self._validated = now - self._before
            else:
                self._plain.append(now - self._before)
        self._before = now

    @property
    def step_seconds(self) -> float | None:
        """Of a step without validation; None: too few are measured."""
        return sum(self._plain) / len(self._plain) if len(self._plain) >= FEWEST else None

    def seconds(self, step: int) -> float | None:
        """Return the seconds from this step to the last; None where nothing can be said yet."""
        each = self.step_seconds
        if each is None:
            return None
        validations = self._steps // self._every - step // self._every
        validations += bool(self._steps % self._every and step < self._steps)
        own = 0.0 if self._validated is None else max(self._validated - each, 0.0)
        return each * (self._steps - step) + own * validations

    def told(self, step: int) -> str:
        """Return it in words, "" where nothing can be said yet."""
        seconds = self.seconds(step)
        if seconds is None or step >= self._steps:
            return ""
        return f"{duration(seconds)} left" + ("" if self._validated is not None else " before validation")


def duration(seconds: float) -> str:
    """Return a time in words: 40 s, 12 min, 3 h 20 min."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
