"""What is kept of a tile for its other dates."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.fields.kept import KeptForDates, LastKept, kept_or_made


def test_a_thing_is_made_once_for_a_tile_and_anew_for_another() -> None:
    last, made = LastKept(), []

    def make() -> int:
        made.append(1)
        return len(made)

    assert [kept_or_made(last.of(tile), "slope", make) for tile in ((0, 0), (0, 0), (0, 1))] == [1, 1, 2]
    assert kept_or_made(last.of((0, 0)), "slope", make) == 3, "a tile that is left is forgotten"
    assert [kept_or_made(None, "slope", make) for _ in range(2)] == [4, 5]


def test_a_thing_is_made_anew_with_another_mask() -> None:
    kept, masks = KeptForDates(), [torch.tensor([True, False]), None, torch.tensor([True, True])]
    numbers = iter(range(9))
    for number, mask in enumerate(masks):
        for _ in range(2):
            again = mask if mask is None else mask.clone()
            assert kept.made_with("means", again, lambda: next(numbers)) == number


def test_parts_do_not_mix() -> None:
    kept = KeptForDates()
    kept.put("means", 1)
    assert kept.part("scale 2").made("means", lambda: 2) == 2
    assert kept.part("scale 2").made("means", lambda: 3) == 2 and kept.part("scale 4").made("means", int) == 0
    assert kept.made("means", int) == 1


def test_what_is_kept_goes_to_a_device_once() -> None:
    kept, went = KeptForDates(), []
    ground = kept.made(("values", "elevation"), lambda: torch.arange(4.0))

    def up(tensors: Sequence[Tensor]) -> list[Tensor]:
        went.extend(tensors)
        return [tensor.clone() for tensor in tensors]

    copies = []
    for date in range(2):
        rain = torch.full((4,), float(date))
        copies.append(kept.copied([rain, ground], up))
        assert torch.equal(copies[date][0], rain) and torch.equal(copies[date][1], ground)
    assert copies[0][1] is copies[1][1] and copies[0][0] is not copies[1][0]
    assert sum(tensor is ground for tensor in went) == 1 and len(went) == 3
