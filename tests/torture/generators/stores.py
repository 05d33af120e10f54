"""Data sets to train on, their rasters in any form: the store must hold the same numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml
import zarr

from tests.torture.case import Case, Finding, Outcome
from tests.torture.forms.form import Written
from tests.torture.forms.geotiff import write_tif
from tests.torture.forms.listing import FORMS
from tests.torture.generators.rasters import choose
from tests.torture.generators.shared import Shared
from tests.torture.judging.fine_field import block_means
from tests.torture.running.surroundings import Folders
from tests.torture.world import World, coarse_world, ground, warmth

FACTOR = 2
_OTHER_FORMS = {"zip", "odd name", "no nodata tag"}  # patterns cannot name them, or they may be refused
STORE_FORMS = tuple(form for form in FORMS if form.name not in _OTHER_FORMS)


def make(rng: np.random.Generator, folders: Folders, shared: Shared) -> Case:
    """Describe a data set with one raster in another form, and expect its numbers in the store."""
    truth = coarse_world(rng, bands=int(rng.choice([2, 3])))
    rows, cols = (n - n % FACTOR for n in truth.shape)
    truth = replace(truth, values=truth.values[:, :rows, :cols])
    coarse = replace(truth, values=block_means(truth.values, FACTOR), step=truth.step * FACTOR)
    heights, warm = ground(rng, coarse, FACTOR), warmth(rng, coarse)
    parts = {"target": truth, "elevation": heights, "warmth": warm}
    role = str(rng.choice(["target", "target", "elevation", "warmth"]))
    # A world that begins with another meridian has other blocks of cells.
    forms = tuple(f for f in STORE_FORMS if f.name != "meridian")
    form = choose(rng, parts[role], forms if role == "target" else STORE_FORMS)
    written = form.write(parts[role], folders.inputs, rng)
    described = {name: _described(name, world, folders.inputs) for name, world in parts.items()}
    described[role] = _of_form(written, parts[role])
    sources = [
        {"name": "elevation", "units": "m", "grid": "fine", **described["elevation"]},
        {"name": "warmth", "units": "degC", "grid": "coarse", "dynamic": True, **described["warmth"]},
    ]
    about = {"name": "made", "title": "Made", "citation": "none", "licence": "CC0-1.0", "factor": FACTOR}
    target = {"name": "field", "units": truth.units, "fine": described["target"]}
    description = folders.inputs / "dataset.yaml"
    description.write_text(yaml.safe_dump({**about, "target": target, "sources": sources}), "utf-8")
    store = folders.outputs / "made.zarr"
    return Case(
        kind="stores",
        what=f"{role} {parts[role].crs} as {written.what}",
        way="command",
        module="training.prepare",
        argv=[str(description), "--output", str(store), "--workers", "1", "--quiet"],
        further=lambda outcome: check_store(store, truth, coarse, heights, warm, outcome),
        outputs=("made.zarr", "made.html"),
        seconds=60,
    )


def _described(name: str, world: World, folder: Path) -> dict[str, object]:
    return {"files": write_tif(folder / f"plain_{name}.tif", world).name}


def _of_form(written: Written, world: World) -> dict[str, object]:
    found: dict[str, object] = {"files": written.files or written.path}
    if written.variable:
        found["variable"] = written.variable
    if written.crs:
        found["crs"] = written.crs
    if written.unitless:
        found["file_units"] = world.units
    return found


def check_store(
    store: Path, truth: World, coarse: World, heights: World, warm: World, outcome: Outcome
) -> list[Finding]:
    """Return what is wrong with a store, compared with the fields that it was made from."""
    try:
        group = zarr.open_group(str(store), mode="r")
        place = np.asarray(group.attrs["transform"], float)
        arrays = {
            name: np.asarray(group[name], float)
            for name in ("target_fine", "target_coarse", "elevation", "warmth")
        }
        dates = [str(d) for d in group["date"][:]]
    except (KeyError, ValueError, OSError) as error:
        return [Finding("store", f"cannot be read: {type(error).__name__} {error}")]
    found = []
    due = np.asarray(tuple(coarse.transform)[:6])
    turn = 0
    if coarse.geographic:
        columns = round((place[2] - due[2]) / coarse.step)
        turn = columns % coarse.shape[1] if coarse.world_wide else 0
        due[2] += columns * coarse.step if coarse.world_wide else 360 * round((place[2] - due[2]) / 360)
    if np.any(np.abs(place - due) > 1e-5 * coarse.step + 1e-9 * np.abs(due)):
        found.append(Finding("store", f"georeference {place.tolist()}, not {due.tolist()}"))
    if not all(d.startswith(w) for d, w in zip(dates, truth.dates, strict=False)) or len(dates) != len(
        truth.dates
    ):
        found.append(Finding("store", f"dates {dates}, not {list(truth.dates)}"))
    wanted = {"target_fine": truth, "target_coarse": coarse, "elevation": heights, "warmth": warm}
    for name, world in wanted.items():
        columns = turn * (FACTOR if world.step < coarse.step else 1)
        values = np.roll(world.values, -columns, axis=2) if turn else world.values
        given = arrays[name] if arrays[name].ndim == 3 else arrays[name][None]
        if given.shape != values.shape:
            found.append(Finding("store", f"{name}: shape {given.shape}, not {values.shape}"))
            continue
        if (np.isnan(given) != np.isnan(values)).any():
            wrong = int((np.isnan(given) != np.isnan(values)).sum())
            found.append(Finding("store", f"{name}: {wrong} cells missing or filled that should not be"))
            continue
        off = np.nanmax(np.abs(given - values), initial=0)
        if off > 2e-6 * np.nanmax(np.abs(values), initial=1) + 1e-5:
            found.append(Finding("store", f"{name}: {off:g} off"))
    return found
