"""A Zarr store as a layer: where GDAL opens but one field of it at a time, they become the bands of a VRT."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring  # nosec B405: nothing is parsed

from qgis.core import QgsProcessingContext, QgsProcessingUtils, QgsRasterLayer, QgsSettings

ENDING = ".zarr"
_BY_FILE = "Processing/Configuration/PREFER_FILENAME_AS_LAYER_NAME"  # of QGIS; temporary files never


@dataclass(frozen=True)
class StoredArray:
    """The array of a store that holds its cells: name, shape and chunks."""

    name: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]


def holds_several_fields(path: str) -> bool:
    """Return whether a path is that of a store which GDAL opens by no name of its own.

    QGIS would try, in vain, and GDAL would say so on standard error.
    """
    if not path.rstrip("/").lower().endswith(ENDING):
        return False
    try:
        array = _main_array(Path(path))
    except (OSError, ValueError, TypeError, KeyError):  # somebody's folder: whoever opens it tells
        return False
    return array is not None and math.prod(array.shape[:-2]) > 1


def shown_source(path: str, dates: Sequence[str] = ()) -> str:
    """Return what QGIS opens as a layer of a result's file: of a Zarr store, its array; else the file itself.

    Of several fields it is, before GDAL 3.8, a VRT as text, which lies nowhere and so cannot be lost.

    Args:
        path: of a result.
        dates: of its bands, where each has one.
    """
    array = _main_array(Path(path)) if path.lower().endswith(ENDING) else None
    if array is None:
        return path
    whole = f'ZARR:"{path}":/{array.name}'
    indices = list(product(*map(range, array.shape[:-2])))
    fields = [whole + "".join(f":{number}" for number in index) for index in indices]
    if len(fields) == 1:
        return fields[0]
    layer = QgsRasterLayer(whole, array.name, "gdal")
    if layer.isValid() and layer.bandCount() == len(fields):
        return whole
    return _stacked(fields, array, dates) or path


def load_instead(path: str, dates: Sequence[str], context: QgsProcessingContext) -> str:
    """Have a run load a layer in place of the store that it would load.

    Processing itself loads files alone, not GDAL's names for a part of one.

    Args:
        path: of a result; another file than a store stays.
        dates: of its bands, where each has one.
        context: of the run; it takes the layer.

    Returns:
        What the run loads: the layer's id, else `path`.
    """
    source = shown_source(path, dates)
    layer = QgsRasterLayer(source, Path(path).stem, "gdal") if source != path else None
    if layer is None or not layer.isValid():
        return path
    context.temporaryLayerStore().addMapLayer(layer)
    details = context.layersToLoadOnCompletion()
    details[layer.id()] = _named(details.pop(path), path)
    context.setLayersToLoadOnCompletion(details)
    return str(layer.id())


def _named(details: QgsProcessingContext.LayerDetails, path: str) -> QgsProcessingContext.LayerDetails:
    """Return a layer's details with the name that its file would give it: QGIS takes a source's last part."""
    temporary = Path(QgsProcessingUtils.tempFolder()) in Path(path).parents
    if not details.forceName and not temporary and QgsSettings().value(_BY_FILE, True, type=bool):
        details.name = Path(path).stem
    details.forceName = True
    return details


def _main_array(store: Path) -> StoredArray | None:
    """Return the array with the most cells; the others are coordinates."""
    arrays = []
    for file in store.glob("*/.zarray"):
        known = json.loads(file.read_text(encoding="utf-8"))
        arrays.append(StoredArray(file.parent.name, tuple(known["shape"]), tuple(known["chunks"])))
    fields = [array for array in arrays if len(array.shape) > 1]
    return max(fields, key=lambda array: math.prod(array.shape), default=None)


def _stacked(fields: Sequence[str], array: StoredArray, dates: Sequence[str]) -> str:
    """Return a VRT as text with the fields as bands, "" where GDAL opens none."""
    first = QgsRasterLayer(fields[0], array.name, "gdal")
    if not first.isValid():
        return ""
    size = {"rasterXSize": str(first.width()), "rasterYSize": str(first.height())}
    stack = Element("VRTDataset", size)
    SubElement(stack, "SRS").text = first.crs().toWkt()
    box = first.extent()
    steps = box.width() / first.width(), -box.height() / first.height()
    numbers = (box.xMinimum(), steps[0], 0.0, box.yMaximum(), 0.0, steps[1])
    SubElement(stack, "GeoTransform").text = ", ".join(map(repr, numbers))
    for number, field in enumerate(fields, start=1):
        band = SubElement(stack, "VRTRasterBand", {"dataType": "Float32", "band": str(number)})
        if len(dates) == len(fields):
            SubElement(band, "Description").text = dates[number - 1]
            SubElement(SubElement(band, "Metadata"), "MDI", {"key": "DATE"}).text = dates[number - 1]
        SubElement(band, "NoDataValue").text = "nan"
        source = SubElement(band, "SimpleSource")
        SubElement(source, "SourceFilename", {"relativeToVRT": "0"}).text = field
        SubElement(source, "SourceBand").text = "1"
        # With these GDAL opens a field when it is read, not all of them with the layer.
        blocks = {"BlockXSize": str(array.chunks[-1]), "BlockYSize": str(array.chunks[-2])}
        whole = {"RasterXSize": size["rasterXSize"], "RasterYSize": size["rasterYSize"]}
        SubElement(source, "SourceProperties", {**whole, "DataType": "Float32", **blocks})
        for part in ("SrcRect", "DstRect"):
            SubElement(
                source,
                part,
                {"xOff": "0", "yOff": "0", "xSize": size["rasterXSize"], "ySize": size["rasterYSize"]},
            )
    return tostring(stack, encoding="unicode")
