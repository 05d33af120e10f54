"""Fixtures for the plugin's tests: real QGIS in a profile of its own, and the engine where it is made."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from traceback import format_exception

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGINE_PYTHON = ROOT / ".envs" / "engine" / "bin" / "python"
PROCESSING = "/usr/share/qgis/python/plugins"
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

# Before QGIS starts: no test may read or write the developer's own settings and models.
_PROFILE = tempfile.TemporaryDirectory(prefix="msr-test-profile-")
os.environ["QGIS_CUSTOM_CONFIG_PATH"] = _PROFILE.name
os.environ["HOME"] = _PROFILE.name
os.environ["XDG_CONFIG_HOME"] = f"{_PROFILE.name}/config"
os.environ["LC_ALL"] = "C.UTF-8"  # the texts of the source, whatever the machine speaks
os.environ.pop("MSR_MODELS", None)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny rasters: more threads only wait for each other


@pytest.fixture(autouse=True, scope="module")
def collected():
    """Collects what a file's tests leave in circles, as errors hold contexts and layers, while QGIS lives.

    Else Python does so when QGIS is gone, or on another thread, and the process ends by a signal.
    """
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def called_by_qt(monkeypatch):
    """Fails a test with what its slots raise, which would end the process and leave no word of it."""
    raised: list[str] = []
    monkeypatch.setattr(sys, "excepthook", lambda *error: raised.append("".join(format_exception(*error))))
    yield
    assert not raised, "\n".join(raised)


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def engine_python() -> Path:
    """The engine's interpreter, as ./dev makes it."""
    assert ENGINE_PYTHON.is_file(), "make the engine's environment first: ./dev test does"
    return ENGINE_PYTHON


@pytest.fixture(scope="session")
def fake_worker() -> Path:
    """A program that speaks the worker's protocol and misbehaves on request."""
    return Path(__file__).with_name("fake_worker.py")


@pytest.fixture
def start_fake(fake_worker):
    """Start the fake worker with a behaviour; stopped at the end of the test."""
    from msr_plugin.worker.engine_process import EngineProcess

    started = []

    def start(behaviour: str) -> EngineProcess:
        arguments = ["-u", str(fake_worker), behaviour]
        process = EngineProcess(Path(sys.executable), ROOT, "0.1.0", dict(os.environ), arguments)
        started.append(process)
        return process

    yield start
    for process in started:
        process.stop()


@pytest.fixture(scope="session")
def make_model(engine_python) -> Callable[..., Path]:
    """Return a function that writes a small model package with random weights below a folder."""

    def make(folder: Path, identity: str, *name: str) -> Path:
        from msr_plugin.worker.environment import scrubbed_environment

        script = Path(__file__).with_name("make_model.py")
        command = [str(engine_python), str(script), str(folder), identity, *name]
        subprocess.run(command, check=True, env=scrubbed_environment(), cwd=ROOT)
        return folder / identity

    return make


@pytest.fixture(scope="session")
def tiny_model(make_model, tmp_path_factory) -> Path:
    """A model package `tinyrain` (×4; temperature optional, elevation required)."""
    return make_model(tmp_path_factory.mktemp("models"), "tinyrain")


@pytest.fixture(scope="session")
def noisy_model(make_model, tmp_path_factory) -> Path:
    """A model package `noisyrain` that draws members, with a climatology among its sources."""
    return make_model(tmp_path_factory.mktemp("noisy"), "noisyrain", "Rain with members", "2")


@pytest.fixture
def write_raster(tmp_path) -> Callable[..., str]:
    """Return a function that writes an array (rows, columns) or (bands, rows, columns) as GeoTIFF."""
    import numpy
    from osgeo import gdal, osr

    def write(
        name: str, values, left=0.0, top=50.0, resolution=1.0, epsg: int | None = 4326, units=""
    ) -> str:
        values = numpy.asarray(values, numpy.float32)
        values = values if values.ndim == 3 else values[None]
        path = str(tmp_path / name)
        bands, rows, columns = values.shape
        file = gdal.GetDriverByName("GTiff").Create(path, columns, rows, bands, gdal.GDT_Float32)
        file.SetGeoTransform((left, resolution, 0, top, 0, -resolution))
        if epsg:
            system = osr.SpatialReference()
            system.ImportFromEPSG(epsg)
            file.SetProjection(system.ExportToWkt())
        for number, band in enumerate(values, start=1):
            file.GetRasterBand(number).WriteArray(band)
            file.GetRasterBand(number).SetNoDataValue(-9999)
            file.GetRasterBand(number).SetUnitType(units)
        file = None
        return path

    return write


@pytest.fixture
def rasters(write_raster) -> dict[str, str]:
    """A coarse field of rain (10 × 12 cells of 1°), temperature with two bands, and fine elevation."""
    import numpy

    random = numpy.random.default_rng(3)
    return {
        "target": write_raster("rain.tif", random.gamma(2.0, 4.0, (10, 12)), units="mm"),
        "temperature": write_raster("t2m.tif", random.normal(12, 5, (2, 10, 12)), units="degC"),
        "elevation": write_raster("dem.tif", random.gamma(1.0, 500.0, (80, 96)), resolution=0.125, units="m"),
    }


@pytest.fixture
def read_raster() -> Callable[[str], object]:
    """Return a function that reads band 1 of a raster as float64 array."""
    from osgeo import gdal

    def read(path):
        file = gdal.Open(str(path))  # keep it: its bands do not
        return file.GetRasterBand(1).ReadAsArray().astype(float)

    return read


@pytest.fixture
def no_engine(monkeypatch, tmp_path) -> Path:
    """A QGIS that finds no engine."""
    absent = tmp_path / "no engine" / "python"
    monkeypatch.setenv("MSR_ENGINE_PYTHON", str(absent))
    return absent


@pytest.fixture(scope="session")
def warm_worker():
    """Ends the shared worker after the last test."""
    from msr_plugin.worker.engine_service import SERVICE

    yield
    SERVICE.stop()


@pytest.fixture
def provider(qgis_app, qgis_processing, warm_worker, engine_python, tiny_model, monkeypatch):
    """The provider in QGIS' registry, with the tiny model and the real engine; the worker stays warm."""
    from qgis.core import QgsApplication

    from msr_plugin import classFactory
    from msr_plugin.algorithms import engine_check

    monkeypatch.setattr(engine_check, "in_window", lambda: False)  # else what is refused depends on a worker
    monkeypatch.setenv("MSR_MODELS", str(tiny_model.parent))
    if "MSR_ENGINE_PYTHON" not in os.environ:
        monkeypatch.setenv("MSR_ENGINE_PYTHON", str(engine_python))
    plugin = classFactory(None)
    plugin.initProcessing()
    yield QgsApplication.processingRegistry().providerById("msr")
    QgsApplication.processingRegistry().removeProvider(plugin.provider)


@pytest.fixture
def noisy_provider(provider, tiny_model, noisy_model, monkeypatch):
    """The provider with the tiny model and the one that draws members."""
    monkeypatch.setenv("MSR_MODELS", os.pathsep.join(map(str, (tiny_model.parent, noisy_model.parent))))
    provider.refreshAlgorithms()
    return provider


@pytest.fixture
def feedback(qgis_app):
    """A feedback that keeps everything it is told, by kind."""
    from qgis.core import QgsProcessingFeedback

    class Keeping(QgsProcessingFeedback):
        def __init__(self):
            super().__init__(False)
            self.said: dict[str, list[str]] = {"info": [], "warning": [], "error": [], "phase": []}
            self.when_told = lambda kind, text: None

        def _keep(self, kind: str, text: str) -> None:
            self.said[kind].append(text)
            self.when_told(kind, text)

        def pushInfo(self, info):
            self._keep("info", info)

        def pushDebugInfo(self, info):
            self._keep("info", info)

        def pushWarning(self, warning):
            self._keep("warning", warning)

        def reportError(self, error, fatalError=False):
            self._keep("error", error)

        def setProgressText(self, text):
            self._keep("phase", text)

    return Keeping()
