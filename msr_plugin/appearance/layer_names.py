"""What a loaded result is called: “Rain, November, 0.25° (rainitur8)”, “… spread”."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qgis.core import QgsRasterLayer, QgsUnitTypes
from qgis.PyQt.QtCore import QDate, QLocale

from ..compat import METRES
from ..translation import language, tr


@dataclass(frozen=True)
class Naming:
    """What decides a name.

    Attributes:
        default: as QGIS calls the layer, unless somebody named it: the parameter's label.
        subject: of the result: the quantity, or the coarse layer's name.
        by: id of the model or the method.
        what: such as “spread”; "" for the result itself.
    """

    default: str
    subject: str
    by: str
    what: str = ""


def rename(layer: QgsRasterLayer, naming: Naming, dates: Sequence[str] = ()) -> None:
    """Name a layer that nobody has named (on the main thread)."""
    if layer.name() != naming.default:
        return
    parts = [naming.subject, *([_span(dates)] if dates else []), cell_size(layer)]
    name = ", ".join(part for part in parts if part)
    layer.setName(tr("{} ({}) {}").format(name, naming.by, naming.what).strip())


def undated(name: str, dates: Sequence[str]) -> str:
    """Return a layer's name without the dates that `rename` put into it."""
    return name.replace(f", {_span(dates)}", "", 1) if dates else name


def cell_size(layer: QgsRasterLayer) -> str:
    """Return the size of a layer's cells in words: “0.25°”, “500 m”, “16 km”."""
    size = layer.rasterUnitsPerPixelX()
    if not layer.crs().isValid() or size <= 0:
        return ""
    if layer.crs().isGeographic():
        return f"{size:.3g}°"
    metres = size * QgsUnitTypes.fromUnitToUnitFactor(layer.crs().mapUnits(), METRES)
    return tr("{:.3g} km").format(metres / 1000) if metres >= 1000 else f"{metres:.3g} m"


def date_words(date: str) -> str:
    """Return a date as people say it: “November”, “November 2018”, “2018-11-05”."""
    year, _, month = date.removeprefix("--").rpartition("-")
    number = month if date.startswith("--") or year.count("-") == 0 else ""
    if not number.isdigit() or not 1 <= int(number) <= 12 or len(number) > 2:
        return date
    name = QLocale(language()).standaloneMonthName(int(number)) or QDate(2000, int(number), 1).toString(
        "MMMM"
    )
    return f"{name} {year}".strip()


def _span(dates: Sequence[str]) -> str:
    first, last = date_words(dates[0]), date_words(dates[-1])
    return first if len(dates) == 1 else tr("{} to {}").format(first, last)
