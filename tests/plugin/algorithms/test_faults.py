"""A fault of the plugin or the worker reaches QGIS' log as one sentence; the traceback goes elsewhere."""

from __future__ import annotations

import pytest

from msr_plugin.algorithms import engine_run
from msr_plugin.worker import debug_log
from msr_plugin.worker.engine_process import WorkerError


@pytest.fixture
def log(tmp_path, monkeypatch, qgis_app):
    monkeypatch.setattr(debug_log, "profile_folder", lambda: tmp_path)
    return tmp_path / debug_log.FILE


def raising(error: Exception):
    def run(*_: object) -> None:
        raise error

    return run


@pytest.mark.parametrize(("kind", "kept"), [("failure", True), ("died", True), ("input", False)])
def test_a_workers_traceback_stays_out_of_qgis_log(log, feedback, monkeypatch, kind, kept) -> None:
    from qgis.core import QgsProcessingException

    error = WorkerError(kind, "The disk is full.", "Traceback (most recent call last): x")
    monkeypatch.setattr(engine_run.SERVICE, "run", raising(error))
    with pytest.raises(QgsProcessingException) as caught:
        engine_run.run_engine("super_resolve", {}, feedback)
    told = str(caught.value)
    assert told == (f"The disk is full (details in {log})." if kept else "The disk is full.")
    assert log.is_file() == kept
    assert caught.value.__suppress_context__
    assert not any("Traceback" in text for texts in feedback.said.values() for text in texts)


def test_a_fault_of_the_plugin_is_a_sentence(log) -> None:
    from qgis.core import QgsProcessingException

    from msr_plugin.algorithms.faults import guarded, sentence_of

    with pytest.raises(QgsProcessingException) as caught:
        guarded(raising(AttributeError("no such thing")))(None)
    assert (
        str(caught.value) == f"MSR met a fault of its own and stopped: please report it (details in {log})."
    )
    assert caught.value.__context__ is None
    assert "AttributeError: no such thing" in log.read_text(encoding="utf-8")
    told = sentence_of(PermissionError(13, "Permission denied", "/x"))
    assert told.startswith("/x: you have no permission for it: ") and "denied" not in told


def test_a_dialogs_check_never_raises(log, monkeypatch, provider) -> None:
    from qgis.core import QgsApplication, QgsProcessingContext

    algorithm = QgsApplication.processingRegistry().createAlgorithmById("msr:baseline")
    monkeypatch.setattr(type(algorithm), "check_required", raising(ZeroDivisionError("x")))
    fine, message = algorithm.checkParameterValues({}, QgsProcessingContext())
    assert not fine and "fault of its own" in message and str(log) in message


def test_netcdf_without_grid_mapping_is_the_engines_to_judge(qgis_app) -> None:
    from qgis.core import QgsCoordinateReferenceSystem, QgsCoordinateTransformContext, QgsRectangle

    from msr_plugin.algorithms.rasters import RasterProblem, _checked_crs, crs_text, overlap

    class Provider:
        def crs(self) -> QgsCoordinateReferenceSystem:
            return QgsCoordinateReferenceSystem()

    class Layer:
        """As QGIS opens such a file: without a CRS, in cells or in degrees."""

        def __init__(self, source: str) -> None:
            self._source = source

        def __getattr__(self, name: str):
            answers = {"isValid": True, "name": "era5", "providerType": "gdal", "source": self._source}
            answers |= {"crs": QgsCoordinateReferenceSystem(), "dataProvider": Provider()}
            return lambda: answers[name]

    for source in ('NETCDF:"/data/era5.nc":tp', "/data/era5.nc", "/data/cru.grib"):
        assert not _checked_crs(Layer(source), "Target (TARGET)").isValid()
    with pytest.raises(RasterProblem, match="coordinate reference system"):
        _checked_crs(Layer("/data/bare.tif"), "Target (TARGET)")
    none, box = QgsCoordinateReferenceSystem(), QgsRectangle(0, 0, 1, 1)
    assert crs_text(none) == ""
    assert overlap(box, none, QgsRectangle(9, 9, 10, 10), none, QgsCoordinateTransformContext())
