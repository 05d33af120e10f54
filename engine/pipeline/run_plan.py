"""What a run will do, settled and checked before its long work."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from engine import units
from engine.bias.correction import BiasCorrection
from engine.dates import When
from engine.errors import InputError
from engine.files.free_disk import check_free
from engine.files.long_paths import REMEDY, too_long_to_write
from engine.files.partial_files import held
from engine.pipeline.domain_input import domain_input
from engine.pipeline.inputs import InputRasters
from engine.pipeline.inspection.understood import Understood
from engine.pipeline.kept_inputs import check_apart, check_kept, output_label
from engine.pipeline.method_choice import Choice, choose
from engine.pipeline.output_files import OutputFile, output_files
from engine.pipeline.request import SuperResolveRequest
from engine.raster.cf.store_contents import is_store
from engine.raster.checks.declared_size import MOST_READ
from engine.raster.checks.georeference_check import repeated_column
from engine.raster.footprint import scale
from engine.raster.georeference import crs_wkt
from engine.raster.grids import Grids, check_size, plan
from engine.raster.reader import Raster
from engine.raster.reference import GridRequest
from engine.raster.written.cf_layout import check_unturned, time_axis
from engine.raster.written.raster_writer import ARRAY_FILES, GEOTIFF, disk_needed
from engine.raster.written.taken_place import why_not_writable
from engine.specs import TargetSpec

OutputChecks = Literal["all", "place", "none"]


@dataclass(frozen=True)
class RunPlan:
    """The parts of one run."""

    request: SuperResolveRequest
    choice: Choice  # of the method
    grids: Grids
    inputs: InputRasters  # open
    dates: list[When | None]  # one after another in the output's bands
    files: list[OutputFile]  # to write, the main one first
    warnings: list[str]
    understood: list[Understood]  # of each input

    def told_of_result(self) -> dict[str, Any]:
        """Return what a result tells of its run whatever the run's steps were."""
        main, *others = self.files
        rows, cols = self.grids.output.shape
        return {
            "output": str(main.path),
            "width": cols,
            "height": rows,
            "units": self.choice.target.units,
            "nonnegative": self.choice.target.nonnegative,
            "members": self.request.ensemble.members if self.request.ensemble else 0,
            "outputs": {file.key: str(file.path) for file in others},
            "dates": [str(date) for date in self.dates if date is not None],
        }


@contextmanager
def prepare(
    request: SuperResolveRequest, check: Callable[[], None] | None = None, outputs: OutputChecks = "all"
) -> Iterator[RunPlan]:
    """Give the plan of a run whose rasters are open, and close them in the end.

    Args:
        request: what to do.
        check: called between the pieces of every read; raises to stop.
        outputs: what is checked of the files to be written; "place" is all but the room on the disk.

    Raises:
        InputError: the request or a raster is wrong.
    """
    units.ready()
    _check_numbers(request)
    if outputs != "none":
        _check_paths(request)
    choice, target = choose(request, check)
    with closing(target):
        grids = plan(target, choice.factor, request.grid)
        correction = choice.correction()
        if correction is not None and request.grid in (None, GridRequest()):
            grids = _on_cells_of(correction, target, grids)
        inputs = _opened(request, choice, target, grids, correction)
        with closing(inputs):
            inputs.listen(check)
            if outputs != "none":
                for raster in inputs.rasters:
                    _ = raster.servers.first  # before its cells are looked at
            files = output_files(request, choice.target)
            if outputs != "none":
                check_kept(files, request, choice, inputs)
            choice.check(inputs.names)
            dates = inputs.wanted_dates(request.date, request.all_dates)
            known = [when for when in dates if when is not None]
            if _are_arrays(files) and len(known) == len(dates):
                dates[:] = sorted(known)  # CF-1.11, 5: a coordinate's values go one way
            _check_season(choice, dates)
            if request.ensemble is not None:
                request.ensemble.check_dates(dates)
            _check_reading(grids, inputs)
            if inputs.domain is not None:
                inputs.domain.check(grids.output)
            if outputs != "none":
                _check_arrays(files, grids, dates)
            if outputs == "all":
                _check_disk(files, grids, len(dates))
            uncorrected = [] if correction is None else _uncorrected(correction, grids, dates)
            warnings = [*_warnings(choice, grids, inputs), *uncorrected, *inputs.early_doubts(dates[0])]
            warnings += _month_or_day(choice, inputs, dates)
            yield RunPlan(request, choice, grids, inputs, dates, files, warnings, _understood(choice, inputs))


def _opened(
    request: SuperResolveRequest,
    choice: Choice,
    target: Raster,
    grids: Grids,
    correction: BiasCorrection | None,
) -> InputRasters:
    """Return the run's rasters, open."""
    card = None if choice.package is None else choice.package.card.domain
    domain = domain_input(request.domain, card, choice.domain, grids.output)
    shipped, aggregate = choice.shipped, request.aggregate
    try:
        return InputRasters(
            target,
            choice.target,
            choice.sources,
            request.sources,
            shipped,
            grids,
            aggregate,
            correction,
            domain,
        )
    except BaseException:
        if domain is not None and domain.raster is not None:
            domain.raster.close()
        raise


def _understood(choice: Choice, inputs: InputRasters) -> list[Understood]:
    taken = choice.taken_as()
    return [
        replace(each, notes=(*each.notes, taken[each.name])) if each.name in taken else each
        for each in inputs.understood()
    ]


def _on_cells_of(correction: BiasCorrection, target: Raster, grids: Grids) -> Grids:
    """Return the run's grids, on the cells that the correction is of where the target has others.

    The target is averaged onto them, as it was when the model was trained.
    """
    if correction.place(grids.coarse) is not None:
        return grids
    own, k = correction.grid, grids.factor
    left, bottom, right, top = own.boundingbox
    size = (abs(own.affine.a) / k, abs(own.affine.e) / k)
    return plan(target, k, GridRequest(crs=crs_wkt(own), resolution=size, extent=(left, bottom, right, top)))


def _uncorrected(correction: BiasCorrection, grids: Grids, dates: list[When | None]) -> list[str]:
    share = correction.check(grids.coarse, dates)
    if share == 1:
        return []
    return [
        f"target: {1 - share:.1%} of the coarse cells are missing in the output, because the model's "
        f"correction was not fitted there."
    ]


def _check_numbers(request: SuperResolveRequest) -> None:
    if request.conservation is not None and not 0 <= request.conservation <= 1:
        raise InputError(f"The conservation strength {request.conservation} is not between 0 and 1.")
    if request.tile < 0:
        raise InputError(f"The tile size {request.tile} is negative: give coarse cells, or 0 for automatic.")
    if request.ensemble is not None:
        request.ensemble.check()


def _check_paths(request: SuperResolveRequest) -> None:
    """Refuse an output that cannot go where it should."""
    files = output_files(request, TargetSpec("target", ""))
    for file in files:
        path, name = file.path, output_label(file)
        if not _can_be_named(path):
            raise InputError(f"{name} {path.name!a} holds a sign that no file name can: choose another.")
        if path.suffix.lower() not in (*GEOTIFF, *ARRAY_FILES):
            raise InputError(
                f"{name} {path.name} must be a GeoTIFF, NetCDF or Zarr: let its name end in .tif, .nc or "
                ".zarr."
            )
        if signs := too_long_to_write(path):
            told = f"{name} {path.name}: while it is written, its path has {signs} signs"
            raise InputError(f"{told}, and {REMEDY}.")
        if not path.parent.is_dir():
            raise InputError(f"The folder {path.parent} does not exist: make it, or choose another output.")
        store = next((folder for folder in path.parents if is_store(str(folder))), None)
        if store is not None:
            raise InputError(f"{name} {path} lies in the Zarr store {store}: choose a folder outside of it.")
        if why := why_not_writable(path):
            raise InputError(f"{name} {path} cannot be written, as {why}: choose another file or folder.")
        if held(path):
            raise InputError(
                f"{name} {path} cannot be replaced: close the program that has it open, or choose another "
                "file."
            )
        if path.exists() and not request.overwrite:
            raise InputError(f"{name} {path} exists already: remove it, or choose another file.")
    check_apart(files)


def _check_arrays(files: Sequence[OutputFile], grids: Grids, dates: Sequence[When | None]) -> None:
    """Refuse what a NetCDF or Zarr cannot tell."""
    if _are_arrays(files):
        check_unturned(grids.output.affine)
        if len(dates) > 1 or dates[0] is not None:
            time_axis(dates)


def _are_arrays(files: Sequence[OutputFile]) -> bool:
    """Return whether any is a NetCDF or Zarr."""
    return any(file.path.suffix.lower() in ARRAY_FILES for file in files)


def _can_be_named(path: Path) -> bool:
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:  # a lone half of a surrogate pair
        return False


def _check_season(choice: Choice, dates: list[When | None]) -> None:
    if choice.season and any(w is None or w.month is None for w in dates):
        raise InputError(f"{choice.id} needs the season: give the date, YYYY-MM-DD, YYYY-MM or MM.")


def _month_or_day(choice: Choice, inputs: InputRasters, dates: Sequence[When | None]) -> list[str]:
    """Say what a first of a month is taken for, where the target tells no date and days are told apart."""
    seen = choice.season or any(s.spec.traits.of_target for s in inputs.sources)
    when = dates[0]
    if not seen or any(inputs.target.dates) or when is None or (when.day, when.hour) != (1, None):
        return []
    month = when.to("month")
    return [f"date: {when} is taken as this one day; if the target is the mean of the month, give {month}."]


def _check_reading(grids: Grids, inputs: InputRasters) -> None:
    """Refuse rasters so much finer than the output that reading them would take days."""
    rows, cols = grids.output.shape
    for raster in inputs.rasters:
        cells = rows * cols * scale(raster.georeference, grids.output) ** 2
        if min(cells, raster.width * raster.height) > MOST_READ:
            raise InputError(
                f"{raster.label}: {raster.ref.path} has {cells:.2g} cells under the output: average it first "
                f"to cells near the output's, for instance with gdalwarp -r average -tr, or choose a smaller "
                f"extent."
            )


def _check_disk(files: Sequence[OutputFile], grids: Grids, dates: int) -> None:
    """Refuse before long work what the writers would refuse after it."""
    rows, cols = grids.output.shape
    needed: dict[int, int] = {}
    folders: dict[int, Path] = {}
    for file in files:
        bands = dates * len(file.bands)
        check_size(cols, rows, output_label(file), bands)
        disk = os.stat(file.path.parent).st_dev
        folders.setdefault(disk, file.path.parent)
        needed[disk] = needed.get(disk, 0) + disk_needed(cols, rows, bands)
    for disk, size in needed.items():
        check_free("The output", size, folders[disk], "a smaller extent")


def _warnings(choice: Choice, grids: Grids, inputs: InputRasters) -> list[str]:
    lines = [*choice.warnings(grids), *inputs.remarks()]
    lines += [
        f"{name}: its cells are no finer than the target's, so it adds no detail."
        for name in inputs.coarser_than_fine()
    ]
    if choice.domain is not None and inputs.domain is None:
        lines.append("The model's own domain lies elsewhere, so every fine cell counts.")
    repeated = [repeated_column(raster.georeference, raster.label) for raster in inputs.rasters]
    return lines + [line for line in repeated if line]
