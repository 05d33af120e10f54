"""A regression of each fine cell on the coarse cells around it: the least that fine truth allows.

Perfect-prognosis regression as in statistical downscaling (Maraun & Widmann 2018, ch. 11), one for each
fine cell. What is regressed is what smoothly conserved interpolation leaves over, so that shrinking leads to
the coefficients of interpolation and no further. How many coarse cells count, in which space, and how much is
shrunk, is chosen over blocks of training dates: by the error, conserved and in the target's units, on the
dates of each block of a fit to the others. Where none is better there than interpolation, it is that.

It is fitted anew wherever it is compared, and knows the cells alone that it was fitted on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.disaggregation.base_field import BASE_HALO, base_field
from engine.fields.conservation import clipped, conserve
from engine.fields.patch import Patch
from engine.fields.windows import crop, narrowed
from engine.specs import TargetSpec
from engine.transforms import normalised, physical
from training.data.archive import Archive
from training.data.masked_truth import mask_truth
from training.data.patches import View, Window, cut
from training.data.region import Region
from training.data.split import Split
from training.evaluation.neighbour_sums import CellRelation, NeighbourSums, by_cell, neighbours, whole
from training.evaluation.predict import Case

RADII = (1, 2)  # coarse cells on each side: 3 × 3 and 5 × 5
RIDGES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # of the coarse cells' mean variance
FOLDS = 5  # blocks of dates that follow each other
HELD = 120  # dates, at most, on which candidates are judged
BATCH = 16  # dates at a time
JUDGED = 12  # strips, at most, on which candidates are judged
SUMS = 2**27  # bytes of sums at a time
NAME, TITLE = "neighbourhood", "Regression on the coarse cells around"


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
    """

    halo = BASE_HALO

    def __init__(self, target: TargetSpec) -> None:
        self.target = target
        self.fit_chosen: Fit | None = None
        self._view = View(())
        self._relations: list[tuple[int, CellRelation]] = []  # by the first of their coarse rows
        self._columns, self._width = (0, 0), 0
        low, high = target.range or (0.0, 1.0)
        self._scale = (high - low) / 4 or 1.0

    def fit(self, archive: Archive, region: Region, domain: np.ndarray | None = None) -> None:
        """Fit on a region's times and cells; with fewer than four times it stays interpolation.

        Args:
            archive, region: on what.
            domain: the fine cells that count; None: all.
        """
        archive = mask_truth(archive, region.cells)
        self.fit_chosen, self._relations, self._view = None, [], View((), domain=domain)
        self._columns, self._width = region.columns, archive.shape[1]
        folds = min(FOLDS, len(region.times))
        if len(region.times) < 4:
            return
        strips = list(_strips(archive, region, folds, len(self._spaces())))
        errors: dict[Fit | None, float] = {}
        kept: dict[bool, NeighbourSums] = {}
        for strip in strips[:: -(-len(strips) // JUDGED)]:
            kept = self._judge(archive, region.times, folds, strip, errors)
        self.fit_chosen = min(errors, key=lambda fit: errors[fit])
        if self.fit_chosen is None:
            return
        for strip in strips:
            if len(strips) > 1:
                kept = self._sums(archive, region.times, folds, strip)[0]
            chosen = self.fit_chosen
            relation = kept[chosen.working].relation(chosen.radius, [chosen.ridge])[0]
            self._relations.append((strip[0], relation))

    @torch.no_grad()
    def predict(self, patch: Patch) -> Tensor:
        """Return (B, h·k, w·k) in the target's units, before conservation; NaN where invalid."""
        patch = narrowed(patch, self.halo)
        base = base_field(patch, self.target, (), 0)
        chosen = self.fit_chosen
        if chosen is None or patch.origin is None:
            return base
        k, rest = patch.factor, torch.zeros_like(base)
        seen = neighbours(self._inside(patch.target, chosen.working), self.halo, chosen.radius)
        first, last = self._columns
        for number, (row, column) in enumerate(patch.origin.tolist()):
            columns = (torch.arange(seen.shape[2]) + column) % self._width - first
            across = ((columns >= 0) & (columns < last - first)).nonzero().flatten()
            for top, relation in self._relations:
                begin, end = max(row, top), min(row + seen.shape[1], top + relation.mean.shape[0])
                if begin >= end or not across.numel():
                    continue
                part = relation.part(slice(begin - top, end - top), columns[across])
                expected = part.apply(seen[number : number + 1, begin - row : end - row, across])
                fine = (across[:, None] * k + torch.arange(k)).flatten()
                rows = torch.arange((begin - row) * k, (end - row) * k)
                rest[number, rows[:, None], fine] = whole(expected, k)[0]
        return self._lifted(base, rest, chosen.working)

    # ------------------------------------------------------------------ spaces

    def _spaces(self) -> tuple[bool, ...]:
        """Both spaces, or one where they are the same."""
        return (True,) if self.target.transform == "identity" else (True, False)

    def _inside(self, values: Tensor, working: bool) -> Tensor:
        return normalised(values, self.target) if working else values / self._scale

    def _lifted(self, base: Tensor, rest: Tensor, working: bool) -> Tensor:
        inner = self._inside(base, working) + rest
        field = physical(inner, self.target) if working else inner * self._scale
        return clipped(field, self.target)

    # ------------------------------------------------------------------ fitting

    def _sums(
        self, archive: Archive, times: Sequence[int], folds: int, strip: tuple[int, int]
    ) -> tuple[dict[bool, NeighbourSums], list[list[tuple[Patch, Tensor, Tensor]]]]:
        """Return the sums by space, and of each fold the dates to judge on: patch, base and truth."""
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
                held += [
                    (_one(patch, i, self.halo), base[i : i + 1].clone(), truth[i : i + 1].clone())
                    for i, time in enumerate(batch)
                    if time in wanted
                ]
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
        field = conserve(field, own, patch.factor, self.target, area=patch.area)
        return float((field.double() - truth).square().nansum())

    def _cut(self, archive: Archive, times: Iterable[int], strip: tuple[int, int]) -> tuple[Patch, Tensor]:
        first, last = self._columns
        windows = [Window(time, strip[0], first) for time in times]
        return cut(archive, windows, (strip[1] - strip[0], last - first), self.halo, self._view)


def _one(patch: Patch, index: int, halo: int) -> Patch:
    """Return what judging needs of one window: the coarse field as far as neighbours reach, and areas."""
    ring, k = halo - max(RADII), patch.factor
    area = None if patch.area is None else patch.area[index : index + 1, halo * k : -halo * k].clone()
    return Patch(k, max(RADII), crop(patch.target[index : index + 1], ring).clone(), area=area)


def _strips(archive: Archive, region: Region, folds: int, spaces: int) -> Iterator[tuple[int, int]]:
    """Yield first and last + 1 coarse row of strips whose sums fit into `SUMS`."""
    width, height = region.columns[1] - region.columns[0], archive.shape[0]
    inputs = (2 * max(RADII) + 1) ** 2
    cell = 8 * spaces * (folds + 2) * inputs * (inputs + archive.factor**2)
    rows = max(1, SUMS // (cell * width))
    for first in range(0, height, rows):
        yield first, min(first + rows, height)


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
    """Fit the regression and return it as a row of the table, conserved.

    Nothing where the test's cells have no truth in training: it would be interpolation once more.
    """
    if not shares_cells(archive, split):
        return []
    regression = NeighbourhoodRegression(target)
    domain = split.test_view.domain
    regression.fit(archive, split.train, domain)
    view = View((), domain=domain)
    return [Case(NAME, TITLE, regression.predict, regression.halo, view, 1.0, fitted=True)]
