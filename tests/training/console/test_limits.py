"""No room for a file, or no open files left: one sentence, status 1, nothing half-written."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import yaml
from affine import Affine

from engine.files.root import ROOT

LARGE = "it would be larger than this disk or your limit (ulimit -f) allows: choose another folder.\n"


def run(folder: Path, module: str, *arguments: str, **limits: int) -> tuple[int, str]:
    """Run a command under limits (`FSIZE` in bytes, `NOFILE`); return status and standard error."""

    def limit() -> None:
        for name, value in limits.items():
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))

    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        preexec_fn=limit,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stderr


def left(folder: Path) -> list[str]:
    """Return what lies in a folder, hidden files too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture(scope="module")
def rasters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of random rain, which compresses to nothing small."""
    folder = tmp_path_factory.mktemp("rasters")
    values = np.random.default_rng(1).gamma(2, 20, (2, 64, 64)).astype(np.float32)
    profile: dict[str, Any] = {"driver": "GTiff", "crs": "EPSG:3035", "dtype": "float32"}
    place = Affine(500, 0, 4_000_000, 0, -500, 2_800_000)
    with rasterio.open(
        folder / "rain.tif", "w", width=64, height=64, count=2, transform=place, **profile
    ) as file:
        file.write(values)
        for band, date in enumerate(("2001-01", "2001-02"), 1):
            file.update_tags(band, DATE=date)
    settings = {
        "name": "small",
        "title": "Small",
        "citation": "none",
        "licence": "CC0-1.0",
        "factor": 2,
        "target": {"name": "rain", "units": "mm", "fine": {"files": "rain.tif", "file_units": "mm"}},
    }
    (folder / "d.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("size", "named"),
    [(0, "out.zarr"), (4000, "out.zarr"), (40_000, "out.html")],  # its first file, a chunk, the summary page
)
def test_a_store_that_cannot_grow(rasters: Path, tmp_path: Path, size: int, named: str) -> None:
    store = tmp_path / "out.zarr"
    status, told = run(
        tmp_path, "training.prepare", str(rasters / "d.yaml"), "--output", str(store), "--quiet", FSIZE=size
    )
    assert (status, told, left(tmp_path)) == (1, f"{tmp_path / named}: {LARGE}", [])


def test_a_store_without_open_files(rasters: Path, tmp_path: Path) -> None:
    arguments = [str(rasters / "d.yaml"), "--output", str(tmp_path / "out.zarr"), "--quiet"]
    for files in (7, 9, 11, 12, 14, 16, 17, 18, 19, 20, 40):
        status, told = run(tmp_path, "training.prepare", *arguments, NOFILE=files)
        if status == 0:
            break
        assert status == 1 and "oo many files are open in this process: raise the limit (ulimit -n)" in told
        assert told.count("\n") == 1 and left(tmp_path) == []
    assert files > 7 and (tmp_path / "out.zarr" / ".zmetadata").is_file()


@pytest.fixture
def config(settings: dict[str, Any], tmp_path: Path) -> Path:
    """A training of a few steps, in a folder of its own."""
    settings |= {"steps": 3, "checkpoint_every": 2, "validation": {"every": 3, "held_out": [5]}}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def test_a_training_that_cannot_write(config: Path, tmp_path: Path) -> None:
    arguments = ("training.train", str(config), "--threads", "1", "--quiet", "--output", "package")
    for size, named in ((200, "tensorboard"), (60_000, "checkpoint.safetensors")):
        status, told = run(tmp_path, *arguments, FSIZE=size)
        assert status == 1 and told.endswith(LARGE) and told.count("\n") == 1 and named in told
        assert [path for path in left(tmp_path) if ".part" in path or path == "package"] == []
    assert run(tmp_path, *arguments) == (0, "")
    before = left(tmp_path / "package")
    status, told = run(tmp_path, *arguments, "--resume", FSIZE=5000)
    assert (status, told) == (1, f"{tmp_path / 'package'}: {LARGE}")
    assert left(tmp_path / "package") == before and not [p for p in left(tmp_path) if ".part" in p]


def test_exported_rasters_that_cannot_grow(config: Path, tmp_path: Path) -> None:
    arguments = ("training.data.export", str(config), "--month", "10", "--output", "x")
    for size in (0, 200):
        status, told = run(tmp_path, *arguments, FSIZE=size)
        assert (status, told) == (1, f"{Path('x', 'rain_10_coarse.tif')}: {LARGE}")
        assert left(tmp_path / "x") == []
    status, told = run(tmp_path, *arguments, FSIZE=8000)
    assert status == 1 and told.count("\n") == 1
    for path in (tmp_path / "x").iterdir():  # those that were small enough are whole
        with rasterio.open(path) as file:
            assert np.isfinite(file.read(1)).any()


def test_a_report_that_cannot_grow(config: Path, tmp_path: Path) -> None:
    arguments = ("training.evaluate", str(config), "--no-trees", "--report", "r.html", "--maps", "m.png")
    status, told = run(tmp_path, *arguments, FSIZE=1000)
    assert status == 1 and told.splitlines()[-1] == f"m.png: {LARGE.strip()}" and "Traceback" not in told
    assert left(tmp_path) == ["config.yaml"]
