"""Scores inside the training months; a validated sample never sees its own month's climatology."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from engine.fields.domain import conserved
from engine.fields.patch import Patch
from engine.nets.downscaler import Downscaler
from engine.specs import TargetSpec
from training.console.told_items import told_items
from training.data.archive import Archive
from training.data.gaps import told_cells
from training.data.region import truth_of
from training.data.split import Split
from training.evaluation.cases import model_cases
from training.evaluation.percentiles import streamed_scale
from training.evaluation.predict import Members, Strip, patches_of, predicted_tiles
from training.evaluation.validation_strips import strips
from training.metrics.distribution.js_distance import JensenShannonDistance
from training.metrics.distribution.scale import TruthScale
from training.metrics.metric import Metric
from training.metrics.pointwise.mae import MeanAbsoluteError
from training.metrics.pointwise.rmse import RootMeanSquareError
from training.metrics.registry import ENSEMBLE_METRICS
from training.trainer.draws import Draws

NEARLY_WHOLE = 0.98  # a share of the residual beyond it is all of it
KEPT = 2**30  # bytes of fields that are kept from one walk over the validation region to the next, at most
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
def residual_share(
    model: Downscaler, archive: Archive, split: Split, block: int, quiet: bool = True, room: int = KEPT
) -> float:
    """Return the share, 0 to 1, of the residual with which the model errs least on the validation region.

    It is that of the least squares, in the target's units; 0 where the model with it, conserved, is no better
    than its base. Where validation is not apart from training, or members are drawn, it stays what it is:
    nothing can be judged, or members were judged with it. Without `quiet` its progress is told. `room`: bytes
    of fields that are kept from one walk over the validation region to the next.
    """
    if not split.held_out or model.ensemble:
        return model.base_spec.residual
    tiles = _FreeTiles(model, archive, split, block, quiet, room)
    product = square = 0.0
    for tile in tiles.walk("Measuring the residual"):
        field, plain = tile.conserved(tile.field), tile.conserved(tile.base)
        gain, gap = field - plain, tile.truth - plain
        valid = np.isfinite(gain) & np.isfinite(gap)
        product += float((gain[valid] * gap[valid]).sum())
        square += float((gain[valid] ** 2).sum())
    share = min(max(product / square, 0.0), 1.0) if square else 0.0
    share = 1.0 if share > NEARLY_WHOLE else round(share, 4)
    if not share:
        return share
    errors = [0.0, 0.0]
    for tile in tiles.walk("Judging its share"):
        for index, one in enumerate((tile.shrunk(share), tile.base)):
            errors[index] += float(np.nansum((tile.conserved(one) - tile.truth) ** 2))
    return share if errors[0] < errors[1] else 0.0


@dataclass
class _FreeTile:
    """A tile of the validation region: a model's field and its base, before conservation, and the truth."""

    model: Downscaler
    patch: Patch  # what conservation needs of it
    field: Tensor
    base: Tensor
    truth: np.ndarray  # (h·k, w·k), float64

    @property
    def bytes(self) -> int:
        """What it takes to keep it."""
        return self.field.nbytes + self.base.nbytes + self.truth.nbytes

    def shrunk(self, share: float) -> Tensor:
        """Return the field with a share of its residual."""
        return self.model.to_physical(self.model.shrunk(self.base, self.field, share))

    def conserved(self, field: Tensor) -> np.ndarray:
        """Return a field made to conserve, (h·k, w·k), float64."""
        target = self.model.target
        return conserved(field, self.patch, target, target.strength)[0].to("cpu").double().numpy()


class _FreeTiles:
    """The tiles of the validation region; what features and network make of them is kept as room allows.

    Args:
        model: with all of its residual.
        archive, split, block, quiet, room: see `residual_share`.
    """

    def __init__(
        self, model: Downscaler, archive: Archive, split: Split, block: int, quiet: bool, room: int
    ) -> None:
        self._draws = Draws(model)
        self._case = model_cases("model", self._draws, model.halo, split.training_view, model.sources, 1.0)[0]
        self._archive, self._split, self._block, self._quiet = archive, split, block, quiet
        self._kept: dict[int, list[_FreeTile]] = {}
        self._room = room

    def walk(self, words: str) -> Iterator[_FreeTile]:
        """Yield the tiles; they are made again only where they were not kept."""
        all_strips = list(strips(self._archive, self._split, self._block))
        for number, strip in enumerate(told_items(all_strips, words, self._quiet)):
            if number in self._kept:
                yield from self._kept[number]
                continue
            made = []
            for tile in self._made(strip):
                made.append(tile)
                yield tile
            self._room -= sum(tile.bytes for tile in made)
            if self._room >= 0:
                self._kept[number] = made

    def _made(self, strip: Strip) -> Iterator[_FreeTile]:
        truth = truth_of(self._archive, self._split.validation, strip.time)[0]
        for place, window, patch in patches_of(self._archive, strip, self._case.halo, self._case.view):
            if patch.domain is not None:
                patch.domain = told_cells(self._archive, [window], patch, self._draws.model.target)
            field, base = self._draws(patch), self._draws.base(patch)
            bare = replace(patch, coarse={}, fine={}, climatology=None)
            yield _FreeTile(self._draws.model, bare, field, base, truth[place].astype(np.float64))


def free_and_conserved(
    model: Downscaler, archive: Archive, split: Split, block: int, quiet: bool = True
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield the model's fields as they are, conserved, and the validation region's truth, tile by tile.

    All are float64. Without `quiet` progress is told.
    """
    whole = model_cases("model", Draws(model), model.halo, split.training_view, model.sources, 0.0)[0]
    both = [whole, replace(whole, strength=1.0)]
    words = "Measuring how strongly to conserve"
    for strip in told_items(list(strips(archive, split, block)), words, quiet):
        truth = truth_of(archive, split.validation, strip.time)[0]
        for place, (field, plain) in predicted_tiles(both, archive, model.target, strip):
            yield field[0].double().numpy(), plain[0].double().numpy(), truth[place].astype(np.float64)
