"""Fields with a known relation to a fractal terrain, or with none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from affine import Affine

from engine.specs import TargetSpec
from training.withheld.cases.fractal import by_wavelength, fractal, smooth_field
from training.withheld.cases.place import CasePlace
from training.withheld.problem import Covariate, HiddenCase, hidden_case

TARGET = TargetSpec("temperature", "degC")
CELL = 1000.0  # metres
CORNER = (4_000_000.0, 2_800_000.0)
CRS = "EPSG:3035"
COARSE = (24, 32)  # coarse cells
QUICK = (12, 16)
FACTOR = 8
DATES = ("2001-01-15", "2001-04-15", "2001-07-15")
WEATHER = 6.0  # coarse cells, over which the large-scale field is smooth
NOISE = 0.3  # °C, of what no covariate tells
MORE_NOISE = {"reversal": 1.2}  # so that no method is asked for what only the truth can tell
HEIGHT, SPREAD = 1200.0, 500.0  # metres: mean and deviation of the terrain


@dataclass(frozen=True)
class Landscape:
    """A terrain and what goes with it, (H, W) each."""

    rng: np.random.Generator
    height: np.ndarray  # metres
    shape: tuple[int, int]

    def covariate(
        self, name: str, values: np.ndarray, units: str = "1", kind: str = "continuous"
    ) -> Covariate:
        """Return a static covariate of it."""
        return Covariate(name, units, values[None].astype(np.float32), kind)

    @property
    def elevation(self) -> Covariate:
        """The terrain's height."""
        return self.covariate("elevation", self.height, "m")


# From a landscape to the part of the field that has detail, and the covariates.
Relation = Callable[[Landscape], tuple[np.ndarray, list[Covariate]]]


def lapse(land: Landscape) -> tuple[np.ndarray, list[Covariate]]:
    """6.5 °C per kilometre of height."""
    return -6.5 * land.height / 1000, [land.elevation]


def coast(land: Landscape) -> tuple[np.ndarray, list[Covariate]]:
    """A step of 6 °C between land and sea; the height of the land says nothing."""
    dry = (land.height > HEIGHT).astype(float)
    above = land.covariate("elevation", np.maximum(land.height - HEIGHT, 0.0), "m")
    return 6.0 * dry, [above, land.covariate("land", dry)]


def none(land: Landscape) -> tuple[np.ndarray, list[Covariate]]:
    """Detail that no covariate has anything to do with."""
    other = land.covariate("ndvi", fractal(land.rng, land.shape))
    return 3.0 * fractal(land.rng, land.shape), [land.elevation, other]


def reversal(land: Landscape) -> tuple[np.ndarray, list[Covariate]]:
    """Long waves of the terrain are cold and short ones warm; the sign turns at three coarse cells."""
    waves = by_wavelength(land.height - HEIGHT, 3.0 * FACTOR, 1.5)
    return -6.5 * waves / 1000, [land.elevation]


def nonlinear(land: Landscape) -> tuple[np.ndarray, list[Covariate]]:
    """Slopes that face north are the colder the higher they are, and each of three classes has its own."""
    down, east = np.gradient(land.height, CELL)
    facing = np.arctan2(-east, down)  # the way down, from north clockwise
    kind = np.digitize(fractal(land.rng, land.shape), (-0.4, 0.5))
    own = np.array([2.5, 0.0, -1.5])[kind]
    field = -2.5 * np.cos(facing) * land.height / HEIGHT + own
    return field, [
        land.elevation,
        land.covariate("aspect", np.rad2deg(facing) % 360, "degree", "angle"),
        land.covariate("landcover", kind + 1.0, "", "class"),
    ]


RELATIONS: dict[str, Relation] = {
    "lapse": lapse,
    "coast": coast,
    "none": none,
    "reversal": reversal,
    "nonlinear": nonlinear,
}
SEEDS = (1, 2, 3)


def synthetic(place: CasePlace, relation: str, seed: int) -> HiddenCase:
    """Return a field with one of the relations; the seed decides terrain, weather and noise."""
    rng = np.random.default_rng([seed, list(RELATIONS).index(relation)])
    rows, columns = QUICK if place.quick else COARSE
    shape = (rows * FACTOR, columns * FACTOR)
    land = Landscape(rng, HEIGHT + SPREAD * fractal(rng, shape), shape)
    detailed, covariates = RELATIONS[relation](land)
    weather = [10 + 3 * smooth_field(rng, shape, WEATHER * FACTOR) for _ in DATES]
    spread = MORE_NOISE.get(relation, NOISE)
    noise = [spread * fractal(rng, shape, 0.3) for _ in DATES]
    doc = RELATIONS[relation].__doc__ or relation
    return hidden_case(
        f"{relation}_{seed}",
        np.stack([large + detailed + own for large, own in zip(weather, noise)]),
        FACTOR,
        TARGET,
        DATES,
        covariates,
        Affine(CELL, 0, CORNER[0], 0, -CELL, CORNER[1]),
        CRS,
        title=f"{relation.capitalize()}, seed {seed}: {doc[0].lower()}{doc[1:].rstrip('.')}",
        origin="synthetic",
        group=relation,
        related=relation != "none",
    )
