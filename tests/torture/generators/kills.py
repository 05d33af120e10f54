"""Processes killed at any moment: nothing half written stands there, and the next run makes it whole."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import zarr

from tests.torture.case import Case, Finding, Kill, Outcome
from tests.torture.forms.geotiff import write_tif
from tests.torture.generators.question import draw
from tests.torture.generators.shared import Shared
from tests.torture.running.surroundings import Folders
from tests.torture.world import World, coarse_world

Rng = np.random.Generator
_SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


def make(rng: Rng, folders: Folders, shared: Shared) -> Case:
    """Start something that takes a while, and send a signal in the midst of it."""
    number = int(_SIGNALS[int(rng.integers(len(_SIGNALS)))])
    how = str(rng.choice(["run", "run", "worker", "train", "train", "prepare", "export"]))
    makers = {"run": _run, "worker": _worker, "train": _train, "prepare": _prepare, "export": _export}
    case = makers[how](rng, folders, shared)
    latest = {"run": 0.8, "worker": 0.8, "train": 1.6, "prepare": 1.2, "export": 0.6}[how]
    case.kill = Kill(number, float(rng.uniform(0.02, latest)))
    case.what = f"{how}, {signal.Signals(number).name} after {case.kill.after:.2f} s"
    case.again = True
    return case


def large_world(rng: Rng) -> World:
    """Draw a field that takes a second or so."""
    world = coarse_world(rng, "rain", bands=1)
    values = np.round(rng.gamma(1.2, 30, (1, 90, 120)), 1)
    return World("rain", values, 0.5, -20.0, 60.0, "EPSG:4326", world.units)


def _run(rng: Rng, folders: Folders, shared: Shared) -> Case:
    question = draw(
        rng, folders.inputs, shared, ("elevationregression", "bicubicsmooth", "tinyrain"), large_world(rng)
    )
    output = folders.outputs / "fine.tif"
    argv = ["super-resolve", "--model", question.model, "--target", str(question.files["target"])]
    argv += ["--output", str(output), "--device", "cpu", "--precision", "float32", "--tile", "24", "--json"]
    if "factor" in question.request:
        argv += ["--factor", str(question.factor)]
    for folder in question.request.get("models", []):
        argv += ["--models", folder]
    for name in question.sources:
        argv += ["--source", f"{name}={question.files[name]}"]
    good = question.good(output)
    good.nonnegative = True
    return Case(
        "kills", "", way="command", module="engine", argv=argv, good=good, outputs=("fine.tif",), seconds=90
    )


def _worker(rng: Rng, folders: Folders, shared: Shared) -> Case:
    case = _run(rng, folders, shared)
    question = draw(rng, folders.inputs, shared, ("bicubicsmooth", "elevationregression"), large_world(rng))
    output = folders.outputs / "fine.tif"
    case.way, case.argv = "killed worker", ["worker"]
    case.request, case.good = question.asked(output, tile=24), question.good(output)
    case.streams = {"goodbye": str(rng.choice(["signal", "signal", "cancel", "shutdown", "close"]))}
    return case


def _train(rng: Rng, folders: Folders, shared: Shared) -> Case:
    runs, package = folders.outputs / "runs", folders.outputs / "package"
    argv = [str(shared.training), "--runs", str(runs), "--output", str(package), "--threads", "1", "--quiet"]

    def on() -> list[str]:
        return ["--resume"] if (runs / "tiny" / "checkpoint.safetensors").exists() else []

    def same(outcome: Outcome) -> list[Finding]:
        weights = package / "weights.safetensors"
        if not weights.is_file() or not (package / "card.json").is_file():
            return [Finding("training", "no whole package")]
        if weights.read_bytes() != (shared.trained / "weights.safetensors").read_bytes():
            return [Finding("training", "other weights than without the kill")]
        return []

    return Case(
        "kills", "", way="command", module="training.train", argv=argv, further=same, again_with=on,
        outputs=("runs", "package"), seconds=90,
    )  # fmt: skip


def _prepare(rng: Rng, folders: Folders, shared: Shared) -> Case:
    store = folders.outputs / "small.zarr"
    argv = [str(shared.dataset), "--output", str(store), "--workers", "1", "--quiet"]
    return Case(
        "kills", "", way="command", module="training.prepare", argv=argv, seconds=90,
        further=lambda outcome: _same_store(store, shared.store), outputs=("small.zarr", "small.html"),
        again_with=lambda: ["--overwrite"] if store.exists() else [],
    )  # fmt: skip


def _same_store(store: Path, other: Path) -> list[Finding]:
    try:
        one, two = (zarr.open_group(str(p), mode="r") for p in (store, other))
        names = ("target_fine", "target_coarse", "elevation", "temperature")
        same = all(np.array_equal(one[n][...], two[n][...], equal_nan=True) for n in names)
    except (KeyError, OSError, ValueError) as error:
        return [Finding("store", f"not whole: {error}")]
    return [] if same else [Finding("store", "other numbers than without the kill")]


def _export(rng: Rng, folders: Folders, shared: Shared) -> Case:
    out = folders.outputs / "rasters"
    argv = [str(shared.exported), "--month", "7", "--output", str(out)]
    return Case(
        "kills", "", way="command", module="training.data.export", argv=argv, outputs=("rasters",), seconds=60
    )


def small_target(rng: Rng, folders: Folders, rows: int, cols: int) -> Path:
    """Write a field of rain of a size."""
    values = np.round(rng.gamma(1.2, 30, (1, rows, cols)), 1)
    step = min(100 / rows, 200 / cols)
    world = World("rain", values, step, -100.0, 60.0, "EPSG:4326", "mm/month")
    return write_tif(folders.inputs / "target.tif", world)
