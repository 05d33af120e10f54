"""What differs between QGIS 3.22 and 4.0 (Qt 5 and 6); nothing else asks for a version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import qgis.core
from qgis.core import (
    Qgis,
    QgsColorRampShader,
    QgsCoordinateReferenceSystem,
    QgsProcessing,
    QgsProcessingFeedback,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFile,
    QgsProcessingParameterNumber,
    QgsProcessingUtils,
    QgsRasterLayerTemporalProperties,
    QgsSingleBandPseudoColorRenderer,
    QgsTemporalNavigationObject,
    QgsUnitTypes,
)
from qgis.PyQt.QtCore import QIODevice, Qt
from qgis.PyQt.QtGui import QImage
from qgis.PyQt.QtWidgets import QSizePolicy


def resolve(*places: tuple[Any, str]) -> Any:
    """Return the first of some dotted attributes that exists.

    Raises:
        AttributeError: this QGIS has none of them.
    """
    for owner, dotted in places:
        value = owner
        for part in dotted.split("."):
            value = getattr(value, part, None)
            if value is None:
                break
        else:
            return value
    names = ", ".join(dotted for _, dotted in places)
    raise AttributeError(f"This QGIS ({Qgis.QGIS_VERSION}) knows none of: {names}.")


ADVANCED = resolve(
    (Qgis, "ProcessingParameterFlag.Advanced"),
    (QgsProcessingParameterDefinition, "Flag.FlagAdvanced"),
    (QgsProcessingParameterDefinition, "FlagAdvanced"),
)
INTEGER = resolve(
    (Qgis, "ProcessingNumberParameterType.Integer"),
    (QgsProcessingParameterNumber, "Type.Integer"),
    (QgsProcessingParameterNumber, "Integer"),
)
DOUBLE = resolve(
    (Qgis, "ProcessingNumberParameterType.Double"),
    (QgsProcessingParameterNumber, "Type.Double"),
    (QgsProcessingParameterNumber, "Double"),
)
FILE = resolve(
    (Qgis, "ProcessingFileParameterBehavior.File"),
    (QgsProcessingParameterFile, "Behavior.File"),
    (QgsProcessingParameterFile, "File"),
)
RASTER_SOURCE = resolve(
    (Qgis, "ProcessingSourceType.Raster"),
    (QgsProcessing, "SourceType.TypeRaster"),
    (QgsProcessing, "TypeRaster"),
)
FOLDER = resolve(
    (Qgis, "ProcessingFileParameterBehavior.Folder"),
    (QgsProcessingParameterFile, "Behavior.Folder"),
    (QgsProcessingParameterFile, "Folder"),
)
RASTER_HINT = QgsProcessingUtils.LayerHint.Raster
INTERPOLATED = resolve(
    (Qgis, "ShaderInterpolationMethod.Linear"),
    (QgsColorRampShader, "Type.Interpolated"),
    (QgsColorRampShader, "Interpolated"),
)
WKT2 = resolve(
    (Qgis, "CrsWktVariant.Preferred"),
    (QgsCoordinateReferenceSystem, "WktVariant.WKT_PREFERRED"),
    (QgsCoordinateReferenceSystem, "WKT_PREFERRED"),
)
ARGB32 = resolve((QImage, "Format.Format_ARGB32"), (QImage, "Format_ARGB32"))
WRITE_ONLY = resolve((QIODevice, "OpenModeFlag.WriteOnly"), (QIODevice, "WriteOnly"))
TEXT_SELECTABLE = resolve((Qt, "TextInteractionFlag.TextSelectableByMouse"), (Qt, "TextSelectableByMouse"))
EXPANDING = resolve((QSizePolicy, "Policy.Expanding"), (QSizePolicy, "Expanding"))
PREFERRED = resolve((QSizePolicy, "Policy.Preferred"), (QSizePolicy, "Preferred"))
PLAIN_TEXT = resolve((Qt, "TextFormat.PlainText"), (Qt, "PlainText"))
FIXED_RANGE = resolve(
    (Qgis, "RasterTemporalMode.FixedTemporalRange"),
    (QgsRasterLayerTemporalProperties, "TemporalMode.ModeFixedTemporalRange"),
    (QgsRasterLayerTemporalProperties, "ModeFixedTemporalRange"),
)
# None before QGIS 3.38.
FIXED_RANGE_PER_BAND = getattr(getattr(Qgis, "RasterTemporalMode", None), "FixedRangePerBand", None)
NAVIGATION_OFF = resolve(  # of the Temporal Controller
    (Qgis, "TemporalNavigationMode.Disabled"),
    (QgsTemporalNavigationObject, "NavigationMode.NavigationOff"),
    (QgsTemporalNavigationObject, "NavigationOff"),
)
UTC = resolve((Qt, "TimeSpec.UTC"), (Qt, "UTC"))
INFO = resolve((Qgis, "MessageLevel.Info"), (Qgis, "Info"))
METRES = resolve(
    (Qgis, "DistanceUnit.Meters"),
    (QgsUnitTypes, "DistanceUnit.DistanceMeters"),
    (QgsUnitTypes, "DistanceMeters"),
)
WARNING = resolve((Qgis, "MessageLevel.Warning"), (Qgis, "Warning"))


def legend_of_classes(ramp: QgsColorRampShader) -> None:
    """Have a legend list the numbers of a ramp in place of its two ends; older ones do so anyway."""
    settings = getattr(qgis.core, "QgsColorRampLegendNodeSettings", None)
    if settings is not None and hasattr(ramp, "setLegendSettings"):
        own = settings()
        own.setUseContinuousLegend(False)
        ramp.setLegendSettings(own)


def band_of(renderer: QgsSingleBandPseudoColorRenderer) -> int:
    """Return the band that a renderer shows."""
    return int(getattr(renderer, "inputBand", renderer.band)())


def set_band(renderer: QgsSingleBandPseudoColorRenderer, band: int) -> None:
    """Have a renderer show another band."""
    getattr(renderer, "setInputBand", renderer.setBand)(band)


def push_warning(feedback: QgsProcessingFeedback, message: str) -> None:
    """Show a warning; as an error line where feedback knows no warnings."""
    push = getattr(feedback, "pushWarning", None)
    if push is None:
        feedback.reportError(message, False)
    else:
        push(message)


def make_advanced(parameter: QgsProcessingParameterDefinition) -> None:
    """Move a parameter to the advanced ones."""
    parameter.setFlags(parameter.flags() | ADVANCED)


def set_hints(parameter: QgsProcessingParameterDefinition, hints: list[str]) -> None:
    """Offer values for a text parameter: a closed list in the dialog, any text in scripts."""
    parameter.setMetadata({"widget_wrapper": {"value_hints": hints}})


def set_widget(parameter: QgsProcessingParameterDefinition, maker: str, hints: Sequence[str] = ()) -> None:
    """Have QGIS' dialogs show a parameter by a widget of ours, such as choices.date_choice.DateChoice.

    `hints` are as of `set_hints`: the widget gets them too, and QGIS' own in the Model Designer.
    """
    offered = {"value_hints": list(hints)} if hints else {}
    parameter.setMetadata({"widget_wrapper": {"class": f"{__package__}.{maker}", **offered}})
