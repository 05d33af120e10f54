"""Scores inside the training months; a validated sample never sees its own month's climatology."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from engine.fields.patch import Patch, moved
from engine.nets.downscaler import Downscaler
from engine.specs import TargetSpec
from training.data.archive import Archive
from training.data.region import truth_of
from training.data.split import Split
from training.evaluation.cases import model_cases
from training.evaluation.percentiles import streamed_scale
from training.evaluation.predict import Case, Members, predicted_tiles
from training.evaluation.validation_strips import strips
from training.metrics.distribution.js_distance import JensenShannonDistance
from training.metrics.distribution.scale import TruthScale
from training.metrics.metric import Metric
from training.metrics.pointwise.mae import MeanAbsoluteError
from training.metrics.pointwise.rmse import RootMeanSquareError
from training.metrics.registry import ENSEMBLE_METRICS
from training.trainer.draws import Draws

NEARLY_WHOLE = 0.98  # a share of the residual beyond it is all of it
CRPS, SPREAD = "crps", "spread_skill"
ENSEMBLE = (CRPS, SPREAD)
SPREADS = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8)  # times that members stand out from the estimate


def validation_scale(archive: Archive, split: Split) -> TruthScale:
    """Return the scale of the validation region's truth, which all validations have in common."""
    region = split.validation
    return streamed_scale(lambda: (truth_of(archive, region, time)[0] for time in region.times))


@torch.no_grad()
def validate(
    model: Downscaler,
    archive: Archive,
    split: Split,
    block: int,
    cases: Sequence[str] = ("all",),
    members: int = 0,
    scale: TruthScale | None = None,
) -> dict[str, float]:
    """Return RMSE, MAE and JS distance over the validation region, conserved; of members, see below.

    Where a validation month is one of the climatology's, a cyclic block of months that holds it is
    withheld, as in training; the block's place goes round from month to month.

    Args:
        model: in physical units before conservation.
        archive, split: what is validated on what.
        block: months withheld.
        cases: with which sources: all, without_climatology, without_sources. The numbers of all
            are named rmse, mae, js_distance, those of another case have its name appended; a
            case that the sources do not allow is left out.
        members: draws for each time; also their fair CRPS and spread over skill, crps and
            spread_skill. Where data are held out, the spread is fitted in the end (see
            `training.evaluation.member_spread`), so the CRPS is the least that any of `SPREADS` gives:
            how wide members are as learned does not count.
        scale: of the validation region's truth, where it is known (see `validation_scale`).
    """
    region, target = split.validation, model.target
    scale = scale or validation_scale(archive, split)
    draws = Draws(model)
    known = model_cases(
        "model",
        draws,
        model.halo,
        split.training_view,
        model.sources,
        target.strength,
        draws if members else None,
    )
    numbers: dict[str, float] = {}
    for name in cases:
        case = next((c for c in known if c.given == name), None)
        if case is None:
            continue
        metrics: dict[str, Metric] = {
            "rmse": RootMeanSquareError(),
            "mae": MeanAbsoluteError(),
            "js_distance": JensenShannonDistance(scale.low, scale.high),
        }
        spreads = SPREADS if split.held_out else (1.0,)
        sharpness = [ENSEMBLE_METRICS[CRPS](scale) for _ in spreads] if members else []
        calibration = [ENSEMBLE_METRICS[SPREAD](scale)] if members else []
        for strip in strips(archive, split, block):
            time = strip.time
            truth = truth_of(archive, region, time)[0]
            tiles = predicted_tiles([case], archive, target, strip, Members(members, seed=time))
            for place, (fields,) in tiles:
                values, wanted = fields.numpy(), truth[place]
                for metric in metrics.values():
                    metric.update(values[0], wanted)
                for factor, crps in zip(spreads, sharpness):
                    crps.update(_spread(values, factor, target), wanted)
                for of_members in calibration:
                    of_members.update(values[1:], wanted)
        told = {key: metric.compute() for key, metric in metrics.items()}
        if members:
            told[CRPS] = min(metric.compute() for metric in sharpness)
            told[SPREAD] = calibration[0].compute()
        suffix = "" if name == "all" else f"_{name}"
        numbers.update({f"{key}{suffix}": value for key, value in told.items()})
    return numbers


def _spread(fields: np.ndarray, factor: float, target: TargetSpec) -> np.ndarray:
    """Return the members among fields, the estimate before them, so many times as far from it."""
    if factor == 1:
        return fields[1:]
    low, high = target.bounds or (None, None)
    return np.clip(fields[0] + factor * (fields[1:] - fields[0]), low, high)


@torch.no_grad()
def residual_share(model: Downscaler, archive: Archive, split: Split, block: int) -> float:
    """Return the share, 0 to 1, of the residual with which the model errs least on the validation region.

    It is that of the least squares, in the target's units; 0 where the model with it, conserved, is no better
    than its base. Where validation is not apart from training, or members are drawn, it stays what it is:
    nothing can be judged, or members were judged with it.
    """
    if not split.held_out or model.ensemble:
        return model.base_spec.residual
    device = next(model.parameters()).device
    whole = model_cases(
        "model", Draws(model), model.halo, split.training_view, model.sources, model.target.strength
    )[0]

    def base_of(patch: Patch) -> Tensor:
        return model.to_physical(model.prepare(moved(patch, device)).base)

    base = replace(whole, name="base", predict=base_of)
    product = square = 0.0
    for field, plain, truth in _pairs(whole, base, model.target, archive, split, block):
        gain, gap = field - plain, truth - plain
        valid = np.isfinite(gain) & np.isfinite(gap)
        product += float((gain[valid] * gap[valid]).sum())
        square += float((gain[valid] ** 2).sum())
    share = min(max(product / square, 0.0), 1.0) if square else 0.0
    share = 1.0 if share > NEARLY_WHOLE else round(share, 4)
    if not share:
        return share
    kept, model.base_spec = model.base_spec, replace(model.base_spec, residual=share)
    errors = [0.0, 0.0]
    shrunk = replace(whole, predict=Draws(model))
    for field, plain, truth in _pairs(shrunk, base, model.target, archive, split, block):
        for index, one in enumerate((field, plain)):
            errors[index] += float(np.nansum((one - truth) ** 2))
    model.base_spec = kept
    return share if errors[0] < errors[1] else 0.0


def free_and_conserved(
    model: Downscaler, archive: Archive, split: Split, block: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield the model's fields as they are, conserved, and the validation region's truth, tile by tile."""
    whole = model_cases("model", Draws(model), model.halo, split.training_view, model.sources, 0.0)[0]
    return _pairs(whole, replace(whole, strength=1.0), model.target, archive, split, block)


def _pairs(
    one: Case, other: Case, target: TargetSpec, archive: Archive, split: Split, block: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield two cases' fields, conserved, and the truth of the validation region, float64, tile by tile."""
    for strip in strips(archive, split, block):
        truth = truth_of(archive, split.validation, strip.time)[0]
        tiles = (predicted_tiles([case], archive, target, strip) for case in (one, other))
        for (place, (field,)), (_, (plain,)) in zip(*tiles, strict=True):
            yield field[0].double().numpy(), plain[0].double().numpy(), truth[place].astype(np.float64)
