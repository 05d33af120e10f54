"""What a run of “Make my raster finer” did and what that is worth, in five lines."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...appearance.units import readable
from ...translation import tr

_GRID = re.compile(r"(?P<cells>.+) cells of (?P<size>.+)")  # as the engine describes one
LITTLE = 0.97  # times the error of interpolation: from here on hardly anything is gained


def five_lines(result: Mapping[str, Any], target: str, strength: float) -> list[str]:
    """Return what was done, what carries, what is gained, how sure that is, and what is kept.

    Args:
        result: of the engine's job `super_resolve` with the method `sharpen`.
        target: the coarse raster's file.
        strength: of the conservation.
    """
    learned = result.get("sharpening") or {}
    return [
        _done(result, target),
        _carried(learned),
        _gained(learned),
        _sure(learned),
        _kept(result, strength),
    ]


def nothing_gained(learned: Mapping[str, Any]) -> bool:
    """Return whether no covariate carries detail down."""
    return not any(gain and gain.get("carries") for gain in (learned.get("covariates") or {}).values())


def units_of(result: Mapping[str, Any]) -> str:
    """Return the units of a result's values, "" where they are not known."""
    return readable(str(((result.get("sharpening") or {}).get("expected") or {}).get("units") or ""))


def _done(result: Mapping[str, Any], target: str) -> str:
    dates = [str(date) for date in result.get("dates") or []]
    when = "".join(f", {date}" for date in dates[:1])
    if len(dates) > 1:
        when = tr(", for {count} dates ({first} to {last})").format(
            count=len(dates), first=dates[0], last=dates[-1]
        )
    coarse = next((str(s.get("grid")) for s in result.get("sources") or [] if s.get("name") == "target"), "")
    if grid := _GRID.fullmatch(coarse):
        coarse = tr("{cells} cells of {size}").format(**grid.groupdict())
    fine = f"{result.get('width')} × {result.get('height')}"
    return tr("{file} ({coarse}) was made finer, to {fine} cells{when}.").format(
        file=Path(target).name, coarse=coarse, fine=fine, when=when
    )


def _carried(learned: Mapping[str, Any]) -> str:
    gains = learned.get("covariates") or {}
    if not gains:
        return tr("No covariate was given, so there was nothing to learn detail from.")
    used, left = [], []
    for name, gain in gains.items():
        if gain and gain.get("carries"):
            used.append(f"{name} ({_shares(gain.get('below') or [])})")
        else:
            why = tr("it shows no gain") if gain else tr("it has no detail of its own")
            left.append(f"{name} ({why})")
    line = tr("No covariate gives detail.")
    if used:
        line = tr("Detail that the coarse raster shows is carried down from {used}.").format(
            used="; ".join(used)
        )
    return f"{line} {tr('Left out: {left}.').format(left='; '.join(left))}" if left else line


def _shares(below: Sequence[float | None]) -> str:
    shares = [f"{share:.0%}" for share in below if share is not None]
    if len(shares) < 2:
        return "".join(shares) or "?"
    return tr("{first} of it to cells of half the size, {last} to the finest").format(
        first=shares[0], last=shares[-1]
    )


def _gained(learned: Mapping[str, Any]) -> str:
    expected = learned.get("expected") or {}
    error, ratio = expected.get("error"), expected.get("over_interpolation")
    units = readable(str(expected.get("units") or ""))
    told = tr("the error to reckon with is not known")
    if error is not None:
        told = tr("the error to reckon with is {error}").format(error=f"{error:.3g} {units}".strip())
    if nothing_gained(learned):
        return tr("Nothing is gained over smooth interpolation, which the result is; {told}.").format(
            told=told
        )
    if ratio is None:
        return tr("What is gained over smooth interpolation is not known; {told}.").format(told=told)
    if ratio > LITTLE:
        return tr(
            "Hardly anything is gained over smooth interpolation ({ratio} of its error); {told}."
        ).format(ratio=f"{ratio:.0%}", told=told)
    return tr("About {gain} of the error of smooth interpolation is gone; {told} (root mean square).").format(
        gain=f"{1 - ratio:.0%}", told=told
    )


def _sure(learned: Mapping[str, Any]) -> str:
    levels, dates = int(learned.get("levels") or 0), int(learned.get("dates") or 1)
    if not levels:
        return tr(
            "The coarse raster has too few cells to learn from, so nothing says how large the error is."
        )
    where = tr("on one level above the coarse cells") if levels == 1 else ""
    where = where or tr("on {levels} levels above the coarse cells").format(levels=levels)
    over = tr(" and {dates} dates").format(dates=dates) if dates > 1 else ""
    line = tr(
        "This was measured {where}{over}, on parts that the fit had not seen, and is carried on below them."
    )
    doubt = tr("In a quarter of the cases with a known truth the error told was off by more than a quarter.")
    if levels == 1:
        doubt = tr("One level does not tell how fast it fades from level to level, so it is less sure.")
    return f"{line.format(where=where, over=over)} {doubt}"


def _kept(result: Mapping[str, Any], strength: float) -> str:
    residual = result.get("residual_original")
    if strength < 1:
        return tr("The coarse values are not kept exactly: the conservation strength is {strength}.").format(
            strength=f"{strength:g}"
        )
    if residual is None:
        return tr("How far the means over the coarse cells are kept is not known.")
    return tr(
        "The mean of the fine cells in each coarse cell is the coarse value; it is off by {residual} at most."
    ).format(residual=f"{residual:.2g} {units_of(result)}".rstrip())
