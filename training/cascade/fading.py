"""What a cascade's detail is worth below the scale that it was learned at, measured above the data.

What one level teaches fades below it. How fast, the levels above can show: the same configuration is trained
once more between still coarser cells, and tried one step further down than it learned, where the field is
known. Each of these networks sees the truth of every other block of cells alone, so that what it fitted to
chance shows on the blocks between, and is told apart from fading. What that says of the steps below the data
is said by `engine.sharpening.gains`, as for the relations of `sharpen`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.fields.patch import Patch, moved
from engine.sharpening.gains import WHOLE, Gain, Measured, faded, settled
from engine.sharpening.plausible import detail_shares, window_to_look_at
from engine.sharpening.relation import BLOCK, FOLDS, cells_of_blocks, folds_of_blocks
from engine.transforms import normalised
from training.cascade.trainer import CascadeLevel, CascadeTrainer
from training.cascade.validation import predicted, resized, trained_weights, without_cells
from training.data.archive import Archive
from training.data.split import split_archive
from training.data.store import one_level_up
from training.evaluation.predict import Case
from training.schema.config import Config
from training.trainer.base_error import some_of
from training.trainer.draws import Draws

UPPER = 2  # levels above the data's that are trained once more, at most
SURE = 2.0  # standard errors that the factor from level to level must be above zero
LEAST_CELLS = 24  # known cells of the coarser side, over all times, that a level must have
HALVES, GROUPS = 2, 8  # of blocks; of dates that follow each other
UNMEASURED = (
    "What the detail is worth further down cannot be measured, since too few cells are known, so the model "
    "adds no detail to interpolation: take a larger area, try sharpen, which needs fewer cells, or set "
    "cascade.shrink to false if the relation is known to hold at every scale."
)


@dataclass(frozen=True)
class Fading:
    """What is known of a cascade's detail, and what is made of it.

    Attributes:
        gain: by what it should have been multiplied; None: it could not be measured.
        steps: of the cascade, in the order of their use.
        noisy: the fine source with most detail that its own above the data does not lead to expect; "": none.
        plausible: share of that source's detail that is no more, by cells along a coarse cell's edge.
    """

    gain: Gain | None
    steps: tuple[int, ...]
    noisy: str = ""
    plausible: Mapping[int, float] = field(default_factory=dict)

    @property
    def shares(self) -> tuple[float, ...]:
        """By what each step's detail is multiplied: nothing where no gain is shown."""
        shares, cells = [], 1
        across = self.gain.across[:1] if self.gain is not None else ()
        if any(measured.factor < SURE * measured.error for measured in across):
            return (0.0,) * len(self.steps)  # a network turns more easily than the few terms of `sharpen`
        for step in self.steps:
            depth = (math.log2(cells) + math.log2(cells * step) + 1) / 2  # as sharpening's own steps
            cells *= step
            kept = self.plausible.get(cells, 1.0)
            shares.append(0.0 if self.gain is None else round(kept * self.gain.below(depth)[0], 4))
        return tuple(shares)

    def entry(self) -> dict[str, object]:
        """Return what a card's `cascade` says of it."""
        told: dict[str, object] = {"shares": list(self.shares)}
        if self.gain is not None:
            across = [_plain(measured) for measured in self.gain.across]
            told["gain"] = {
                "here": _plain(self.gain.here),
                "across": across,
                "explained": round(self.gain.explained, 4),
            }
        return told

    def in_words(self) -> list[str]:
        """Return what was measured and concluded, a sentence each."""
        if self.gain is None:
            return [UNMEASURED]
        told = [
            "By what the network's detail should be multiplied to err least: "
            f"{_shown(self.gain.here)} on cells whose truth it had not seen."
        ]
        for number, measured in enumerate(self.gain.across, start=1):
            where = "the data's own scale" if number == 1 else f"{number - 1} step above it"
            told.append(f"Learned one step above and used for {where}: {_shown(measured)} of that.")
        if not any(self.shares):
            return [
                *told,
                "No gain over interpolation is shown, so the model adds no detail to it: use "
                "bicubicsmooth, or sharpen, which tries more.",
            ]
        factors_, cells = [], 1
        for step, share in zip(self.steps, self.shares, strict=True):
            cells *= step
            factors_.append(f"{share:.2f} down to ×{cells}")
        if self.noisy:
            least = min(self.plausible.values())
            told.append(
                f"{self.noisy} has more detail below the coarse cells than above them leads to expect, as "
                f"noise would be: down to {least:.2g} of it is taken for its own."
            )
        return [*told, f"So it is multiplied by {', '.join(factors_)}."]


def measurable(levels: Sequence[CascadeLevel]) -> bool:
    """Return whether both halves of the blocks leave each step something to learn from and be judged by."""
    return len(_halves(levels)) == HALVES


def measured_fading(
    given: Archive,
    levels: Sequence[CascadeLevel],
    steps: Sequence[int],
    folder: Path,
    report: Callable[[int, int], None] = lambda done, count: None,
) -> Fading:
    """Train what tells how a cascade's detail fades, and return what it says.

    Args:
        given: the data set as it is.
        levels: one for each step, as they are trained on.
        steps: of the cascade, in the order of their use.
        folder: for the weights; those that are there are not trained again.
        report: is told how many trainings are done, of how many.
    """
    if not measurable(levels):
        return Fading(None, tuple(steps))
    noise = _noisiest(given, levels[0].config, steps)
    ladder = [list(levels)]
    while len(ladder) <= UPPER and (above := _upper(given, ladder[-1])) is not None:
        given, upper = above
        ladder.append(upper)
    explained, finer = 0.0, None
    here: Measured | None = None
    across: list[Measured] = []
    for number, rung in enumerate(ladder):
        networks, level = _networks(rung, folder / f"level{number}"), _smallest(rung)
        report(number + 1, len(ladder))
        own: Measured | None = None
        if len(networks) == HALVES:
            held = _apart([network.held_out(level) for network in networks])
            own = _measured([held], level.step)
        if finer is not None:
            carried = _measured([network.everywhere(finer) for network in networks], finer.step)
            across.append(carried if own is None else faded(carried, settled(own, WHOLE)))
        elif own is not None:
            here, explained = own, held.explained
        if own is None:
            break
        finer = level
    return Fading(None if here is None else Gain(here, tuple(across), explained), tuple(steps), *noise)


def _noisiest(given: Archive, config: Config, steps: Sequence[int]) -> tuple[str, Mapping[int, float]]:
    """Return the fine source whose detail below the data is least to be trusted, and its shares by step."""
    k = given.factor
    rows, columns = (slice(each.start * k, each.stop * k) for each in window_to_look_at(given.shape, k))
    shares: dict[str, Mapping[int, float]] = {}
    for name in (section.name for section in config.sources):
        source = given.sources[name]
        if source.grid == "fine":
            values = np.asarray(source.array[len(source.array) // 2][:, rows, columns], np.float32)
            own = detail_shares(torch.from_numpy(np.ascontiguousarray(values)), steps).plausible
            if min(own.values(), default=1.0) < 1:
                shares[name] = own
    if not shares:
        return "", {}
    worst = min(shares, key=lambda name: min(shares[name].values()))
    return worst, shares[worst]


@dataclass(frozen=True)
class _Detail:
    """Detail that a network adds to its base, and what it ought to have been, (T, H, W), 0 if unknown.

    Both as the network sees the target: in physical units a few places of much rain would speak for all.
    """

    made: Tensor
    wanted: Tensor

    def by_part(self, other: str) -> Tensor:
        """Return the sums of what is made times itself, or times what is wanted, (groups of dates, folds)."""
        products = self.made.double() * getattr(self, other).double()
        fold = cells_of_blocks(folds_of_blocks(products.shape[1:]), products.shape[1:])
        groups = torch.arange(len(products)) * GROUPS // max(len(products), GROUPS)
        sums = torch.zeros(GROUPS, FOLDS, dtype=torch.float64)
        for number in range(FOLDS):
            sums[:, number].index_add_(0, groups, products[:, fold == number].sum(1))
        return sums

    @property
    def explained(self) -> float:
        """Share of the variance of what is wanted."""
        total = float(self.wanted.double().square().sum())
        rest = float((self.wanted - self.made).double().square().sum())
        return 1 - rest / total if total else 0.0


@dataclass(frozen=True)
class _Network:
    """A network that has seen the truth of half of the blocks, or of all."""

    trainer: CascadeTrainer
    weights: dict[str, Tensor]
    unseen: np.ndarray  # (H, W) booleans: the cells whose truth it has not seen

    def everywhere(self, level: CascadeLevel) -> _Detail:
        """Return what it makes of a level, with the smallest of its steps."""
        model = self.trainer.model_of(level.step, self.weights)
        view, target = level.split.test_view, self.trainer.target

        def base(patch: Patch) -> Tensor:
            return model.to_physical(model.prepare(moved(patch, self.trainer.device)).base)

        times = some_of(level.split.train.times)
        case = Case("model", "model", Draws(model), model.halo, view, 1.0)
        seen = (
            predicted(replace(case, predict=base), level.archive, times, target),
            predicted(case, level.archive, times, target),
            np.asarray(level.archive.fine)[list(times)],
        )
        plain, drawn, truth = (normalised(torch.from_numpy(field), target) for field in seen)
        made, wanted = drawn - plain, truth - plain
        known = torch.isfinite(made) & torch.isfinite(wanted)
        return _Detail(torch.where(known, made, 0.0), torch.where(known, wanted, 0.0))

    def held_out(self, level: CascadeLevel) -> _Detail:
        """Return what it makes of the blocks that it has not seen; elsewhere there is nothing."""
        whole = self.everywhere(level)
        mine = torch.from_numpy(resized(self.unseen, whole.made.shape[1:]))
        return _Detail(whole.made * mine, whole.wanted * mine)


def _apart(parts: Sequence[_Detail]) -> _Detail:
    """Return in one what lies in different blocks."""
    made, wanted = (torch.stack([getattr(p, name) for p in parts]).sum(0) for name in ("made", "wanted"))
    return _Detail(made, wanted)


def _measured(parts: Sequence[_Detail], step: int) -> Measured:
    """Return by what detail should be multiplied to err least, as for one octave.

    Its error is the larger one of two jackknives: over blocks of cells, and over groups of dates, since one
    date whose detail is large by far shows a gain of its own.
    """
    sums = [torch.stack([p.by_part(other) for p in parts]).sum(0) for other in ("made", "wanted")]
    squares, products = sums
    total, right = float(squares.sum()), float(products.sum())
    if not total:
        return Measured(0.0, math.inf)
    factor = right / total
    errors = [_jackknife(squares.sum(axis), products.sum(axis)) for axis in (0, 1)]
    error = max(errors) or math.inf  # all of it in one block and date: no other tells how sure it is
    octaves = math.log2(step)
    if octaves == 1:
        return Measured(factor, error)
    one = max(factor, 0.0) ** (1 / octaves)
    return Measured(one, error * (one / (octaves * factor) if factor > 0 else 1.0))


def _jackknife(squares: Tensor, products: Tensor) -> float:
    """Return the standard error of the ratio of sums, by leaving out each part; 0 where there is but one."""
    kept = squares > 0
    squares, products = squares[kept], products[kept]
    count = len(squares)
    if count < 2:
        return 0.0
    without = (products.sum() - products) / (squares.sum() - squares)
    return float(((without - without.mean()).square().sum() * (count - 1) / count).sqrt())


def _upper(given: Archive, levels: Sequence[CascadeLevel]) -> tuple[Archive, list[CascadeLevel]] | None:
    """Return the data set with larger cells, and its levels one step up; None where too few are known."""
    step, area = _smallest(levels).step, given.weights == "area"
    lifted = one_level_up(given, step, area)
    rows, columns = lifted.shape
    whole = np.isfinite(lifted.fine).reshape(-1, rows, step, columns, step).all((2, 4))
    lifted = replace(lifted, coarse=np.where(whole, lifted.coarse, np.float32(np.nan)))
    upper = []
    for level in levels:
        archive = one_level_up(lifted, level.step, area)
        height, width = archive.shape
        known = np.isfinite(archive.fine).reshape(-1, height, level.step, width, level.step)
        if int(known.any((2, 4)).sum()) < LEAST_CELLS:
            return None
        upper.append(CascadeLevel(level.config, archive, split_archive(level.config, archive)))
    return lifted, upper


def _networks(levels: Sequence[CascadeLevel], folder: Path) -> list[_Network]:
    """Train on every other block and on those between; on all, where a half is left with nothing to learn."""
    made = []
    for number, (unseen, seen) in enumerate(_halves(levels)):
        trainer = CascadeTrainer(seen, folder, thin=True)
        weights = trained_weights(trainer, folder / f"half{number}.safetensors")
        made.append(_Network(trainer, weights, unseen))
    return made


def _halves(levels: Sequence[CascadeLevel]) -> list[tuple[np.ndarray, list[CascadeLevel]]]:
    """Return the levels without every other block, and without those between, and the blocks that each lacks.

    Where either has nothing left to learn from there is one half, which lacks nothing.
    """
    edge = math.lcm(*(level.step for level in levels))  # larger cells of every step lie in one block
    edge *= -(-BLOCK // edge)
    rows, columns = (max(one.archive.fine.shape[axis] for one in levels) for axis in (1, 2))
    block = np.arange(rows)[:, None] // edge + np.arange(columns) // edge
    unseen = [block % HALVES == parity for parity in range(HALVES)]
    halves = [(cells, _without(levels, cells)) for cells in unseen]
    if all(len(left) == len(levels) for _, left in halves):
        return halves
    nothing = np.zeros_like(unseen[0])
    return [(nothing, _without(levels, nothing))]


def _without(levels: Sequence[CascadeLevel], cells: np.ndarray) -> list[CascadeLevel]:
    """Return the levels without the truth of cells, those that have something left to learn from."""
    left = [without_cells(level, cells, level.split.train.times) for level in levels]
    return [level for level in left if level is not None]


def _smallest(levels: Sequence[CascadeLevel]) -> CascadeLevel:
    return min(levels, key=lambda level: level.step)


def _plain(measured: Measured) -> dict[str, float | None]:
    error = round(measured.error, 4) if math.isfinite(measured.error) else None
    return {"factor": round(measured.factor, 4), "error": error}


def _shown(measured: Measured) -> str:
    sure = f"± {measured.error:.2f}" if math.isfinite(measured.error) else "(how surely, cannot be told)"
    return f"{measured.factor:.2f} {sure}"
