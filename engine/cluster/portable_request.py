"""A request as processes in other folders understand it."""

from __future__ import annotations

import os
from dataclasses import replace

from engine.pipeline.method_choice import Choice
from engine.pipeline.request import SuperResolveRequest
from engine.raster.held_raster import HeldRaster
from engine.raster.opening import locate
from engine.raster.reference import RasterRef


def portable(request: SuperResolveRequest, choice: Choice) -> SuperResolveRequest:
    """Return the request with paths from the root, and the model named by its folder."""
    grid = request.grid
    if grid is not None and grid.like:
        ref = RasterRef.parse(grid.like)
        band = grid.like[len(ref.address) :]
        grid = replace(grid, like=_from_the_root(ref.address) + band)
    return replace(
        request,
        model=request.model if choice.package is None else os.path.abspath(choice.package.folder),
        target=_moved(request.target),
        sources={name: _moved(ref) for name, ref in request.sources.items()},
        domain=None if request.domain is None else _moved(request.domain),
        grid=grid,
        output=os.path.abspath(os.path.expanduser(request.output)),
    )


def _moved(ref: RasterRef) -> RasterRef:
    return ref if isinstance(ref, HeldRaster) else replace(ref, path=_from_the_root(ref.address))


def _from_the_root(name: str) -> str:
    """Return a raster's name with the path of its file, if it has one here, from the root."""
    located = locate(name)
    if located is None or os.path.isabs(located.path):
        return name
    return name.replace(located.path, os.path.abspath(located.path), 1)
