"""pint's registry of units: made before any run, asked for products and conversions by name."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from engine.errors import EngineError

if TYPE_CHECKING:
    import pint

Power = tuple[str, int]  # pint's name of a unit, and its power


@lru_cache(maxsize=1)
def registry() -> pint.UnitRegistry[float]:
    """Return the one registry.

    Raises:
        EngineError: pint cannot be imported: then nothing may be converted, and nothing be read.
    """
    try:
        import pint

        return pint.UnitRegistry(autoconvert_offset_to_baseunit=True)
    except Exception as error:  # a broken package may raise anything while it is imported
        raise EngineError(
            "Units cannot be converted, because the Python package pint does not work: install it again with "
            "pip install -r requirements-engine.txt."
        ) from error


def is_unit(name: str) -> bool:
    """Return whether pint knows a word, written exactly so."""
    known = registry()  # first: a broken pint is told, and taken for no unit's fault
    from pint.errors import PintError

    try:
        return not known.Unit(name).dimensionless or name in ("ppm", "ppb", "count")
    except (PintError, ArithmeticError, AttributeError, TypeError, ValueError, SyntaxError):
        return False  # pint's parser raises these for what is no word of its own


def product(powers: Iterable[Power]) -> pint.Unit:
    """Return the unit that is the product of powers of units."""
    unit = registry().Unit("dimensionless")
    for name, power in powers:
        unit = unit * registry().Unit(name) ** power
    return unit


def dimensions(powers: Iterable[Power]) -> dict[str, float]:
    """Return the powers of length, mass, time and so on; a dimension without a part is not there."""
    return {
        str(name).strip("[]"): round(float(str(power)), 9)
        for name, power in product(powers).dimensionality.items()
        if round(float(str(power)), 9)
    }


def linear(source: pint.Unit, goal: pint.Unit) -> tuple[float, float] | None:
    """Return factor and offset from a unit to another; None where there is no straight line between them."""
    from pint.errors import PintError

    quantity = registry().Quantity
    try:
        zero, one, two = (_number(quantity(x, source).to(goal)) for x in (0.0, 1.0, 2.0))
    except (PintError, ArithmeticError, ValueError):  # other dimensions, or logarithms of nothing
        return None
    factor = one - zero
    if abs((two - one) - factor) > 1e-9 * max(abs(factor), abs(one)):
        return None
    return (1.0 if abs(factor - 1) < 1e-12 else factor), zero


def in_base(powers: Iterable[Power]) -> float | None:
    """Return how many of SI's base units a product of powers is; None for scales without a zero."""
    from pint.errors import PintError

    quantity = registry().Quantity
    try:
        return _number(quantity(1.0, product(powers)).to_base_units())
    except (PintError, ArithmeticError, ValueError):
        return None


def _number(quantity: Any) -> float:
    return float(quantity.magnitude)
