"""What a training tells in the log: steps, loss as a small curve of blocks, validations, time left."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qgis.core import QgsProcessingFeedback

from ...translation import tr
from ...worker.phases import phase_words
from ..engine_run import NEWS_SECONDS, Reporter, duration

_BLOCKS = "▁▂▃▄▅▆▇█"
_WIDTH = 24  # of a curve, in signs
_MOST = 6000  # losses that are kept for it
_KEPT = 0.9  # of a running mean, from loss to loss


class LossReporter(Reporter):
    """Hands the training worker's messages to Processing's feedback."""

    def __init__(self, feedback: QgsProcessingFeedback, words: Callable[[str], str] = str) -> None:
        super().__init__(feedback, words)
        self._losses: list[float] = []  # running mean
        self._loss = math.nan  # the last one
        self._trained = ""  # the phase whose losses these are
        self._news = time.monotonic()

    def _progress(self, message: Mapping[str, Any]) -> None:
        training = message.get("training")
        super()._progress({**message, "tiles_total": 0} if training else message)
        if not isinstance(training, Mapping):
            return
        phase = phase_words(str(message.get("phase") or ""))
        if phase != self._trained:
            self._trained, self._losses = phase, []
        loss = float((training.get("losses") or {}).get("total") or math.nan)
        if math.isfinite(loss):
            self._loss = loss
            before = self._losses[-1] if self._losses else loss
            self._losses = [*self._losses, _KEPT * before + (1 - _KEPT) * loss][-_MOST:]
        now, validation = time.monotonic(), training.get("validation") or {}
        if not validation and now - self._news < NEWS_SECONDS:
            return
        self._news = now
        told = tr("loss {:.4g} {}").format(self._loss, curve(self._losses))
        self.feedback.pushInfo(_line(phase, training, told, validation, message.get("seconds_left")))


def _line(
    phase: str,
    training: Mapping[str, Any],
    loss: str,
    validation: Mapping[str, Any],
    left: Any,
) -> str:
    parts = [tr("step {} of {}").format(int(training.get("step") or 0), int(training.get("steps") or 0))]
    parts.append(loss)
    scores = (f"{name} {value:.4g}" for name, value in validation.items() if value is not None)
    if validation:
        parts.append(tr("validation {}").format(", ".join(scores)))
    if left is not None:
        parts.append(tr("{} left").format(duration(float(left))))
    return f"{phase}: {'; '.join(parts)}"


def curve(values: Sequence[float]) -> str:
    """Return numbers as a curve of blocks, the highest of them full; "" of none."""
    if not values:
        return ""
    each = max(1, math.ceil(len(values) / _WIDTH))
    groups = [values[i : i + each] for i in range(0, len(values), each)]
    means = [sum(group) / len(group) for group in groups]
    low, high = min(means), max(means)
    span = (high - low) or 1.0
    return "".join(_BLOCKS[round((mean - low) / span * (len(_BLOCKS) - 1))] for mean in means)
