"""Without a window: qgis_process in a fresh profile, the checkout as plugin folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.fixture
def profile(tmp_path, root) -> Path:
    """A profile that holds the checkout as a plugin that is not enabled yet."""
    folder = tmp_path / "qgis"
    plugins = folder / "profiles" / "default" / "python" / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "msr").symlink_to(root, target_is_directory=True)
    return folder


@pytest.fixture
def qgis_process(profile, engine_python, tiny_model, noisy_model, tmp_path):
    """Return a function that runs qgis_process in that profile."""
    program = shutil.which("qgis_process.bin") or shutil.which("qgis_process")
    foreign = ("PYTHON", "GDAL", "PROJ", "QGIS", "MSR", "VIRTUAL_ENV")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
    environment |= {"QGIS_CUSTOM_CONFIG_PATH": str(profile), "QT_QPA_PLATFORM": "offscreen"}
    models = os.pathsep.join(str(model.parent) for model in (tiny_model, noisy_model))
    environment |= {"MSR_ENGINE_PYTHON": str(engine_python), "MSR_MODELS": models}

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [program, *map(str, arguments)],
            cwd=tmp_path,
            env=environment | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture
def enabled(qgis_process):
    """The same, the plugin enabled."""
    done = qgis_process("plugins", "enable", "msr")
    assert done.returncode == 0, done.stderr + done.stdout
    return qgis_process


def results(done: subprocess.CompletedProcess) -> dict:
    """Return the results in what qgis_process printed; other plugins may print before."""
    assert done.returncode == 0, done.stderr + done.stdout
    return json.JSONDecoder().raw_decode(done.stdout[done.stdout.find("\n{") + 1 :])[0]["results"]


def test_the_plugin_is_enabled_and_lists_its_algorithms(enabled):
    done = enabled("list")
    for identity in ("msr:superresolve", "msr:baseline", "msr:modelinfo", "msr:installmodel", "msr:tinyrain"):
        assert identity in done.stdout
    told = enabled("help", "msr:tinyrain").stdout
    assert "SOURCE_ELEVATION: Elevation [m]" in told
    assert "Required." in told


def test_a_model_runs_and_its_numbers_are_json(enabled, rasters, tmp_path, read_raster):
    output = tmp_path / "fine.tif"
    done = enabled(
        "--json", "run", "msr:tinyrain", "--", f"TARGET={rasters['target']}",
        f"SOURCE_ELEVATION={rasters['elevation']}", f"OUTPUT={output}",
    )  # fmt: skip
    told = results(done)
    assert told["OUTPUT"] == str(output)
    assert told["RESIDUAL"] < 1e-3
    assert told["COVERED"] == 1
    assert read_raster(output).shape == (40, 48)


def test_a_variable_of_a_file_is_named_from_the_users_folder(enabled, rasters, tmp_path, read_raster):
    from osgeo import gdal

    gdal.Translate(str(tmp_path / "rain.nc"), rasters["target"], format="netCDF")
    done = enabled(
        "--json", "run", "msr:baseline", "--", "TARGET=rain.nc:Band1", "METHOD=bilinear", "FACTOR=2",
        "TOLD=target.scale=2", "OUTPUT=fine.tif",
    )  # fmt: skip
    assert results(done)["OUTPUT"] == str(tmp_path / "fine.tif")
    fine, coarse = read_raster(tmp_path / "fine.tif"), read_raster(rasters["target"])
    assert fine.mean() == pytest.approx(2 * coarse.mean(), rel=1e-5)


def test_an_ensemble_runs_without_a_window(enabled, rasters, tmp_path, read_raster):
    names = ("OUTPUT", "OUTPUT_SPREAD", "OUTPUT_QUANTILES", "OUTPUT_SUPPORT")
    files = {name: tmp_path / f"{name}.tif" for name in names}
    done = enabled(
        "--json", "run", "msr:noisyrain", "--", f"TARGET={rasters['target']}",
        f"SOURCE_ELEVATION={rasters['elevation']}", "MEMBERS=4", "SEED=2", "QUANTILES=0.1,0.9",
        *(f"{name}={path}" for name, path in files.items()),
    )  # fmt: skip
    told = results(done)
    assert {name: told[name] for name in names} == {name: str(path) for name, path in files.items()}
    assert "OUTPUT_MEMBERS" not in told
    assert read_raster(files["OUTPUT_SPREAD"]).max() > 0
    assert "Ensemble: number of members" in enabled("help", "msr:noisyrain").stdout


def test_a_model_is_trained_exported_and_removed_without_a_window(enabled, write_raster, tmp_path):
    import numpy

    rng = numpy.random.default_rng(0)
    height = rng.gamma(2, 200, (32, 32))
    (tmp_path / "rain").mkdir()
    place = {"left": 4_000_000, "top": 2_800_000, "epsg": 3035, "resolution": 1000}
    for month in range(1, 13):
        rain = (20 + height / 20) * rng.uniform(0.9, 1.1, height.shape)
        write_raster(f"rain/rain_2001-{month:02d}.tif", rain, units="mm", **place)
    write_raster("dem.tif", height, units="m", **place)
    settings = {
        "model": {"id": "valley4", "name": "Valley", "licence": "CC0-1.0", "citation": "none"},
        "data": {"name": "store", "options": {"path": "stores/valley.zarr"}},
        "factor": 4,
        "sources": [{"name": "elevation"}],
        "network": {"kind": "perceptron", "widths": [8, 8, 8]},
        "base": "default",
        "losses": {"adversarial": None},
        "steps": 10,
    }
    (tmp_path / "work").mkdir()
    (tmp_path / "work/valley4.yaml").write_text(json.dumps(settings))
    done = enabled("--json", "run", "msr:prepare", "--", "NAME=valley", "FINE=rain", "COVARIATES=dem.tif",
                   "UNITS=mm", "FACTOR=4", "FOLDER=work")  # fmt: skip
    assert results(done)["STORE"] == str(tmp_path / "work/stores/valley.zarr")
    done = enabled("--json", "run", "msr:train", "--", "INPUT=work/valley4.yaml", "OUTPUT_HTML=losses.html")
    assert results(done)["MODEL"] == "valley4" and (tmp_path / "losses.html").is_file()
    assert "msr:valley4" in enabled("list").stdout
    done = enabled("--json", "run", "msr:exportmodel", "--", "MODEL=valley4", "OUTPUT=m.zip", "STAC=m.json")
    assert results(done)["OUTPUT"] == str(tmp_path / "m.zip") and (tmp_path / "m.json").is_file()
    results(enabled("--json", "run", "msr:removemodel", "--", "MODEL=valley4"))
    assert "msr:valley4" not in enabled("list").stdout


def test_a_wrong_parameter_is_a_sentence_and_a_failure(enabled, rasters, tmp_path):
    output = tmp_path / "fine.tif"
    done = enabled("run", "msr:tinyrain", "--", f"TARGET={rasters['target']}", f"OUTPUT={output}")
    assert done.returncode != 0
    assert "SOURCE_ELEVATION" in done.stdout + done.stderr
    assert not output.exists()


def test_without_an_engine_the_two_commands_are_told(enabled, rasters, tmp_path):
    output = tmp_path / "fine.tif"
    done = enabled(
        "run", "msr:baseline", "--", f"TARGET={rasters['target']}", f"OUTPUT={output}",
        MSR_ENGINE_PYTHON="/nowhere/python",
    )  # fmt: skip
    assert done.returncode != 0
    assert "-m venv" in done.stdout + done.stderr
    assert "requirements-engine.txt" in done.stdout + done.stderr


def test_a_hostile_environment_around_qgis(enabled, rasters, tmp_path, read_raster):
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    for module in ("torch", "rasterio", "odc", "safetensors"):  # what the engine, not QGIS, imports
        (hostile / f"{module}.py").write_text("raise SystemExit('hostile')")
    (hostile / "proj.db").write_text("not a database")
    output = tmp_path / "fine.tif"
    names = ("PYTHONPATH", "PROJ_DATA", "PROJ_LIB", "GDAL_DATA", "LD_LIBRARY_PATH")
    done = enabled(
        "--json", "run", "msr:baseline", "--", f"TARGET={rasters['target']}", "FACTOR=4", f"OUTPUT={output}",
        **dict.fromkeys(names, str(hostile)),
    )  # fmt: skip
    assert results(done)["COVERED"] == 1
    assert read_raster(output).shape == (40, 48)


def test_two_qgis_at_once_do_not_disturb_each_other(enabled, rasters, tmp_path, read_raster):
    from concurrent.futures import ThreadPoolExecutor

    def run(number: int) -> dict:
        output = tmp_path / f"fine{number}.tif"
        done = enabled(
            "--json",
            "run",
            "msr:baseline",
            "--",
            f"TARGET={rasters['target']}",
            "FACTOR=4",
            f"OUTPUT={output}",
        )
        return results(done)

    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(run, range(2)))
    assert all(one["COVERED"] == 1 for one in told)
    assert (read_raster(tmp_path / "fine0.tif") == read_raster(tmp_path / "fine1.tif")).all()


def test_a_raster_is_made_finer_with_covariates_of_ones_own(enabled, rasters, tmp_path, read_raster):
    output = tmp_path / "fine.tif"
    done = enabled(
        "--json", "run", "msr:sharpen", "--", f"TARGET={rasters['target']}",
        f"COVARIATES={rasters['elevation']}", f"COVARIATES={rasters['temperature']}", "FACTOR=4",
        f"OUTPUT={output}", f"OUTPUT_HTML={tmp_path / 'page.html'}",
    )  # fmt: skip
    assert "base64" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert results(done)["COVERED"] == 1
    assert read_raster(output).shape == (40, 48)


def test_sample_data_and_a_comparison_without_a_window(enabled, tmp_path):
    sample = results(enabled("--json", "run", "msr:sampledata", "--", f"FOLDER={tmp_path / 'sample'}"))
    table, page = tmp_path / "table.csv", tmp_path / "page.html"
    done = enabled(
        "--json", "run", "msr:comparemethods", "--", f"TARGET={sample['COARSE']}", f"TRUTH={sample['FINE']}",
        f"COVARIATES={sample['ELEVATION']}", "METHODS=sharpen", "DATE=2021-07", f"OUTPUT_TABLE={table}",
        f"OUTPUT_HTML={page}",
    )  # fmt: skip
    told = results(done)
    assert told["BEST_TRUTH"] == "sharpen" and told["RATIO_TRUTH"] < 0.6
    assert table.read_text(encoding="utf-8").count("sharpen") == 2
    assert "cannot tell" in page.read_text(encoding="utf-8")


def test_kinds_and_format_are_said_headless(enabled, rasters, tmp_path):
    output = tmp_path / "fine.zarr"
    asked = ("--json", "run", "msr:sharpen", "--", f"TARGET={rasters['target']}", "FACTOR=4")
    asked += (f"COVARIATES={rasters['elevation']}", "FORMAT=Zarr", f"OUTPUT={output}")
    assert results(enabled(*asked, "KINDS=dem=continuous"))["OUTPUT"] == str(output)
    assert (output / ".zmetadata").is_file()
    refused = enabled(*asked, "KINDS=dem=angle")
    assert refused.returncode != 0 and "an angle must be in degrees" in refused.stdout + refused.stderr
