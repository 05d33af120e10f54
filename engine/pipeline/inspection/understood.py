"""What was understood of each input, in words, before the run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from engine.pipeline.inspection.early_look import EarlyLook
from engine.raster.reader import Raster


@dataclass(frozen=True)
class Understood:
    """One input as it was understood.

    Attributes:
        name: of the source, or "target".
        path: as the user names it.
        variable: that is read, "" where the format has none.
        units: as the file says them, and what they are converted to.
        dates: how many, from when to when, step and calendar; "" where bands carry none.
        grid: size, resolution, CRS.
        covered: about which share of the output's cells, 0 to 1.
        notes: what the file left open, and how it was taken.
    """

    name: str
    path: str
    variable: str
    units: str
    dates: str
    grid: str
    covered: float
    notes: tuple[str, ...]

    def __str__(self) -> str:
        parts = [self.variable, self.units, self.dates, self.grid, f"covers about {self.covered:.0%}"]
        return f"{self.name}: {'; '.join(part for part in [*parts, *self.notes] if part)}"

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def understood(raster: Raster, look: EarlyLook) -> Understood:
    """Return what was understood of an open raster.

    Args:
        raster: open.
        look: at its cells under the output.
    """
    return Understood(
        raster.label,
        raster.ref.path,
        raster.variable,
        raster.units_told,
        _dates(raster),
        raster.describe(),
        look.covered,
        tuple(raster.notes),
    )


def _dates(raster: Raster) -> str:
    known = sorted(when for when in raster.dates if when is not None)
    if not known:
        return "" if raster.count == 1 else f"{raster.count} bands without dates"
    span = f"{known[0]}" if known[0] == known[-1] else f"{known[0]} to {known[-1]}"
    words = [f"{len(known)} dates" if len(known) > 1 else "", raster.step and f"step {raster.step}"]
    if known[0].calendar not in ("", "standard"):
        words.append(f"calendar {known[0].calendar}")
    told = ", ".join(word for word in words if word)
    return f"{span} ({told})" if told else span
