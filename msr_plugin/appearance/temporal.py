"""A result of many dates plays in QGIS: each band is shown at its date."""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence

from qgis.core import (
    QgsDateTimeRange,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsRasterLayer,
    QgsSingleBandPseudoColorRenderer,
)
from qgis.PyQt.QtCore import QDate, QDateTime, QTime

from ..compat import FIXED_RANGE, FIXED_RANGE_PER_BAND, UTC, set_band
from ..translation import tr
from .layer_names import date_words, undated
from .time_steps import follow_dates

MOST_LAYERS = 120  # of a group, where bands have no ranges of their own
_HOUR = 3_600_000  # ms
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d)(?::(\d\d))?)?)?)?")


def ranges(dates: Sequence[str]) -> list[QgsDateTimeRange]:
    """Return the time that each date means, as the engine writes it: a month is whole.

    A time of day lasts until the next one. All end a second before the next may begin.

    Args:
        dates: YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDTHH:MM (UTC).

    Returns:
        One for each; none at all where one of them is no date of QGIS's calendar, or has no year.
    """
    spans = [_span(date) for date in dates]
    if any(span is None for span in spans):
        return []
    known = [span for span in spans if span is not None]
    starts = sorted({start.toMSecsSinceEpoch() for start, _ in known})
    ends = [end if end != start else start.addMSecs(_step(start, starts)) for start, end in known]
    # To QGIS a range without its end overlaps what begins there: all end a second before.
    return [QgsDateTimeRange(start, end.addSecs(-1)) for (start, _), end in zip(known, ends)]


def _step(start: QDateTime, starts: Sequence[int]) -> int:
    """Return the milliseconds until the next of some times; from the last one as many as before it."""
    own = int(start.toMSecsSinceEpoch())
    later = [other - own for other in starts if other > own]
    if later:
        return later[0]
    return starts[-1] - starts[-2] if len(starts) > 1 else _HOUR


def _span(date: str) -> tuple[QDateTime, QDateTime] | None:
    """Return where a date begins and ends; the same for a time of day; None where QGIS has no such date."""
    match = _DATE.fullmatch(date)
    if match is None:
        return None
    year = int(match[1])
    month, day, hour, minute = (int(part) if part else None for part in match.groups()[1:])
    first = QDate(year, month or 1, day or 1)
    if not first.isValid():
        return None
    if hour is not None:
        instant = _at(first, QTime(hour, minute or 0))
        return instant, instant
    if day is not None:
        return _at(first), _at(first.addDays(1))
    if month is not None:
        return _at(first), _at(first.addDays(calendar.monthrange(year, month)[1]))
    return _at(first), _at(first.addYears(1))


def _at(day: QDate, time: QTime | None = None) -> QDateTime:
    return QDateTime(day, time or QTime(0, 0), UTC)


def make_temporal(
    layer: QgsRasterLayer,
    dates: Sequence[str],
    context: QgsProcessingContext,
    feedback: QgsProcessingFeedback,
) -> None:
    """Give each band of a layer the time of its date (on the main thread).

    From QGIS 3.38 on bands have ranges of their own. Before, the layer shows its first date, and a group
    beside it holds a layer for each further one.

    Args:
        layer: with a band for each date.
        dates: of its bands.
        context: its project takes the group.
        feedback: hears what cannot be.
    """
    spans = ranges(dates)
    if not spans or len(spans) != layer.bandCount():
        return
    properties = layer.temporalProperties()
    if len(spans) > 1 and FIXED_RANGE_PER_BAND is not None:
        properties.setMode(FIXED_RANGE_PER_BAND)
        properties.setFixedRangePerBand(dict(enumerate(spans, 1)))
        properties.setIsActive(True)
        _play(dates, spans, context)
        return
    _fix(layer, spans[0])
    if len(spans) > MOST_LAYERS:
        feedback.pushInfo(
            tr(
                "The layer shows its first date of {}: this QGIS plays no bands, and as many layers would be "
                "too many. QGIS 3.38 and newer play them."
            ).format(len(spans))
        )
    elif len(spans) > 1:
        _add_group(layer, dates, spans, context)
        _play(dates, spans, context)


def _play(dates: Sequence[str], spans: Sequence[QgsDateTimeRange], context: QgsProcessingContext) -> None:
    if context.project() is not None:
        follow_dates(context.project(), dates, spans)


def alike(renderer: QgsSingleBandPseudoColorRenderer, band: int) -> QgsSingleBandPseudoColorRenderer:
    """Return a renderer with the same colours for another band, or another layer's."""
    own = renderer.clone()
    set_band(own, band)
    own.setClassificationMin(renderer.classificationMin())  # which the band's change forgets
    own.setClassificationMax(renderer.classificationMax())
    return own


def _fix(layer: QgsRasterLayer, span: QgsDateTimeRange) -> None:
    properties = layer.temporalProperties()
    properties.setMode(FIXED_RANGE)
    # Such a QGIS lets a frame overlap what begins where it ends.
    properties.setFixedTemporalRange(QgsDateTimeRange(span.begin().addSecs(1), span.end()))
    properties.setIsActive(True)


def _add_group(
    layer: QgsRasterLayer,
    dates: Sequence[str],
    spans: Sequence[QgsDateTimeRange],
    context: QgsProcessingContext,
) -> None:
    project = context.project()
    if project is None:
        return
    # Below the layer: above, a map without the Temporal Controller would show another date than the first.
    entry = project.layerTreeRoot().findLayer(layer.id())
    parent = entry.parent() if entry is not None else project.layerTreeRoot()
    place = parent.children().index(entry) + 1 if entry is not None else 0
    group = parent.insertGroup(place, tr("{}, further dates").format(layer.name()))
    group.setExpanded(False)
    for band in range(2, len(spans) + 1):
        # The date comes first: lists of layers cut the end off, and the group has the layer's name.
        name = f"{date_words(dates[band - 1])}: {undated(layer.name(), dates)}"
        own = QgsRasterLayer(layer.source(), name, layer.providerType())
        renderer = layer.renderer()
        if isinstance(renderer, QgsSingleBandPseudoColorRenderer):
            own.setRenderer(alike(renderer, band))
        _fix(own, spans[band - 1])
        project.addMapLayer(own, False)
        group.addLayer(own)
