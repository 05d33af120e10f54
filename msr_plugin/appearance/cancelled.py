"""A run that the user cancelled ends as cancelled, where QGIS' dialogs would call it failed."""

from __future__ import annotations

import contextlib
from typing import Any

from qgis.core import QgsProcessingFeedback

from ..translation import tr


def call_it_cancelled(feedback: QgsProcessingFeedback) -> None:
    """Say that a run is cancelled, and keep the dialog's own red line, “Execution failed”, out of the log.

    QGIS' dialogs call any cancelled run failed, by a call of the same object in Python once the algorithm has
    ended. That one call is passed over; errors of later runs have feedbacks of their own.
    """
    feedback.pushInfo(tr("Cancelled."))

    def passed_over(error: str, fatal: bool = False) -> None:
        with contextlib.suppress(AttributeError):
            del holder.reportError

    if feedback.isCanceled():
        holder: Any = feedback
        holder.reportError = passed_over
