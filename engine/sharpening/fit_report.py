"""What a fit concluded, as plain data and in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from engine.sharpening.fit import Fitted
from engine.sharpening.gains import Gain, Measured
from engine.sharpening.plausible import DetailShares


def report(fitted: Fitted, factor: int, given: Sequence[str], dates: int) -> dict[str, Any]:
    """Return levels, shrinkage and, of each covariate, what it explains and how much of it is carried down.

    Args:
        fitted: at the levels above.
        factor: down to which detail is carried.
        given: names of all covariates, also of those that were not fitted.
        dates: that were fitted.
    """
    how = fitted.shrinkage
    return {
        "levels": fitted.levels,
        "dates": dates,
        "shrinkage": None
        if how is None
        else {"ridge": how.ridge, "by_date": how.by_date, "window": how.window, "local": how.local},
        "products": list(fitted.products),
        "unexplained": {"here": _plain(fitted.unexplained.here), "hurst": _plain(fitted.unexplained.hurst)},
        "covariates": {name: _gain(fitted.gains.get(name), factor) for name in given},
        "plausible": {
            name: {str(cells): round(share, 4) for cells, share in shares.plausible.items() if share < 1}
            for name, shares in fitted.details.items()
            if min(shares.plausible.values(), default=1.0) < 1
        },
    }


def sentences(fitted: Fitted, factor: int, given: Sequence[str]) -> list[str]:
    """Return a sentence for each covariate; see `report`."""
    lines = []
    for name in given if fitted.levels else ():
        gain = fitted.gains.get(name)
        if gain is None or not gain.shown:
            why = "no gain shown" if gain is not None else "no detail of its own"
            lines.append(f"{name}: {why}, left out.")
            continue
        octaves = _octaves_within(factor)
        kept = ", ".join(f"{gain.below(octave)[0]:.2g}" for octave in octaves)
        sizes = ", ".join(f"1/{2**octave:.3g}" for octave in octaves)
        line = f"{name}: carries {kept} of its detail down to cells of {sizes} of the size"
        if gain.across:
            above = ", ".join(f"{m.factor:.2g} ± {m.error:.1g}" for m in gain.across)
            line += f" (tried above the data, from a level to the next finer one, it was {above})"
        lines.append(f"{line}.")
        own = fitted.details.get(name, DetailShares())
        small = [(cells, share) for cells, share in own.plausible.items() if share < 1]
        if small:
            told = ", ".join(f"{share:.2g} at ×{cells}" for cells, share in small)
            lines.append(
                f"{name}: has more detail below the coarse cells than above them leads to expect, as noise "
                f"would be: {told} of it is used."
            )
    return lines


def nothing_carried(fitted: Fitted, given: Sequence[str]) -> str:
    """Return why nothing is carried down, in a sentence; "" where something is."""
    if any(gain.shown for gain in fitted.gains.values()):
        return ""
    why = "No source shows a gain on what it was not fitted to"
    if not given:
        why = "No source is given"
    if not fitted.levels:
        return (
            "The coarse field is too small to learn from: the result is the interpolation, its error unknown."
        )
    return f"{why}: the result is the interpolation."


def _gain(gain: Gain | None, factor: int) -> dict[str, Any] | None:
    if gain is None:
        return None
    return {
        "here": _measured(gain.here),
        "across": [_measured(measured) for measured in gain.across],
        "below": [round(value, 4) for value in _factors(gain, factor)],
        "carries": gain.shown,
    }


def _factors(gain: Gain, factor: int) -> list[float]:
    """Return the factor of each octave below the data."""
    return [gain.below(octave)[0] for octave in range(1, max(1, math.ceil(math.log2(factor))) + 1)]


def _octaves_within(factor: int) -> list[float]:
    """Return the octaves down to cells of 1/factor of the size, the last one broken off there."""
    last = math.log2(factor)
    return [float(octave) for octave in range(1, math.ceil(last))] + [last]


def _measured(measured: Measured) -> dict[str, float | None]:
    return {"factor": _plain(measured.factor), "error": _plain(measured.error)}


def _plain(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
