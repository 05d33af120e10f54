"""Which simple methods a model's residual stands on, measured on blocks of training dates held out.

Each method's errors, conserved and in the target's units, are taken on dates of each block with a
climatology of the other blocks. From the products of these errors follow the weights, from zero on and of
sum one, of the blend with the least square error; it is taken where weights of the other blocks show that
it is better by `WORTH` than the best method alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.errors import InputError
from engine.methods.blended_base import base_ids
from engine.specs import BaseSpec, TargetSpec
from training.data.archive import Archive
from training.data.masked_truth import mask_truth
from training.data.region import truth_of
from training.data.split import Split
from training.evaluation.cases import baseline_cases
from training.evaluation.neighbourhood import FOLDS, shares_cells
from training.evaluation.predict import Case, Strip, predict_field
from training.schema.config import Config

DATES = 60  # at most, that methods are judged on
WORTH = 0.01  # of the best method's error, that a blend must gain
SMALLEST_WEIGHT = 0.02


@dataclass(frozen=True)
class BaseChoice:
    """What was chosen, and the RMSE of each method on the dates held out; that of the blend as `blend`."""

    spec: BaseSpec
    rmse: dict[str, float]


def choose_base(config: Config, archive: Archive, split: Split, target: TargetSpec) -> BaseChoice:
    """Return the base that a configuration asks for, measured where it leaves the choice.

    Raises:
        InputError: it names a method whose sources it lacks, or that is not for its target.
    """
    wanted = config.base
    if wanted == "default":
        return BaseChoice(BaseSpec(), {})
    cases = base_cases(config, archive, split, target)
    if wanted not in ("auto", "blend"):
        if wanted not in cases:
            raise InputError(
                f"base: {wanted} needs what sources do not give, or is for another target: "
                f"choose one of {', '.join(cases)}, auto or blend."
            )
        return BaseChoice(BaseSpec(((wanted, 1.0),)), {})
    products, counts = error_products(list(cases.values()), archive, split, target)
    return best_base(list(cases), products, counts, always_blend=wanted == "blend")


def base_cases(config: Config, archive: Archive, split: Split, target: TargetSpec) -> dict[str, Case]:
    """Return each simple method that can be the base, conserved, by its id.

    Where the test's cells have no truth in training, no method that stands on a climatology is among them.
    """
    view = split.training_view
    if not shares_cells(archive, split):
        view = view.without({name for name in view.sources if archive.sources[name].traits.of_target})
    cases = baseline_cases(config.factor, target, view, archive.sources)
    by_id = {case.name.removesuffix("-conservative"): case for case in cases if case.strength == 1}
    return {id: by_id[id] for id in base_ids() if id in by_id}


def error_products(
    cases: Sequence[Case], archive: Archive, split: Split, target: TargetSpec
) -> tuple[np.ndarray, np.ndarray]:
    """Return (F, M, M), sums over each block's cells of the products of errors, and (F,), their numbers."""
    region = split.train
    shown, times = mask_truth(archive, region.cells), np.asarray(region.times)
    blocks = np.array_split(times, min(FOLDS, len(times)))
    products = np.zeros((len(blocks), len(cases), len(cases)))
    counts = np.zeros(len(blocks))
    for number, block in enumerate(blocks):
        others = tuple(t for t in split.training_view.climatology_times if t not in set(block.tolist()))
        seen = [replace(case, view=replace(case.view, climatology_times=others)) for case in cases]
        for time in block[:: max(1, -(-len(times) // DATES))].tolist():
            truth = truth_of(archive, region, time)[0]
            strip = Strip(time, region.columns)
            fields = [predict_field(case, shown, target, strip)[0][0].numpy() for case in seen]
            errors = (np.stack(fields) - truth).astype(np.float64)
            errors = errors[:, np.isfinite(errors).all(0)]
            products[number] += errors @ errors.T
            counts[number] += errors.shape[1]
    return products, counts


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
    if not choice.spec.weights:
        return "Base: the best disaggregation that the sources allow."
    parts = [id if w == 1 else f"{w:.2f} × {id}" for id, w in choice.spec.weights]
    text = f"Base: {' + '.join(parts)}."
    if choice.rmse:
        ranked = sorted(choice.rmse, key=lambda id: choice.rmse[id])
        text += f" RMSE on training dates held out: {', '.join(f'{n} {choice.rmse[n]:.4g}' for n in ranked)}."
    return text
