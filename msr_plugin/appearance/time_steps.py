"""The Temporal Controller's range and step are those of a result's dates, where the user has set none."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import qgis.utils
from qgis.core import QgsDateTimeRange, QgsInterval, QgsProject, QgsTemporalNavigationObject
from qgis.PyQt.QtCore import QDate, QDateTime, QTime

from ..compat import NAVIGATION_OFF, UTC

_HOUR = 3600.0  # seconds; the step with which QGIS begins
_own: list[tuple[QgsDateTimeRange, float]] = []  # the last range and step that were set here


def step_of(dates: Sequence[str]) -> QgsInterval:
    """Return the largest step from the first date on that meets every date: months of months, hours of hours.

    Args:
        dates: YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDTHH:MM, each a date of QGIS's calendar.
    """
    parts = [[int(part) for part in re.split(r"[-T:]", date)] for date in dates]
    finest = max(map(len, parts))
    if finest == 1:
        return QgsInterval(_common([year for (year,) in parts]), 0, 0, 0, 0, 0, 0)
    if finest == 2:
        return QgsInterval(0, _common([12 * p[0] + (p[1:2] or [1])[0] for p in parts]), 0, 0, 0, 0, 0)
    minutes = [_minutes(part) for part in parts]
    step = _common(minutes) if len(set(minutes)) > 1 else (60 if finest > 3 else 1440)
    if step % 1440 == 0:
        return QgsInterval(0, 0, 0, step // 1440, 0, 0, 0)
    if step % 60 == 0:
        return QgsInterval(0, 0, 0, 0, step // 60, 0, 0)
    return QgsInterval(0, 0, 0, 0, 0, step, 0)


def follow_dates(project: QgsProject, dates: Sequence[str], spans: Sequence[QgsDateTimeRange]) -> None:
    """Set range and step of a project, and of the window's Temporal Controller (on the main thread).

    What the user has set, and a controller that is in use, stay as they are.

    Args:
        project: that shows the dates.
        dates: of a result.
        spans: the time that each means.
    """
    controller = _controller(project)
    in_use = controller is not None and controller.navigationMode() != NAVIGATION_OFF
    if in_use or not _is_untouched(project):
        return
    step = step_of(dates)
    first = min(span.begin() for span in spans)
    whole = QgsDateTimeRange(first, max(span.end() for span in spans))
    settings = project.timeSettings()
    settings.setTemporalRange(whole)
    settings.setTimeStepUnit(step.originalUnit())
    settings.setTimeStep(step.originalDuration())
    if controller is not None:
        controller.setTemporalExtents(whole)
        controller.setFrameDuration(step)
    _own[:] = [(whole, step.seconds())]


def _is_untouched(project: QgsProject) -> bool:
    """Return whether range and step are QGIS's own, or were set here."""
    settings = project.timeSettings()
    step = QgsInterval(settings.timeStep(), settings.timeStepUnit()).seconds()
    entry, _ = project.readEntry("TemporalControllerWidget", "/StartDateTime")  # written as it is set by hand
    if entry:
        return False
    if settings.temporalRange().isInfinite():
        return step == _HOUR
    return any(settings.temporalRange() == whole and step == seconds for whole, seconds in _own)


def _controller(project: QgsProject) -> QgsTemporalNavigationObject | None:
    """Return the window's controller, None where there is none, or where it is for another project."""
    canvas = qgis.utils.iface.mapCanvas() if qgis.utils.iface is not None else None
    if canvas is None or project is not QgsProject.instance():
        return None
    controller = canvas.temporalController()
    return controller if isinstance(controller, QgsTemporalNavigationObject) else None


def _common(numbers: Sequence[int]) -> int:
    """Return the greatest common divisor of the differences from the least, 1 of one number alone."""
    return math.gcd(*(number - min(numbers) for number in numbers)) or 1


def _minutes(parts: Sequence[int]) -> int:
    """Return the minutes from 1970 to a date."""
    year, month, day, hour, minute = [*parts, *(1970, 1, 1, 0, 0)[len(parts) :]]
    moment = QDateTime(QDate(year, month, day), QTime(hour, minute), UTC)
    return int(moment.toSecsSinceEpoch()) // 60
