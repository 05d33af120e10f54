"""Coarse and fine side by side, in the same colours, as pictures that stand in a page."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from qgis.core import (
    QgsMapRendererCustomPainterJob,
    QgsMapSettings,
    QgsRasterLayer,
    QgsRasterRenderer,
    QgsSingleBandPseudoColorRenderer,
)
from qgis.PyQt.QtCore import QBuffer, QByteArray, QSize
from qgis.PyQt.QtGui import QColor, QImage, QPainter

from ...appearance.style import Look, make_renderer
from ...compat import ARGB32, WRITE_ONLY

_EDGE = 360  # pixels of a picture's longer side


@dataclass(frozen=True)
class PicturedBand:
    """A band of a raster that is to be seen."""

    path: str
    band: int
    title: str


def pictures(fine: PicturedBand, others: Iterable[PicturedBand], units: str = "") -> str:
    """Return HTML with the rasters, all on the fine one's extent and in its colours; "" without values.

    Those that QGIS does not open are left out. To be called on the main thread.

    Args:
        fine: of which extent and colours are.
        others: to stand before it.
        units: of the values, "" for none.
    """
    layer = QgsRasterLayer(fine.path, fine.title)
    if not layer.isValid():
        return ""
    renderer = make_renderer(layer, Look(units, band=fine.band))
    if renderer is None:
        return ""
    cells = []
    for shown in (*others, fine):
        drawn = layer if shown is fine else QgsRasterLayer(shown.path, shown.title)
        if not drawn.isValid() or shown.band > drawn.bandCount():
            continue
        drawn.setRenderer(_of_band(renderer, drawn, shown.band))
        cells.append(f"<td>{escape(shown.title)}<br>{_image(drawn, layer)}</td>")
    return f"<table><tr>{''.join(cells)}</tr></table>{_legend(renderer)}"


def _legend(renderer: QgsSingleBandPseudoColorRenderer) -> str:
    """Return the colours from low to high between their ends."""
    items = renderer.shader().rasterShaderFunction().colorRampItemList()
    if not items:
        return ""
    colours = "".join(f'<td bgcolor="{item.color.name()}" style="border:0">&nbsp;</td>' for item in items)
    low, high = (f'<td style="border:0">{escape(items[at].label)}</td>' for at in (0, -1))
    return f"<table><tr>{low}{colours}{high}</tr></table>"


def _of_band(renderer: QgsRasterRenderer, layer: QgsRasterLayer, band: int) -> QgsRasterRenderer:
    copy = renderer.clone()
    copy.setInput(layer.dataProvider())
    set_band = getattr(copy, "setInputBand", None) or copy.setBand
    set_band(band)
    return copy


def _image(layer: QgsRasterLayer, frame: QgsRasterLayer) -> str:
    """Return a layer on the extent of another as an image element."""
    extent = frame.extent()
    longer = max(extent.width(), extent.height())
    width, height = (max(1, round(_EDGE * side / longer)) for side in (extent.width(), extent.height()))
    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setDestinationCrs(frame.crs())
    settings.setExtent(extent)
    settings.setOutputSize(QSize(width, height))
    image = QImage(width, height, ARGB32)
    image.fill(QColor("#e8e8e8"))
    painter = QPainter(image)
    job = QgsMapRendererCustomPainterJob(settings, painter)
    job.renderSynchronously()
    painter.end()
    data = QByteArray()
    buffer = QBuffer(data)
    buffer.open(WRITE_ONLY)
    image.save(buffer, "PNG")
    encoded = b64encode(bytes(data)).decode("ascii")
    return f'<img src="data:image/png;base64,{encoded}" width="{width}" height="{height}" alt="">'
