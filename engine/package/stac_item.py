"""A model package as an Item of a STAC catalogue, by the Machine Learning Model extension (MLM) 1.5.

Each raster that the model takes is an input of its own, a variable of the datacube extension; what is done to
its values stands beside it. The item says where the model was trained, not where it may be used.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from engine.package.folder import Package
from engine.specs import SourceSpec, TargetSpec

MLM = "https://stac-extensions.github.io/mlm/v1.5.0/schema.json"
EXTENSIONS = (
    MLM,
    "https://stac-extensions.github.io/datacube/v2.3.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "https://stac-extensions.github.io/version/v1.2.0/schema.json",
    "https://stac-extensions.github.io/scientific/v1.0.0/schema.json",
)
STAC_VERSION = "1.1.0"
EVER = ("1900-01-01T00:00:00Z", "9999-12-31T23:59:59Z")  # of climatologies: no time of their own
DIMENSIONS = ["batch", "channel", "height", "width"]
_SHAPE = [-1, 1, -1, -1]
_PERIOD = re.compile(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?\S* to (\d{4})(?:-(\d\d))?(?:-(\d\d))?\S*")
_LAST_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_SPDX = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
_SHA256 = "1220"  # a multihash begins with its algorithm and its length


def stac_item(package: Package, href: str, size: int | None = None, sha256: str = "") -> dict[str, Any]:
    """Return the item, as JSON holds it.

    Args:
        package: of the model.
        href: of the file that holds the package, or of its weights, as seen from the item.
        size: of that file, in bytes; None: it is the weights, of which the card tells.
        sha256: of that file.
    """
    card, raw = package.card, package.card.raw
    weights = raw["weights"]
    box = _bounds(raw["training"].get("region"))
    first, last = _span(raw["training"].get("period"))
    target = card.target
    properties: dict[str, Any] = {
        "title": card.name,
        "description": raw["description"] or card.name,
        "datetime": None,
        "start_datetime": first,
        "end_datetime": last,
        "license": raw["licence"] if _SPDX.fullmatch(raw["licence"]) else "other",
        "version": card.version,
        **({"sci:citation": raw["citation"]} if raw.get("citation") else {}),
        "mlm:name": card.id if len(card.id) > 2 else f"{card.id}-model",
        "mlm:architecture": str(raw.get("mlm:architecture") or raw["network"].get("kind") or "unknown"),
        "mlm:tasks": ["super-resolution"],
        "mlm:framework": "PyTorch",
        **_passed_on(raw),
        "mlm:input": [_target_input(package), *(_source_input(source) for source in card.sources)],
        "mlm:output": [
            {
                "name": target.name,
                "description": f"{target.title or target.name} in {target.units or 'no unit'}, "
                f"{card.factor} times finer than the input.",
                "tasks": ["super-resolution"],
                "variables": [target.name],
                "result": {"shape": _SHAPE, "dim_order": DIMENSIONS, "data_type": "float32"},
            }
        ],
        "mlm:hyperparameters": {"factor": card.factor, "network": raw["network"]},
        "cube:dimensions": _dimensions(box, first, last),
        "cube:variables": _variables(package),
    }
    whole = size is not None
    asset = {
        "href": href,
        "title": "Model package: card and weights" if whole else "Weights",
        "type": "application/zip" if whole else "application/octet-stream",
        "roles": ["mlm:model", *([] if whole else ["mlm:weights"])],
        "mlm:artifact_type": "safetensors",
        "file:size": size if whole else weights["bytes"],
        "file:checksum": _SHA256 + (sha256 if whole else weights["sha256"]),
    }
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": list(EXTENSIONS),
        "id": f"{card.id}-{card.version}",
        **({} if box is None else {"bbox": list(box)}),
        "geometry": None if box is None else _polygon(box),
        "properties": properties,
        "links": [],
        "assets": {"model": asset},
    }


def _passed_on(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a card says by the names of the extension already."""
    names = ("framework_version", "total_parameters", "pretrained", "accelerator", "accelerator_constrained")
    return {f"mlm:{name}": raw[f"mlm:{name}"] for name in names if f"mlm:{name}" in raw}


def _target_input(package: Package) -> dict[str, Any]:
    target = package.card.target
    steps: list[dict[str, Any]] = []
    if target.scale != 1:
        steps.append({"type": "scale", "value": target.scale})
    if target.transform != "identity":
        steps.append({"type": "processing", "format": "numpy", "expression": _NUMPY[target.transform]})
    if target.mean is not None and target.std:
        steps.append({"type": "z-score", "mean": target.mean, "stddev": target.std})
    return _input(target.name, f"{target.title or target.name}, coarse", steps)


_NUMPY = {"log1p": "numpy.log1p(x)", "cuberoot": "numpy.cbrt(x)"}


def _source_input(source: SourceSpec) -> dict[str, Any]:
    value = source.normalisation.get("value")
    steps: list[dict[str, Any]] = []
    if value is not None and value.get("std"):
        steps.append({"type": "z-score", "mean": value["mean"], "stddev": value["std"]})
    told = [source.title or source.name, source.grid, "optional" if source.optional else "required"]
    if source.derived:
        told.append(f"with {', '.join(source.derived)}")
    return _input(source.name, ", ".join(told), steps)


def _input(name: str, description: str, steps: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "bands": [],
        "variables": [name],
        "input": {"shape": _SHAPE, "dim_order": DIMENSIONS, "data_type": "float32"},
        **({"value_scaling": steps} if steps else {}),
    }


def _variables(package: Package) -> dict[str, Any]:
    """Return the rasters as variables of a data cube."""
    target = package.card.target
    every: list[tuple[TargetSpec | SourceSpec, bool]] = [
        (target, True),
        *((source, source.dynamic) for source in package.card.sources),
    ]
    return {
        spec.name: {
            "type": "data",
            "description": spec.title or spec.name,
            **({"unit": spec.units} if spec.units else {}),
            **({"extent": list(spec.range)} if spec.range is not None else {}),
            "dimensions": ["time", "y", "x"] if changes else ["y", "x"],
        }
        for spec, changes in every
    }


def _dimensions(box: tuple[float, ...] | None, first: str, last: str) -> dict[str, Any]:
    west, south, east, north = box or (-180.0, -90.0, 180.0, 90.0)
    return {
        "time": {"type": "temporal", "extent": [first, last]},
        "x": {"type": "spatial", "axis": "x", "extent": [west, east]},
        "y": {"type": "spatial", "axis": "y", "extent": [south, north]},
    }


def _bounds(region: Mapping[str, Any] | None) -> tuple[float, float, float, float] | None:
    """Return west, south, east, north of the training data in degrees; None where the card does not tell."""
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    if not region or not region.get("crs") or len(region.get("bounds") or ()) != 4:
        return None
    try:
        move = Transformer.from_crs(region["crs"], "EPSG:4326", always_xy=True)
        left, bottom, right, top = (float(edge) for edge in region["bounds"])
        box = move.transform_bounds(left, bottom, right, top)
    except (ProjError, TypeError, ValueError):
        return None
    if not all(math.isfinite(edge) for edge in box):
        return None
    west, south, east, north = (round(edge, 6) for edge in box)
    if east > 180 and west >= 180:  # longitudes from 0 to 360
        west, east = west - 360, east - 360
    return max(west, -180.0), max(south, -90.0), min(east, 180.0), min(north, 90.0)


def _polygon(box: tuple[float, float, float, float]) -> dict[str, Any]:
    west, south, east, north = box
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def _span(period: Any) -> tuple[str, str]:
    """Return first and last instant of the training data; those of all times where the card tells none."""
    match = _PERIOD.search(str(period or ""))
    if match is None:
        return EVER
    year, month, day, last_year, last_month, last_day = (
        int(part) if part else None for part in match.groups()
    )
    last_month = last_month or 12
    if not (1 <= (month or 1) <= 12 and 1 <= last_month <= 12):
        return EVER
    end = last_day or _LAST_DAYS[last_month - 1]
    return (
        f"{year:04d}-{month or 1:02d}-{day or 1:02d}T00:00:00Z",
        f"{last_year:04d}-{last_month:02d}-{end:02d}T23:59:59Z",
    )
