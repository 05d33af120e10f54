"""Units of rasters: read as people write them, compared and converted by pint."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from engine.errors import InputError

if TYPE_CHECKING:
    import pint

# Names seen in data files, in pint's words. Masses of water per area stand for depths
# (1 kg m-2 = 1 mm, at 1000 kg m-3), as hydrologists use them.
_ALIASES = {
    "": "dimensionless",
    "1": "dimensionless",
    "-": "dimensionless",
    "–": "dimensionless",
    "metre": "m",
    "metres": "m",
    "celsius": "degC",
    "deg_c": "degC",
    "°c": "degC",
    "c": "degC",
    "degrees_celsius": "degC",
    "deg": "degree",
    "degrees": "degree",
    "°": "degree",
    "%": "percent",
}
_POWER = re.compile(r"(?<=[A-Za-z])(-?\d+)")  # CF writes m-2 for m**-2
_PER_PERIOD = re.compile(r"^(.+?)\s*/\s*(?:hour|day|month|year)$")
_WATER = re.compile(r"kg\s*(m\*\*-2|/\s*m\*\*2)")


@dataclass(frozen=True)
class Conversion:
    """value in the wanted units = value · factor + offset."""

    factor: float = 1.0
    offset: float = 0.0

    @property
    def identity(self) -> bool:
        """True when nothing changes."""
        return self.factor == 1.0 and self.offset == 0.0


@lru_cache(maxsize=1)
def _registry() -> pint.UnitRegistry[float]:
    import pint

    return pint.UnitRegistry(autoconvert_offset_to_baseunit=True)


def _parse(text: str) -> pint.Unit | None:
    """Return pint's unit for a text, or None when it cannot be read."""
    words = _ALIASES.get(text.strip().lower(), text.strip())
    words = _WATER.sub("mm", _POWER.sub(r"**\1", words.replace("^", "**").replace("****", "**")))
    try:
        return _registry().Unit(" * ".join(words.split()) if "/" not in words else words)
    except Exception:  # pint raises many kinds, none of which matters here
        return None


def known(text: str | None) -> bool:
    """Return whether a text is a unit that can be read."""
    return text is not None and bool(text.strip()) and _parse(text) is not None


def is_temperature(text: str | None) -> bool:
    """Return whether a text is a unit of temperature."""
    unit = _parse(text) if text else None
    return unit is not None and unit.dimensionality == _registry().Unit("K").dimensionality


@lru_cache(maxsize=64)
def conversion(given: str, wanted: str, label: str) -> Conversion:
    """Return the linear conversion from `given` to `wanted` units.

    Args:
        given, wanted: units as written in files and cards; both must be `known`.
        label: the raster's name in the sentence of an error.

    Raises:
        InputError: the units do not measure the same thing.
    """
    if given.strip() == wanted.strip():
        return Conversion()
    source, goal = _parse(given), _parse(wanted)
    if source is None or goal is None:
        return Conversion()
    quantity = _registry().Quantity
    try:
        zero = quantity(0.0, source).to(goal).magnitude
        one = quantity(1.0, source).to(goal).magnitude
    except Exception as error:
        amount = _PER_PERIOD.match(wanted)
        if amount and "/" not in given:  # an amount, summed over the period that the rate is per
            try:
                return conversion(given, amount[1], label)
            except InputError:
                pass  # the sentence below names the unit of the card
        raise InputError(
            f"{label} is in {given}, but {wanted} is wanted, and one cannot be converted into the other: "
            f"check that the right raster and band are given."
        ) from error
    factor = float(one - zero)
    return Conversion(1.0 if abs(factor - 1) < 1e-12 else factor, float(zero))
