"""The plugin's zip, unpacked into a fresh QGIS profile as "Install from ZIP" does, runs from there."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, osr

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ROOT / ".envs/engine/bin/python"
FACTOR = 4
SHIPPED = sorted(path.parent.name for path in (ROOT / "resources/models").glob("*/card.json"))
COARSE = np.array([[0.0, 4.0, 8.0], [2.0, 1.0, 16.0], [3.0, 5.0, 7.0]], np.float32)


@pytest.fixture(scope="module")
def profile(tmp_path_factory) -> Path:
    """A fresh profile, in a folder of a long and odd name, with the zip unpacked and enabled."""
    folder = tmp_path_factory.mktemp("qgis pröfil 100% #1; it's a:b " + 45 * "long")
    spec = importlib.util.spec_from_file_location("build_zip", ROOT / "build_zip.py")
    build_zip = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build_zip)
    archive = build_zip.build(ROOT, tmp_path_factory.mktemp("zip"))
    plugins = folder / "profiles/default/python/plugins"
    plugins.mkdir(parents=True)
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(plugins)
    settings = folder / "profiles/default/QGIS/QGIS3.ini"
    settings.parent.mkdir()
    settings.write_text(f"[PythonPlugins]\nmsr=true\n\n[msr]\nengine_python={ENGINE}\n", encoding="utf-8")
    return folder


@pytest.fixture
def qgis_process(profile: Path, tmp_path: Path):
    """Run qgis_process in that profile; nothing of the checkout is in its environment."""
    program = shutil.which("qgis_process.bin") or shutil.which("qgis_process")
    foreign = ("PYTHON", "GDAL", "PROJ", "QGIS", "MSR", "VIRTUAL_ENV")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
    environment |= {"QGIS_CUSTOM_CONFIG_PATH": str(profile), "QT_QPA_PLATFORM": "offscreen"}
    environment |= {"HOME": str(tmp_path), "MSR_CACHE": str(tmp_path / "cache")}

    def run(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [program, *arguments],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A coarse raster of 3 × 3 cells of 1 km in UTM."""
    path = tmp_path / "coarse.tif"
    raster = gdal.GetDriverByName("GTiff").Create(str(path), 3, 3, 1, gdal.GDT_Float32)
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(32632)
    raster.SetProjection(reference.ExportToWkt())
    raster.SetGeoTransform([500000, 1000, 0, 5200000, 0, -1000])
    raster.GetRasterBand(1).WriteArray(COARSE)
    raster.FlushCache()
    return path


def results_of(done: subprocess.CompletedProcess) -> dict:
    """Return what the algorithm returned, after whatever plugins print."""
    assert done.returncode == 0, done.stderr
    return json.JSONDecoder().raw_decode(done.stdout[done.stdout.find("\n{") + 1 :])[0]["results"]


def test_the_provider_lists_its_algorithms(qgis_process) -> None:
    done = qgis_process("list")
    assert done.returncode == 0, done.stderr
    for id in ("superresolve", "baseline", "modelinfo", "installmodel", *SHIPPED):
        assert f"msr:{id}" in done.stdout


def test_an_algorithm_runs_from_the_zip(qgis_process, target: Path, tmp_path: Path) -> None:
    output = tmp_path / "fine.tif"
    parameters = {"TARGET": target, "METHOD": "bilinear", "FACTOR": FACTOR, "OUTPUT": output}
    done = qgis_process("--json", "run", "msr:baseline", "--", *(f"{k}={v}" for k, v in parameters.items()))
    results = results_of(done)
    assert Path(results["OUTPUT"]) == output
    assert results["RESIDUAL"] < 1e-5
    fine = gdal.Open(str(output))
    assert (fine.RasterXSize, fine.RasterYSize) == (3 * FACTOR, 3 * FACTOR)
    values = fine.ReadAsArray()
    means = values.reshape(3, FACTOR, 3, FACTOR).mean((1, 3))
    np.testing.assert_allclose(means, COARSE, atol=1e-5)
    assert sorted(p.name for p in tmp_path.glob("*.tif")) == ["coarse.tif", "fine.tif"]


def test_relative_names_mean_the_callers_folder(
    qgis_process, profile: Path, target: Path, tmp_path: Path
) -> None:
    """As the README's call: nothing is looked for, or written, in the plugin's own folder."""
    plugin = profile / "profiles/default/python/plugins/msr"
    before = sorted(plugin.rglob("*.tif"))
    with zipfile.ZipFile(tmp_path / "pack.zip", "w") as archive:
        archive.write(target, "coarse.tif")
    (tmp_path / "sub").mkdir()
    gdal.BuildVRT(str(tmp_path / "sub/part.vrt"), str(target)).FlushCache()
    names = (
        "coarse.tif",
        "GTIFF_DIR:1:coarse.tif",
        "vrt://coarse.tif",
        "/vsizip/pack.zip/coarse.tif",
        "sub/part.vrt",
    )
    for number, name in enumerate(names):
        parameters = {"TARGET": name, "METHOD": "bilinear", "FACTOR": FACTOR, "OUTPUT": f"fine{number}.tif"}
        parameters |= {"REFERENCE": "coarse.tif"} if number == 0 else {}
        done = qgis_process(
            "--json", "run", "msr:baseline", "--", *(f"{k}={v}" for k, v in parameters.items())
        )
        assert results_of(done)["OUTPUT"] == str(tmp_path / f"fine{number}.tif")
        assert gdal.Open(str(tmp_path / f"fine{number}.tif")).RasterXSize == (
            3 if number == 0 else 3 * FACTOR
        )
    assert sorted(plugin.rglob("*.tif")) == before


def test_the_generic_algorithm_takes_relative_names(qgis_process, profile: Path, tmp_path: Path) -> None:
    """Model folder, target, source and reference, as one call gives them."""
    shutil.copytree(ROOT / "resources/models/rainitur8", tmp_path / "my model")
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(4326)
    for name, cells, step, value in (("rain.tif", 6, 2.0, 50.0), ("t2m.tif", 12, 1.0, 280.0)):
        raster = gdal.GetDriverByName("GTiff").Create(str(tmp_path / name), cells, cells, 2, gdal.GDT_Float32)
        raster.SetProjection(reference.ExportToWkt())
        raster.SetGeoTransform([0, step, 0, 40, 0, -step])
        for band in (1, 2):
            raster.GetRasterBand(band).WriteArray(np.full((cells, cells), value, np.float32))
        raster.FlushCache()
    parameters = {
        "MODEL": "my model",
        "TARGET": "rain.tif",
        "TARGET_BAND": 1,
        "DATE": "11",
        "OUTPUT": "./fine.tif",
    }
    parameters |= {"SOURCES": "temperature=t2m.tif#2"}
    done = qgis_process(
        "--json", "run", "msr:superresolve", "--", *(f"{k}={v}" for k, v in parameters.items())
    )
    assert results_of(done)["OUTPUT"] == str(tmp_path / "fine.tif")
    assert gdal.Open(str(tmp_path / "fine.tif")).RasterXSize == 48


@pytest.mark.parametrize("id", SHIPPED)
def test_a_shipped_model_runs_from_the_zip(qgis_process, tmp_path: Path, id: str) -> None:
    """On the target alone, on cells of the size that it was trained on."""
    card = json.loads((ROOT / "resources/models" / id / "card.json").read_text(encoding="utf-8"))
    low, high = card["target"]["range"]
    coarse = np.linspace(low, high, 48, dtype=np.float32).reshape(6, 8)
    path = tmp_path / "coarse.tif"
    raster = gdal.GetDriverByName("GTiff").Create(str(path), 8, 6, 1, gdal.GDT_Float32)
    reference = osr.SpatialReference()
    degrees = card["resolution"]["units"].startswith("deg")
    reference.ImportFromEPSG(4326 if degrees else 3035)
    raster.SetProjection(reference.ExportToWkt())
    step = card["resolution"]["coarse"]
    raster.SetGeoTransform([0 if degrees else 4_000_000, step, 0, 40 if degrees else 3_000_000, 0, -step])
    raster.GetRasterBand(1).WriteArray(coarse)
    raster.FlushCache()
    output = tmp_path / "fine.tif"
    parameters = {"TARGET": path, "DATE": "11", "OUTPUT": output}
    results = results_of(
        qgis_process("--json", "run", f"msr:{id}", "--", *(f"{k}={v}" for k, v in parameters.items()))
    )
    factor = card["factor"]
    values = gdal.Open(str(output)).ReadAsArray()
    assert values.shape == (6 * factor, 8 * factor)
    assert np.isfinite(values).all()
    means = values.reshape(6, factor, 8, factor).mean((1, 3), dtype=np.float64)
    np.testing.assert_allclose(means, coarse, atol=1e-5 * high)
    assert results["RESIDUAL"] < 1e-5 * high
