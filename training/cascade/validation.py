"""Cross-validation of a cascade at the coarse scale: one block of cells and one year left out at a time.

A fold trains without the truth of its block, in any of the larger cells that touch it, and without
its year and some days around. What the fold's network then finds for the block in that year is kept;
together the folds give one field for each time in which nothing was known to the network that made
it. Simple methods learn nothing beforehand, so they are scored on the same cells as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.errors import InputError
from engine.fields.conservation import conserve
from engine.specs import TargetSpec
from training.cascade.trainer import CascadeLevel, CascadeTrainer
from training.data.archive import Archive
from training.data.patches import Window, cut
from training.data.region import Region
from training.evaluation.block_errors import BlockErrors, paired_interval
from training.evaluation.bootstrap import Interval
from training.evaluation.cases import baseline_cases
from training.evaluation.predict import Case
from training.evaluation.trees import tree_cases
from training.records.record import config_hash
from training.schema.config import Config
from training.schema.split import day_span
from training.trainer import checkpoint
from training.trainer.draws import Draws

CHUNK = 64  # times predicted at once
CELLS = ("all", "covered")  # cells that are scored: all with a truth; those that every fine source covers


@dataclass(frozen=True)
class Fold:
    """What one fold leaves out: cells of the field, (H, W) booleans, and a year."""

    cells: np.ndarray
    year: int


@dataclass
class CrossValidation:
    """Fields by step and method, (T, H, W), against the truth, NaN where not scored."""

    truth: dict[int, np.ndarray]
    covered: dict[int, np.ndarray]  # (H, W): every fine source is there
    fields: dict[int, dict[str, np.ndarray]]
    titles: dict[str, str]

    def metrics(self) -> dict[str, dict[str, float]]:
        """Return method → {rmse_2_all, mae_2_all, bias_2_all, rmse_2_covered, …} → value."""
        numbers: dict[str, dict[str, float]] = {name: {} for name in self.titles}
        for step, fields in self.fields.items():
            for where in CELLS:
                for name, field in fields.items():
                    error = (field - self._truth(step, where)).astype(np.float64)
                    numbers[name][f"rmse_{step}_{where}"] = float(np.sqrt(np.nanmean(error**2)))
                    numbers[name][f"mae_{step}_{where}"] = float(np.nanmean(np.abs(error)))
                    numbers[name][f"bias_{step}_{where}"] = float(np.nanmean(error))
        return numbers

    def against(self, model: str, other: str, step: int, where: str, seed: int = 0) -> Interval:
        """Return the model's RMSE over another method's with its block-bootstrap interval."""
        errors = [self._errors(name, step, where) for name in (model, other)]
        return paired_interval(errors[0], errors[1], "rmse", "ratio", seed=seed)

    def _errors(self, name: str, step: int, where: str) -> BlockErrors:
        errors, truth = BlockErrors(step, 1), self._truth(step, where)
        for time, field in enumerate(self.fields[step][name]):
            errors.update(time, field, truth[time])
        return errors

    def _truth(self, step: int, where: str) -> np.ndarray:
        truth = self.truth[step]
        return truth if where == "all" else np.where(self.covered[step], truth, np.float32(np.nan))


def folds_of(config: Config, levels: Sequence[CascadeLevel]) -> list[Fold]:
    """Return a fold for each block of cells in each year.

    Raises:
        InputError: the dates have no years, or there is only one block and one year.
    """
    if config.cascade is None:
        raise InputError("cascade: the configuration has none.")
    archive, edge = levels[0].archive, config.cascade.block
    if not archive.has_years:
        raise InputError(f"cascade: the data set {archive.name} has months without years.")
    shape = tuple(max(level.archive.fine.shape[axis] for level in levels) for axis in (1, 2))
    each = [resized(np.isfinite(np.asarray(level.archive.fine)).any(0), shape) for level in levels]
    # A step has no truth where its larger cells are not whole.
    known = np.asarray(np.logical_or.reduce(each))
    years = sorted({year_of(date) for date in archive.dates})
    folds = []
    for row in range(0, known.shape[0], edge):
        for column in range(0, known.shape[1], edge):
            cells = np.zeros_like(known)
            cells[row : row + edge, column : column + edge] = True
            if (cells & known).any():
                folds += [Fold(cells, year) for year in years]
    if len(folds) < 2:
        raise InputError(
            "cascade.block: the data set is one block and one year, nothing is left to train on."
        )
    return folds


def year_of(date: str) -> int:
    """Return the year of a date of an archive."""
    return int(date[:4])


def without(level: CascadeLevel, fold: Fold, gap_days: int) -> CascadeLevel:
    """Return a level that does not hold a fold's truth: neither its block nor its year.

    Raises:
        InputError: nothing is left.
    """
    archive = level.archive
    years = {year_of(date) for date in archive.dates}
    times = tuple(
        t for t, date in enumerate(archive.dates) if len(years) == 1 or not _near(date, fold.year, gap_days)
    )
    left = without_cells(level, fold.cells, times)
    if left is None:
        raise InputError("cascade.block: a fold leaves nothing to train on.")
    return left


def without_cells(level: CascadeLevel, cells: np.ndarray, times: tuple[int, ...]) -> CascadeLevel | None:
    """Return a level without the truth of cells, (H, W) booleans, to train on at some times.

    Nothing is known of any of the larger cells that touch them. None where nothing is left.
    """
    archive, k = level.archive, level.step
    held = resized(cells, archive.fine.shape[1:])
    touched = held.reshape(archive.shape[0], k, archive.shape[1], k).any((1, 3))
    fine = np.where(touched.repeat(k, 0).repeat(k, 1), np.float32(np.nan), archive.fine)
    if not times or not np.isfinite(fine[list(times)]).any():
        return None
    train = Region(times, archive.columns_of(None))
    split = replace(level.split, train=train, validation=train, held_out=False)
    return replace(level, archive=replace(archive, fine=fine), split=split)


def cross_validate(
    config: Config,
    levels: Sequence[CascadeLevel],
    runs: Path,
    report: Callable[[int, int], None] | None = None,
    fresh: bool = False,
) -> CrossValidation:
    """Train once for each fold and gather the fields; finished folds in `runs` are not trained again.

    Args:
        config, levels: of the cascade.
        runs: folder for the folds' weights.
        report: is told how many folds are done, of how many.
        fresh: train finished folds again.

    Raises:
        InputError: see `folds_of` and `without`.
    """
    if config.cascade is None:
        raise InputError("cascade: the configuration has none.")
    folds = folds_of(config, levels)
    name, folder = config.model.id, runs / f"{config.model.id}-folds-{config_hash(config)[:12]}"
    outcome = CrossValidation(
        truth={level.step: np.array(level.archive.fine) for level in levels},
        covered={level.step: _covered(level) for level in levels},
        fields={level.step: {} for level in levels},
        titles={},
    )
    section = levels[0].config.target
    plain = TargetSpec(
        levels[0].archive.target_name,
        levels[0].archive.units,
        transform=section.transform,
        scale=section.scale,
        bounds=section.limits,
        conservation=section.conservation,
        weights=levels[0].archive.weights,
    )
    every = list(range(len(levels[0].archive.dates)))
    for level in levels:
        for case in baseline_cases(level.step, plain, level.split.test_view, level.archive.sources):
            outcome.titles[case.name] = case.title
            outcome.fields[level.step][case.name] = predicted(case, level.archive, every, plain)
    for number, fold in enumerate(folds, start=1):
        path = folder / f"fold{number}.safetensors"
        if fresh:
            path.unlink(missing_ok=True)
        own = [without(level, fold, config.cascade.gap_days) for level in levels]
        times = [t for t in every if year_of(levels[0].archive.dates[t]) == fold.year]
        for level, case, target in _fitted_cases(own, path, name):
            outcome.titles[case.name] = f"{case.title}, held-out block and year"
            fields = outcome.fields[level.step]
            if case.name not in fields:
                fields[case.name] = np.full(level.archive.fine.shape, np.nan, np.float32)
            field = predicted(case, level.archive, times, target)
            cells = resized(fold.cells, field.shape[1:])
            fields[case.name][times] = np.where(cells, field, fields[case.name][times])
        if report is not None:
            report(number, len(folds))
    return outcome


@torch.no_grad()
def predicted(case: Case, archive: Archive, times: Sequence[int], target: TargetSpec) -> np.ndarray:
    """Return whole fields of a case, conserved as it says, (T, H, W)."""
    fields = []
    for start in range(0, len(times), CHUNK):
        windows = [Window(time, 0, 0) for time in times[start : start + CHUNK]]
        patch, _ = cut(archive, windows, archive.shape, case.halo, case.view)
        coarse = torch.from_numpy(np.stack([np.asarray(archive.coarse[w.time]) for w in windows]))
        area = None
        if archive.area is not None:
            area = torch.from_numpy(archive.area).expand(len(windows), -1)
        drawn = case.predict(patch).to("cpu")
        fine = conserve(drawn, coarse, archive.factor, target, case.strength, area)
        fields.append(fine.numpy())
    return np.concatenate(fields)


def _fitted_cases(
    levels: Sequence[CascadeLevel], path: Path, name: str
) -> Iterator[tuple[CascadeLevel, Case, TargetSpec]]:
    """Yield each level with what was fitted on it: trees, and the cascade, its weights kept at `path`."""
    trainer = CascadeTrainer(levels, path.parent, thin=True)
    weights = trained_weights(trainer, path)
    for level in levels:
        for case in tree_cases(level.config, level.archive, level.split, trainer.target):
            yield level, case, trainer.target
        model = trainer.model_of(level.step, weights)
        case = Case(name, name, Draws(model), model.halo, level.split.test_view, 1.0)
        yield level, case, trainer.target


def trained_weights(trainer: CascadeTrainer, path: Path) -> dict[str, Tensor]:
    """Return the weights after all steps: those kept at `path`, or new ones, which are then kept there."""
    if path.is_file():
        return checkpoint.load(path)[0]["average"]
    trainer.train_only()
    weights = {n: w.clone() for n, w in trainer.average.weights.items()}
    checkpoint.save(path, {"average": weights}, {"step": trainer.step_number})
    return weights


def _covered(level: CascadeLevel) -> np.ndarray:
    sources = [level.archive.sources[name] for name in level.split.test_view.sources]
    masks = [np.isfinite(np.asarray(s.array[0])).all(0) for s in sources if s.grid == "fine"]
    return np.logical_and.reduce([np.isfinite(level.archive.fine).any(0), *masks])


def resized(cells: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Bring cells to another level's field, which ends earlier or goes on, padded, further down or right."""
    result = np.zeros(shape, dtype=bool)
    rows, columns = (min(a, b) for a, b in zip(cells.shape, shape, strict=True))
    result[:rows, :columns] = cells[:rows, :columns]
    return result


def _near(date: str, year: int, gap_days: int) -> bool:
    first, last = day_span(date)
    begin, end = day_span(str(year))
    return first - gap_days <= end and begin <= last + gap_days
