"""Winter days of the regional climate model RACMO over Iberia, without covariates."""

from __future__ import annotations

import numpy as np
import xarray
from affine import Affine

from engine.errors import InputError
from engine.specs import TargetSpec
from training.withheld.cases.place import CasePlace
from training.withheld.problem import HiddenCase, hidden_case

FOLDER = "iberia"
FACTOR, EDGE = 4, 28  # fine cells
APART = 60  # days between those taken
TARGETS = {
    "tas": TargetSpec("tas", "degC"),
    "pr": TargetSpec("pr", "mm/day", conservation="multiplicative"),
}
TITLES = {"tas": "Air temperature", "pr": "Rain"}


def racmo(place: CasePlace, variable: str) -> HiddenCase:
    """Return days of a variable on the model's own rotated grid, written as if it were not rotated.

    Raises:
        InputError: the data set's folder or file is not there.
    """
    if place.shared is None:
        raise InputError(f"The days of RACMO need the folder {FOLDER}: give --shared.")
    path = place.shared / FOLDER / f"racmo_iberia_{variable}_djf_historical.nc"
    if not path.is_file():
        raise InputError(f"The data set {FOLDER} lacks {path}.")
    with xarray.open_dataset(path) as data:
        days = data[variable].isel(rlat=slice(EDGE), rlon=slice(EDGE))
        days = days.isel(time=slice(0, None, APART * (4 if place.quick else 1)))
        truth = days.values[:, ::-1]
        dates = [str(np.datetime_as_string(time, unit="D")) for time in days.time.values]
        north, west = float(days.rlat[-1]), float(days.rlon[0])
        cell = float(days.rlon[1] - days.rlon[0])
    return hidden_case(
        f"racmo_{variable}",
        truth,
        FACTOR,
        TARGETS[variable],
        dates,
        [],
        Affine(cell, 0, west - cell / 2, 0, -cell, north + cell / 2),
        "EPSG:4326",
        title=f"{TITLES[variable]}, RACMO over Iberia, 1.76° to 0.44°",
        origin="modelled",
        group=f"racmo_{variable}",
    )
