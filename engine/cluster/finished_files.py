"""From the stores of a run in parts to its output files: as they are, or by the writers of one process."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from engine.cluster.part_store import PartArray, create_store
from engine.cluster.run_stores import RunStores
from engine.cluster.store_writer import StoreWriter
from engine.pipeline.output_files import OutputFile
from engine.pipeline.steps.run_totals import RunTotals
from engine.pipeline.steps.run_writers import later_tags, run_writer
from engine.raster.written.output_set import FileWriter
from engine.raster.written.raster_writer import RasterWriter


class FinishedFiles:
    """The writers of a run's files.

    Args:
        stores: filled.
        totals: of the run.

    Attributes:
        files: the writers, by what the files hold.
    """

    def __init__(self, stores: RunStores, totals: RunTotals) -> None:
        self._stores, self._totals = stores, totals
        self.files: dict[str, FileWriter] = {}
        for file in stores.plan.files:
            self.files[file.key] = self._store(file) if stores.is_result(file) else self._raster(file)

    def __len__(self) -> int:
        return len(self.files)

    def fill(self, check: Callable[[], None]) -> None:
        """Bring the cells to those writers that need them, tile by tile, and the last tags to all.

        Args:
            check: called between the tiles; raises to stop.
        """
        for file in self._stores.plan.files:
            writer = self.files[file.key]
            if isinstance(writer, RasterWriter):
                self._copy(file, writer, check)
            writer.set_tags(**later_tags(self._totals))

    def _copy(self, file: OutputFile, writer: RasterWriter, check: Callable[[], None]) -> None:
        array, edge, (down, right) = self._stores.arrays[file.key], self._stores.edge, self._stores.shift
        rows, columns = self._stores.plan.grids.output.shape
        # The tiles' own edges, so that each chunk is read once.
        for top, height in _spans(rows, edge, down):
            for left, width in _spans(columns, edge, right):
                for band in range(len(self._stores.plan.dates) * len(file.bands)):
                    check()
                    values = array.read(band, top + down, left + right, height, width)
                    writer.write(values, top, left, band + 1)

    def _raster(self, file: OutputFile) -> RasterWriter:
        return run_writer(self._stores.plan, file, dict(self._stores.facts.tags))

    def _store(self, file: OutputFile) -> StoreWriter:
        cut = partial(self._cut, file) if any(self._stores.shift) else None
        return StoreWriter(self._stores.folder.store(file.key), file.path, cut)

    def _cut(self, file: OutputFile, path: Path, check: Callable[[], None]) -> None:
        """Write the output's part of a store as a store of its own, whose chunks begin with the output."""
        stores = self._stores
        made, array, edge = stores.described(file), stores.arrays[file.key], stores.edge
        rows, columns = stores.plan.grids.output.shape
        create_store(path, made, (edge, edge), stores.geozarr(file, cut=True), {})
        own = PartArray(str(path), made.variable, made.shape[:-2])
        down, right = stores.shift
        for band in range(len(stores.plan.dates) * len(file.bands)):
            for top in range(0, rows, edge):
                for left in range(0, columns, edge):
                    check()
                    height, width = min(edge, rows - top), min(edge, columns - left)
                    own.write(band, top, left, array.read(band, top + down, left + right, height, width))


def _spans(size: int, edge: int, shift: int) -> list[tuple[int, int]]:
    """Return the first cell and the number of cells of each tile's part of the output along an axis."""
    ends = [*range(edge - shift, size, edge), size]
    return [(a, b - a) for a, b in zip([0, *ends], ends, strict=False)]
