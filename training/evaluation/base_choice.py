"""Which simple methods a model's residual stands on, measured on blocks of training data held out.

Each method's errors, conserved as strongly as the target says and in the target's units, are taken on dates
of each block with a climatology, and a regression on the coarse cells around, of the other blocks. From the
products of these errors follow the weights, from zero on and of sum one, of the blend with the least square
error; it is taken where weights of the other blocks show that it is better by `WORTH` than the best method
alone. Blocks are of dates; where the test's cells have no truth in training they are of places, and nothing
that knows places is among the methods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from engine.disaggregation.base_field import MOST_BANDS
from engine.disaggregation.cell_regression import CellRegression
from engine.errors import InputError
from engine.files.sizes import size_text
from engine.methods.blended_base import base_ids
from engine.methods.interface import CLIMATOLOGY
from engine.methods.registry import BASELINES
from engine.nets.architectures import ARCHITECTURES
from engine.nets.spec import NetworkSpec
from engine.package.folder import MAX_REGRESSION_BYTES
from engine.specs import NEIGHBOURHOOD, BaseSpec, TargetSpec
from training.data.archive import Archive
from training.data.masked_truth import mask_truth
from training.data.patches import View
from training.data.region import Region, truth_of
from training.data.split import Split
from training.evaluation.cases import baseline_cases
from training.evaluation.neighbourhood import (
    FOLDS,
    TITLE,
    NeighbourhoodRegression,
    file_size,
    shares_cells,
)
from training.evaluation.predict import Case, Strip, predict_field
from training.schema.config import Config

DATES = 60  # at most, that methods are judged on
WORTH = 0.01  # of the best method's error, that a blend must gain
SMALLEST_WEIGHT = 0.02
ANALOGUES = "constructedanalogues"
INTERPOLATION = "bicubicsmooth"  # what the regression is where it finds nothing


@dataclass(frozen=True)
class BaseChoice:
    """What was chosen.

    Attributes:
        spec: the base.
        rmse: of each method on what was held out; that of the blend as `blend`.
        regression: of the base, where it names it.
        folds: block of each training time that the regression was also fitted without.
        left_out: why the regression was not among the methods, in a sentence; "" where it was.
    """

    spec: BaseSpec
    rmse: dict[str, float]
    regression: CellRegression | None = field(default=None, compare=False, repr=False)
    folds: Mapping[int, int] = field(default_factory=dict, compare=False, repr=False)
    left_out: str = ""


def choose_base(
    config: Config, archive: Archive, split: Split, target: TargetSpec, given: BaseSpec | None = None
) -> BaseChoice:
    """Return the base that a configuration asks for, measured where it leaves the choice.

    Args:
        config, archive, split, target: of the training.
        given: a base that is taken as it is, but for its regression, which is fitted anew.

    Raises:
        InputError: it names a method whose sources it lacks, or that is not for its target or its split.
    """
    wanted = config.base
    if given is None and wanted == "default":
        return BaseChoice(BaseSpec(), {})
    regression, left_out = NeighbourhoodRegression(target), ""
    considered = ("auto", "blend", NEIGHBOURHOOD) if given is None else ()
    if wanted in considered or (given is not None and NEIGHBOURHOOD in dict(given.weights)):
        left_out = no_regression(config, archive, split)
        if left_out and wanted == NEIGHBOURHOOD and given is None:
            raise InputError(f"base: {NEIGHBOURHOOD} cannot be: {left_out}: choose another base, or auto.")
        if not left_out:
            regression.fit(archive, split.train, split.training_view.domain, by_block=True)
            left_out = "" if regression.fitted else "it was no better than interpolation on held-out dates"
    if given is not None:
        choice = BaseChoice(_without_regression(given) if regression.fitted is None else given, {})
    else:
        choice = _chosen(config, archive, split, target, regression)
        if target.strength < 1:  # conserving a base that is not to be conserved would undo what it knows
            choice = replace(choice, spec=replace(choice.spec, conserved=False))
    if NEIGHBOURHOOD not in dict(choice.spec.weights):
        return replace(choice, left_out=left_out)
    return replace(choice, regression=regression.fitted, folds=regression.folds)


def _chosen(
    config: Config, archive: Archive, split: Split, target: TargetSpec, regression: NeighbourhoodRegression
) -> BaseChoice:
    wanted = config.base
    if wanted == NEIGHBOURHOOD:
        return BaseChoice(BaseSpec(((wanted if regression.fitted else INTERPOLATION, 1.0),)), {})
    cases = base_cases(config, archive, split, target)
    if regression.fitted is not None:
        view = View((), domain=split.training_view.domain, folds=regression.folds)
        strength = target.strength
        cases[NEIGHBOURHOOD] = Case(NEIGHBOURHOOD, TITLE, regression.predict, regression.halo, view, strength)
    if wanted not in ("auto", "blend"):
        if wanted not in cases:
            raise InputError(
                f"base: {wanted} needs what sources do not give, or is for another target: "
                f"choose one of {', '.join(cases)}, auto or blend."
            )
        return BaseChoice(BaseSpec(((wanted, 1.0),)), {})
    kind = ARCHITECTURES.get(config.network.get("kind", NetworkSpec.kind))
    if kind is not None and kind.finds_relation:
        for id in [id for id in cases if id in BASELINES and set(BASELINES[id].needs) - {CLIMATOLOGY}]:
            del cases[id]
    if split.training_view.band_count(archive) > MOST_BANDS:
        cases.pop(ANALOGUES, None)  # each date would be fitted to all others
    products, counts = error_products(list(cases.values()), archive, split, target)
    if wanted == "auto" and not counts.sum():
        return BaseChoice(BaseSpec(), {})  # nothing to judge by
    return best_base(list(cases), products, counts, always_blend=wanted == "blend")


def no_regression(config: Config, archive: Archive, split: Split) -> str:
    """Return why the regression on the coarse cells around cannot be a base, "" where it can."""
    sampling = config.sampling
    if not shares_cells(archive, split):
        return "the test's cells have no truth in training"
    if sampling.flip_horizontal or sampling.flip_vertical or sampling.jitter:
        return "sampling turns or scales the fields, and it knows each cell as it is"
    if (size := file_size(archive, split.train)) > MAX_REGRESSION_BYTES:
        return (
            f"it would have {size_text(size)}, more than the {size_text(MAX_REGRESSION_BYTES)} of a package"
        )
    return ""


def _without_regression(base: BaseSpec) -> BaseSpec:
    """Return a base whose regression leaves its weight to the others."""
    others = {id: weight for id, weight in base.weights if id != NEIGHBOURHOOD}
    total = sum(others.values())
    return replace(base, weights=tuple((id, weight / total) for id, weight in others.items()))


def base_cases(config: Config, archive: Archive, split: Split, target: TargetSpec) -> dict[str, Case]:
    """Return each simple method that can be the base without a fit, by its id, conserved as the target is.

    Where the test's cells have no truth in training, no method that stands on a climatology is among them.
    """
    view = split.training_view
    if not shares_cells(archive, split):
        view = view.without({name for name in view.sources if archive.sources[name].traits.of_target})
    cases = baseline_cases(config.factor, target, view, archive.sources)
    by_id = {case.name.removesuffix("-conservative"): case for case in cases if case.strength == 1}
    return {id: replace(by_id[id], strength=target.strength) for id in base_ids() if id in by_id}


def error_products(
    cases: Sequence[Case], archive: Archive, split: Split, target: TargetSpec
) -> tuple[np.ndarray, np.ndarray]:
    """Return (F, M, M), sums over each block's cells of the products of errors, and (F,), their numbers.

    The blocks are of training dates, or, where the test's cells have no truth in training, of places.
    """
    region = split.train
    shown, times = mask_truth(archive, region.cells), np.asarray(region.times)
    blocks = np.array_split(times, min(FOLDS, len(times)))
    places = None if shares_cells(archive, split) else places_of(archive, region)
    products = np.zeros((len(blocks) if places is None else len(places), len(cases), len(cases)))
    counts = np.zeros(len(products))
    for number, block in enumerate(blocks):
        others = tuple(t for t in split.training_view.climatology_times if t not in set(block.tolist()))
        seen = [replace(case, view=replace(case.view, climatology_times=others)) for case in cases]
        for time in block[:: max(1, -(-len(times) // DATES))].tolist():
            truth = truth_of(archive, region, time)[0]
            strip = Strip(time, region.columns)
            fields = [predict_field(case, shown, target, strip)[0][0].numpy() for case in seen]
            errors = (np.stack(fields) - truth).astype(np.float64)
            for index, part in [(number, np.s_[:, :])] if places is None else enumerate(places):
                here = errors[(slice(None), *part)].reshape(len(cases), -1)
                here = here[:, np.isfinite(here).all(0)]
                products[index] += here @ here.T
                counts[index] += here.shape[1]
    return products, counts


def places_of(archive: Archive, region: Region) -> list[tuple[slice, slice]]:
    """Return the fine rows and columns, of the region's, of strips of about as many cells with truth each.

    They run across the region's longer side; there is one where it is a single cell wide.
    """
    first, last = region.columns
    cells = np.ones(archive.shape, bool) if region.cells is None else region.cells
    cells = cells[:, first:last]
    axis = int(cells.shape[1] >= cells.shape[0])
    share = np.cumsum(cells.sum(1 - axis)) / max(int(cells.sum()), 1)
    folds = min(FOLDS, cells.shape[axis])
    inner = [int(np.searchsorted(share, part / folds)) + 1 for part in range(1, folds)]
    edges = np.unique([0, *inner, cells.shape[axis]]) * archive.factor
    strips = [slice(int(a), int(b)) for a, b in zip(edges, edges[1:])]
    whole = slice(None)
    return [(whole, strip) if axis else (strip, whole) for strip in strips]


def best_base(
    ids: Sequence[str], products: np.ndarray, counts: np.ndarray, always_blend: bool = False
) -> BaseChoice:
    """Return the method or the blend with the least error.

    Args:
        ids: of the methods.
        products, counts: as `error_products` returns them.
        always_blend: blend, whatever it gains.

    Raises:
        InputError: there was nothing to judge on.
    """
    if not counts.sum():
        raise InputError("base: no training date has truth to judge by: name a method instead.")
    total, count = products.sum(0), counts.sum()
    rmse = {id: float(np.sqrt(total[i, i] / count)) for i, id in enumerate(ids)}
    best = min(ids, key=lambda id: rmse[id])
    gained = 0.0
    for block in products:  # by weights that do not know it
        weights = blend_weights(total - block if len(products) > 1 else total)
        gained += float(weights @ block @ weights)
    rmse["blend"] = float(np.sqrt(max(gained, 0.0) / count))
    if not always_blend and rmse["blend"] > (1 - WORTH) * rmse[best]:
        return BaseChoice(BaseSpec(((best, 1.0),)), rmse)
    weights = blend_weights(total)
    kept = {id: float(w) for id, w in zip(ids, weights) if w >= SMALLEST_WEIGHT}
    whole = sum(kept.values())
    return BaseChoice(BaseSpec(tuple((id, round(w / whole, 6)) for id, w in kept.items())), rmse)


def blend_weights(products: np.ndarray) -> np.ndarray:
    """Return the weights w from zero on, of sum one, for which w·P·w is least (P positive semidefinite)."""
    from scipy.optimize import nnls

    scale = float(np.trace(products)) / len(products)
    if scale <= 0:  # nothing errs
        return np.full(len(products), 1 / len(products))
    values, axes = np.linalg.eigh(products / scale)
    root = np.sqrt(values.clip(0))[:, None] * axes.T
    heavy = 1e3  # on the row that asks for the sum
    rows = np.vstack([root, np.full((1, len(products)), heavy)])
    weights, _ = nnls(rows, np.append(np.zeros(len(products)), heavy))
    return weights / weights.sum()


def base_in_words(choice: BaseChoice) -> str:
    """Say what the residual stands on, and what it was measured to be beside the others."""
    left_out = (
        f" Without the regression on the coarse cells around: {choice.left_out}." if choice.left_out else ""
    )
    text = f"Base: {choice.spec.in_words}."
    if choice.rmse:
        ranked = sorted(choice.rmse, key=lambda id: choice.rmse[id])
        text += f" RMSE on training data held out: {', '.join(f'{n} {choice.rmse[n]:.4g}' for n in ranked)}."
    return text + left_out
