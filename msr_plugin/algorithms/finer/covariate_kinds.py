"""What each covariate is, numbers, classes or directions, where its file does not show it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from qgis.core import QgsProcessingContext, QgsProcessingParameterString

from ...compat import set_widget
from ...translation import tr
from ..base import MsrAlgorithm
from ..rasters import RasterProblem
from .covariates import valid

NAME = "KINDS"
# The engine's word: what a dialog calls it.
KINDS = {"continuous": "Numbers", "class": "Classes", "angle": "Directions"}
TEXT = (
    "What a covariate is, where its file does not show it: numbers (continuous), classes (class), or "
    "directions in degrees from north (angle). In scripts and batches by the names of the layers: "
    "land_cover=class; aspect=angle."
)


def add_input(algorithm: MsrAlgorithm) -> None:
    """Add the parameter, among the advanced ones."""
    kinds = QgsProcessingParameterString(NAME, tr("Kinds of the covariates"), None, optional=True)
    set_widget(kinds, "choices.kind_choice.KindChoice")
    algorithm.add(kinds, True)


def kinds_of(
    algorithm: MsrAlgorithm, parameters: dict[str, Any], context: QgsProcessingContext, given: Iterable[str]
) -> dict[str, str]:
    """Return the kinds that the user says, by the engine's names of the covariates.

    Args:
        algorithm: whose parameters they are; it may have none for kinds.
        parameters: of the run.
        context: of the run.
        given: the names of its rasters, also of those that have no kind.

    Raises:
        RasterProblem: naming the part at fault.
    """
    if algorithm.parameterDefinition(NAME) is None:
        return {}
    label = algorithm.label(NAME)
    names = {name.lower(): name for name in given if name not in ("target", "truth")}
    names |= algorithm.names_of_layers(parameters, context)
    kinds: dict[str, str] = {}
    for title, kind in parts_of(algorithm.parameterAsString(parameters, NAME, context)):
        if kind not in KINDS or not title:
            raise RasterProblem(
                tr("{}: “{}” is not NAME=KIND, with one of {}.").format(
                    label, f"{title}={kind}" if kind else title, ", ".join(KINDS)
                )
            )
        name = names.get(title.lower()) or names.get(valid(title))
        if name is None:
            raise RasterProblem(
                tr("{}: “{}” is no covariate of this run; it has {}.").format(
                    label, title, ", ".join(dict.fromkeys(names.values())) or tr("none")
                )
            )
        if name in kinds:
            raise RasterProblem(tr("{}: {} stands twice.").format(label, name))
        kinds[name] = kind
    return kinds


def parts_of(text: str | None) -> list[tuple[str, str]]:
    """Return name and kind of each part of a text; the kind is "" where none is said."""
    parts = [part.strip() for part in re.split(r"[;\n]", text or "") if part.strip()]
    split = [part.rpartition("=") if "=" in part else (part, "", "") for part in parts]
    return [(name.strip(), kind.strip().lower()) for name, _, kind in split]
