"""“Make my raster finer”: layers from a list, the grid, dates, what is told, and what is refused."""

from __future__ import annotations

import numpy
import pytest
from qgis.core import QgsProcessingContext, QgsProcessingException, QgsProject, QgsRasterLayer

from msr_plugin.algorithms.finer.covariates import unique, valid
from msr_plugin.compat import ADVANCED


def run(parameters, feedback=None):
    """Run it as scripts do."""
    import processing

    return processing.run("msr:sharpen", parameters, feedback=feedback)


def test_a_covariate_and_nothing_else_is_enough(provider, hills, read_raster, feedback):
    result = run(hills, feedback)
    made, coarse = read_raster(result["OUTPUT"]), read_raster(hills["TARGET"])
    truth = 15 - read_raster(hills["COVARIATES"][0])
    assert made.shape == (128, 128)  # the covariate's grid
    assert numpy.abs(made.reshape(32, 4, 32, 4).mean((1, 3)) - coarse).max() < 1e-3
    assert ((made - truth) ** 2).mean() < 0.25 * (
        (numpy.kron(coarse, numpy.ones((4, 4))) - truth) ** 2
    ).mean()
    assert any(text.startswith("ground: carries") for text in feedback.said["info"])


def test_at_most_eight_parameters_are_seen_at_first(provider):
    definitions = provider.algorithm("sharpen").parameterDefinitions()
    seen = [d.name() for d in definitions if not d.flags() & ADVANCED]
    assert len(seen) <= 8
    assert seen[:4] == ["TARGET", "COVARIATES", "REFERENCE", "FACTOR"]


def test_it_stands_first_in_the_toolbox(provider):
    groups = sorted({algorithm.group() for algorithm in provider.algorithms()})
    assert provider.algorithm("sharpen").group() == groups[0]
    names = sorted(a.displayName() for a in provider.algorithms() if a.group() == groups[0])
    assert names[0] == "Make my raster finer"


def test_layers_and_their_names_are_taken(provider, hills, write_raster, feedback):
    other = write_raster("x.tif", numpy.random.default_rng(1).normal(size=(64, 64)), 0.0, 50.0, 0.2)
    layers = [QgsRasterLayer(hills["COVARIATES"][0], "Höhe (m)"), QgsRasterLayer(other, "Höhe (m)")]
    QgsProject.instance().addMapLayers(layers)
    try:
        run({**hills, "COVARIATES": [layers[0], layers[1].id()], "FACTOR": 2}, feedback)
    finally:
        QgsProject.instance().removeMapLayers([layer.id() for layer in layers])
    told = [text.partition(":")[0] for text in feedback.said["info"]]
    assert "hohe_m" in told and "hohe_m_2" in told


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("DEM 30 m", "dem_30_m"),
        ("2m temp", "covariate_2m_temp"),
        ("日本", "covariate"),
        ("Target", "covariate_target"),
    ],
)
def test_a_layers_name_is_made_valid(title, name):
    assert valid(title) == name


def test_a_name_is_made_unique():
    assert unique("dem", ["dem", "dem_2"]) == "dem_3"


def test_a_factor_divides_the_coarse_cells(provider, hills, read_raster):
    result = run({**hills, "FACTOR": 3})
    assert read_raster(result["OUTPUT"]).shape == (96, 96)
    assert result["RESIDUAL"] < 1e-3


@pytest.mark.parametrize("epsg", [4326, 3857])
def test_a_covariate_that_reaches_farther_is_cut_to_the_target(
    provider, hills, write_raster, read_raster, epsg
):
    from osgeo import gdal

    inner = read_raster(hills["COVARIATES"][0])
    wide = write_raster("wide.tif", numpy.pad(inner, 40, mode="edge"), -4.0, 54.0, 0.1, units="m")
    if epsg != 4326:
        warped = wide.replace("wide", "warped")
        gdal.Warp(warped, wide, dstSRS=f"EPSG:{epsg}").FlushCache()
        wide = warped
    result = run({**hills, "COVARIATES": [wide]})
    rows, columns = read_raster(result["OUTPUT"]).shape
    if epsg == 4326:
        assert (rows, columns) == (128, 128)
        assert result["RESIDUAL"] < 1e-3 and result["RESIDUAL_ORIGINAL"] < 1e-3
    assert result["COVERED"] > 0.97
    assert rows * columns < 0.6 * QgsRasterLayer(wide).width() * QgsRasterLayer(wide).height()


def test_a_reference_gives_the_grid(provider, hills, write_raster, read_raster):
    half = write_raster("half.tif", numpy.zeros((64, 32)), 0.0, 50.0, 0.2)
    result = run({**hills, "REFERENCE": half})
    assert read_raster(result["OUTPUT"]).shape == (64, 32)


def test_without_a_covariate_it_is_interpolation_and_says_so(provider, hills, feedback):
    run({**hills, "COVARIATES": [], "FACTOR": 4}, feedback)
    assert any("the result is the interpolation" in text for text in feedback.said["warning"])


@pytest.fixture
def stack(hills, write_raster):
    """The coarse field on two dates."""
    from osgeo import gdal

    source = gdal.Open(hills["TARGET"])
    field = source.GetRasterBand(1).ReadAsArray()
    path = write_raster("stack.tif", numpy.stack([field, field + 3]), 0.0, 50.0, 0.4, units="degC")
    file = gdal.Open(path, gdal.GA_Update)
    for number, date in enumerate(("2001-01", "2001-02"), start=1):
        file.GetRasterBand(number).SetMetadataItem("DATE", date)
    file = None
    return {**hills, "TARGET": path}


@pytest.mark.parametrize(("change", "bands"), [({}, 2), ({"DATE": "2001-02"}, 1), ({"TARGET_BAND": 1}, 1)])
def test_a_stack_is_made_finer_for_all_its_dates(provider, stack, change, bands):
    result = run({**stack, **change})
    assert QgsRasterLayer(result["OUTPUT"]).bandCount() == bands


def test_what_it_tells_of_its_result_comes_on_request(provider, hills, read_raster, tmp_path):
    files = {name: str(tmp_path / f"{name}.tif") for name in ("OUTPUT_EXPECTED_ERROR", "OUTPUT_SUPPORT")}
    result = run({**hills, **files})
    assert {name: result[name] for name in files} == files
    assert read_raster(files["OUTPUT_EXPECTED_ERROR"]).min() > 0
    few = run(hills)
    assert not set(files) & {name for name, value in few.items() if value}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"COVARIATES": []}, ["(FACTOR) is missing", "covariate"]),
        ({"REFERENCE": "ground", "FACTOR": 4}, ["(REFERENCE)", "(FACTOR) empty"]),
        ({"COVARIATES": ["/nowhere/x.tif"]}, ["(COVARIATES), “x”", "/nowhere/x.tif"]),
        ({"REFERENCE": "target"}, ["no finer than the target", "(FACTOR)"]),
        ({"OUTPUT": "/nowhere/s.tif"}, ["(OUTPUT)", "does not exist"]),
        ({"TARGET": None}, ["(TARGET) is missing"]),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(provider, hills, change, words):
    named = {"ground": hills["COVARIATES"][0], "target": hills["TARGET"]}
    change = {k: named.get(v, v) if isinstance(v, str) else v for k, v in change.items()}
    with pytest.raises(QgsProcessingException) as refused:
        run({**hills, **change})
    assert all(word in str(refused.value) for word in words), str(refused.value)


def test_a_list_as_text_is_a_list(provider, hills, write_raster):
    other = write_raster("y.tif", numpy.ones((64, 64)), 0.0, 50.0, 0.2)
    algorithm = provider.algorithm("sharpen").create()
    listed = {**hills, "COVARIATES": f"{hills['COVARIATES'][0]};{other}"}
    assert list(algorithm.sources_of(listed, QgsProcessingContext())) == ["ground", "y"]
