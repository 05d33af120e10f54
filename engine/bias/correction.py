"""A model's factors laid over the coarse cells and the dates of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.crs import CRS

from engine.bias.factors import FEWEST_DATES, BiasFactors
from engine.dates import When
from engine.errors import InputError, PackageError
from engine.fields.same_cells import place_among
from engine.package.folder import Package
from engine.raster.crs_name import cell_size, crs_name
from engine.raster.georeference import crs_wkt
from engine.raster.longitudes import goes_round

MOST_VALUES = 250_000_000  # of all dates together, that quantiles of the run's own period are taken of

Index = tuple[NDArray[np.intp], ...]
Read = Callable[[GeoBox, "When | None"], NDArray[np.float32]]


def package_factors(package: Package) -> BiasFactors | None:
    """Return the factors of a package, None of one that corrects nothing.

    Raises:
        PackageError: the file is damaged.
    """
    spec = package.card.bias
    if spec is None:
        return None
    tensors = {name: tensor.numpy() for name, tensor in package.bias_tensors().items()}
    return BiasFactors(spec, tensors["quantiles"], tensors["source"], tensors["factors"])


def package_grid(package: Package) -> GeoBox:
    """Return the coarse cells that a package's factors are of.

    Raises:
        PackageError: the card names no CRS.
    """
    entry: dict[str, Any] = package.card.raw["bias"]["grid"]
    try:
        wkt = CRS.from_user_input(entry["crs"]).to_wkt()
    except ValueError as error:  # CRSError is one
        raise PackageError(f"{package.folder}: bias.grid.crs is no CRS: install the model again.") from error
    return GeoBox(tuple(entry["shape"]), Affine(*entry["transform"]), wkt)


class BiasCorrection:
    """Corrects coarse fields read in a run; cells without factors become missing.

    Args:
        factors: of the model.
        grid: (h, w) coarse cells that they are of.

    Attributes:
        own_distribution: whether quantiles are those of the run's own period, in some part of the year.
    """

    def __init__(self, factors: BiasFactors, grid: GeoBox) -> None:
        self.factors, self.grid = factors, grid
        self.own_distribution = False
        self._by_fit: set[int] = set()  # parts of the year with too few dates for their own quantiles
        self._stacks: dict[int, tuple[dict[When | None, int], NDArray[np.float32]]] = {}

    def place(self, coarse: GeoBox) -> tuple[int, int] | None:
        """Return row and column of a grid's first cell among the factors' cells; None: other cells."""
        return place_among(self.grid, coarse)

    def on_grid(self, values: NDArray[np.float32], coarse: GeoBox) -> NDArray[np.float32]:
        """Return a field on a grid's cells, (h, w), on those of the factors; NaN beyond it."""
        window, own = self._shared(coarse)
        made = np.full(self.grid.shape, np.nan, np.float32)
        made[own] = values[window]
        return made

    def check(self, coarse: GeoBox, dates: Sequence[When | None]) -> float:
        """Return the share of a run's coarse cells that have factors.

        Raises:
            InputError: the cells are others, none has factors, or a date is in no part of the year that does.
        """
        for when in dates:
            self.factors.group_of(when)
        if self.place(coarse) is None:
            crs = crs_wkt(self.grid)
            size = cell_size(self.grid.affine.a, self.grid.affine.e, crs)
            raise InputError(
                f"target: the model corrects the coarse product on cells of {size} of its own in "
                f"{crs_name(crs)}, which are not the run's: ask for a grid whose coarse cells "
                f"are these, or leave the grid out."
            )
        share = float(self._window(coarse, self.factors.fitted.astype(np.float32), 0.0).mean())
        if not share:
            raise InputError(
                "target: none of the coarse cells under the output is one that the model's correction was "
                "fitted on: choose an extent inside the training region, or another model."
            )
        return share

    def fit(
        self, dates: Sequence[When | None], read: Read, tell: Callable[[float], None] | None = None
    ) -> list[str]:
        """Take the quantiles of the run's own period, where the method wants them; return what to tell.

        A part of the year with fewer than `FEWEST_DATES` dates is corrected by the quantiles of the fit.

        Args:
            dates: of the run.
            read: returns the target on a grid's cells at a date, (h, w).
            tell: hears of the share that is read, and may raise to stop.

        Raises:
            InputError: there are too many values.
        """
        if self.factors.spec.method != "quantile_delta_mapping":
            return []
        distinct = list(dict.fromkeys(dates))
        if len(distinct) * int(np.prod(self.grid.shape)) > MOST_VALUES:
            raise InputError(
                f"target: the quantiles of {len(distinct)} dates cannot be taken at once: choose fewer dates."
            )
        by_group: dict[int, list[When | None]] = {}
        for when in distinct:
            by_group.setdefault(self.factors.group_of(when), []).append(when)
        done, few = 0, 0
        for group, members in by_group.items():
            if len(members) < FEWEST_DATES:
                few += len(members)
                continue
            fields = []
            for when in members:
                if tell is not None:
                    tell(done / len(distinct))
                fields.append(read(self.grid, when))
                done += 1
            stack = self.factors.apply_delta(np.stack(fields), group)
            self._stacks[group] = {when: i for i, when in enumerate(members)}, stack
        self.own_distribution = bool(self._stacks)
        if not few:
            return []
        return [
            f"target: {few} of {len(distinct)} dates are corrected by quantile mapping with the quantiles of "
            f"the model's training, since fewer than {FEWEST_DATES} dates of their part of the year are no "
            f"period of their own: a change since then is not kept as quantile delta mapping would."
        ]

    def apply(self, values: NDArray[np.float32], coarse: GeoBox, when: When | None) -> NDArray[np.float32]:
        """Return a coarse field, (h, w) on a window's cells, corrected; NaN without factors.

        Args:
            values: as read.
            coarse: its cells, whole ones of the factors' grid, within it or beyond.
            when: its date.
        """
        group = self.factors.group_of(when)
        if group in self._stacks:
            numbers, stack = self._stacks[group]
            return self._window(coarse, stack[numbers[when]], np.nan)
        return self._window(coarse, self.factors.apply(self.on_grid(values, coarse), group), np.nan)

    @property
    def in_words(self) -> str:
        """What is done to the target, for the log and the output's tags."""
        words = self.factors.spec.in_words
        if self.factors.spec.method == "quantile_delta_mapping" and not self.own_distribution:
            return words.replace("quantile delta mapping", "quantile mapping")
        return words

    def _window(self, coarse: GeoBox, field: NDArray[np.float32], beyond: float) -> NDArray[np.float32]:
        """Return a window of a field on the factors' cells."""
        window, own = self._shared(coarse)
        made = np.full(coarse.shape, beyond, np.float32)
        made[window] = field[own]
        return made

    def _shared(self, coarse: GeoBox) -> tuple[Index, Index]:
        """Return the cells of a window that have a place in the grid, and these places."""
        place = self.place(coarse)
        if place is None:
            raise ValueError("the window's cells are not those of the factors")
        rows, columns = (first + np.arange(count) for first, count in zip(place, coarse.shape, strict=True))
        height, width = self.grid.shape
        if goes_round(self.grid):
            columns %= width
        there = [np.flatnonzero((axis >= 0) & (axis < n)) for axis, n in ((rows, height), (columns, width))]
        return np.ix_(*there), np.ix_(rows[there[0]], columns[there[1]])
