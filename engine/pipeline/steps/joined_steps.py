"""Puts the parts of a tile that did not fit into memory together again."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from engine.pipeline.steps.step_account import StepAccount, Sums
from engine.pipeline.steps.step_maker import MadeStep


def joined(parts: Sequence[MadeStep]) -> MadeStep:
    """Return the step whose tile the parts make up, all of one date.

    Its cells are those of the whole tile to rounding, as of every other cut into tiles.
    """
    inside = [part for part in parts if part.bands]
    row = min((part.row for part in inside), default=parts[0].row)
    col = min((part.col for part in inside), default=parts[0].col)
    bands: dict[str, list[torch.Tensor]] = {}
    if inside:
        size = [next(iter(part.bands.values()))[0].shape for part in inside]
        rows = max(part.row + shape[0] for part, shape in zip(inside, size, strict=True)) - row
        cols = max(part.col + shape[1] for part, shape in zip(inside, size, strict=True)) - col
        bands = {
            key: [torch.full((rows, cols), torch.nan) for _ in stack]
            for key, stack in inside[0].bands.items()
        }
    for part in inside:
        for key, stack in part.bands.items():
            for whole, values in zip(bands[key], stack, strict=True):
                r, c = part.row - row, part.col - col
                whole[r : r + values.shape[0], c : c + values.shape[1]] = values
    account = _summed([part.account for part in parts])
    return MadeStep(bands, row, col, parts[0].date, all(part.empty for part in parts), account)


def _summed(accounts: Sequence[StepAccount]) -> StepAccount:
    counts = {
        name: tuple(sum(each) for each in zip(*(a.counts[name] for a in accounts), strict=True))
        for name in accounts[0].counts
    }
    return StepAccount(
        residual=max(account.residual for account in accounts),
        valid=sum(account.valid for account in accounts),
        coarse=sum(account.coarse for account in accounts),
        beyond=sum(account.beyond for account in accounts),
        change=_added([account.change for account in accounts]),
        expected=_added([account.expected for account in accounts]),
        counts=counts,
    )


def _added(sums: Sequence[Sums | None]) -> Sums | None:
    known = [each for each in sums if each is not None]
    if not known:
        return None
    first, second, cells = zip(*known, strict=True)
    return sum(first), sum(second), sum(cells)
