"""How each file of a run looks and what its layer is called once QGIS loads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from qgis.core import QgsProject

from ..appearance.layer_names import Naming
from ..appearance.style import Look
from ..translation import tr
from . import ensemble
from .base import MsrAlgorithm

# What a further file is called beside the result.
_WHAT = {
    "OUTPUT_SPREAD": tr("spread"),
    "OUTPUT_QUANTILES": tr("quantiles"),
    "OUTPUT_MEMBERS": tr("members"),
    "OUTPUT_SUPPORT": tr("supported share"),
    "OUTPUT_EXPECTED_ERROR": tr("expected error"),
}
_SEVERAL = ("OUTPUT_QUANTILES", "OUTPUT_MEMBERS")  # have several bands for each date


def with_subject(look: Look, request: dict[str, Any], project: QgsProject | None) -> Look:
    """Return a look that says what the values are: as it does, else those of the coarse layer, finer.

    Args:
        look: of the main result.
        request: of the run.
        project: whose layers a form may hand on as paths (on the main thread).
    """
    path = request["target"]["path"]
    layers = project.mapLayers().values() if project is not None and not look.subject else ()
    named = next((layer.name() for layer in layers if layer.source() == path and layer.name()), "")
    # In front: lists of layers cut the end off, and the coarse layer is called so already.
    return replace(look, subject=look.subject or tr("Finer: {}").format(named or Path(path).stem))


def look_of_file(
    algorithm: MsrAlgorithm, name: str, look: Look, request: dict[str, Any], result: dict[str, Any]
) -> Look:
    """Return how a file looks.

    Args:
        algorithm: that made it.
        name: of its parameter.
        look: of the main result.
        request: of the run.
        result: of the run.
    """
    if not look.units:  # a simple method takes the raster's own
        least = 0.0 if result.get("nonnegative") else look.lower_bound
        look = replace(look, units=str(result.get("units") or ""), lower_bound=least)
    own = look if name == "OUTPUT" else ensemble.look_of(name, look, request)
    definition = algorithm.parameterDefinition(name)
    by = Path(request["model"]).name
    naming = Naming(definition.description(), look.subject, by, _WHAT.get(name, ""))
    dates = () if name in _SEVERAL else tuple(result.get("dates") or ())
    return replace(own, dates=dates, naming=naming)
