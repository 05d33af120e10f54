"""Scores inside the training months; a validated sample never sees its own month's climatology."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from engine.metrics import (
    JensenShannonDistance,
    MeanAbsoluteError,
    Metric,
    RootMeanSquareError,
    percentile_range,
)
from engine.nets.downscaler import Downscaler
from training.data.archive import Archive
from training.data.patches import withheld_block
from training.scores import model_cases, predict_field
from training.split import Split

CASES = {"all": "", "without_climatology": "-without-climatology", "without_sources": "-without-sources"}


@torch.no_grad()
def validate(
    model: Downscaler, archive: Archive, split: Split, block: int, cases: Sequence[str] = ("all",)
) -> dict[str, float]:
    """Return RMSE, MAE and JS distance over the validation region, conserved.

    Where a validation month is one of the climatology's, a cyclic block of months that holds it is
    withheld, as in training; the block's place goes round from month to month.

    Args:
        model: in physical units before conservation.
        archive, split: what is validated on what.
        block: months withheld.
        cases: with which sources: all, without_climatology, without_sources. The numbers of all
            are named rmse, mae, js_distance, those of another case have its name appended; a
            case that the sources do not allow is left out.
    """
    region, target = split.validation, model.target
    columns = region.fine_columns(archive.factor)
    edges = percentile_range(archive.fine[list(region.times)][..., columns])
    known = model_cases(
        "model", model.forward_physical, model.halo, split.training_view, model.sources, target.strength
    )
    found: dict[str, float] = {}
    for name in cases:
        case = next((c for c in known if c.name == f"model{CASES[name]}"), None)
        if case is None:
            continue
        metrics: dict[str, Metric] = {
            "rmse": RootMeanSquareError(),
            "mae": MeanAbsoluteError(),
            "js_distance": JensenShannonDistance(*edges),
        }
        for index, time in enumerate(region.times):
            withheld: frozenset[int] = frozenset()
            if time in split.training_view.climatology_times:
                withheld = withheld_block(int(archive.months[time]), block, index % block)
            fine, _ = predict_field(case, archive, time, region.columns, target, withheld=withheld)
            for metric in metrics.values():
                metric.update(fine.numpy(), archive.fine[time][None, :, columns])
        suffix = "" if name == "all" else f"_{name}"
        found.update({f"{key}{suffix}": metric.compute() for key, metric in metrics.items()})
    return found
