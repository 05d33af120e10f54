"""A request as processes in other folders understand it."""

from __future__ import annotations

import os
from dataclasses import replace

from engine.pipeline.method_choice import Choice
from engine.pipeline.request import SuperResolveRequest
from engine.raster.cloud.cloud_name import cloud_name
from engine.raster.cloud.told_address import is_address
from engine.raster.gdal.file_references import is_remote
from engine.raster.held_raster import HeldRaster
from engine.raster.opened_files import from_the_root
from engine.raster.opening import locate
from engine.raster.reference import RasterRef


def portable(request: SuperResolveRequest, choice: Choice) -> SuperResolveRequest:
    """Return the request with paths from the root, and the model named by its folder.

    Raises:
        InputError: a raster is named in a way that only this process's folder gives a meaning.
    """
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
    if (located := locate(name)) is not None:
        path = located.path
    elif (cloud := cloud_name(name)) is not None:
        path = cloud.address
    else:
        return name if is_remote(name) else from_the_root(name)
    if os.path.isabs(path) or is_address(path):
        return name
    start = 0 if name.startswith(path) else name.index(path, name.index(":") + 1)
    return name[:start] + os.path.abspath(path) + name[start + len(path) :]
