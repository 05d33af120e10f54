"""Tiles of whole coarse cells, and the queue that makes them smaller when memory runs out.

Every method computes its tile from a halo that covers all it looks at, so neighbouring tiles agree
to rounding and are simply put side by side: there is no overlap left to blend.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import OutOfMemoryError

TILE = 1536  # fine cells along an edge: the halo is then a small part of the work, within 2 GB
TILES = {"cuda": 3072}  # of other devices: more cells keep them busy, and there is less halo


@dataclass(frozen=True)
class Tile:
    """A window of the coarse grid, in coarse cells."""

    row: int
    col: int
    rows: int
    cols: int

    @property
    def cells(self) -> int:
        """Number of coarse cells."""
        return self.rows * self.cols

    def split(self) -> list[Tile]:
        """Return up to four parts of about half the size.

        Raises:
            OutOfMemoryError: the tile is one coarse cell.
        """
        if self.cells == 1:
            raise OutOfMemoryError(
                "There is not enough memory for a single coarse cell: close other programs, or choose "
                "another device."
            )
        top, left = (self.rows + 1) // 2, (self.cols + 1) // 2
        parts = [
            Tile(self.row + r, self.col + c, rows, cols)
            for r, rows in ((0, top), (top, self.rows - top))
            for c, cols in ((0, left), (left, self.cols - left))
        ]
        return [part for part in parts if part.cells]


class TileQueue:
    """The tiles of a grid, row by row, that are still to come."""

    def __init__(self, rows: int, cols: int, size: int) -> None:
        self._tiles = [
            Tile(r, c, min(size, rows - r), min(size, cols - c))
            for r in range(0, rows, size)
            for c in range(0, cols, size)
        ]
        self.total = len(self._tiles)

    def __len__(self) -> int:
        return len(self._tiles)

    def __getitem__(self, number: int) -> Tile:
        return self._tiles[number]

    def shrink(self, number: int) -> None:
        """Split a tile that did not fit, and the later ones to its parts' size; those before it are done."""
        failed, rest = self._tiles[number], self._tiles[number + 1 :]
        parts = failed.split()
        edge = max(max(p.rows, p.cols) for p in parts)
        for tile in rest:
            parts += tile.split() if max(tile.rows, tile.cols) > edge else [tile]
        self.total += len(parts) - len(rest)
        self._tiles = parts


def edge(
    factor: int,
    halo: int,
    bytes_per_cell: float,
    budget: float,
    size: tuple[int, int],
    asked: int = 0,
    tile: int = TILE,
) -> int:
    """Choose a tile's edge in coarse cells.

    About `tile` fine cells, more where the halo would cost more than the tile, within the memory
    budget.

    Args:
        factor: fine cells along a coarse one.
        halo: coarse cells of context.
        bytes_per_cell: working memory for each fine cell of a tile with its halo.
        budget: bytes that a tile may take.
        size: rows and columns of the coarse grid.
        asked: an edge that the user wants instead, as far as the budget allows.
        tile: fine cells along an edge where nothing else is asked for.
    """
    wanted = asked or max(-(-tile // factor), 3 * halo)
    most = int((budget / max(bytes_per_cell, 1)) ** 0.5) // factor - 2 * halo
    return max(1, min(wanted, most, max(size)))
