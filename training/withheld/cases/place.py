"""Where cases find what they are made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CasePlace:
    """Folders, and how much is made.

    Attributes:
        kept: for what is costly to make, such as a simulation; no method is given anything of it.
        shared: with the data sets that are not part of the project, None where there is none.
        quick: fewer dates and a smaller domain, to see that everything runs.
    """

    kept: Path
    shared: Path | None = None
    quick: bool = False
