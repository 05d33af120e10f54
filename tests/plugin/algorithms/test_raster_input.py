"""FILE:VARIABLE as a raster, of a file that QGIS itself does not open."""

from __future__ import annotations

import numpy
import pytest
from osgeo import gdal
from qgis.core import QgsProcessingContext, QgsProcessingException


def write_netcdf(path, fields, time=""):
    """Write variables (units, value) on 4 × 6 cells of 1°, of one date where a time axis is named."""
    file = gdal.GetDriverByName("netCDF").CreateMultiDimensional(str(path))
    root = file.GetRootGroup()
    text, double = gdal.ExtendedDataType.CreateString(), gdal.ExtendedDataType.Create(gdal.GDT_Float64)
    dimensions = []
    for name, units, start, step, size in (
        *(((time, "seconds since 1970-01-01", 1732579200, 1, 1),) if time else ()),
        ("lat", "degrees_north", 49.5, -1, 4),
        ("lon", "degrees_east", 0.5, 1, 6),
    ):
        dimensions.append(root.CreateDimension(name, None, None, size))
        axis = root.CreateMDArray(name, dimensions[-1:], double)
        axis.CreateAttribute("units", [], text).WriteString(units)
        if name == time:
            axis.CreateAttribute("standard_name", [], text).WriteString("time")
        axis.Write(start + step * numpy.arange(size, dtype="f8"))
    for name, (units, value) in fields.items():
        field = root.CreateMDArray(name, dimensions, double)
        field.SetUnit(units)
        field.Write(numpy.full([dimension.GetSize() for dimension in dimensions], value))


@pytest.fixture
def netcdf(tmp_path, monkeypatch, qgis_app):
    """Two variables in a file in the folder where the user stands."""
    monkeypatch.chdir(tmp_path)
    write_netcdf("two.nc", {"pr": ("mm/day", 3.0), "tas": ("degC", 11.0)})
    return tmp_path / "two.nc"


def check(provider, parameters, name="baseline"):
    context = QgsProcessingContext()
    return provider.algorithm(name).create().checkParameterValues(parameters, context)


def parameters_of(output, **more):
    return {"METHOD": "bilinear", "FACTOR": 2, "OUTPUT": str(output), **more}


@pytest.mark.parametrize("form", ["two.nc:tas", "{folder}/two.nc:tas", " two.nc:/tas"])
def test_a_variable_is_picked_by_its_name(provider, netcdf, tmp_path, read_raster, form):
    import processing

    output = tmp_path / "fine.tif"
    given = parameters_of(output, TARGET=form.format(folder=tmp_path))
    assert check(provider, given) == (True, "")
    processing.run("msr:baseline", given)
    numpy.testing.assert_allclose(read_raster(output), numpy.full((8, 12), 11.0), rtol=1e-6)
    assert gdal.Open(str(output)).GetGeoTransform()[0] == 0.0


def test_it_is_handed_on_for_every_raster(provider, netcdf, rasters, tmp_path, feedback):
    for name, more in (
        ("tinyrain", {"SOURCE_ELEVATION": "two.nc:tas"}),
        ("superresolve", {"MODEL": "tinyrain", "SOURCES": "elevation=two.nc:tas"}),
    ):
        algorithm, context = provider.algorithm(name).create(), QgsProcessingContext()
        given = {"TARGET": "two.nc:pr", "REFERENCE": "two.nc:tas", "OUTPUT": str(tmp_path / "o.tif"), **more}
        assert algorithm.checkParameterValues(given, context) == (True, "")
        assert algorithm.prepareAlgorithm(given, context, feedback)
        request = algorithm._request
        assert request["target"] == {"path": f"{netcdf}:pr", "band": None, "crs": None}
        assert request["sources"]["elevation"]["path"] == f"{netcdf}:tas"
        assert request["grid"] == {"like": f"{netcdf}:tas"}


def test_the_engine_says_what_is_inside(provider, netcdf, tmp_path):
    import processing

    for text, words in (("two.nc:rain", "no variable rain"), ("two.nc", "several variables: choose one")):
        given = parameters_of(tmp_path / "fine.tif", TARGET=text)
        with pytest.raises(QgsProcessingException, match=rf"\(TARGET\).*{words}.*tas \[°C\]"):
            processing.run("msr:baseline", given)


def test_what_is_no_file_is_refused_at_once(provider, netcdf, rasters, tmp_path):
    for text in ("none.nc:tas", "two.nc:", "none.nc", "nothing:at:all"):
        fine, sentence = check(provider, parameters_of(tmp_path / "fine.tif", TARGET=text))
        assert not fine and "TARGET" in sentence, text
    fine, sentence = check(provider, parameters_of(netcdf, TARGET="two.nc:tas"))
    assert not fine and "(OUTPUT)" in sentence  # must be a GeoTIFF


def test_an_extent_in_metres_is_not_taken_for_degrees(provider, netcdf, tmp_path):
    given = parameters_of(tmp_path / "fine.tif", TARGET="two.nc:tas")
    fine, sentence = check(provider, {**given, "EXTENT": "0,200000,5800000,6000000 [EPSG:3857]"})
    assert not fine and "(EXTENT) is in EPSG:3857" in sentence and "(CRS)" in sentence
    assert check(provider, {**given, "EXTENT": "1,4,46,49 [EPSG:4326]"}) == (True, "")
    assert check(provider, {**given, "EXTENT": "1,4,46,49"}) == (True, "")


@pytest.mark.parametrize("way", ["path", "layer"])
def test_degree_axes_without_a_grid_mapping_need_no_crs(provider, tmp_path, read_raster, feedback, way):
    """As ERA5 and CRU are written: QGIS knows no CRS of such a layer, the engine reads it as EPSG:4326."""
    import processing
    from qgis.core import QgsCoordinateReferenceSystem, QgsRasterLayer

    path, output = tmp_path / "era5.nc", tmp_path / "fine.tif"
    write_netcdf(path, {"t2m": ("degC", 11.0)}, time="valid_time")
    target = str(path)
    if way == "layer":
        target = QgsRasterLayer(str(path), "t2m")
        assert target.isValid()
        target.setCrs(QgsCoordinateReferenceSystem())
    given = parameters_of(output, TARGET=target)
    assert check(provider, given) == (True, "")
    processing.run("msr:baseline", given, feedback=feedback)
    assert any("degree axes are read as EPSG:4326" in line for line in feedback.said["info"])
    numpy.testing.assert_allclose(read_raster(output), numpy.full((8, 12), 11.0), rtol=1e-6)
    file = gdal.Open(str(output))
    assert file.GetSpatialRef().GetAuthorityCode(None) == "4326"
    assert file.GetGeoTransform() == (0.0, 0.5, 0.0, 50.0, 0.0, -0.5)
    assert file.GetRasterBand(1).GetMetadataItem("DATE") == "2024-11-26"
