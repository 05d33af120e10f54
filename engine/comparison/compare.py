"""The comparison: each method makes a known field from its means, and is measured by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from odc.geo.geobox import GeoBox

from engine import units
from engine.comparison.contenders import Contender, Excluded, contenders
from engine.comparison.known_field import SMOOTH
from engine.comparison.levels import TRUTH, UP, JudgedLevel, judged_levels, write_domain
from engine.comparison.measured import ComparedRow, DepartureSums
from engine.comparison.report import Findings, page, table
from engine.comparison.request import CompareRequest
from engine.errors import InputError, PackageError
from engine.feedback import Feedback
from engine.files.partial_files import discard, discard_stale, finish, partial_path
from engine.pipeline.method_choice import ModelCache
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.georeference import crs_wkt
from engine.raster.grids import window
from engine.raster.opened_files import lost_file, opened_files
from engine.raster.reader import Raster
from engine.raster.reference import GridRequest, RasterRef
from engine.raster.written.raster_writer import RasterWriter
from engine.raster.written.taken_place import why_not_writable


@dataclass
class Made:
    """What a method made at a level."""

    contender: Contender
    path: Path
    notes: Sequence[str]


def compare(request: CompareRequest, feedback: Feedback, cache: ModelCache | None = None) -> dict[str, Any]:
    """Compare methods on a raster; write the table, and the page and the differences where they are wanted.

    Args:
        request: what to compare.
        feedback: hears of the progress, and says when to stop.
        cache: keeps models loaded between calls.

    Returns:
        `rows` (see `ComparedRow`), `excluded`, `factors` by level, `dates`, `units`, `best` by level,
        `outputs`, `cannot_tell` and `warnings`.

    Raises:
        InputError: the request or a raster is wrong; nothing was written.
        Cancelled: the user stopped it; nothing was written.
    """
    units.ready()
    finals = _checked_outputs(request)
    partial: dict[str, Path] = {}
    with ExitStack() as stack:
        for what, final in finals.items():
            discard_stale(final)
            partial[what] = _scratch(final, stack)
        known, levels = judged_levels(request, feedback, stack)
        taking, excluded = contenders(request, known)
        names = {UP: "differences", TRUTH: "truth_differences"}
        rows: list[ComparedRow] = []
        warnings = _warnings(request, known.cropped, levels, {names[level.key] for level in levels})
        for number, level in enumerate(levels):
            part = _Share(feedback, 0.02 + 0.96 * number / len(levels), 0.96 / len(levels))
            run = _LevelRun(request, level, finals["table"], part, cache or ModelCache(), stack)
            made, failed = run.make(taking)
            excluded += [each for each in failed if each not in excluded]
            rows += run.measure(made, partial.get(names[level.key]))
        findings = Findings(request, known, levels, rows, excluded, warnings)
        partial["table"].write_text(table(rows), encoding="utf-8")
        if "page" in partial:
            partial["page"].write_text(page(findings), encoding="utf-8")
        feedback.check_cancelled()
        there = {what: path for what, path in partial.items() if path.exists()}
        finish([(path, finals[what]) for what, path in there.items()])
    for line in warnings:
        feedback.log(line, "warning")
    feedback.progress(1.0, "Done")
    return findings.to_json() | {"outputs": {what: str(finals[what]) for what in there}}


class _Share:
    """A method's share of the progress; what it logs is not told."""

    def __init__(self, feedback: Feedback, start: float, share: float) -> None:
        self.feedback, self.start, self.share = feedback, start, share
        self.phase = ""

    def of(self, number: int, count: int, phase: str) -> _Share:
        part = _Share(self.feedback, self.start + self.share * number / count, self.share / count)
        part.phase = phase
        return part

    def progress(
        self,
        fraction: float,
        phase: str,
        tiles_done: int = 0,
        tiles_total: int = 0,
        seconds_left: float | None = None,
        training: Mapping[str, Any] | None = None,
    ) -> None:
        self.feedback.progress(self.start + self.share * fraction, self.phase or phase)

    def log(self, message: str, level: str = "info") -> None:
        """Tell nothing: the result's warnings become notes."""

    def check_cancelled(self) -> None:
        self.feedback.check_cancelled()


class _LevelRun:
    """The methods at one level."""

    def __init__(
        self,
        request: CompareRequest,
        level: JudgedLevel,
        beside: Path,
        part: _Share,
        cache: ModelCache,
        stack: ExitStack,
    ) -> None:
        self.request, self.level, self.part, self.cache = request, level, part, cache
        self._new: Callable[[], Path] = lambda: _scratch(beside, stack)
        self.target = RasterRef(str(self._new()))
        level.target.write(Path(self.target.path))
        self.domain = write_domain(level, self._new)
        self.weights = level.weights

    def make(self, taking: Sequence[Contender]) -> tuple[list[Made], list[Excluded]]:
        """Let each method make its field; return what was made, and what could not be."""
        made, failed = [], []
        for number, contender in enumerate(taking):
            self.part.check_cancelled()
            if contender.factor not in (None, self.level.factor):
                why = f"it makes a raster {contender.factor} times finer, not {self.level.factor} times"
                failed.append(Excluded(contender.name, contender.title, why))
                continue
            part = self.part.of(number, len(taking), f"Comparing: {contender.title}")
            path = self._new()
            try:
                result = super_resolve(self._request_of(contender, path), part, self.cache)
            except (InputError, PackageError) as error:
                if contender.name == SMOOTH:  # which can always be made, unless a raster cannot be used
                    raise InputError(self._named(str(error))) from error
                failed.append(Excluded(contender.name, contender.title, self._named(str(error))))
                continue
            made.append(Made(contender, path, [self._named(line) for line in result.warnings]))
        return made, failed

    def _named(self, sentence: str) -> str:
        """Return a sentence with the user's raster in place of the one that was written for the run."""
        return sentence.replace(self.target.path, self.request.target.path)

    def _request_of(self, contender: Contender, path: Path) -> SuperResolveRequest:
        level, taken = self.level, contender.sources
        sources = {n: ref for n, ref in self.request.sources.items() if taken is None or n in taken}
        return SuperResolveRequest(
            contender.model,
            self.target,
            str(path),
            sources,
            grid=None if level.like is None else GridRequest(like=level.like),
            factor=level.factor,
            quantity=level.target.quantity if contender.factor is None else "auto",
            all_dates=level.target.dates != (None,),
            conservation=contender.strength,
            domain=self.domain,
            device=self.request.device,
            models=self.request.models,
        )

    def measure(self, made: Sequence[Made], differences: Path | None) -> list[ComparedRow]:
        """Measure what was made by the known field; write made − known where that is wanted."""
        sums = {each.contender.name: DepartureSums() for each in made}
        level, dates = self.level, self.level.target.dates
        with ExitStack() as stack:
            unit = level.target.spec.units
            rasters = [Raster(RasterRef(str(each.path)), each.contender.name, unit) for each in made]
            for raster in rasters:
                stack.callback(raster.close)
            writer = None if differences is None or not made else self._writer(differences, made)
            if writer is not None:
                stack.enter_context(writer)
            for rows in level.rows():
                part = _rows_of(level, rows)
                for date in range(len(dates)):
                    self.part.check_cancelled()
                    known = level.reference(date, rows)
                    for number, (each, raster) in enumerate(zip(made, rasters, strict=True)):
                        field = torch.from_numpy(raster.read(part, [date + 1], raster.resampling(part))[0])
                        departure = field - known
                        weights = None if self.weights is None else self.weights[rows]
                        sums[each.contender.name].add(departure, known, weights)
                        if writer is not None:
                            band = number * len(dates) + date + 1
                            writer.write(departure.numpy(), rows.start, 0, band)
        smooth = sums[SMOOTH].rmse if SMOOTH in sums else float("nan")
        told = [self._row(each, sums[each.contender.name], smooth) for each in made]
        return sorted(told, key=lambda row: (row.rmse != row.rmse, row.rmse))

    def _row(self, made: Made, sums: DepartureSums, smooth: float) -> ComparedRow:
        learns = made.contender.factor is not None or made.contender.sources is None
        notes = list(made.notes) if learns else []
        if sums.cells < sums.known:
            notes.insert(0, f"It has a value in {sums.cells / sums.known:.0%} of the cells.")
        ratio = sums.rmse / smooth if smooth > 0 else float("nan")
        return ComparedRow(
            self.level.key,
            made.contender.name,
            made.contender.title,
            self.level.factor,
            sums.cells,
            sums.rmse,
            ratio,
            sums.bias,
            " ".join(notes),
        )

    def _writer(self, path: Path, made: Sequence[Made]) -> RasterWriter:
        grid, dates = self.level.grid, self.level.target.dates
        names = [f"{m.contender.name} {when or ''}".rstrip() for m in made for when in dates]
        rows, columns = grid.shape
        return RasterWriter(
            path,
            columns,
            rows,
            grid.affine,
            crs_wkt(grid),
            len(names),
            band_names=names,
            units=self.level.target.spec.units,
            tags={"MSR_QUANTITY": "made by a method minus known"},
        )


def _rows_of(level: JudgedLevel, rows: slice) -> GeoBox:
    return window(level.grid, rows.start, 0, rows.stop - rows.start, level.grid.shape[1])


def _scratch(final: Path, stack: ExitStack) -> Path:
    """Return a temporary path beside a file, which is removed in the end."""
    path = partial_path(final)
    stack.callback(discard, path)
    return path


def _checked_outputs(request: CompareRequest) -> dict[str, Path]:
    """Return the files to write, by what they are.

    Raises:
        InputError: one cannot go where it should, or would replace what is read.
    """
    finals: dict[str, Path] = {}
    refs = [request.target, *request.sources.values(), *([request.truth] if request.truth else [])]
    read = opened_files([ref.path for ref in refs])
    for what, path, endings in request.outputs():
        name = f"The {what.replace('_', ' ')}"
        if path.suffix.lower() not in endings:
            raise InputError(f"{name} {path.name} must end in {endings[0]}: choose such a name.")
        if not path.parent.is_dir():
            raise InputError(f"The folder {path.parent} does not exist: make it, or choose another output.")
        if why := why_not_writable(path):
            raise InputError(f"{name} {path} cannot be written, as {why}: choose another file or folder.")
        if (lost := lost_file(path, read)) is not None:
            raise InputError(f"{name} {path} would replace {lost}, which is read: choose another file.")
        if path in finals.values():
            raise InputError(f"{name} {path} is another output too: choose another file.")
        finals[what] = path
    return finals


def _warnings(
    request: CompareRequest, cropped: bool, levels: Sequence[JudgedLevel], told: set[str]
) -> list[str]:
    """Return what a reader of the result should know."""
    lines = []
    up = next((level for level in levels if level.key == UP), None)
    if up is None:
        lines.append("The raster has too few cells to be averaged once more, so there is no level above it.")
    elif request.factor is not None and up.factor < request.factor:
        lines.append(
            f"One level up the factor is {up.factor}, not {request.factor}: more would leave too few cells."
        )
    if cropped:
        lines.append("The raster is large: its middle alone was compared.")
    wanted = {"differences": request.differences, "truth_differences": request.truth_differences}
    without = [what for what, path in wanted.items() if path and what not in told]
    return lines + [f"The {w.replace('_', ' ')} are not written: there is no such level." for w in without]
