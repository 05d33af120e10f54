"""Output grids asked for: windows, references, other CRS and resolutions, longitudes either way, nonsense."""

from __future__ import annotations

import math

import numpy as np
import rasterio
from pyproj import Transformer

from tests.torture.case import Case, Finding, FineField, Outcome
from tests.torture.forms.geotiff import write_tif
from tests.torture.generators.question import Question, draw
from tests.torture.generators.shared import Shared
from tests.torture.running.surroundings import Folders
from tests.torture.world import World

_NONSENSE: tuple[tuple[str, dict[str, object]], ...] = (
    ("an empty extent", {"extent": [10, 10, 10, 20]}),
    ("an extent turned over", {"extent": [20, 30, 10, 20]}),
    ("an infinite extent", {"extent": [-1e400, 0, 1e400, 10]}),
    ("a resolution of zero", {"resolution": 0}),
    ("a negative resolution", {"resolution": -1.0}),
    ("a resolution that is no number", {"resolution": math.nan}),
    ("a resolution far too fine", {"resolution": 1e-9}),
    ("an unknown CRS", {"crs": "EPSG:999999", "resolution": 1000}),
    ("words for a CRS", {"crs": "somewhere over the rainbow", "resolution": 1}),
    ("a vertical CRS", {"crs": "EPSG:5773", "resolution": 1000}),
    ("a geocentric CRS", {"crs": "EPSG:4978", "resolution": 1000}),
    ("an engineering CRS", {"crs": 'LOCAL_CS["site",UNIT["metre",1]]', "resolution": 10}),
    ("a CRS without resolution", {"crs": "EPSG:3035"}),
    ("a reference that is not there", {"like": "/nowhere/like.tif"}),
    ("an empty CRS name", {"crs": " ", "resolution": 1}),
    ("another continent", {"extent": [1e7, 1e7, 1.0001e7, 1.0001e7]}),
)


def make(rng: np.random.Generator, folders: Folders, shared: Shared) -> Case:
    """Ask for a grid of some kind."""
    question = draw(
        rng,
        folders.inputs,
        shared,
        ("bicubic", "bilinear", "bicubicsmooth", "elevationregression", "tinyrain"),
    )
    output = folders.outputs / "fine.tif"
    how = str(rng.choice(["window", "window", "reference", "resolution", "crs", "nonsense"]))
    if how == "nonsense":
        what, grid = _NONSENSE[int(rng.integers(len(_NONSENSE)))]
        request = question.asked(output, grid=grid)
        names = ("extent", "resolution", "CRS", "grid", "cells", "like", "reference", "overlap")
        return Case(
            "grids", what, request=request, refusal="due", status=(2,), names=names, outputs=("fine.tif",)
        )
    makers = {"window": _window, "reference": _reference, "resolution": _resolution, "crs": _crs}
    return makers[how](rng, folders, question)


def _part(rng: np.random.Generator, world: World, beyond: bool) -> tuple[int, int, int, int]:
    """Return rows and columns of a window (top, bottom, left, right), maybe beyond the edges."""
    rows, cols = world.shape
    more = 2 if beyond else 0
    top, left = int(rng.integers(-more, rows - 2)), int(rng.integers(-more, cols - 2))
    bottom, right = int(rng.integers(top + 2, rows + more + 1)), int(rng.integers(left + 2, cols + more + 1))
    if bottom <= 0:
        bottom = 1
    return top, bottom, left, max(right, 1)


def _cut(world: World, top: int, bottom: int, left: int, right: int) -> np.ndarray:
    """Return the values of a window, NaN beyond the field; a world goes round."""
    rows, cols = world.shape
    found = np.full((len(world.values), bottom - top, right - left), np.nan)
    for col in range(left, right):
        source = col % cols if world.world_wide else col
        if 0 <= source < cols:
            first, last = max(top, 0), min(bottom, rows)
            found[:, first - top : last - top, col - left] = world.values[:, first:last, source]
    return found


def _window(rng: np.random.Generator, folders: Folders, question: Question) -> Case:
    """An extent of whole coarse cells, its longitudes maybe 360° further."""
    world, output = question.world, folders.outputs / "fine.tif"
    top, bottom, left, right = _part(rng, world, beyond=rng.random() < 0.5 and world.crs != "EPSG:3857")
    step = world.step
    if world.geographic:  # no further than the poles
        top = max(top, math.ceil((world.top - 90) / step))
        bottom = min(bottom, math.floor((world.top + 90) / step))
    turn = float(rng.choice([0, 360, -360])) if world.geographic and rng.random() < 0.5 else 0.0
    xmin, xmax = world.left + left * step + turn, world.left + right * step + turn
    ymax, ymin = world.top - top * step, world.top - bottom * step
    coarse = _cut(world, top, bottom, left, right)[question.chosen]
    good = question.good(output)
    good.coarse, good.shape = coarse, ((bottom - top) * question.factor, (right - left) * question.factor)
    good.transform = (step / question.factor, 0, xmin, 0, -step / question.factor, ymax)
    nothing = not np.isfinite(coarse).any()
    by_file = rng.random() < 0.3
    grid: dict[str, object] = {"extent": [xmin, ymin, xmax, ymax]}
    if by_file:
        fine = World(
            "elevation", np.zeros((1, *good.shape)), step / question.factor, xmin, ymax, world.crs, "m"
        )
        grid = {"like": str(write_tif(folders.inputs / "like.tif", fine))}
    words = f"{question.model}, {world.crs} from {world.left:g} by {step:g}: a window {grid}"
    request = question.asked(output, grid=grid)
    return Case(
        "grids", words, request=request, refusal="may" if nothing else "never", status=(2,), good=good,
        outputs=("fine.tif",),
    )  # fmt: skip


def _reference(rng: np.random.Generator, folders: Folders, question: Question) -> Case:
    """A reference with the fine cells of a part, shifted by whole fine cells."""
    world, output, factor = question.world, folders.outputs / "fine.tif", question.factor
    step = world.step / factor
    rows, cols = (n * factor for n in world.shape)
    top, left = int(rng.integers(0, rows // 2)), int(rng.integers(0, cols // 2))
    shape = (int(rng.integers(2, rows - top)), int(rng.integers(2, cols - left)))
    place = World(
        "elevation",
        np.zeros((1, *shape)),
        step,
        world.left + left * step,
        world.top - top * step,
        world.crs,
        "m",
    )
    like = write_tif(folders.inputs / "like.tif", place)
    plain = folders.inputs / "plain.out.tif"
    good = FineField(
        str(output), factor, tuple(place.transform)[:6], shape, world.crs, None, world.nonnegative,
        question.units, tuple(world.dates[i] for i in question.chosen) if world.dates else (),
    )  # fmt: skip

    def same(outcome: Outcome) -> list[Finding]:
        with rasterio.open(plain) as whole, rasterio.open(output) as part:
            due = whole.read()[:, top : top + shape[0], left : left + shape[1]]
            values = part.read()
        if due.shape != values.shape:
            return []
        span = float(np.nanmax(due, initial=0) - np.nanmin(due, initial=0)) + 1e-3
        if not np.allclose(due, values, rtol=0, atol=1e-4 * span, equal_nan=True):
            off = float(np.nanmax(np.abs(due - values), initial=0))
            return [Finding("values", f"{off:g} off the same cells of the whole field, span {span:g}")]
        return []

    words = (
        f"{question.model}, {world.crs}: a reference with fine cells from row {top}, column {left}, {shape}"
    )
    return Case(
        "grids", words, request=question.asked(output, grid={"like": str(like)}), plain=question.asked(plain),
        good=good, further=same, outputs=("fine.tif",),
    )  # fmt: skip


def _resolution(rng: np.random.Generator, folders: Folders, question: Question) -> Case:
    """Cells of a size that has nothing to do with the target's."""
    world, output = question.world, folders.outputs / "fine.tif"
    size = float(world.step / question.factor * rng.uniform(0.6, 1.7))
    rows, cols = (math.ceil(n * world.step / size - 1e-6) for n in world.shape)
    good = FineField(
        str(output), question.factor, (size, 0, world.left, 0, -size, world.top), (rows, cols), world.crs,
        None, world.nonnegative, question.units,
    )  # fmt: skip
    words = f"{question.model}, {world.crs}: cells of {size:g}"
    return Case(
        "grids", words, request=question.asked(output, grid={"resolution": size}), good=good,
        further=_near(world, question, output), outputs=("fine.tif",),
    )  # fmt: skip


def _crs(rng: np.random.Generator, folders: Folders, question: Question) -> Case:
    """A window in another CRS."""
    world, output = question.world, folders.outputs / "fine.tif"
    goal = "EPSG:4326" if not world.geographic else "EPSG:3857"
    rows, cols = world.shape
    middle = Transformer.from_crs(world.crs, goal, always_xy=True).transform(
        world.left + cols / 2 * world.step, world.top - rows / 2 * world.step
    )
    metres = 110_000.0  # in a degree: coarse cells of about the target's own size
    size = (world.step / metres if goal == "EPSG:4326" else world.step * metres) / question.factor
    extent = [middle[0] - 4 * size, middle[1] - 3 * size, middle[0] + 4 * size, middle[1] + 3 * size]
    good = FineField(
        str(output), question.factor, (size, 0, extent[0], 0, -size, extent[3]), (6, 8), goal, None,
        world.nonnegative, question.units,
    )  # fmt: skip
    words = f"{question.model}, {world.crs}: {goal}, {extent}, cells of {size:g}"
    grid = {"crs": goal, "resolution": size, "extent": extent}
    return Case(
        "grids", words, request=question.asked(output, grid=grid), good=good, refusal="may", status=(2,),
        further=_near(world, question, output), outputs=("fine.tif",),
    )  # fmt: skip


def _near(world: World, question: Question, output) -> object:
    """Return a check that the output's mean is near the field's where they meet, within its range."""

    def check(outcome: Outcome) -> list[Finding]:
        with rasterio.open(output) as file:
            values, transform = file.read().astype(float), file.transform
            to_world = Transformer.from_crs(file.crs.to_wkt(), world.crs, always_xy=True)
        rows, cols = np.indices(values.shape[1:]) + 0.5
        x, y = to_world.transform(transform.c + cols * transform.a, transform.f + rows * transform.e)
        col = np.floor((np.asarray(x) - world.left) / world.step).astype(int)
        row = np.floor((world.top - np.asarray(y)) / world.step).astype(int)
        inside = (row >= 0) & (row < world.shape[0]) & (col >= 0) & (col < world.shape[1])
        coarse = world.values[question.chosen][
            :, row.clip(0, world.shape[0] - 1), col.clip(0, world.shape[1] - 1)
        ]
        both = inside & np.isfinite(coarse) & np.isfinite(values)
        deep = (
            inside
            & np.isfinite(_eroded(world.values[question.chosen]))[
                :, row.clip(0, world.shape[0] - 1), col.clip(0, world.shape[1] - 1)
            ]
        )
        found = []
        if (deep & ~np.isfinite(values)).any():
            found.append(
                Finding(
                    "mask", f"{int((deep & ~np.isfinite(values)).sum())} cells missing in the field's midst"
                )
            )
        if both.sum() > 20:
            span = float(np.nanmax(world.values) - np.nanmin(world.values)) + 1e-6
            off = abs(float(values[both].mean() - coarse[both].mean()))
            if off > 0.5 * span:
                found.append(
                    Finding("values", f"the mean is {off:g} off the coarse field's, whose span is {span:g}")
                )
        return found

    return check


def _eroded(values: np.ndarray) -> np.ndarray:
    """Return the values with NaN also beside missing ones and at the edges."""
    padded = np.pad(values, ((0, 0), (1, 1), (1, 1)), constant_values=np.nan)
    rows, cols = values.shape[1:]
    return sum(padded[:, r : r + rows, c : c + cols] for r in range(3) for c in range(3))
