"""What a tile's fields are made of: the method's one estimate, or an ensemble's members."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.dates import When
from engine.disaggregation.base_field import BASE_HALO, base_field
from engine.errors import InputError
from engine.fields.conservation import aggregate
from engine.fields.domain import conserved, within
from engine.fields.ensemble import MemberMoments, quantiles
from engine.fields.member_seed import Seed, SeedMix
from engine.fields.patch import Patch, moved
from engine.fields.supported_share import RING, SupportedShare
from engine.fields.windows import crop, narrowed, widened
from engine.methods.interface import EnsembleMethod, FittedMethod, Method
from engine.pipeline.output_files import ERROR, MAIN, SUPPORT
from engine.pipeline.request import EnsembleRequest
from engine.specs import TargetSpec

Step = Callable[[float], None]  # hears which share of a tile is done; may raise to stop


@dataclass
class Fields:
    """A finished tile: the bands of each output file, (h·k, w·k) each, on the method's device."""

    bands: dict[str, list[Tensor]] = field(default_factory=dict)
    residual: float = 0.0  # largest |mean − coarse value|, over the members too
    expected: tuple[float, float, int] | None = None  # see `Expectation`


def estimate(
    method: Method, target: TargetSpec, strength: float, wanted: EnsembleRequest | None, seed: int
) -> Single:
    """Return what makes the fields of a run's tiles: `Single`, `Expectation`, or the `Ensemble` wanted.

    Raises:
        InputError: an ensemble of a method that draws no members.
    """
    if isinstance(method, FittedMethod) and wanted is None:
        return Expectation(method, target, strength)
    if wanted is None:
        return Single(method, target, strength)
    if not isinstance(method, EnsembleMethod):
        raise InputError(f"{method.id} gives one estimate, no ensemble: choose a model with a noise input.")
    return Ensemble(method, target, strength, wanted, seed)


class Single:
    """The method's one estimate, conserved.

    Args:
        method: that predicts.
        target: how to conserve.
        strength: of the conservation, 0..1.
    """

    def __init__(self, method: Method, target: TargetSpec, strength: float) -> None:
        self.method, self.target, self.strength = method, target, strength
        self.halo = method.halo  # coarse cells that a patch must bring
        self.bytes_per_cell = float(method.bytes_per_cell)

    def fields(self, patch: Patch, when: When | None, step: Step) -> Fields:
        """Return the fields of a patch of one window that has a valid coarse cell."""
        patch = moved(patch, self.method.device)
        fine, residual = self._conserved(self.method.predict(patch), patch)
        return Fields({MAIN: [fine]}, float(residual))

    def empty(self, rows: int, cols: int) -> Fields:
        """Return the fields of a tile without a valid coarse cell."""
        return Fields({MAIN: [torch.full((rows, cols), torch.nan)]})

    def _conserved(self, fine: Tensor, patch: Patch) -> tuple[Tensor, Tensor]:
        """Return a prediction conserved, (h·k, w·k), and its largest residual, on the prediction's device."""
        k, coarse, area = patch.factor, crop(patch.target, patch.halo), patch.averaging_area(self.target)
        rows = None if area is None else area[:, patch.halo * k : area.shape[1] - patch.halo * k]
        fine = conserved(fine, patch, self.target, self.strength)
        difference = (aggregate(fine, k, rows) - coarse).abs()
        return fine[0], torch.where(torch.isfinite(difference), difference, 0.0).max()


class Expectation(Single):
    """The one estimate of a method that tells what to expect of it: its error, and the supported share.

    Args:
        method: fitted.
        target: how to conserve.
        strength: of the conservation, 0..1.
    """

    def __init__(self, method: FittedMethod, target: TargetSpec, strength: float) -> None:
        super().__init__(method, target, strength)
        self.judge = method

    def fields(self, patch: Patch, when: When | None, step: Step) -> Fields:
        """Return the fields of a patch of one window that has a valid coarse cell."""
        made = self.judge.judged(patch)
        fine, residual = self._conserved(made.field, patch)
        error, support = (within(x, patch, patch.halo) for x in (made.error, made.support))
        bands = {MAIN: [fine], ERROR: [error[0]], SUPPORT: [support[0]]}
        return Fields(bands, float(residual), _squares(error, support))

    def empty(self, rows: int, cols: int) -> Fields:
        """Return the fields of a tile without a valid coarse cell."""
        return Fields({key: [torch.full((rows, cols), torch.nan)] for key in (MAIN, ERROR, SUPPORT)})


def _squares(error: Tensor, support: Tensor) -> tuple[float, float, int]:
    """Return sums of squares, of the error and of the detail that its share makes of it, and the cells."""
    square, share = error.double().square(), support.double().clamp(0, 1 - 1e-6)
    carried = square * share / (1 - share)
    known = torch.isfinite(carried)
    return float(square[known].sum()), float(carried[known].sum()), int(known.sum())


class Ensemble(Single):
    """Members drawn one after another, each conserved on its own, and what is told of them.

    Args:
        method: a model with noise.
        target: how to conserve.
        strength: of the conservation, 0..1.
        wanted: how many members, and which files.
        seed: of the noise.
    """

    def __init__(
        self,
        method: EnsembleMethod,
        target: TargetSpec,
        strength: float,
        wanted: EnsembleRequest,
        seed: int,
    ) -> None:
        super().__init__(method, target, strength)
        self.drawn_by, self.wanted, self.seed = method, wanted, seed
        files = wanted.files
        self._ring = RING if "support" in files else 0
        if self._ring:
            self.halo = max(method.halo, BASE_HALO) + RING
        self._keeps = "quantiles" in files or "members" in files
        kept = wanted.members if self._keeps else 0
        written = len(wanted.levels) + ("members" in files) * wanted.members
        # Running sums, members that are kept, and fields that wait to be written, float32.
        self.bytes_per_cell += method.shared_bytes_per_cell
        self.bytes_per_cell += 4 * (8 + 16 * self._ring + kept + 2 * written)

    def fields(self, patch: Patch, when: When | None, step: Step) -> Fields:
        """Return the fields of a patch of one window that has a valid coarse cell."""
        k, window = patch.factor, widened(moved(patch, self.method.device), self._ring)
        support, moments, kept, residuals = None, MemberMoments(), [], []
        if self._ring:
            smooth = base_field(narrowed(window, BASE_HALO), self.target, (), 0)
            support = SupportedShare(smooth[0], k)
        tile = Fields()
        for number, drawn in enumerate(self._members(window, when), start=1):
            member, residual = self._conserved(drawn, window)
            if support is not None:
                support.add(member)
            member = crop(member, self._ring, k)
            moments.add(member)
            if self._keeps:
                kept.append(member)
            residuals.append(residual)
            step(number / self.wanted.members)
        tile.residual = float(torch.stack(residuals).max())
        tile.bands[MAIN] = [moments.mean]
        files = self.wanted.files
        if "spread" in files:
            tile.bands["spread"] = [moments.variance.sqrt()]
        if "quantiles" in files:
            tile.bands["quantiles"] = quantiles(kept, self.wanted.levels)
        if "members" in files:
            tile.bands["members"] = kept
        if support is not None:
            tile.bands["support"] = [support.share()]
        return tile

    def empty(self, rows: int, cols: int) -> Fields:
        """Return the fields of a tile without a valid coarse cell."""
        nothing = torch.full((rows, cols), torch.nan)
        counts = {"quantiles": len(self.wanted.levels), "members": self.wanted.members}
        keys = [MAIN, *self.wanted.files]
        return Fields({key: [nothing] * counts.get(key, 1) for key in keys})

    def _members(self, patch: Patch, when: When | None) -> Iterator[Tensor]:
        """Yield the members before conservation.

        Each date has noise of its own, so that what is invented does not stand still from one to the
        next, or with coherence it changes little by little; the same date has the same noise in whatever run.
        """
        seed: Seed = zlib.crc32(f"{self.seed} {when}".encode()) if when is not None else self.seed
        if when is not None and self.wanted.coherence:
            seed = SeedMix.at(self.seed, when.days, self.wanted.coherence)
        return self.drawn_by.predict_members(patch, seed, range(1, self.wanted.members + 1))
