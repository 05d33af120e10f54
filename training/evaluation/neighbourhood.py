"""A regression of each fine cell on the coarse cells around it: the least that fine truth allows.

Perfect-prognosis regression as in statistical downscaling (Maraun & Widmann 2018, ch. 11), one for each
fine cell. What is regressed is what smoothly conserved interpolation leaves over, so that shrinking leads to
the coefficients of interpolation and no further. How many coarse cells count, in which space, and how much is
shrunk, is chosen over blocks of training dates: by the error, conserved and in the target's units, on the
dates of each block of a fit to the others. Where none is better there than interpolation, it is that.

It knows the cells alone that it was fitted on. Where a comparison asks for it, it is fitted anew; as a part
of a model's base it is fitted once more without each block of training dates, so that the network learns from
residuals that are as large as those of dates it will not have seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from affine import Affine
from rasterio.crs import CRS
from torch import Tensor

from engine.disaggregation.base_field import BASE_HALO, base_field
from engine.disaggregation.cell_regression import CellRegression
from engine.disaggregation.cell_relation import CellRelation, by_cell, neighbours, placed, stacked, whole
from engine.fields.conservation import clipped, conserve
from engine.fields.patch import Patch
from engine.fields.windows import crop, narrowed
from engine.raster.georeference import Georeference
from engine.specs import NEIGHBOURHOOD, TargetSpec
from engine.transforms import normalised, physical
from training.data.archive import Archive
from training.data.known_truth import truth_share
from training.data.masked_truth import mask_truth
from training.data.patches import View, Window, cut
from training.data.region import Region
from training.data.split import Split
from training.evaluation.neighbour_sums import NeighbourSums
from training.evaluation.predict import Case

RADII = (1, 2)  # coarse cells on each side: 3 × 3 and 5 × 5
RIDGES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # of the coarse cells' mean variance
FOLDS = 5  # blocks of dates that follow each other
HELD = 120  # dates, at most, on which candidates are judged
BATCH = 16  # dates at a time
JUDGED = 12  # strips with truth everywhere, at most, on which candidates are judged
SUMS = 2**27  # bytes of sums at a time
NAME, TITLE = NEIGHBOURHOOD, "Regression on the coarse cells around"


@dataclass(frozen=True)
class Fit:
    """How to fit: coarse cells on each side, the ridge (None: the mean error alone), and the space."""

    radius: int
    ridge: float | None
    working: bool  # the target's working space; else its units


class NeighbourhoodRegression:
    """Corrects interpolation by each fine cell's own relation to the coarse cells around it.

    Args:
        target: what is downscaled.

    Attributes:
        fit_chosen: how it was fitted; None: interpolation was as good.
        fitted: the regression; None: the same.
        folds: block of each training time, where it was also fitted without each.
    """

    halo = BASE_HALO

    def __init__(self, target: TargetSpec) -> None:
        self.target = target
        self.fit_chosen: Fit | None = None
        self.fitted: CellRegression | None = None
        self.folds: dict[int, int] = {}
        self._view = View(())
        self._columns = (0, 0)
        low, high = target.range or (0.0, 1.0)
        self._scale = (high - low) / 4 or 1.0

    def fit(
        self, archive: Archive, region: Region, domain: np.ndarray | None = None, by_block: bool = False
    ) -> None:
        """Fit on a region's times and cells; with fewer than four times it stays interpolation.

        Args:
            archive: the data.
            region: what may be learnt from.
            domain: the fine cells that count; None: all.
            by_block: also without each block of dates, for predictions of dates that the fit does not know.
        """
        archive = mask_truth(archive, region.cells)
        self.fit_chosen, self.fitted, self.folds = None, None, {}
        self._view, self._columns = View((), domain=domain), region.columns
        folds = min(FOLDS, len(region.times))
        if len(region.times) < 4:
            return
        cells = cells_with_truth(archive, region)
        strips = [
            strip
            for strip in _strips(archive, region, folds, len(self._spaces()))
            if cells[slice(*strip)].any()
        ]
        if not strips:
            return
        errors: dict[Fit | None, float] = {}
        kept: dict[bool, NeighbourSums] = {}
        most = round(JUDGED / cells.mean())  # where little is known, more of them
        for strip in strips[:: -(-len(strips) // most)]:
            kept = self._judge(archive, region.times, folds, strip, errors)
        chosen = self.fit_chosen = min(errors, key=lambda fit: errors[fit])
        if chosen is None:
            return
        left_out = (None, *(range(folds) if by_block else ()))
        relations: list[list[CellRelation]] = []
        known = []
        for strip in strips:
            if len(strips) > 1:
                kept = self._sums(archive, region.times, folds, strip)[0]
            sums = kept[chosen.working]
            relations.append([sums.relation(chosen.radius, [chosen.ridge], one)[0] for one in left_out])
            known.append(sums.known)
        rows = torch.cat([torch.arange(*strip) for strip in strips])
        height = archive.shape[0]
        relations_by_row = (placed(stacked(strip), rows, height) for strip in zip(*relations))
        whole_fit, *without = (self._in_units(relation, chosen) for relation in relations_by_row)
        place = place_of(archive, region)
        fitted = torch.zeros(cells.shape, dtype=torch.bool)
        fitted[rows] = torch.cat(known)
        self.fitted = CellRegression(whole_fit, fitted, chosen.radius, chosen.working, place, tuple(without))
        if by_block:
            blocks = enumerate(np.array_split(np.asarray(region.times), folds))
            self.folds = {int(time): number for number, block in blocks for time in block}

    def predict(self, patch: Patch) -> Tensor:
        """Return (B, h·k, w·k) in the target's units, before conservation; NaN where invalid."""
        if self.fitted is None:
            return base_field(narrowed(patch, self.halo), self.target, (), 0)
        return self.fitted.field(patch, self.target)[0]

    # ------------------------------------------------------------------ spaces

    def _spaces(self) -> tuple[bool, ...]:
        """Both spaces, or one where they are the same."""
        return (True,) if self.target.transform == "identity" else (True, False)

    def _inside(self, values: Tensor, working: bool) -> Tensor:
        return normalised(values, self.target) if working else values / self._scale

    def _in_units(self, relation: CellRelation, fit: Fit) -> CellRelation:
        return relation if fit.working else relation.scaled(self._scale)

    def _lifted(self, base: Tensor, rest: Tensor, working: bool) -> Tensor:
        inner = self._inside(base, working) + rest
        field = physical(inner, self.target) if working else inner * self._scale
        return clipped(field, self.target)

    # ------------------------------------------------------------------ fitting

    def _sums(
        self, archive: Archive, times: Sequence[int], folds: int, strip: tuple[int, int]
    ) -> tuple[dict[bool, NeighbourSums], list[list[tuple[Patch, Tensor, Tensor]]]]:
        """Return the sums by space, and of each fold batches of dates to judge on: patch, base, truth."""
        sums = {space: NeighbourSums(folds, max(RADII)) for space in self._spaces()}
        judged: list[list[tuple[Patch, Tensor, Tensor]]] = []
        for fold, block in enumerate(np.array_split(np.asarray(times), folds)):
            wanted = set(block[:: max(1, -(-len(block) * folds // HELD))].tolist())
            held = []
            for batch in (block[i : i + BATCH].tolist() for i in range(0, len(block), BATCH)):
                patch, truth = self._cut(archive, batch, strip)
                base = base_field(patch, self.target, (), 0)
                for space, one in sums.items():
                    rest = by_cell(self._inside(truth, space) - self._inside(base, space), patch.factor)
                    one.add(fold, neighbours(self._inside(patch.target, space), self.halo, max(RADII)), rest)
                some = [i for i, time in enumerate(batch) if time in wanted]
                if some:
                    held.append((_some(patch, some, self.halo), base[some], truth[some]))
            judged.append(held)
        return sums, judged

    def _judge(
        self,
        archive: Archive,
        times: Sequence[int],
        folds: int,
        strip: tuple[int, int],
        errors: dict[Fit | None, float],
    ) -> dict[bool, NeighbourSums]:
        """Add each candidate's squared errors on held-out dates, None being interpolation."""
        sums, judged = self._sums(archive, times, folds, strip)
        ridges = (None, *RIDGES)
        for fold, held in enumerate(judged):
            for patch, base, truth in held:
                errors[None] = errors.get(None, 0.0) + self._error(base, truth, patch)
            for space, one in sums.items():
                for radius in RADII:
                    for ridge, relation in zip(ridges, one.relation(radius, ridges, without=fold)):
                        if ridge is None and radius != RADII[0]:
                            continue  # the mean error asks no neighbour
                        fit, total = Fit(radius, ridge, space), 0.0
                        for patch, base, truth in held:
                            seen = neighbours(self._inside(patch.target, space), patch.halo, radius)
                            field = self._lifted(base, whole(relation.apply(seen), patch.factor), space)
                            total += self._error(field, truth, patch)
                        errors[fit] = errors.get(fit, 0.0) + total
        return sums

    def _error(self, field: Tensor, truth: Tensor, patch: Patch) -> float:
        own = crop(patch.target, patch.halo)
        field = conserve(field, own, patch.factor, self.target, self.target.strength, area=patch.area)
        return float((field.double() - truth).square().nansum())

    def _cut(self, archive: Archive, times: Iterable[int], strip: tuple[int, int]) -> tuple[Patch, Tensor]:
        first, last = self._columns
        windows = [Window(time, strip[0], first) for time in times]
        return cut(archive, windows, (strip[1] - strip[0], last - first), self.halo, self._view)


def _some(patch: Patch, dates: list[int], halo: int) -> Patch:
    """Return what judging needs of some windows: the coarse field as far as neighbours reach, and areas."""
    ring, k = halo - max(RADII), patch.factor
    area = None if patch.area is None else patch.area[dates][:, halo * k : -halo * k]
    return Patch(k, max(RADII), crop(patch.target[dates], ring).contiguous(), area=area)


def _strips(archive: Archive, region: Region, folds: int, spaces: int) -> Iterator[tuple[int, int]]:
    """Yield first and last + 1 coarse row of strips whose sums fit into `SUMS`."""
    width, height = region.columns[1] - region.columns[0], archive.shape[0]
    inputs = (2 * max(RADII) + 1) ** 2
    cell = 8 * spaces * (folds + 2) * inputs * (inputs + archive.factor**2)
    rows = max(1, SUMS // (cell * width))
    for first in range(0, height, rows):
        yield first, min(first + rows, height)


def place_of(archive: Archive, region: Region) -> Georeference:
    """Return where the coarse cells of a region's columns lie."""
    first, last = region.columns
    transform = archive.transform * Affine.translation(first, 0)
    return Georeference(CRS.from_user_input(archive.crs), transform, last - first, archive.shape[0])


def file_size(archive: Archive, region: Region) -> int:
    """Return the bytes that a regression on a region's cells may need in a package."""
    around, fine = (2 * max(RADII) + 1) ** 2, archive.factor**2
    cells = cells_with_truth(mask_truth(archive, region.cells), region)
    return cells.size + int(cells.sum()) * 4 * (around + fine + around * fine)


def cells_with_truth(archive: Archive, region: Region) -> np.ndarray:
    """Return which coarse cells of a region's columns have a truth at some time, (h, w) booleans."""
    first, last = region.columns
    cells = np.zeros((archive.shape[0], last - first), bool)
    for time in region.times:
        cells |= truth_share(archive, [time])[0, :, first:last] > 0
    return cells


def shares_cells(archive: Archive, split: Split) -> bool:
    """Return whether training knows truth, of other dates, in some of the cells that are tested."""
    train, test = split.train, split.test
    first, last = max(train.columns[0], test.columns[0]), min(train.columns[1], test.columns[1])
    shared = np.ones(archive.shape, bool)
    for region in (train, test):
        if region.cells is not None:
            shared &= region.cells
    return first < last and bool(shared[:, first:last].any())


def neighbourhood_cases(archive: Archive, split: Split, target: TargetSpec) -> list[Case]:
    """Fit the regression and return it as a row of the table, conserved as strongly as the target says.

    Nothing where the test's cells have no truth in training: it would be interpolation once more.
    """
    if not shares_cells(archive, split):
        return []
    regression = NeighbourhoodRegression(target)
    domain = split.test_view.domain
    regression.fit(archive, split.train, domain)
    view = View((), domain=domain)
    strength = target.strength  # as it was judged
    return [Case(NAME, TITLE, regression.predict, regression.halo, view, strength, fitted=True)]
