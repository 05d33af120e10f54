"""A field as large as a person's own may be, to see how long a method takes."""

from __future__ import annotations

import numpy as np
from affine import Affine

from training.withheld.cases.fractal import fractal, smooth_field
from training.withheld.cases.place import CasePlace
from training.withheld.cases.synthetic import CELL, CORNER, CRS, DATES, HEIGHT, NOISE, SPREAD, TARGET
from training.withheld.problem import Covariate, HiddenCase, hidden_case

COARSE, FACTOR = 100, 20
COVARIATES = 5
SECONDS = 60.0  # on two cores


def large(place: CasePlace) -> HiddenCase:
    """Return 100 × 100 coarse cells of 20 × 20 fine ones, with five covariates, two of use."""
    rng = np.random.default_rng(1)
    edge = (COARSE // 4 if place.quick else COARSE) * FACTOR
    shape = (edge, edge)
    fields = [fractal(rng, shape) for _ in range(COVARIATES)]
    weather = 3 * smooth_field(rng, shape, 3.0 * FACTOR)
    truth = 10 + weather - 6.5 * SPREAD / 1000 * fields[0] + fields[1] + NOISE * fractal(rng, shape, 0.3)
    covariates = [Covariate("elevation", "m", (HEIGHT + SPREAD * fields[0])[None].astype(np.float32))]
    covariates += [
        Covariate(f"other_{number}", "1", field[None].astype(np.float32))
        for number, field in enumerate(fields[1:], start=1)
    ]
    return hidden_case(
        "large",
        truth[None],
        FACTOR,
        TARGET,
        DATES[:1],
        covariates,
        Affine(CELL, 0, CORNER[0], 0, -CELL, CORNER[1]),
        CRS,
        title=f"A large field, {edge // FACTOR} × {edge // FACTOR} coarse cells",
        origin="synthetic",
        seconds=SECONDS,
    )
