"""A request that makes sense, drawn at random: a method, its target and sources in plain form, a date."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tests.torture.case import FineField, Json
from tests.torture.forms.geotiff import write_tif
from tests.torture.generators.shared import Shared
from tests.torture.running.surroundings import ROOT
from tests.torture.world import World, climate, coarse_world, ground, warmth

RAIN = (
    *("bicubic", "bilinear", "bicubicsmooth", "elevationregression", "elevationregressionlocal"),
    *("climatologyratio", "climatologyratioflat", "constructedanalogues", "tinyrain", "rainitur8"),
)
TEMPERATURE = ("bicubic", "bilinear", "bicubicsmooth", "elevationregression", "lapserate")
_FINE_GROUND = {"elevationregression", "elevationregressionlocal", "lapserate", "tinyrain", "rainitur8"}
_CLIMATE = {"climatologyratio", "climatologyratioflat", "constructedanalogues", "rainitur8"}
CARDS = {"tinyrain": (4, "mm"), "rainitur8": (8, "mm/month")}


@dataclass
class Question:
    """A request with all its rasters in plain form, and what its answer must be."""

    model: str
    factor: int
    world: World  # all bands of the target
    sources: dict[str, World]
    request: Json  # rasters in plain form; without an output
    chosen: list[int]  # the target's bands that the output has
    files: dict[str, Path] = field(default_factory=dict)

    def asked(self, output: Path, **changes: object) -> Json:
        """Return the request for an output, with changes."""
        return {**copy.deepcopy(self.request), "output": str(output), **changes}

    def good(self, output: Path, plain: Path | None = None) -> FineField:
        """Return what the output must be."""
        world = self.world
        transform, shape = world.refined(self.factor)
        dates = tuple(world.dates[i] for i in self.chosen) if world.dates else ()
        return FineField(
            str(output),
            self.factor,
            transform,  # type: ignore[arg-type]  # six numbers
            shape,
            world.crs,
            world.values[self.chosen],
            world.nonnegative,
            self.units,
            dates,
            None if plain is None else str(plain),
        )

    def choose_date(self, index: int) -> None:
        """Ask for one of the target's dates."""
        self.request.pop("all_dates", None)
        self.request["target"].pop("band", None)
        self.request["date"], self.chosen = self.world.dates[index], [index]

    @property
    def seasonal(self) -> bool:
        """Whether the answer depends on the date."""
        return self.model in _CLIMATE or self.model == "lapserate"

    @property
    def units(self) -> str:
        """The units of the output: the card's, else the target's."""
        return CARDS[self.model][1] if self.model in CARDS else self.world.units


def draw(
    rng: np.random.Generator,
    folder: Path,
    shared: Shared,
    models: tuple[str, ...] = (),
    world: World | None = None,
) -> Question:
    """Draw a question; its plain rasters are written into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    world = world or coarse_world(rng)
    able = RAIN if world.quantity == "rain" else TEMPERATURE
    wanted = [m for m in (models or able) if m in able]
    model = str(rng.choice(wanted or able[:1]))
    factor = CARDS[model][0] if model in CARDS else int(rng.choice([2, 3, 4, 5]))
    if model in CARDS:
        world = replace(world, units=CARDS[model][1])
    sources: dict[str, World] = {}
    if model in _FINE_GROUND:
        sources["elevation"] = ground(
            rng, world, factor, margin=int(rng.choice([0, 0, 1])) if not world.world_wide else 0
        )
    if model in _CLIMATE:
        sources["climatology"] = climate(rng, world, factor)
    if model in CARDS and rng.random() < 0.6:
        sources["temperature"] = warmth(rng, world)
    request: Json = {"model": model, "device": "cpu", "precision": "float32"}
    if model in CARDS:
        request["models"] = [str(shared.models), str(ROOT / "resources" / "models")]
    else:
        request["factor"] = factor
        if world.quantity == "rain" and rng.random() < 0.7:
            request["quantity"] = "nonnegative"
    chosen = _time(rng, world, request, needs_month=bool(sources.get("climatology")) or model == "lapserate")
    question = Question(model, factor, world, sources, request, chosen)
    request["target"] = {"path": str(write_tif(folder / "target.tif", world))}
    question.files["target"] = folder / "target.tif"
    if not request.get("all_dates") and "date" not in request and len(world.values) > 1:
        request["target"]["band"] = chosen[0] + 1
    if sources:
        request["sources"] = {}
    for name, source in sources.items():
        question.files[name] = write_tif(folder / f"{name}.tif", source)
        request["sources"][name] = {"path": str(question.files[name])}
    return question


def _time(rng: np.random.Generator, world: World, request: Json, needs_month: bool) -> list[int]:
    """Choose dates; return the target's bands that the output has."""
    count = len(world.values)
    if count == 1:
        if needs_month and not world.dates:
            request["date"] = f"{int(rng.integers(1, 13)):02d}"
        return [0]
    how = str(rng.choice(["date", "all", "band"])) if not needs_month else str(rng.choice(["date", "all"]))
    if how == "all":
        request["all_dates"] = True
        return list(range(count))
    index = int(rng.integers(count))
    if how == "date":
        request["date"] = world.dates[index]
    return [index]
