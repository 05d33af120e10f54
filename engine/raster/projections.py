"""Whether PROJ, which knows the coordinate systems, finds its database; else every raster seems wrong."""

from __future__ import annotations

import os
from pathlib import Path

from engine.errors import EngineError

_VARIABLES = ("PROJ_DATA", "PROJ_LIB")
_MERCATOR_EDGE = 20037508.342789  # metres: 180° east in EPSG:3857


def check_projections() -> None:
    """Let both copies of PROJ (rasterio's and pyproj's) turn a point into Web Mercator.

    Raises:
        EngineError: one of them cannot; the sentence names the variable that leads it astray.
    """
    if problem := projection_problem():
        raise EngineError(problem)


def projection_problem() -> str:
    """Return what is wrong with PROJ as one sentence, "" where nothing is."""
    import pyproj
    from rasterio.warp import transform

    try:
        made = {"rasterio": transform("EPSG:4326", "EPSG:3857", [180.0], [0.0])[0][0]}
        mercator = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True)
        made["pyproj"] = mercator.transform(180.0, 0.0)[0]
    except Exception:  # each library has errors of its own
        return f"PROJ, which knows the coordinate systems, finds no usable database: {_why()}."
    wrong = [name for name, x in made.items() if not abs(x - _MERCATOR_EDGE) < 1e-3]
    return f"PROJ transforms coordinates wrongly in {wrong[0]}: {_why()}." if wrong else ""


def _why() -> str:
    """Return what leads PROJ astray, and what to do."""
    for name in _VARIABLES:
        folder = os.environ.get(name)
        if folder and not _is_shipped(folder):
            there = any(Path(part, "proj.db").is_file() for part in folder.split(os.pathsep))
            what = "whose proj.db is of another version" if there else "where there is no proj.db"
            return f"{name} leads to {folder}, {what}; unset {name} and start again"
    return "install rasterio and pyproj anew (pip install --force-reinstall rasterio pyproj)"


def _is_shipped(folder: str) -> bool:
    """Return whether a folder is the one that rasterio's wheel brings, and names in the variable itself."""
    import rasterio

    return Path(folder).absolute().is_relative_to(Path(rasterio.__file__).parent.absolute())
