"""How a result looks when it is loaded: a colour ramp that fits the quantity."""

from __future__ import annotations

import math
import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from qgis.core import (
    QgsColorRampShader,
    QgsMapLayer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingUtils,
    QgsRasterLayer,
    QgsRasterShader,
    QgsSingleBandPseudoColorRenderer,
    QgsStyle,
)
from qgis.PyQt.QtGui import QColor

from ..compat import INTERPOLATED, band_of, legend_of_classes
from ..translation import tr
from .layer_names import Naming, rename
from .round_values import round_values, share_of
from .temporal import alike, make_temporal
from .units import readable
from .zarr_layer import load_instead

_DATES = 8  # that the range is estimated from
_SAMPLE = 250_000  # cells that the range is estimated from
VALUE, SPREAD, SHARE = "value", "spread", "share"  # what a raster holds
_TEMPERATURES = ("degC", "°C", "K", "kelvin")
# From low to high, for a QGIS that has lost its default ramps.
_FALLBACK = {
    VALUE: ("#ffffd9", "#7fcdbb", "#1d91c0", "#081d58"),
    SPREAD: ("#fcfbfd", "#bcbddc", "#807dba", "#3f007d"),
    SHARE: ("#543005", "#dfc27d", "#80cdc1", "#003c30"),
}


@dataclass(frozen=True)
class Look:
    """What decides a result's colours."""

    units: str = ""
    transform: str = "identity"  # log1p, cuberoot: the colours are spread likewise
    lower_bound: float | None = None
    kind: str = VALUE
    band: int = 1  # the one that is shown
    dates: tuple[str, ...] = ()  # of the bands, where each has one
    naming: Naming | None = None
    subject: str = ""  # what the values are, in a few words
    coarse: str = ""  # path of the raster that is shown in the same colours, where it is a layer


class ResultStyler(QgsProcessingLayerPostProcessorInterface):
    """Styles a result once QGIS has loaded it (on the main thread)."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look

    def postProcessLayer(
        self, layer: QgsMapLayer, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> None:
        """Give the layer its colours; a layer without values keeps its own."""
        if not isinstance(layer, QgsRasterLayer) or not layer.isValid():
            return
        if self.look.naming is not None:
            rename(layer, self.look.naming, self.look.dates)
        renderer = make_renderer(layer, self.look)
        if renderer is not None:
            layer.setRenderer(renderer)
            _style_coarse(renderer, self.look.coarse, context)
            _keep_style(layer)
        if self.look.dates:
            make_temporal(layer, self.look.dates, context, feedback)
        layer.triggerRepaint()


def _style_coarse(
    renderer: QgsSingleBandPseudoColorRenderer, path: str, context: QgsProcessingContext
) -> None:
    """Show layers of a file in the colours of the result that was made of it."""
    project = context.project() if path else None
    for layer in project.mapLayers().values() if project is not None else ():
        if isinstance(layer, QgsRasterLayer) and layer.source() == path:
            old = layer.renderer()
            band = band_of(old) if isinstance(old, QgsSingleBandPseudoColorRenderer) else 1
            layer.setRenderer(alike(renderer, band))
            layer.triggerRepaint()


def _keep_style(layer: QgsRasterLayer) -> None:
    """Write the style beside a file that stays, where none is there: other viewers find it by its name."""
    file = Path(layer.source())  # of a Zarr store it is longer than a name may be
    if not os.path.isfile(file) or Path(QgsProcessingUtils.tempFolder()) in file.parents:
        return
    style = file.with_suffix(".qml")
    if not style.exists():
        layer.saveNamedStyle(str(style))


# QGIS holds no reference to a post-processor written in Python.
_kept: deque[ResultStyler] = deque(maxlen=256)


def style_when_loaded(output: str, look: Look, context: QgsProcessingContext) -> None:
    """Have the output styled if this run loads it."""
    if context.willLoadLayerOnCompletion(output):
        output = load_instead(output, look.dates, context)
        styler = ResultStyler(look)
        _kept.append(styler)
        details = context.layerToLoadOnCompletionDetails(output)
        details.setPostProcessor(styler)
        if hasattr(details, "layerSortKey"):  # from QGIS 3.32 on
            details.layerSortKey = 0 if look.naming is not None and look.naming.what else 1


def make_renderer(layer: QgsRasterLayer, look: Look) -> QgsSingleBandPseudoColorRenderer | None:
    """Return a pseudo-colour renderer for the look's band, or None where it has no values."""
    provider = layer.dataProvider()
    shown = sorted({look.band, *_sampled(len(look.dates))})
    cuts = [provider.cumulativeCut(band, 0.005, 0.995, provider.extent(), _SAMPLE) for band in shown]
    cuts = [(a, b) for a, b in cuts if math.isfinite(a) and math.isfinite(b) and a <= b]
    if not cuts:
        return None
    low, high = min(a for a, _ in cuts), max(b for _, b in cuts)
    if look.kind == SHARE:
        low, high = 0.0, 1.0
    elif look.kind == SPREAD:  # colours begin at zero, where the members agree
        low = 0.0
    elif (
        look.lower_bound is not None
        and look.lower_bound < low
        and low - look.lower_bound < 0.05 * (high - low)
    ):
        low = look.lower_bound
    if low == high:
        high = low + (abs(low) or 1.0) * 1e-3
    values = round_values(low, high, look.transform)
    low, high = values[0], values[-1]
    ramp = QgsColorRampShader(low, high)
    ramp.setColorRampType(INTERPOLATED)
    shares = [share_of(value, low, high, look.transform) for value in values]
    items = zip(values, _colours(look, shares, low < 0 < high))
    ramp.setColorRampItemList(
        [
            QgsColorRampShader.ColorRampItem(value, colour, _label(value, look, value == high))
            for value, colour in items
        ]
    )
    legend_of_classes(ramp)
    shader = QgsRasterShader(low, high)
    shader.setRasterShaderFunction(ramp)
    renderer = QgsSingleBandPseudoColorRenderer(provider, look.band, shader)
    renderer.setClassificationMin(low)
    renderer.setClassificationMax(high)
    return renderer


def _sampled(bands: int) -> list[int]:
    """Return some of the bands of many dates, from which all get the same colours."""
    return [round(1 + i * (bands - 1) / (_DATES - 1)) for i in range(_DATES)] if bands > 1 else []


def _label(value: float, look: Look, last: bool) -> str:
    if look.kind == SHARE:
        ends = {0.0: tr(" (invented)"), 1.0: tr(" (supported)")}
        return f"{value:.0%}{ends.get(value, '')}"
    text = f"{value:.10g} {readable(look.units)}".strip()
    return tr("{} (logarithmic scale)").format(text) if last and look.transform == "log1p" else text


def _colours(look: Look, shares: list[float], both_signs: bool) -> list[QColor]:
    """Return the colours at shares of the way from low to high, by kind of quantity."""
    name, inverted = _ramp(look, both_signs)
    ramp = QgsStyle.defaultStyle().colorRamp(name)
    if ramp is None:
        stops = [QColor(c) for c in _FALLBACK[look.kind]]
        return [stops[round(s * (len(stops) - 1))] for s in shares]
    return [ramp.color(1 - s if inverted else s) for s in shares]


def _ramp(look: Look, both_signs: bool) -> tuple[str, bool]:
    """Return the name of a colour ramp of QGIS, and whether it is turned round."""
    if look.kind in (SPREAD, SHARE):
        return {SPREAD: "Purples", SHARE: "BrBG"}[look.kind], False
    if look.units in _TEMPERATURES:
        return "RdYlBu", True  # blue is cold
    if look.lower_bound == 0:
        return "YlGnBu", False
    return ("PuOr", True) if both_signs else ("Viridis", False)
