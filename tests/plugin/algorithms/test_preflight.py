"""What is refused before a run: a sentence that names the parameter."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy
import pytest
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsProcessingContext,
    QgsProcessingOutputLayerDefinition,
    QgsRasterLayer,
)

from msr_plugin.algorithms import preflight
from msr_plugin.algorithms.rasters import RasterProblem, file_of, gdal_path


@pytest.fixture
def refusal(provider):
    """Return a function that checks parameters and returns the sentence; "" where all is well."""
    contexts = []

    def check(name, parameters):
        contexts.append(QgsProcessingContext())
        fine, message = provider.algorithm(name).create().checkParameterValues(parameters, contexts[-1])
        assert fine == (message == "")
        return message

    yield check
    contexts.clear()  # their layers must go before QGIS does


@pytest.fixture
def good(rasters, tmp_path):
    """Parameters of the tiny model with which all is well."""
    return {
        "TARGET": rasters["target"],
        "SOURCE_ELEVATION": rasters["elevation"],
        "SOURCE_TEMPERATURE": rasters["temperature"],
        "OUTPUT": str(tmp_path / "fine.tif"),
    }


def test_good_parameters_pass(refusal, good):
    assert refusal("tinyrain", good) == ""
    assert refusal("tinyrain", {**good, "OUTPUT": "TEMPORARY_OUTPUT"}) == ""
    assert refusal("tinyrain", {**good, "DATE": "2001-11", "DEVICE": "cpu", "TILE": 8}) == ""
    for date in ("2001-11-05T06", "2001-11-05 06:30Z", "2001-02-30", "--11T06"):
        assert refusal("tinyrain", {**good, "DATE": date}) == ""
    definition = QgsProcessingOutputLayerDefinition("TEMPORARY_OUTPUT")
    assert refusal("tinyrain", {**good, "OUTPUT": definition}) == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"TARGET": None}, ["(TARGET)", "missing"]),
        ({"TARGET": "/nowhere.tif"}, ["TARGET"]),
        ({"SOURCE_ELEVATION": None}, ["Elevation", "(SOURCE_ELEVATION)", "missing"]),
        ({"TARGET_BAND": 7}, ["(TARGET)", "band 7", "1 band"]),
        ({"SOURCE_TEMPERATURE_BAND": 3}, ["(SOURCE_TEMPERATURE)", "band 3", "2 bands"]),
        ({"CONSERVATION": 1.5}, ["CONSERVATION"]),
        ({"DATE": "November"}, ["(DATE)", "YYYY-MM"]),
        ({"DATE": "2001-13"}, ["(DATE)"]),
        ({"DATE": "2001-11-05T24:00"}, ["(DATE)", "HH:MM"]),
        ({"RESOLUTION": 1e-9}, ["(RESOLUTION)", "cells"]),
        ({"CRS": "EPSG:3857"}, ["(CRS)", "RESOLUTION"]),
        ({"EXTENT": "100,110,-50,-40 [EPSG:4326]"}, ["(EXTENT)", "overlap"]),
        ({"TILE": 50_000}, ["(TILE)", "memory"]),
        ({"OUTPUT": "/nowhere/at/all.tif"}, ["(OUTPUT)", "does not exist"]),
        ({"OUTPUT": "fine.png"}, ["(OUTPUT)", "GeoTIFF"]),
    ],
)
def test_what_is_wrong_is_named(refusal, good, change, words):
    message = refusal("tinyrain", {**good, **change})
    assert all(word in message for word in words), message


def test_a_raster_elsewhere_is_named(refusal, good, write_raster):
    elsewhere = write_raster("elsewhere.tif", numpy.ones((5, 5)), left=100, top=-20)
    for name in ("SOURCE_ELEVATION", "SOURCE_TEMPERATURE", "REFERENCE"):
        message = refusal("tinyrain", {**good, name: elsewhere})
        assert f"({name})" in message and "does not overlap" in message


def test_overlap_is_found_round_the_world_and_across_crss(refusal, good, write_raster):
    east = write_raster("east.tif", numpy.ones((10, 12)), left=0.0)
    west = write_raster("west.tif", numpy.ones((10, 12)), left=-360.0)
    assert refusal("tinyrain", {**good, "TARGET": east, "SOURCE_ELEVATION": west}) == ""
    zone = write_raster("utm.tif", numpy.ones((100, 100)), 300_000, 5_500_000, 5000, epsg=32632)
    assert refusal("tinyrain", {**good, "SOURCE_ELEVATION": zone}) == ""
    far = write_raster("utm_far.tif", numpy.ones((100, 100)), 300_000, 5_500_000, 5000, epsg=32654)
    assert "does not overlap" in refusal("tinyrain", {**good, "SOURCE_ELEVATION": far})


def test_a_raster_without_crs_is_named_until_the_layer_is_given_one(refusal, good, write_raster):
    bare = write_raster("bare.tif", numpy.ones((10, 12)), epsg=None)
    message = refusal("tinyrain", {**good, "TARGET": bare})
    assert "(TARGET)" in message and "no coordinate reference system" in message
    layer = QgsRasterLayer(bare)
    layer.setCrs(QgsCoordinateReferenceSystem("EPSG:4326"))
    assert refusal("tinyrain", {**good, "TARGET": layer}) == ""
    other = QgsRasterLayer(good["TARGET"])
    other.setCrs(QgsCoordinateReferenceSystem("EPSG:3857"))
    message = refusal("tinyrain", {**good, "TARGET": other})
    assert "EPSG:4326" in message and "EPSG:3857" in message
    own = QgsCoordinateReferenceSystem()
    own.createFromProj("+proj=laea +lat_0=47.3 +lon_0=9.1 +x_0=11 +datum=WGS84 +units=m")
    other.setCrs(own)
    message = refusal("tinyrain", {**good, "TARGET": other})
    assert "a custom CRS" in message and "laea" not in message and len(message) < 200


def test_the_output_may_be_no_input(refusal, good, tmp_path):
    for name in ("TARGET", "SOURCE_ELEVATION"):
        message = refusal("tinyrain", {**good, "OUTPUT": good[name]})
        assert "(OUTPUT)" in message and f"({name})" in message
    link = tmp_path / "link.tif"
    link.symlink_to(good["TARGET"])
    assert "same file" in refusal("tinyrain", {**good, "OUTPUT": str(link)})
    definition = QgsProcessingOutputLayerDefinition(good["TARGET"])
    assert "same file" in refusal("tinyrain", {**good, "OUTPUT": definition})


def test_the_output_may_be_no_file_that_an_input_is_read_from(refusal, good, tmp_path):
    from osgeo import gdal

    vrt, nested, hard = (str(tmp_path / name) for name in ("one.vrt", "two.vrt", "hard.tif"))
    gdal.BuildVRT(vrt, good["TARGET"]).FlushCache()
    gdal.BuildVRT(nested, vrt).FlushCache()
    os.link(good["TARGET"], hard)
    for name in (vrt, nested, f"GTIFF_DIR:1:{good['TARGET']}", f"vrt://{nested}", f"file://{good['TARGET']}"):
        for output in (good["TARGET"], hard):
            message = refusal("tinyrain", {**good, "TARGET": name, "OUTPUT": output})
            assert "(OUTPUT)" in message and "(TARGET)" in message, (name, message)
        assert refusal("tinyrain", {**good, "TARGET": name}) == ""


def test_an_open_output_is_told_before_the_run_where_it_matters(refusal, good, tmp_path, monkeypatch):
    from qgis.core import QgsProject

    output = Path(good["OUTPUT"])
    shutil.copy(good["SOURCE_ELEVATION"], output)
    layer = QgsRasterLayer(str(output), "An earlier result")
    QgsProject.instance().addMapLayer(layer)
    project = QgsProject.instance()
    asked = [preflight.Destination("OUTPUT", "Finer raster (OUTPUT)", str(output), 1)]
    try:
        (warning,) = preflight.check_not_open(asked, project)  # a file is replaced although it is open
        assert "is open as the layer “An earlier result”, which shows the old values" in warning
        monkeypatch.setattr(preflight, "OPEN_FILES_ARE_HELD", True)
        with pytest.raises(RasterProblem, match="is open as the layer “An earlier result”"):
            preflight.check_not_open(asked, project)
        other = preflight.Destination("OUTPUT", "", good["OUTPUT"] + "2.tif", 1)
        assert preflight.check_not_open([other], project) == []
    finally:
        QgsProject.instance().removeMapLayer(layer.id())


def test_the_target_is_no_source(refusal, good):
    message = refusal("tinyrain", {**good, "SOURCE_ELEVATION": good["TARGET"]})
    assert "(SOURCE_ELEVATION)" in message and "same raster" in message


def test_reference_and_own_grid_exclude_each_other(refusal, good):
    message = refusal("tinyrain", {**good, "REFERENCE": good["SOURCE_ELEVATION"], "RESOLUTION": 0.5})
    assert "(REFERENCE)" in message and "RESOLUTION" in message


def test_too_little_disk_and_memory_are_told(refusal, good, monkeypatch):
    with monkeypatch.context() as full:
        full.setattr(preflight.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
        message = refusal("tinyrain", good)
    assert "(OUTPUT)" in message and "disk" in message
    monkeypatch.setattr(preflight, "available_memory", lambda: 50 * 2**20)
    assert "TILE" in refusal("tinyrain", good)
    monkeypatch.setattr(preflight, "available_memory", lambda: None)  # the system does not say
    assert refusal("tinyrain", good) == ""
    assert preflight.available_memory() is None


def test_the_memory_that_is_free_is_found():
    assert preflight.available_memory() > 2**20


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"MODEL": ""}, ["MODEL"]),
        ({"MODEL": "absent"}, ["(MODEL)", "absent", "tinyrain"]),
        ({"SOURCES": ""}, ["(SOURCES)", "elevation"]),
        ({"SOURCES": "elevation"}, ["(SOURCES)", "NAME=RASTER"]),
        ({"SOURCES": "elevation=/nowhere.tif"}, ["elevation", "/nowhere.tif"]),
        ({"SOURCES": "elevation={elevation}\nwind={elevation}"}, ["wind", "temperature, elevation"]),
        ({"SOURCES": "elevation={elevation}#2"}, ["elevation", "band 2"]),
        ({"SOURCES": "elevation={elevation}\nelevation={elevation}"}, ["twice"]),
    ],
)
def test_the_generic_algorithm_names_model_and_source(refusal, rasters, tmp_path, change, words):
    parameters = {
        "MODEL": "tinyrain",
        "TARGET": rasters["target"],
        "SOURCES": f"elevation={rasters['elevation']}",
        "OUTPUT": str(tmp_path / "fine.tif"),
    }
    assert refusal("superresolve", parameters) == ""
    change = {name: text.format(**rasters) for name, text in change.items()}
    message = refusal("superresolve", {**parameters, **change})
    assert all(word in message for word in words), message


def test_a_baseline_needs_its_sources_and_a_sound_factor(refusal, rasters, write_raster, tmp_path):
    parameters = {"TARGET": rasters["target"], "OUTPUT": str(tmp_path / "fine.tif")}
    assert refusal("baseline", parameters) == ""
    message = refusal("baseline", {**parameters, "METHOD": "climatologyratio"})
    assert "(CLIMATOLOGY)" in message and "climatologyratio" in message
    regression = {**parameters, "METHOD": "elevationregression"}
    message = refusal("baseline", regression)
    assert "(ELEVATION)" in message and "elevationregression" in message
    assert refusal("baseline", {**regression, "ELEVATION": rasters["elevation"]}) == ""
    elsewhere = write_raster("elsewhere.tif", numpy.ones((5, 5)), left=100, top=-20)
    message = refusal("baseline", {**regression, "ELEVATION": elsewhere})
    assert "(ELEVATION)" in message and "does not overlap" in message
    assert "FACTOR" in refusal("baseline", {**parameters, "FACTOR": 101})
    assert "METHOD" in refusal("baseline", {**parameters, "METHOD": "magic"})


def test_baselines_are_the_engines(engine_python, root):
    import subprocess

    from msr_plugin.method_list import METHODS
    from msr_plugin.worker.environment import scrubbed_environment

    program = (
        "from engine.specs import TargetSpec; from engine.methods.registry import BASELINES, baseline\n"
        "for name in BASELINES:\n"
        "    needed = [s.name for s in baseline(name, 2, TargetSpec('x', '')).sources if not s.optional]\n"
        "    print(f'{name}:{needed}')"
    )
    command = [str(engine_python), "-c", program]
    told = subprocess.run(
        command, capture_output=True, text=True, check=True, env=scrubbed_environment(), cwd=root
    )
    assert told.stdout.splitlines() == [f"{method.id}:{list(method.needs)}" for method in METHODS.values()]


class TestLayers:
    """From layers to what GDAL opens."""

    def test_a_web_layer_is_refused_by_its_kind(self, qgis_app):
        uri = "type=xyz&url=http://localhost:9/%7Bz%7D/%7Bx%7D/%7By%7D.png&zmax=1&zmin=0"
        layer = QgsRasterLayer(uri, "Tiles", "wms")
        assert layer.isValid()
        with pytest.raises(RasterProblem, match="“Tiles” is a layer of the kind “wms”"):
            gdal_path(layer, "Target (TARGET)")

    def test_a_layer_in_qgis_memory_is_refused(self, rasters):
        from osgeo import gdal

        gdal.Translate("/vsimem/rain.tif", rasters["target"])
        with pytest.raises(RasterProblem, match="memory"):
            gdal_path(QgsRasterLayer("/vsimem/rain.tif", "Rain"), "Target (TARGET)")
        gdal.Unlink("/vsimem/rain.tif")

    def test_open_options_of_a_layer_are_dropped(self, rasters):
        layer = QgsRasterLayer(f"{rasters['target']}|option:NUM_THREADS=2", "Rain")
        assert layer.isValid()
        assert gdal_path(layer, "Target (TARGET)") == rasters["target"]

    @pytest.mark.parametrize(
        ("name", "file"),
        [
            ("/data/a.tif", "/data/a.tif"),
            ('NETCDF:"/data/a b.nc":t2m', "/data/a b.nc"),
            ("NETCDF:/data/a.nc:t2m", "/data/a.nc"),
            ('HDF5:"/data/a.h5"://group/rain', "/data/a.h5"),
            ("HDF5:/data/a.h5://group/rain", "/data/a.h5"),
            ("GPKG:/data/a.gpkg:dem", "/data/a.gpkg"),
            ("C:\\data\\a.tif", "C:\\data\\a.tif"),
            ("C:/data/a.tif", "C:/data/a.tif"),
            ("/vsizip//data/a.zip/b.tif", "/vsizip//data/a.zip/b.tif"),
        ],
    )
    def test_the_file_behind_a_name(self, name, file):
        assert file_of(name) == file
