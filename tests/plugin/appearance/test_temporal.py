"""Results of many dates in time: ranges of dates, and what the Temporal Controller shows."""

from __future__ import annotations

import numpy
import pytest
from osgeo import gdal
from qgis.core import (
    QgsDateTimeRange,
    QgsInterval,
    QgsMapRendererSequentialJob,
    QgsMapSettings,
    QgsPointXY,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterLayer,
    QgsTemporalNavigationObject,
)
from qgis.PyQt.QtCore import QSize

from msr_plugin.appearance import temporal
from msr_plugin.appearance.layer_names import Naming
from msr_plugin.appearance.style import Look, ResultStyler
from msr_plugin.compat import FIXED_RANGE_PER_BAND
from msr_plugin.worker.engine_service import SERVICE

MONTHS = ["2018-12", "2019-01", "2019-02"]


@pytest.mark.parametrize(
    ("dates", "ends"),
    [
        (
            ["2019-12", "2020-02"],
            [("19-12-01 00:00", "19-12-31 23:59"), ("20-02-01 00:00", "20-02-29 23:59")],
        ),
        (
            ["2020-02-28", "2020-02-29"],
            [("20-02-28 00:00", "20-02-28 23:59"), ("20-02-29 00:00", "20-02-29 23:59")],
        ),
        (["2019"], [("19-01-01 00:00", "19-12-31 23:59")]),
        (
            ["2019-01-01T18:00", "2019-01-02T00:00"],
            [("19-01-01 18:00", "19-01-01 23:59"), ("19-01-02 00:00", "19-01-02 05:59")],
        ),
        (["2019-01-01T18:30"], [("19-01-01 18:30", "19-01-01 19:29")]),
        (["2019-02-30"], []),  # of a calendar of 360 days
        (["2019-01", "--02"], []),
        (["11"], []),
    ],
)
def test_the_time_that_dates_mean(dates, ends):
    made = temporal.ranges(dates)
    shape = "yy-MM-dd HH:mm"
    assert [(r.begin().toString(shape), r.end().toString(shape)) for r in made] == ends
    assert not any(a.overlaps(b) or b.overlaps(a) for a, b in zip(made, made[1:]))


@pytest.fixture
def months(write_raster):
    """A coarse stack of three months with a value of its own for each."""
    fields = numpy.array([1.0, 5.0, 9.0])[:, None, None] + numpy.linspace(0, 1, 64).reshape(8, 8)
    path = write_raster("months.tif", fields)
    file = gdal.Open(path, gdal.GA_Update)
    for number, date in enumerate(MONTHS, 1):
        file.GetRasterBand(number).SetMetadataItem("DATE", date)
    file = None
    return path


def shown(project: QgsProject, when: QgsDateTimeRange) -> str:
    """Return the colour in the middle of the map at a time, as the Temporal Controller asks for it."""
    layers = [node.layer() for node in project.layerTreeRoot().findLayers()]
    settings = QgsMapSettings()
    settings.setLayers(layers)
    settings.setDestinationCrs(layers[0].crs())
    settings.setExtent(layers[0].extent())
    settings.setOutputSize(QSize(40, 40))
    settings.setIsTemporal(True)
    settings.setTemporalRange(when)
    job = QgsMapRendererSequentialJob(settings)
    job.start()
    job.waitForFinished()
    return job.renderedImage().pixelColor(20, 20).name()


@pytest.mark.parametrize("ending", ["tif", "nc"])
def test_the_temporal_controller_plays_all_dates(provider, months, tmp_path, ending):
    import processing

    project, context, feedback = QgsProject(), QgsProcessingContext(), QgsProcessingFeedback()
    context.setProject(project)
    output = str(tmp_path / f"fine.{ending}")
    parameters = {"TARGET": months, "METHOD": "bilinear", "FACTOR": 2, "ALL_DATES": True, "OUTPUT": output}
    made = processing.run("msr:baseline", parameters, context=context, feedback=feedback)
    layer = QgsRasterLayer(made["OUTPUT"], "Finer")
    assert layer.isValid() and layer.bandCount() == 3
    project.addMapLayer(layer)
    ResultStyler(Look(dates=tuple(MONTHS))).postProcessLayer(layer, context, feedback)
    assert layer.temporalProperties().isActive()
    shader = layer.renderer().shader()
    middle, half = layer.extent().center(), layer.rasterUnitsPerPixelX() / 2
    point = QgsPointXY(middle.x() + half, middle.y() - half)  # of the cell that the pixel lies in
    expected = []
    for band in (1, 2, 3):
        value, there = layer.dataProvider().sample(point, band)
        visible, *parts, _ = shader.shade(value)
        assert there and visible
        expected.append("#" + "".join(f"{part:02x}" for part in parts))
    assert len(set(expected)) == 3
    above = project.layerTreeRoot().findLayers()[0].layer()
    assert above.id() == layer.id()  # without the Temporal Controller the map shows the first date
    controller = QgsTemporalNavigationObject()
    controller.setTemporalExtents(
        QgsDateTimeRange(temporal.ranges(MONTHS)[0].begin(), temporal.ranges(MONTHS)[-1].end(), True, False)
    )
    controller.setFrameDuration(QgsInterval(0, 1, 0, 0, 0, 0, 0))
    seen = []
    for frame in range(3):
        controller.setCurrentFrameNumber(frame)
        seen.append(shown(project, controller.dateTimeRangeForFrameNumber(frame)))
    assert seen == expected
    assert len(project.mapLayers()) == (1 if FIXED_RANGE_PER_BAND is not None else 3)
    SERVICE.stop()


def test_the_layer_of_a_further_date_is_called_by_it(write_raster):
    if FIXED_RANGE_PER_BAND is not None:
        pytest.skip("bands have ranges of their own")
    context, fields = QgsProcessingContext(), numpy.random.default_rng(0).random((3, 2, 2))
    project = QgsProject()
    context.setProject(project)
    layer = QgsRasterLayer(write_raster("m.tif", fields, resolution=0.25), "Finer raster")
    project.addMapLayer(layer)
    look = Look(dates=tuple(MONTHS), naming=Naming("Finer raster", "Rain", "bicubic"))
    ResultStyler(look).postProcessLayer(layer, context, QgsProcessingFeedback())
    names = sorted(each.name() for each in project.mapLayers().values())
    assert names == [
        "February 2019: Rain, 0.25° (bicubic)",
        "January 2019: Rain, 0.25° (bicubic)",
        "Rain, December 2018 to February 2019, 0.25° (bicubic)",
    ]


def test_of_very_many_dates_the_first_is_shown_and_it_is_said(write_raster):
    if FIXED_RANGE_PER_BAND is not None:
        pytest.skip("bands have ranges of their own")
    days = [f"2019-{1 + i // 28:02d}-{1 + i % 28:02d}" for i in range(temporal.MOST_LAYERS + 1)]
    layer = QgsRasterLayer(write_raster("days.tif", numpy.zeros((len(days), 2, 2))), "Days")
    project, context, feedback = QgsProject(), QgsProcessingContext(), QgsProcessingFeedback()
    context.setProject(project)
    temporal.make_temporal(layer, days, context, feedback)
    assert layer.temporalProperties().fixedTemporalRange().end() == temporal.ranges(days)[0].end()
    assert f"first date of {len(days)}" in feedback.textLog() and not project.mapLayers()
