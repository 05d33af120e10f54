"""The Temporal Controller takes a result's dates for range and step, unless the user has set them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy
import pytest
import qgis.utils
from qgis.core import (
    QgsDateTimeRange,
    QgsInterval,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterLayer,
    QgsTemporalNavigationObject,
)
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtCore import QDateTime

from msr_plugin.appearance import temporal, time_steps
from msr_plugin.appearance.time_steps import step_of
from msr_plugin.compat import resolve

ANIMATED = resolve(
    (qgis.core.Qgis, "TemporalNavigationMode.Animated"),
    (QgsTemporalNavigationObject, "NavigationMode.Animated"),
)
SHAPE = "yyyy-MM-dd HH:mm"
MONTHS = ["2018-12", "2019-01", "2019-02"]
DAYS = ["2019-03-01", "2019-03-08", "2019-03-22"]


@pytest.mark.parametrize(
    ("dates", "seconds_of"),
    [
        (MONTHS, QgsInterval(0, 1, 0, 0, 0, 0, 0)),
        (["2021-01", "2021-04", "2021-07"], QgsInterval(0, 3, 0, 0, 0, 0, 0)),
        (["2001", "2011", "2016"], QgsInterval(5, 0, 0, 0, 0, 0, 0)),
        (DAYS, QgsInterval(0, 0, 0, 7, 0, 0, 0)),
        (["2019-02-28", "2019-03-01"], QgsInterval(0, 0, 0, 1, 0, 0, 0)),
        (["2019-01-01T18:00", "2019-01-02T00:00"], QgsInterval(0, 0, 0, 0, 6, 0, 0)),
        (["2019-01-01T00:00", "2019-01-01T00:20"], QgsInterval(0, 0, 0, 0, 0, 20, 0)),
        (["2019-01-01T00:00"], QgsInterval(0, 0, 0, 0, 1, 0, 0)),
        (["2019-01"], QgsInterval(0, 1, 0, 0, 0, 0, 0)),
        (["1969-12-31", "1970-01-02"], QgsInterval(0, 0, 0, 2, 0, 0, 0)),
    ],
)
def test_a_step_meets_every_date(dates, seconds_of):
    step = step_of(dates)
    assert step.seconds() == seconds_of.seconds()
    assert step.originalUnit() == seconds_of.originalUnit()


@pytest.fixture
def fresh(qgis_app, monkeypatch):
    """The window's project with steps of an hour, as QGIS' own widget leaves one that is new."""
    project, hour = QgsProject.instance(), QgsInterval(0, 0, 0, 0, 1, 0, 0)
    monkeypatch.setattr(time_steps, "_own", [])

    def renew():
        project.clear()
        project.timeSettings().setTimeStep(1)
        project.timeSettings().setTimeStepUnit(hour.originalUnit())

    renew()
    yield project.timeSettings()
    renew()


@pytest.fixture
def window(fresh, monkeypatch):
    """The Temporal Controller of a window's map, which nobody has touched."""
    canvas, controller = QgsMapCanvas(), QgsTemporalNavigationObject()
    canvas.setTemporalController(controller)
    monkeypatch.setattr(qgis.utils, "iface", SimpleNamespace(mapCanvas=lambda: canvas))
    return controller


@pytest.fixture
def load(write_raster):
    """Return a function that shows a result of some dates."""

    def loading(dates):
        context = QgsProcessingContext()
        context.setProject(QgsProject.instance())
        layer = QgsRasterLayer(
            write_raster(f"{dates[0]}.tif", numpy.random.default_rng(0).random((len(dates), 2, 2))), "Result"
        )
        QgsProject.instance().addMapLayer(layer)
        temporal.make_temporal(layer, dates, context, QgsProcessingFeedback())

    return loading


def told(controller):
    extents = controller.temporalExtents()
    return extents.begin().toString(SHAPE), extents.end().toString(SHAPE), controller.totalFrameCount()


def test_a_result_of_many_dates_sets_range_and_step(window, load):
    load(["2021-01", "2021-04", "2021-07"])
    assert told(window) == ("2021-01-01 00:00", "2021-07-31 23:59", 3)
    settings = QgsProject.instance().timeSettings()
    assert settings.timeStep() == 3 and settings.timeStepUnit() == window.frameDuration().originalUnit()
    assert settings.temporalRange() == window.temporalExtents()
    starts = [window.dateTimeRangeForFrameNumber(n).begin().toString("yyyy-MM") for n in range(3)]
    assert starts == ["2021-01", "2021-04", "2021-07"]


def test_the_next_result_moves_them_on(window, load):
    load(MONTHS)
    load(DAYS)
    assert told(window) == ("2019-03-01 00:00", "2019-03-22 23:59", 4)
    assert window.frameDuration().days() == 7


@pytest.mark.parametrize("touched", ["step", "range", "widget", "playing"])
def test_what_the_user_has_set_stays(window, load, touched):
    settings = QgsProject.instance().timeSettings()
    days = QgsInterval(0, 0, 0, 2, 0, 0, 0)
    if touched == "step":
        settings.setTimeStep(2)
        settings.setTimeStepUnit(days.originalUnit())
    elif touched == "range":
        begin = QDateTime.fromString("2001-01-01 00:00", SHAPE)
        settings.setTemporalRange(QgsDateTimeRange(begin, begin.addYears(1)))
    elif touched == "widget":
        QgsProject.instance().writeEntry("TemporalControllerWidget", "/StartDateTime", "2001-01-01T00:00:00Z")
    else:
        window.setNavigationMode(ANIMATED)
    before = told(window), settings.timeStep(), settings.temporalRange()
    load(MONTHS)
    assert (told(window), settings.timeStep(), settings.temporalRange()) == before
    assert window.frameDuration().seconds() != step_of(MONTHS).seconds()


def test_a_step_that_the_user_changed_since_stays(window, load):
    load(MONTHS)
    QgsProject.instance().timeSettings().setTimeStep(6)
    before = told(window)
    load(DAYS)
    assert told(window) == before


def test_one_date_changes_nothing(window, load):
    load(["2019-01"])
    assert QgsProject.instance().timeSettings().temporalRange().isInfinite()


def test_without_a_window_the_project_has_them(fresh, load, monkeypatch):
    monkeypatch.setattr(qgis.utils, "iface", None)
    load(MONTHS)
    assert fresh.temporalRange().begin().toString(SHAPE) == "2018-12-01 00:00"
