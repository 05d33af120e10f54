"""How a result looks when it is loaded: a colour ramp that fits the quantity."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from qgis.core import (
    QgsColorRampShader,
    QgsMapLayer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsRasterLayer,
    QgsRasterShader,
    QgsSingleBandPseudoColorRenderer,
    QgsStyle,
)
from qgis.PyQt.QtGui import QColor

from ..compat import INTERPOLATED
from .temporal import make_temporal

_STEPS = 16
_DATES = 8  # that the range is estimated from
_SAMPLE = 250_000  # cells that the range is estimated from
VALUE, SPREAD, SHARE = "value", "spread", "share"  # what a raster holds
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
        renderer = make_renderer(layer, self.look)
        if renderer is not None:
            layer.setRenderer(renderer)
        if self.look.dates:
            make_temporal(layer, self.look.dates, context, feedback)
        layer.triggerRepaint()


# QGIS holds no reference to a post-processor written in Python.
_kept: deque[ResultStyler] = deque(maxlen=256)


def style_when_loaded(output: str, look: Look, context: QgsProcessingContext) -> None:
    """Have the output styled if this run loads it."""
    if context.willLoadLayerOnCompletion(output):
        styler = ResultStyler(look)
        _kept.append(styler)
        context.layerToLoadOnCompletionDetails(output).setPostProcessor(styler)


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
    ramp = QgsColorRampShader(low, high)
    ramp.setColorRampType(INTERPOLATED)
    ramp.setColorRampItemList(
        [
            QgsColorRampShader.ColorRampItem(value, colour, _label(value, look))
            for value, colour in zip(_values(low, high, look.transform), _colours(look))
        ]
    )
    shader = QgsRasterShader(low, high)
    shader.setRasterShaderFunction(ramp)
    renderer = QgsSingleBandPseudoColorRenderer(provider, look.band, shader)
    renderer.setClassificationMin(low)
    renderer.setClassificationMax(high)
    return renderer


def _sampled(bands: int) -> list[int]:
    """Return some of the bands of many dates, from which all get the same colours."""
    return [round(1 + i * (bands - 1) / (_DATES - 1)) for i in range(_DATES)] if bands > 1 else []


def _label(value: float, look: Look) -> str:
    if look.kind != SHARE:
        return f"{value:.4g} {look.units}".strip()
    ends = {0.0: " (invented)", 1.0: " (supported)"}
    return f"{value:.0%}{ends.get(value, '')}"


def _values(low: float, high: float, transform: str) -> list[float]:
    """Return steps from low to high, evenly spread in the space of the target's transform."""
    shares = [i / (_STEPS - 1) for i in range(_STEPS)]
    if transform == "log1p" and low > -1:
        a, b = math.log1p(low), math.log1p(high)
        return [math.expm1(a + (b - a) * s) for s in shares]
    if transform == "cuberoot":
        a, b = (math.copysign(abs(v) ** (1 / 3), v) for v in (low, high))
        return [(a + (b - a) * s) ** 3 for s in shares]
    return [low + (high - low) * s for s in shares]


def _colours(look: Look) -> list[QColor]:
    """Return the colours from low to high: blues for what cannot be negative, else cold to warm."""
    blue = look.lower_bound == 0
    name = {SPREAD: "Purples", SHARE: "BrBG"}.get(look.kind, "YlGnBu" if blue else "Spectral")
    inverted = name == "Spectral"
    ramp = QgsStyle.defaultStyle().colorRamp(name)
    shares = [i / (_STEPS - 1) for i in range(_STEPS)]
    if ramp is None:
        stops = [QColor(c) for c in _FALLBACK[look.kind]]
        return [stops[round(s * (len(stops) - 1))] for s in shares]
    return [ramp.color(1 - s if inverted else s) for s in shares]
