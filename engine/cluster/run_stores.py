"""The stores of a run in parts: one for each output file, a chunk for each tile and band."""

from __future__ import annotations

from pathlib import Path

from engine.cluster.part_store import PartArray, create_store, is_store
from engine.cluster.parts_folder import PartsFolder, RunFacts
from engine.pipeline.output_files import OutputFile
from engine.pipeline.run_plan import RunPlan
from engine.pipeline.steps.run_writers import run_layout
from engine.raster.georeference import crs_wkt
from engine.raster.written.cf_layout import CfDataset, cf_dataset
from engine.raster.written.geozarr import geozarr_attributes


class RunStores:
    """Stores whose chunks are the tiles of a run.

    Where the output begins within a coarse cell, they reach beyond it, to whole coarse cells.

    Args:
        plan: the run's parts.
        format: of a .zarr output.
        folder: that holds them.
        facts: of the run.

    Attributes:
        shift: rows and columns before the output's first cell.
        arrays: of each output file.
    """

    def __init__(self, plan: RunPlan, format: int, folder: PartsFolder, facts: RunFacts) -> None:
        self.plan, self.format, self.folder, self.facts = plan, format, folder, facts
        grids = plan.grids
        self.shift = grids.row, grids.col
        self._grid = grids.fine if any(self.shift) else grids.output
        self.edge = facts.edge * grids.factor
        self._made = {file.key: self._described(file) for file in plan.files}
        self.arrays = {
            key: PartArray(str(folder.store(key)), made.variable, made.shape[:-2])
            for key, made in self._made.items()
        }

    def create(self) -> None:
        """Write all of the stores but their cells."""
        for file in self.plan.files:
            store = self.folder.store(file.key)
            create_store(store, self._made[file.key], (self.edge, self.edge), self.geozarr(file), {})

    @property
    def are_there(self) -> bool:
        """Whether they are there, whatever of their cells is."""
        return all(is_store(Path(array.store), array.variable) for array in self.arrays.values())

    def is_result(self, file: OutputFile) -> bool:
        """Return whether a file is to be a store of this format."""
        return file.path.suffix.lower() == ".zarr" and self.format == 3

    def geozarr(self, file: OutputFile, cut: bool = False) -> dict[str, object]:
        """Return what GeoZarr says of a file's array, of the output's cells alone or of the store's."""
        grid = self.plan.grids.output if cut else self._grid
        rows, columns = grid.shape
        names = list(self._made[file.key].dimensions)[-2:]
        return geozarr_attributes((names[0], names[1]), (rows, columns), grid.affine, crs_wkt(grid))

    def described(self, file: OutputFile) -> CfDataset:
        """Return what a file is, of the output's cells alone."""
        return self._described(file, cut=True)

    def _described(self, file: OutputFile, cut: bool = False) -> CfDataset:
        grid = self.plan.grids.output if cut else self._grid
        rows, columns = grid.shape
        tags = {**self.facts.tags, **file.tags()}
        return cf_dataset(run_layout(self.plan, file), (rows, columns), grid.affine, crs_wkt(grid), tags)
