"""Scores inside the training months; a validated sample never sees its own month's climatology."""

from __future__ import annotations

import torch

from engine.card import TargetSpec
from engine.metrics import JensenShannonDistance, MeanAbsoluteError, RootMeanSquareError, percentile_range
from engine.nets.downscaler import Downscaler
from training.data.archive import Archive
from training.data.patches import withheld_block
from training.scores import Case, predict_field
from training.split import Split


@torch.no_grad()
def validate(
    model: Downscaler, archive: Archive, split: Split, target: TargetSpec, block: int
) -> dict[str, float]:
    """Return RMSE, MAE and JS distance over the validation region, with all sources, conserved.

    Where a validation month is one of the climatology's, a cyclic block of months that holds it is
    withheld, as in training; the block's place goes round from month to month.
    """
    region = split.validation
    columns = region.fine_columns(archive.factor)
    rmse, mae = RootMeanSquareError(), MeanAbsoluteError()
    js = JensenShannonDistance(*percentile_range(archive.fine[list(region.times)][..., columns]))
    case = Case("model", "model", model.forward_physical, model.halo, split.training_view, target.strength)
    for index, time in enumerate(region.times):
        withheld = frozenset()
        if time in split.training_view.climatology_times:
            withheld = withheld_block(int(archive.months[time]), block, index % block)
        fine, _ = predict_field(case, archive, time, region.columns, target, withheld=withheld)
        truth = archive.fine[time][None, :, columns]
        for metric in (rmse, mae, js):
            metric.update(fine.numpy(), truth)
    return {"rmse": rmse.compute(), "mae": mae.compute(), "js_distance": js.compute()}
