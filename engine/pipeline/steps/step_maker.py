"""Reads and makes one tile at one date: all of a run that can be done anywhere, in any order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.compute.copies import THERE, Arrival, copier_for
from engine.fields.conservation import aggregate, outside_bounds
from engine.fields.mean_change import MeanChange
from engine.fields.patch import Patch, rebuilt, tensors_of
from engine.fields.windows import crop
from engine.methods.interface import Method
from engine.pipeline.estimates import Step, estimate
from engine.pipeline.output_files import MAIN
from engine.pipeline.run_plan import RunPlan
from engine.pipeline.steps.step_account import StepAccount
from engine.pipeline.tiles import Tile


@dataclass
class MadeStep:
    """One finished tile at a date.

    Attributes:
        bands: (rows, cols) of the output each, for each output file; none where the output has no part of it.
            On the processor, once they have arrived.
        row, col: the upper left cell in the output.
        date: its place among the run's dates.
        empty: whether no cell has a value.
        account: what it tells of itself.
        arrival: of the bands.
    """

    bands: dict[str, list[Tensor]]
    row: int
    col: int
    date: int
    empty: bool
    account: StepAccount
    arrival: Arrival = THERE

    def arrived(self) -> MadeStep:
        """Wait until the bands are on the processor, and return the step."""
        self.arrival.on_processor()
        return self


@dataclass
class ReadStep:
    """A tile with its halo for a date, on its way to the method's device."""

    patch: Patch  # on the device
    coarse: Tensor  # its target, (1, H, W), on the processor
    some: bool  # whether any cell of the window gets a value
    arrival: Arrival


class StepMaker:
    """Makes the steps of a run.

    Args:
        plan: the run's parts.
        method: loaded and, if it learns from the run, fitted.

    Attributes:
        strength: of the conservation, 0..1.
        estimate: what makes the fields.
    """

    def __init__(self, plan: RunPlan, method: Method) -> None:
        self.plan, self.method = plan, method
        request, spec = plan.request, plan.choice.target
        self.strength = spec.strength if request.conservation is None else request.conservation
        self.estimate = estimate(method, spec, self.strength, request.ensemble, request.seed)
        self._measured = MeanChange(plan.dates).measured
        self.copier = copier_for(method.device)

    def read(self, tile: Tile, date: int) -> ReadStep:
        """Read a tile with its halo for the date of that number, and send it to the method's device."""
        patch = self.plan.inputs.patch(tile, self.estimate.halo, self.plan.dates[date])
        some, coarse = _any_cell(crop(patch.target, patch.halo), patch), patch.target
        if not some:
            return ReadStep(patch, coarse, some, THERE)
        tensors, arrivals = tensors_of(patch), list[Arrival]()

        def up(some_of_them: Sequence[Tensor]) -> list[Tensor]:
            copies, arrival = self.copier.up(some_of_them)
            arrivals.append(arrival)
            return copies

        copies = up(tensors) if patch.kept is None else patch.kept.copied(tensors, up)
        return ReadStep(rebuilt(patch, copies), coarse, some, arrivals[0])

    def make(self, tile: Tile, date: int, read: ReadStep, step: Step = lambda share: None) -> MadeStep:
        """Make a tile's fields and crop them to the output.

        Args:
            tile: which.
            date: its place among the run's dates.
            read: from `read`.
            step: hears which share of it is done; may raise to stop.
        """
        grids, k, spec = self.plan.grids, self.plan.grids.factor, self.plan.choice.target
        patch, some = read.patch, read.some
        coarse = crop(read.coarse, patch.halo)
        with torch.inference_mode():
            if some:
                read.arrival.on_device(tensors_of(patch))
                fields = self.estimate.fields(patch, self.plan.dates[date], step)
            else:
                fields = self.estimate.empty(tile.rows * k, tile.cols * k)
        change = None
        if self._measured:
            change = MeanChange.sums(coarse[0], _means(fields.bands[MAIN][0], patch).to("cpu"))
        top, left = tile.row * k - grids.row, tile.col * k - grids.col
        rows, cols = grids.output.shape
        r0, r1 = max(top, 0), min(top + tile.rows * k, rows)
        c0, c1 = max(left, 0), min(left + tile.cols * k, cols)
        bands: dict[str, list[Tensor]] = {}
        if r0 < r1 and c0 < c1:
            inside = slice(r0 - top, r1 - top), slice(c0 - left, c1 - left)
            bands = {key: [values[inside] for values in stack] for key, stack in fields.bands.items()}
        account = StepAccount(
            residual=fields.residual,
            valid=int(torch.isfinite(bands[MAIN][0]).sum(dtype=torch.int32)) if bands else 0,
            coarse=coarse.numel(),
            beyond=outside_bounds(coarse, spec) * coarse.numel(),
            change=change,
            expected=fields.expected,
        )
        arrival = THERE
        if some:
            copies, arrival = self.copier.down([band for stack in bands.values() for band in stack])
            landed = iter(copies)
            bands = {key: [next(landed) for _ in stack] for key, stack in bands.items()}
        return MadeStep(bands, r0, c0, date, not some, account, arrival)


def _any_cell(coarse: Tensor, patch: Patch) -> bool:
    """Return whether any cell of a patch's window gets a value."""
    inside = patch.domain is None or bool(crop(patch.domain, patch.halo, patch.factor).any())
    return inside and bool(torch.isfinite(coarse).any())


def _means(fine: Tensor, patch: Patch) -> Tensor:
    """Return the means of a tile's field, (h·k, w·k), over its coarse cells, as the target's are taken."""
    area = None
    if patch.area is not None:
        edge = patch.halo * patch.factor
        area = patch.area[:, edge : patch.area.shape[1] - edge]
    return aggregate(fine[None], patch.factor, area)[0]
