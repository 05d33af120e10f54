"""Ensembles: the parameters that ask for one, their checks, and the files that it gives."""

from __future__ import annotations

import re
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterString,
)

from ..appearance.style import SHARE, SPREAD, Look
from ..contract import MOST_COHERENT_DAYS, MOST_LEVELS, MOST_MEMBERS
from ..translation import tr
from .base import MsrAlgorithm
from .destinations import Destination, given_path
from .rasters import RasterProblem

LEVELS = "0.1, 0.5, 0.9"
# Parameter: the request's key, and the label.
FILES = {
    "OUTPUT_SPREAD": ("spread", "Ensemble: spread of the members"),
    "OUTPUT_QUANTILES": ("quantiles", "Ensemble: quantiles of the members"),
    "OUTPUT_MEMBERS": ("member_file", "Ensemble: single members"),
    "OUTPUT_SUPPORT": ("support", "Ensemble: supported share of the detail"),
}
TEXTS = {
    "MEMBERS": "How many fine rasters to draw, each as likely as the next and true to the coarse one (20 is "
    "good); the output is their mean. 0: only the model's best estimate.",
    "SEED": "Where the random numbers begin. The same seed gives the same members again, another gives "
    "others.",
    "QUANTILES": "The quantiles to write, as numbers between 0 and 1: the truth is below 0.1 with one chance "
    "in ten.",
    "COHERENCE": "Over so many days each member changes little by little, for sums and durations over the "
    "target's dates. 0: on each date its detail is drawn anew.",
    "OUTPUT_SPREAD": "The members' standard deviation, in the target's units: where it is large, the fine "
    "value is uncertain. Needs members.",
    "OUTPUT_QUANTILES": "A band for each quantile; unlike the mean, they do not keep the coarse means. Needs "
    "members.",
    "OUTPUT_MEMBERS": "A band for each member, which keeps the coarse means: for areas, sums and extremes "
    "member by member. Needs members.",
    "OUTPUT_SUPPORT": "How much of the fine detail the sources support: 1 where all members show the same "
    "detail, 0 where each invents its own. Needs members, 10 or more for a steady picture.",
}


def add_inputs(algorithm: MsrAlgorithm) -> None:
    """Add the number of members, the seed, their coherence in time and the quantiles."""
    algorithm.add_integer("MEMBERS", tr("Ensemble: number of members"), 0, 0, MOST_MEMBERS)
    algorithm.add_integer("SEED", tr("Ensemble: seed"), 0, 0, 2**31 - 1, advanced=True)
    algorithm.add_number(
        "COHERENCE", tr("Ensemble: days over which members change"), 0, 0, MOST_COHERENT_DAYS, advanced=True
    )
    algorithm.add(
        QgsProcessingParameterString("QUANTILES", tr("Ensemble: quantiles"), LEVELS, optional=True), True
    )


def add_outputs(algorithm: MsrAlgorithm) -> None:
    """Add the further files, among the advanced ones; none is made unless asked for."""
    for name, (_, label) in FILES.items():
        algorithm.add(
            QgsProcessingParameterRasterDestination(
                name, tr(label), None, optional=True, createByDefault=False
            ),
            advanced=True,
        )


def request_of(
    algorithm: MsrAlgorithm, parameters: dict[str, Any], context: QgsProcessingContext
) -> dict[str, Any]:
    """Return the request's `ensemble`, without its files, and `seed`; empty without an ensemble.

    Raises:
        RasterProblem: a number makes no sense, or a file is asked for without members.
    """
    if algorithm.parameterDefinition("MEMBERS") is None:
        return {}
    members = algorithm.parameterAsInt(parameters, "MEMBERS", context)
    if members == 0:
        for name in FILES:
            if given_path(parameters.get(name), context) is not None:
                raise RasterProblem(
                    tr("{} needs an ensemble: give 2 or more as {}, such as 20.").format(
                        algorithm.label(name), algorithm.label("MEMBERS")
                    )
                )
        return {}
    if not 2 <= members <= MOST_MEMBERS:
        raise RasterProblem(
            tr("{} must be 0 for the one estimate, or from 2 to {}.").format(
                algorithm.label("MEMBERS"), MOST_MEMBERS
            )
        )
    levels = _levels(algorithm.parameterAsString(parameters, "QUANTILES", context), algorithm)
    seed = algorithm.parameterAsInt(parameters, "SEED", context)
    asked: dict[str, Any] = {"members": members, "levels": levels}
    if coherence := algorithm.parameterAsDouble(parameters, "COHERENCE", context):
        asked["coherence"] = coherence
    return {"ensemble": asked, "seed": seed}


def destinations(
    algorithm: MsrAlgorithm,
    parameters: dict[str, Any],
    context: QgsProcessingContext,
    request: dict[str, Any],
) -> list[Destination]:
    """Return the further files that are asked for."""
    ensemble = request.get("ensemble")
    if not ensemble:
        return []
    bands = {"OUTPUT_QUANTILES": len(ensemble["levels"]), "OUTPUT_MEMBERS": ensemble["members"]}
    paths = {name: given_path(parameters.get(name), context) for name in FILES}
    return [
        Destination(name, algorithm.label(name), path, bands.get(name, 1))
        for name, path in paths.items()
        if path is not None
    ]


def look_of(name: str, look: Look, request: dict[str, Any]) -> Look:
    """Return how one of the further files is to look, beside the main output's look."""
    if name == "OUTPUT_SUPPORT":
        return Look("", kind=SHARE)
    if name in ("OUTPUT_SPREAD", "OUTPUT_EXPECTED_ERROR"):
        return Look(look.units, look.transform, 0.0, kind=SPREAD)
    if name == "OUTPUT_QUANTILES":
        levels = request["ensemble"]["levels"]
        middle = min(range(len(levels)), key=lambda i: abs(levels[i] - 0.5))
        return Look(look.units, look.transform, look.lower_bound, band=middle + 1)
    return look


def _levels(text: str, algorithm: MsrAlgorithm) -> list[float]:
    """Read numbers with commas, semicolons or blanks between them; the usual ones where there is none."""
    words = re.split(r"[\s,;]+", (text or "").strip(" ,;\n\t")) if (text or "").strip(" ,;\n\t") else []
    if not words:
        return _levels(LEVELS, algorithm)
    label, levels = algorithm.label("QUANTILES"), []
    for word in words:
        try:
            level = float(word)
        except ValueError:
            level = float("nan")
        if not 0 < level < 1:
            raise RasterProblem(
                tr("{}: “{}” is not a number between 0 and 1, such as 0.9.").format(label, word)
            )
        if level in levels:
            raise RasterProblem(tr("{}: {} stands twice.").format(label, word))
        levels.append(level)
    if len(levels) > MOST_LEVELS:
        raise RasterProblem(
            tr("{}: {} are too many; at most {} are written.").format(label, len(levels), MOST_LEVELS)
        )
    return levels
