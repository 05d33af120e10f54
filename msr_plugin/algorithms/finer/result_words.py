"""What a run of “Make my raster finer” did and what that is worth, in five lines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...translation import tr

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


def _done(result: Mapping[str, Any], target: str) -> str:
    dates = len(result.get("dates") or [])
    when = ""
    if dates > 1:
        when = tr(", for {count} dates").format(count=dates)
    elif dates:
        when = tr(", for {date}").format(date=result["dates"][0])
    size = f"{result.get('width')} × {result.get('height')}"
    return tr("{file} was made finer, to {size} cells{when}.").format(
        file=Path(target).name, size=size, when=when
    )


def _carried(learned: Mapping[str, Any]) -> str:
    gains = learned.get("covariates") or {}
    if not gains:
        return tr("No covariate was given, so there was nothing to learn detail from.")
    parts = []
    for name, gain in gains.items():
        if gain and gain.get("carries"):
            shares = [share for share in gain.get("below") or [] if share is not None]
            told = f"{shares[0]:.0%}" if shares else "?"
            if len(shares) > 1:
                told = tr("{first} at half the coarse cell, {last} at the finest").format(
                    first=told, last=f"{shares[-1]:.0%}"
                )
            parts.append(tr("{name} gives detail ({told})").format(name=name, told=told))
        else:
            why = tr("no gain shown") if gain else tr("no detail of its own")
            parts.append(tr("{name} was left out ({why})").format(name=name, why=why))
    return tr("Of the detail that the coarse raster shows to follow them: {parts}.").format(
        parts="; ".join(parts)
    )


def _gained(learned: Mapping[str, Any]) -> str:
    expected = learned.get("expected") or {}
    error, ratio = expected.get("error"), expected.get("over_interpolation")
    units = str(expected.get("units") or "")
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
    ).format(residual=f"{residual:.2g}")
