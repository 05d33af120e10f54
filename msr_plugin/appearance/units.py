"""Units as people write them."""

from __future__ import annotations

_DEGREES = dict.fromkeys(("degC", "deg_C", "celsius", "degrees_celsius"), "°C")
_WRITTEN = {**_DEGREES, "degrees": "°", "degree": "°", "1": "", "percent": "%"}


def readable(units: str) -> str:
    """Return a unit of a card or a file as a legend or a label shows it."""
    return _WRITTEN.get(units, units.replace("**", "^").replace("m2", "m²").replace("m3", "m³"))
