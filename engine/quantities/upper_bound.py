"""The most that a quantity can be: fractions and shares end at one or a hundred."""

from __future__ import annotations

import re

from engine.quantities.unit import read

_SHARES = re.compile(
    r"fraction|proportion|\bcover|cloudiness|humidity|albedo|emissivity|probability|saturation|moisture|porosity"
    r"|soil.?water|\bswvl\d|concentration.of.(sea.)?ice|\b(siconc|snc|clt|hurs|hur|mrsos|fapar|fpar)\b"
)
_BEYOND = re.compile(r"anomal|of.(the.)?normal|change|difference|departure|trend|\berror\b|ratio")
_FRACTION = re.compile(r"^\W*(fraction\w*|frac|proportion|0\s*(-|–|to|\.\.)\s*1)\W*$", re.IGNORECASE)
_VOLUMES = re.compile(r"m\W{0,3}3.*m\W{0,4}3", re.IGNORECASE)  # m3 m-3
_SLACK = 1e-5  # of the bound: packing rounds


def upper_bound(units: str, words: str, low: float, high: float) -> float | None:
    """Return the bound in the quantity's own units; None where nothing shows that there is one.

    Units or words must call it a share (percent, fraction, m3 m-3; humidity, cover, albedo, moisture), and
    no value of the coarse field may lie outside.

    Args:
        units: as the file says them.
        words: names and descriptions of the variable.
        low, high: of the coarse values, in the units.
    """
    unit, said = read(units), words.lower().replace("_", " ")
    if unit is None or low < 0 or _BEYOND.search(said):
        return None
    percent = unit.powers == (("percent", 1),)
    if not percent and (unit.powers or unit.months or unit.years or unit.factor != 1):
        return None
    share = bool(percent or _FRACTION.match(units) or _VOLUMES.search(units) or _SHARES.search(said))
    most = 100.0 if percent else 1.0
    return most if share and high <= most * (1 + _SLACK) else None
