"""The regression of a model's base, from and to the file and the card of its package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import CRSError
from torch import Tensor

from engine.disaggregation.cell_regression import CellRegression
from engine.disaggregation.cell_relation import CellRelation
from engine.errors import PackageError
from engine.package.folder import Package
from engine.raster.georeference import Georeference


def read_regression(package: Package) -> CellRegression | None:
    """Return the regression of a package's base, None where it has none.

    Raises:
        PackageError: its file is damaged, or its tensors do not fit the card.
    """
    tensors, entry = package.regression(), package.card.regression
    if tensors is None or entry is None:
        return None
    where = package.folder / entry["file"]
    tensors = _spread(tensors)
    _check_shapes(tensors, (2 * entry["radius"] + 1) ** 2, package.card.factor**2, str(where))
    try:
        crs = CRS.from_wkt(entry["crs"])
    except CRSError as error:
        raise PackageError(f"{package.folder}: base.regression.crs is no CRS that PROJ knows.") from error
    known = tensors["known"] != 0
    height, width = known.shape
    weights = tensors.get("weights")
    relation = CellRelation(
        tensors["mean"].float(), tensors["level"].float(), None if weights is None else weights.float()
    )
    place = Georeference(crs, Affine(*entry["transform"]), width, height)
    return CellRegression(relation, known, entry["radius"], entry["space"] == "working", place)


def _spread(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors over all coarse cells, zero where nothing was known, of those over the known alone."""
    known, mean = tensors.get("known"), tensors.get("mean")
    if known is None or mean is None or known.ndim != 2 or mean.ndim != 2:
        return tensors
    inside, result = known != 0, {"known": known}
    for name, values in tensors.items():
        if name == "known" or values.shape[0] != int(inside.sum()):
            result[name] = values  # a wrong shape is told later
            continue
        result[name] = values.new_zeros(*known.shape, *values.shape[1:])
        result[name][inside] = values
    return result


def _check_shapes(tensors: Mapping[str, Tensor], around: int, fine: int, where: str) -> None:
    for name in ("known", "mean", "level"):
        if name not in tensors:
            raise PackageError(f"{where} lacks the tensor {name}: install the model again.")
    cells = tuple(tensors["known"].shape)
    wanted = {"mean": (*cells, around), "level": (*cells, fine), "weights": (*cells, around, fine)}
    for name, shape in wanted.items():
        if name in tensors and (len(cells) != 2 or tuple(tensors[name].shape) != shape):
            raise PackageError(
                f"{where}: the tensor {name} has the shape {tuple(tensors[name].shape)}, which does not fit "
                f"base.regression of the card: install the model again."
            )


def card_entry(regression: CellRegression) -> dict[str, Any]:
    """Return what a card says of a regression, but for its file."""
    return {
        "radius": regression.radius,
        "space": "working" if regression.working else "units",
        "crs": regression.place.crs.to_wkt(),
        "transform": [float(number) for number in regression.place.transform[:6]],
    }


def file_tensors(regression: CellRegression) -> dict[str, Tensor]:
    """Return the tensors of a regression's file, float32; what is known is one byte a cell.

    Where that is not every coarse cell, the others have those that are known as their first axis, by rows.
    """
    relation, known = regression.relation, regression.known
    tensors = {"mean": relation.mean, "level": relation.level}
    if relation.weights is not None:
        tensors["weights"] = relation.weights
    if not bool(known.all()):
        tensors = {name: values[known] for name, values in tensors.items()}
    return {**tensors, "known": known.byte()}
