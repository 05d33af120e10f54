"""Units as people write them."""

from __future__ import annotations

import re

_DEGREES = dict.fromkeys(("degC", "deg_C", "celsius", "degrees_celsius"), "°C")
_WRITTEN = {**_DEGREES, "degrees": "°", "degree": "°", "1": "", "percent": "%"}


_IN_SENTENCES = re.compile(r"(?<![=\w])(?:degC|deg_C|degrees_celsius)\b")  # not those to be typed: units=degC


def readable_sentence(text: str) -> str:
    """Return a sentence of the engine with its degrees as people write them."""
    return _IN_SENTENCES.sub("°C", text)


def readable(units: str) -> str:
    """Return a unit of a card or a file as a legend or a label shows it."""
    return _WRITTEN.get(units, units.replace("**", "^").replace("m2", "m²").replace("m3", "m³"))
