"""From a folder of dated rasters to a model in QGIS, by two files and the commands of docs/training.md."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml
from affine import Affine
from rasterio.warp import Resampling, reproject, transform_bounds

from engine.files.root import ROOT
from training.defaults.dataset import config_of
from training.demo.qgis_headless import make_profile, run_algorithm
from training.schema.dataset import load_dataset

SIZE = 128  # cells of 1 km
UTM = Affine(1000, 0, 400_000, 0, -1000, 5_600_000)
HEADING = "## From your rasters to a model in QGIS"
GAPS, SCALE = -9999, 0.0001


def smooth(rng: np.random.Generator, slope: float) -> np.ndarray:
    """A Gaussian field with a power-law spectrum, mean 0, standard deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.fftfreq(SIZE))
    frequency[0, 0] = 1
    field = np.fft.ifft2(np.fft.fft2(rng.standard_normal((SIZE, SIZE))) * frequency**-slope).real
    return (field - field.mean()) / field.std()


def write(path: Path, values: np.ndarray, transform: Affine, crs: str, nodata: float, dtype: str) -> None:
    """Write one band."""
    profile = {"height": values.shape[0], "width": values.shape[1], "count": 1, "dtype": dtype}
    with rasterio.open(path, "w", "GTiff", crs=crs, transform=transform, nodata=nodata, **profile) as file:
        file.write(values.astype(dtype), 1)


@pytest.fixture
def rasters(tmp_path: Path) -> Path:
    """Three years of soil moisture that follows height, with lakes and clouds, and heights in degrees."""
    rng = np.random.default_rng(5)
    height = smooth(rng, 1.6)
    lake = smooth(rng, 1.5) > 1.8
    (tmp_path / "soil").mkdir()
    for year in (2018, 2019, 2020):
        for month in range(1, 13):
            season = np.cos(2 * np.pi * month / 12)
            field = 0.25 + 0.06 * season + 0.04 * smooth(rng, 2.5) - 0.05 * height * (1 + 0.3 * season)
            gone = lake | (smooth(rng, 2) > 1.9)
            numbers = np.where(gone, GAPS, np.round(field.clip(0.02, 0.55) / SCALE))
            write(tmp_path / f"soil/SM_{year}{month:02d}.tif", numbers, UTM, "EPSG:32633", GAPS, "int16")
    bounds = (UTM.c, UTM.f - 1000 * SIZE, UTM.c + 1000 * SIZE, UTM.f)
    west, south, east, north = transform_bounds("EPSG:32633", "EPSG:4326", *bounds)
    degrees = Affine((east - west) / 180, 0, west, 0, (south - north) / 180, north)
    warped = np.full((180, 180), np.nan)
    reproject(
        800 + 400 * height,
        warped,
        src_transform=UTM,
        src_crs="EPSG:32633",
        dst_transform=degrees,
        dst_crs="EPSG:4326",
        dst_nodata=np.nan,
        resampling=Resampling.bilinear,
    )
    heights = np.where(np.isfinite(warped), warped, -32768)
    write(tmp_path / "dem.tif", heights, degrees, "EPSG:4326", -32768, "int16")
    return tmp_path


def blocks(kind: str) -> list[str]:
    """Return the blocks of one language in the newcomer's section."""
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    section = text[text.index(HEADING) :]
    section = section[: section.index("\n## ")]
    return re.findall(rf"```{kind}\n(.*?)```", section, re.DOTALL)


def command(line: str, folder: Path) -> None:
    """Run a command of the page in `folder`, with this interpreter for the checkout's."""
    words = shlex.split(line, comments=True)
    assert words[:2] == [".envs/engine/bin/python", "-m"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *words[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_files_and_commands_of_the_page_make_a_model_in_qgis(rasters: Path) -> None:
    description, configuration = blocks("yaml")
    (rasters / "soil.yaml").write_text(description, encoding="utf-8")
    settings = yaml.safe_load(configuration)
    settings["steps"] = 60  # enough to see that it learns
    (rasters / "soil8.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    whole, by_hand = blocks("sh")
    at_once, install, run = whole.strip().splitlines()
    assert at_once.split("#")[0].split()[1:] == ["-m", "training.train", "soil.yaml"]  # tested by itself
    for line in by_hand.strip().splitlines():
        command(line, rasters)
    assert config_of(load_dataset(rasters / "soil.yaml"), Path("x")).model.id == settings["model"]["id"]

    environment = make_profile(rasters / "qgis")
    for line in (install, run):
        program, verb, id, dashes, *pairs = shlex.split(line)
        assert (program, verb, dashes) == ("qgis_process", "run", "--")
        parameters = dict(pair.split("=", 1) for pair in pairs)
        if id == "msr:installmodel":
            results = run_algorithm(
                id, {"INPUT": str(rasters / parameters.pop("INPUT"))} | parameters, environment
            )
            assert results["MODEL"] == "soilmoisture8"
        else:
            write_coarse(rasters / parameters["TARGET"])
            given = {n: value if n == "DATE" else str(rasters / value) for n, value in parameters.items()}
            results = run_algorithm(id, given, environment)
            assert results["RESIDUAL"] < 1e-5
    check_result(rasters)


def write_coarse(path: Path) -> None:
    """A coarse product of 8 km on a grid of its own: the last field's means, lakes left out."""
    with rasterio.open(path.parent / "soil/SM_202006.tif") as file:
        fine = file.read(1, masked=True).astype(float).filled(np.nan) * SCALE
    with np.errstate(invalid="ignore"):
        means = np.nanmean(fine.reshape(SIZE // 8, 8, SIZE // 8, 8), axis=(1, 3))
    write(path, np.nan_to_num(means, nan=-1), UTM * Affine.scale(8), "EPSG:32633", -1, "float32")


def check_result(folder: Path) -> None:
    """The fine map follows the truth better than its own coarse cells do."""
    with rasterio.open(folder / "fine.tif") as file:
        fine = file.read(1, masked=True).filled(np.nan)
        assert file.transform.almost_equals(UTM)
    with rasterio.open(folder / "soil/SM_202006.tif") as file:
        truth = file.read(1, masked=True).astype(float).filled(np.nan) * SCALE
    with rasterio.open(folder / "coarse.tif") as file:
        coarse = np.kron(file.read(1, masked=True).filled(np.nan), np.ones((8, 8)))
    both = np.isfinite(fine) & np.isfinite(truth)
    assert both.mean() > 0.8
    assert np.std((fine - truth)[both]) < 0.8 * np.std((coarse - truth)[both])
