"""The relation of detail to terms: one for all, departures from it by date and by place, each shrunk.

Ridge regression of the detail d on the terms φ. Its coefficients are drawn to those of the regression of
the field itself on the covariates and a plane, which sees all scales at once and so errs less where the
relation is the same at all of them. A date's own coefficients are drawn to those of all dates; what they
leave is regressed once more in a moving Gaussian window (geographically weighted regression, Brunsdon,
Fotheringham & Charlton 1996, Geogr. Anal. 28), drawn to zero. How strongly each is drawn is chosen on
blocks of space that the fit has not seen. All sums are kept by block, so that a fit without some of them
costs no second look at the cells.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.fields.windows import spread_cells
from engine.sharpening.levels import Level

BLOCK = 4  # cells along a block's edge
FOLDS = 8
_TINY = 1e-9


@dataclass(frozen=True)
class Shrinkage:
    """How strongly coefficients are drawn; in units of the terms' own sums of squares.

    Attributes:
        ridge: of all dates' coefficients to those of the field itself.
        by_date: of a date's own to those; None: it has none of its own.
        window: of local departures, deviation of the Gaussian in blocks; None: none.
        local: of the local departures to zero.
    """

    ridge: float
    by_date: float | None = None
    window: float | None = None
    local: float = 0.3


@dataclass(frozen=True)
class Relation:
    """Coefficients.

    Attributes:
        dates: (D, P).
        places: (P, rows, columns) departures, one for each block of `BLOCK` cells of the level it was
            fitted on; None: none.
    """

    dates: Tensor
    places: Tensor | None = None


class BlockSums:
    """Sums of products over the blocks of a level.

    Attributes:
        squares: (D, F, P, P) of the terms, by date and fold.
        products: (D, F, P) of terms and detail.
    """

    def __init__(self, level: Level) -> None:
        self.level = level
        self.shape, self.folds = block_shape(level.shape), folds_of_blocks(level.shape)
        dates, terms = level.dates, level.values.shape[0]
        hot = F.one_hot(self.folds.flatten(), FOLDS).double()  # (blocks, F)
        self.squares = torch.zeros(dates, FOLDS, terms, terms, dtype=torch.float64)
        self.products = torch.zeros(dates, FOLDS, terms, dtype=torch.float64)
        self.local_squares = torch.zeros(hot.shape[0], terms, terms, dtype=torch.float64)
        self._of_field = FieldSums(level, self.folds)
        for number in range(len(level.detail)):
            phi = by_block(level.values[:, number]).movedim(0, -1)  # (blocks, cells, P)
            square = phi.transpose(1, 2) @ phi
            self.local_squares += square
            self.squares[number % dates] += torch.einsum("bf,bpq->fpq", hot, square)
            self.products[number % dates] += torch.einsum(
                "bf,bp->fp", hot, _with_field(phi, level.detail[number])
            )

    def of_terms(self, kept: Sequence[int]) -> BlockSums:
        """Return the sums of some of the terms; see `Level.of_terms`."""
        part, rows = copy.copy(self), torch.tensor(kept)
        part.level = self.level.of_terms(kept)
        part.squares = self.squares[..., rows, :][..., rows]
        part.products = self.products[..., rows]
        part.local_squares = self.local_squares[:, rows][..., rows]
        part._of_field = copy.copy(self._of_field)
        part._of_field.own = part.level.own
        return part

    def fit(self, how: Shrinkage, without: int | None = None) -> Relation:
        """Return the coefficients that all blocks but those of a fold give."""
        kept = [fold for fold in range(FOLDS) if fold != without]
        squares, products = self.squares[:, kept].sum(1), self.products[:, kept].sum(1)
        whole = squares.sum(0)
        size = whole.diagonal()
        prior, by_date = self._of_field.coefficients(kept, how.by_date, len(size))
        pull = how.ridge * size + _TINY
        alone = _solved(whole, products.sum(0) + pull * prior, pull)
        dates = alone.expand(len(squares), -1)
        if how.by_date is not None and len(squares) > 1:
            pull = (how.by_date * size / len(squares) + _TINY).expand(len(squares), -1)
            dates = _solved(squares, products + pull * (alone + by_date - prior), pull)
        if how.window is None:
            return Relation(dates)
        return Relation(dates, self._places(dates, size, how.window, how.local, without))

    def _places(
        self, dates: Tensor, size: Tensor, window: float, local: float, without: int | None
    ) -> Tensor:
        level = self.level
        left = level.detail - torch.einsum("dp,pdhw->dhw", _in_phases(dates, level).float(), level.values)
        left = torch.where(level.known, left, 0.0)
        products = torch.zeros(self.local_squares.shape[:2], dtype=torch.float64)
        for number in range(len(left)):
            products += _with_field(by_block(level.values[:, number]).movedim(0, -1), left[number])
        squares = self.local_squares
        if without is not None:
            seen = (self.folds.flatten() != without).double()
            squares, products = squares * seen[:, None, None], products * seen[:, None]
        squares, products = (smoothed(part, self.shape, window) for part in (squares, products))
        pull = local * squares.diagonal(dim1=-2, dim2=-1) + 1e-3 * size / len(squares) + _TINY
        return _solved(squares, products, pull).T.unflatten(1, self.shape)

    def held_out(self, how: Shrinkage) -> Tensor:
        """Return what each term explains of cells in blocks that its fit has not seen, (P, N·D, H, W)."""
        level = self.level
        fold = cells_of_blocks(self.folds, level.shape)
        made = torch.zeros_like(level.values)
        for number in range(FOLDS):
            inside = fold == number
            if not bool(inside.any()):
                continue
            relation = self.fit(how, number)
            part = level.values[:, :, inside]
            own = part * _in_phases(relation.dates, level).T.float()[:, :, None]
            if relation.places is not None:
                own += part * on_cells(relation.places, BLOCK, level.shape)[:, None, inside]
            made[:, :, inside] = own
        return made


class FieldSums:
    """Sums for the regression of the field itself on the covariates and a plane, by date and fold."""

    def __init__(self, level: Level, folds: Tensor) -> None:
        self.own = level.own
        rows, columns = (torch.linspace(-1, 1, size) for size in level.shape)
        plane = torch.stack([rows[:, None].expand(level.shape), columns.expand(level.shape)])
        ones = torch.ones(1, *level.shape)
        fold = cells_of_blocks(folds, level.shape)
        made = []
        for number in range(len(level.detail)):
            parts = torch.cat([ones, plane, level.channels[:, number], level.field[number][None]])
            parts = (parts * level.known[number]).flatten(1).double()
            hot = F.one_hot(fold.flatten(), FOLDS).double().T  # (F, cells)
            made.append(torch.stack([(parts * one) @ parts.T for one in hot]))
        self.sums = torch.stack(made).unflatten(0, (level.phases, -1)).sum(0)  # (D, F, N, N), the field last

    def coefficients(self, kept: Sequence[int], by_date: float | None, terms: int) -> tuple[Tensor, Tensor]:
        """Return those of the terms, (P,) for all dates and (D, P) for each: zero but for D z.

        Args:
            kept: folds that are seen.
            by_date: see `Shrinkage`.
            terms: P.
        """
        dates = len(self.sums)
        alone, each = torch.zeros(terms, dtype=torch.float64), torch.zeros(dates, terms, dtype=torch.float64)
        if not self.own:
            return alone, each
        sums = self.sums[:, list(kept)].sum(1)
        plain = 3  # one and the plane, which go out of both sides (Frisch & Waugh 1933)
        first, cross, rest = sums[:, :plain, :plain], sums[:, :plain, plain:], sums[:, plain:, plain:]
        pull = 1e-6 * first.diagonal(dim1=-2, dim2=-1) + _TINY
        rest = rest - cross.transpose(1, 2) @ torch.linalg.solve(first + torch.diag_embed(pull), cross)
        squares, products = rest[:, :-1, :-1], rest[:, :-1, -1]
        size = squares.sum(0).diagonal()
        pooled = _solved(squares.sum(0), products.sum(0), 1e-2 * size + _TINY)
        own = list(self.own)
        alone[own] = pooled
        each[:, own] = pooled
        if by_date is not None and dates > 1:
            pull = (by_date * size / dates + _TINY).expand(dates, -1)
            each[:, own] = _solved(squares, products + pull * pooled, pull)
        return alone, each


def contributions(level: Level, relation: Relation, finer: int = 1) -> Tensor:
    """Return what each term explains of a level, (P, N·D, H, W).

    Args:
        level: whose terms are looked at.
        relation: fitted there, or on a level whose cells are `finer` times as large.
        finer: see `relation`.
    """
    coefficients = _in_phases(relation.dates, level).T.float()[:, :, None, None]
    made = level.values * coefficients
    if relation.places is not None:
        places = on_cells(relation.places, BLOCK * finer, level.shape)
        made += level.values * places[:, None]
    return made


def _in_phases(dates: Tensor, level: Level) -> Tensor:
    """Return coefficients of dates, (D, P), for each of a level's fields, (N·D, P)."""
    return dates.repeat(level.phases, 1)


def on_cells(blocks: Tensor, edge: int, shape: Sequence[int]) -> Tensor:
    """Interpolate (P, rows, columns) of blocks to cells, `edge` along a block: (P, H, W) float32."""
    size = [blocks.shape[1] * edge, blocks.shape[2] * edge]
    fields = F.interpolate(blocks.float()[None], size=size, mode="bilinear", align_corners=False)[0]
    return fields[:, : shape[0], : shape[1]]


def by_block(fields: Tensor) -> Tensor:
    """Return (N, H, W) as (N, blocks, cells), float64; beyond the edge there are zeros."""
    rows, columns = fields.shape[-2:]
    padded = F.pad(fields, (0, -columns % BLOCK, 0, -rows % BLOCK)).double()
    parts = padded.unflatten(-2, (-1, BLOCK)).unflatten(-1, (-1, BLOCK)).movedim(-3, -2)
    return parts.flatten(-2).flatten(-3, -2)


def block_shape(shape: Sequence[int]) -> tuple[int, int]:
    """Return the rows and columns of blocks that cover so many rows and columns of cells."""
    rows, columns = (-(-size // BLOCK) for size in shape)
    return rows, columns


def cells_of_blocks(blocks: Tensor, shape: Sequence[int]) -> Tensor:
    """Return (H, W) of what stands in each cell's block."""
    return spread_cells(blocks, BLOCK)[: shape[0], : shape[1]]


def smoothed(sums: Tensor, shape: Sequence[int], window: float) -> Tensor:
    """Return sums by block, (blocks, …), summed once more under a Gaussian of `window` blocks."""
    rows, columns = (torch.arange(size, dtype=torch.float64) for size in shape)
    down, across = (torch.exp(-0.5 * ((x[:, None] - x) / window) ** 2) for x in (rows, columns))
    field = sums.flatten(1).unflatten(0, tuple(shape))
    field = torch.einsum("ij,jkx->ikx", down, field)
    return torch.einsum("kl,ilx->ikx", across, field).reshape(sums.shape)


def folds_of_blocks(shape: Sequence[int]) -> Tensor:
    """Return the fold of each block, (rows, columns): neighbours are in different ones, odd beside even."""
    rows, columns = block_shape(shape)
    return (torch.arange(rows)[:, None] * 3 + torch.arange(columns)) % FOLDS


def _with_field(phi: Tensor, field: Tensor) -> Tensor:
    """Return the sums of terms, (blocks, cells, P), times a field, (H, W), by block: (blocks, P)."""
    return torch.einsum("bcp,bc->bp", phi, by_block(field[None])[0])


def _solved(squares: Tensor, products: Tensor, pull: Tensor) -> Tensor:
    return torch.linalg.solve(squares + torch.diag_embed(pull), products)
