"""What a form is: a way to write a field, and which fields it can hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.torture.world import World

Write = Callable[[World, Path, np.random.Generator], "Written"]


@dataclass(frozen=True)
class Written:
    """A field on disk, as a request names it."""

    path: str
    what: str
    band: int | None = None
    crs: str | None = None  # to be given by the user
    rough: bool = False  # places or dates are as near as the form can say them
    unitless: bool = False  # the form cannot say units
    may_refuse: bool = False  # a clear refusal is as good as the right values
    variable: str | None = None  # for a description of a data set, where path is the plain file
    files: str | None = None  # the same

    def ref(self) -> dict[str, object]:
        """Return the raster as a request names it."""
        given = {"band": self.band, "crs": self.crs}
        return {"path": self.path, **{k: v for k, v in given.items() if v is not None}}


@dataclass(frozen=True)
class Form:
    """A way to write a field; `applies` says which fields it can hold."""

    name: str
    write: Write
    applies: Callable[[World], bool] = lambda world: True
    weight: float = 1.0  # how often, beside the others
