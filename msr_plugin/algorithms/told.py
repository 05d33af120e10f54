"""What the user says of a raster in place of its file: units, nodata, scale and offset, and the kind."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

from qgis.core import QgsProcessingContext, QgsProcessingParameterString

from ..translation import tr
from .base import MsrAlgorithm
from .finer import covariate_kinds
from .rasters import RasterProblem

NAME = "TOLD"
LABEL = tr("What the files do not say ({})").format(NAME)  # as sentences name it
KEYS = ("units", "nodata", "scale", "offset")
TEXT = (
    "Units, nodata, scale and offset (value = number × scale + offset) in place of what files say: "
    "target.units=mm/day; temperature.nodata=-32768. The names are target and those of the sources."
)


def add_input(algorithm: MsrAlgorithm) -> None:
    """Add the parameter."""
    label = tr("What the files do not say (NAME.units=…; NAME.nodata=…; NAME.scale=…)")
    algorithm.add(QgsProcessingParameterString(NAME, label, None, optional=True), True)


def request_of(
    algorithm: MsrAlgorithm,
    parameters: dict[str, Any],
    context: QgsProcessingContext,
    given: Iterable[str],
) -> dict[str, dict[str, Any]]:
    """Return what is said, by the names of the rasters, as a request's rasters hold it.

    Args:
        algorithm: that has the parameter.
        parameters: of the run.
        context: of the run.
        given: the names of the rasters that the run uses, target among them.

    Raises:
        RasterProblem: naming the parameter and the part at fault; of the kinds too.
    """
    names = {name.lower(): name for name in given}
    told: dict[str, dict[str, Any]] = {}
    for part in re.split(r"[;\n]", algorithm.parameterAsString(parameters, NAME, context) or ""):
        if not part.strip():
            continue
        left, mark, value = (piece.strip() for piece in part.partition("="))
        name, _, key = (piece.strip().lower() for piece in left.rpartition("."))
        if not (mark and value and name and key in KEYS):
            raise RasterProblem(
                tr(
                    "{}: “{}” is not NAME.units=UNIT, NAME.nodata=NUMBER, NAME.scale=NUMBER or "
                    "NAME.offset=NUMBER."
                ).format(LABEL, part.strip())
            )
        name = names.get(name) or names.get(name.removeprefix("source_")) or ""
        if not name:
            raise RasterProblem(
                tr("{}: “{}” is of no raster of this run; it has {}.").format(
                    LABEL, part.strip(), ", ".join(names.values())
                )
            )
        said = told.setdefault(name, {})
        if key in said:
            raise RasterProblem(tr("{}: {}.{} stands twice.").format(LABEL, name, key))
        said[key] = value if key == "units" else _number(part.strip(), key, value)
    for name, kind in covariate_kinds.kinds_of(algorithm, parameters, context, names.values()).items():
        told.setdefault(name, {})["kind"] = kind
    return told


def _number(part: str, key: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (key == "scale" and value == 0):
        other = tr(" other than 0") if key == "scale" else ""
        raise RasterProblem(
            tr("{}: “{}” must be a number{}, such as {}.").format(LABEL, part, other, _SUCH[key])
        )
    return value


_SUCH = {"nodata": "-9999", "scale": "0.1", "offset": "273.15"}
