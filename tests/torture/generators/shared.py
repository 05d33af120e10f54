"""What many cases need and is made once for a campaign: small models, a store, a training."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from tests.torture.forms.geotiff import write_tif
from tests.torture.running.surroundings import ROOT, environment
from tests.torture.world import World

TRAINING_STEPS = 12


@dataclass(frozen=True)
class Shared:
    """Folders that no case changes."""

    folder: Path

    @property
    def models(self) -> Path:
        """The folder of the small packages `tinyrain` and `noisyrain` (×4, rain in mm)."""
        return self.folder / "models"

    @property
    def store(self) -> Path:
        """A store to train on."""
        return self.folder / "small.zarr"

    @property
    def dataset(self) -> Path:
        """The description that it was made from."""
        return self.folder / "small.yaml"

    @property
    def training(self) -> Path:
        """A training that takes a second or two."""
        return self.folder / "training.yaml"

    @property
    def exported(self) -> Path:
        """A configuration over one year, whose rasters can be exported."""
        return self.folder / "exported.yaml"

    @property
    def trained(self) -> Path:
        """The package that this training writes where nothing stops it."""
        return self.folder / "trained"

    @property
    def small_disk(self) -> Path:
        """A file system of two megabytes, where one could be mounted."""
        return self.folder / "small_disk"


def make_shared(folder: Path) -> Shared:
    """Make everything."""
    shared = Shared(folder)
    folder.mkdir(parents=True)
    for identity, kind in (("tinyrain", "0"), ("noisyrain", "2")):
        script = ROOT / "tests" / "plugin" / "make_model.py"
        _run(folder, str(script), str(shared.models), identity, identity, kind)
    _rasters(folder)
    target = {"name": "rain", "units": "mm", "fine": {"files": "rain.tif", "file_units": "mm"}}
    sources = [
        {"name": "elevation", "units": "m", "grid": "fine", "files": "elevation.tif"},
        {"name": "temperature", "grid": "coarse", "dynamic": True, "files": "temperature.tif"},
    ]
    about = {"name": "small", "title": "Small", "citation": "none", "licence": "CC0-1.0", "simulated": True}
    shared.dataset.write_text(
        yaml.safe_dump({**about, "factor": 2, "target": target, "sources": sources}), "utf-8"
    )
    _run(
        folder, "-m", "training.prepare", str(shared.dataset), "--output", str(shared.store), "--workers", "1"
    )
    whole = yaml.safe_load(shared.dataset.read_text("utf-8"))
    year, one_year = folder / "year.yaml", folder / "year.zarr"
    year.write_text(yaml.safe_dump({**whole, "period": ["2001-01", "2001-12"]}), "utf-8")
    _run(folder, "-m", "training.prepare", str(year), "--output", str(one_year), "--workers", "1")
    exported = training_settings(one_year)
    exported["split"] = {
        "kind": "period",
        "train": [["2001-01", "2001-09"]],
        "test": [["2001-11", "2001-12"]],
    }
    shared.exported.write_text(yaml.safe_dump(exported), "utf-8")
    shared.training.write_text(yaml.safe_dump(training_settings(shared.store)), "utf-8")
    runs, package = folder / "runs", shared.trained
    _run(
        folder,
        "-m",
        "training.train",
        str(shared.training),
        "--runs",
        str(runs),
        "--output",
        str(package),
        "--threads",
        "1",
    )
    _mount(shared.small_disk)
    return shared


def training_settings(store: Path) -> dict[str, object]:
    """Return a configuration of a training over the store."""
    model = {"id": "tiny", "name": "Tiny", "version": "1.0.0", "licence": "CC0-1.0", "citation": "none"}
    split = {
        "kind": "period",
        "train": [["2001-01", "2002-03"]],
        "test": [["2002-07", "2002-12"]],
        "gap_days": 20,
    }
    return {
        "model": model,
        "data": {"name": "store", "options": {"path": str(store)}},
        "factor": 2,
        "target": {"transform": "log1p", "bounds": [0, None], "conservation": "multiplicative"},
        "sources": [{"name": "temperature"}, {"name": "elevation", "derived": ["slope"]}],
        "split": split,
        "network": {"widths": [8, 8], "boxes": [1, 0]},
        "losses": {"adversarial": None},
        "optimiser": {"rate": 0.005, "warmup_steps": 2},
        "sampling": {"size": 6, "batch": 2},
        "validation": {"every": 6, "held_out": [5]},
        "steps": TRAINING_STEPS,
        "checkpoint_every": 3,
        "precision": "float32",
        "layout": "contiguous",
        "seed": 3,
    }


def _rasters(folder: Path) -> None:
    """Two years of rain that follows elevation, with a hole, and a temperature."""
    rng = np.random.default_rng(0)
    factor, rows, cols = 2, 12, 16
    dates = tuple(f"{year}-{month:02d}" for year in (2001, 2002) for month in range(1, 13))
    elevation = rng.gamma(2, 200, (1, rows * factor, cols * factor)).round()
    season = 1 + 0.5 * np.cos(2 * np.pi * np.arange(24) / 12)
    rain = season[:, None, None] * (20 + elevation / 20) * rng.uniform(0.9, 1.1, (24, *elevation.shape[1:]))
    rain[:, 4:9, 6:11] = np.nan
    place = (4_000_000.0, 2_800_000.0, "EPSG:3035")
    write_tif(folder / "rain.tif", World("rain", rain.round(2), 1000, *place, "mm", dates))
    write_tif(folder / "elevation.tif", World("elevation", elevation, 1000, *place, "m"))
    warm = rng.normal(10, 5, (24, rows, cols)).round(1)
    write_tif(folder / "temperature.tif", World("temperature", warm, 2000, *place, "degC", dates))


def _run(folder: Path, *words: str) -> None:
    for name in ("tmp", "cache"):
        (folder / name).mkdir(exist_ok=True)
    told = subprocess.run(
        [sys.executable, "-s", *words],
        cwd=ROOT,
        env=environment(folder / "tmp", folder / "cache"),
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode:
        raise RuntimeError(f"{' '.join(words)} failed: {told.stderr[-2000:]}")


def _mount(folder: Path) -> None:
    """Mount a small file system where this user may; the campaign's end takes it away."""
    if os.geteuid() == 0:
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=2m", "msr-torture", str(folder)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            folder.rmdir()


def unmount(folder: Path) -> None:
    """Take the small file system away."""
    if folder.is_mount():
        subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)
