"""Where results go: what the user gave to a destination parameter, known before the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qgis.core import QgsProcessing, QgsProcessingContext, QgsProcessingOutputLayerDefinition

from .places import absolute


@dataclass(frozen=True)
class Destination:
    """A result that is asked for."""

    name: str  # of the parameter
    label: str  # as a sentence names it
    path: str  # "" for a temporary file
    bands: int  # for each date


def given_path(value: Any, context: QgsProcessingContext) -> str | None:
    """Return the absolute path given to a destination: "" for a temporary file, None for no file."""
    if isinstance(value, QgsProcessingOutputLayerDefinition):
        value = value.sink
    if hasattr(value, "valueAsString"):  # a QgsProperty
        value = value.valueAsString(context.expressionContext())[0]
    text = str(value or "")
    if not text:
        return None
    return "" if text == QgsProcessing.TEMPORARY_OUTPUT else absolute(text)
