"""All generators, and how often each is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.torture.case import Case
from tests.torture.generators import (
    configurations,
    environments,
    grids,
    hostile_files,
    kills,
    limits,
    packages,
    rasters,
    requests,
    stores,
    units,
)
from tests.torture.generators.shared import Shared
from tests.torture.running.surroundings import Folders

Make = Callable[[np.random.Generator, Folders, Shared], Case]


@dataclass(frozen=True)
class Generator:
    """A maker of cases of one kind."""

    make: Make
    weight: float  # of all cases


GENERATORS: dict[str, Generator] = {
    "rasters": Generator(rasters.make, 30),
    "grids": Generator(grids.make, 10),
    "units": Generator(units.make, 8),
    "files": Generator(hostile_files.make, 14),
    "requests": Generator(requests.make, 14),
    "packages": Generator(packages.make, 8),
    "stores": Generator(stores.make, 8),
    "configurations": Generator(configurations.make, 7),
    "kills": Generator(kills.make, 11),
    "limits": Generator(limits.make, 3),
    "environments": Generator(environments.make, 3),
}
