"""Counter-based noise: the number at a pixel depends on where the pixel is, not on the tile that asks.

A counter-based generator (Salmon et al. 2011) maps a key and a counter to a random number without
any state, so tiles may come in any order and still agree. Here the counter of a pixel and a pair of
channels is hashed twice with the finaliser of SplitMix64 (Steele, Lea & Flood 2014); its two halves
give two normal numbers (Box & Muller 1958).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from engine.compute.exact import exact_device
from engine.errors import InputError
from engine.fields.member_seed import Seed, SeedMix

_GOLDEN = 0x9E3779B97F4A7C15  # 2⁶⁴ / golden ratio: SplitMix64's step
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_COLUMN = 0xD1342543DE82EF95  # an odd multiplier of its own, so that rows and columns do not mix
_BITS = 2.0**-32
_LOW = 0xFFFFFFFF
_PIECE = 2**17  # numbers that are hashed at a time


def _signed(value: int) -> int:
    """Return the 64-bit pattern of a whole number as torch's signed integers know it."""
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value


def _fold(x: Tensor, bits: int, spare: Tensor) -> None:
    """Let x be x ^ (x >> bits), without the sign; `spare` is of its shape."""
    torch.bitwise_right_shift(x, bits, out=spare)
    x.bitwise_xor_(spare.bitwise_and_((1 << (64 - bits)) - 1))


def _scramble(x: Tensor, spare: Tensor) -> None:
    """SplitMix64's finaliser on int64 patterns, in place; products wrap at 64 bits."""
    _fold(x, 30, spare)
    _fold(x.mul_(_signed(_FIRST)), 27, spare)
    _fold(x.mul_(_signed(_SECOND)), 31, spare)


def _key(*parts: int) -> int:
    """Hash whole numbers into one 64-bit pattern."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def level_noise(
    seed: int,
    member: int,
    level: int,
    scale: int,
    rows: Sequence[int] | range,
    columns: Sequence[int] | range,
    channels: int,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Return standard normal numbers for some pixels of one level.

    They depend on seed, member, level, scale, channel and the pixel's absolute row and column alone.

    Args:
        seed: of the ensemble.
        member: 1, 2, …
        level, scale: of the network: its number, and pixels along a coarse cell there.
        rows, columns: absolute numbers of the pixels at that level; they may be negative.
        channels: how many numbers a pixel gets.
        device: where they are made.

    Returns:
        (channels, len(rows), len(columns)) float32.
    """
    pairs, (height, width) = (channels + 1) // 2, (len(rows), len(columns))
    place = exact_device(device)
    keys = [_key(seed, member, level, scale, pair) for pair in range(pairs)]
    key = torch.tensor(keys, dtype=torch.int64, device=place)[:, None]
    down = torch.as_tensor(rows, dtype=torch.int64, device=place) * _signed(_GOLDEN) + key  # (pairs, rows)
    _scramble(down, torch.empty_like(down))
    right = torch.as_tensor(columns, dtype=torch.int64, device=place) * _signed(_COLUMN)
    result = torch.empty((pairs, 2, height, width), device=place)
    # The processor's caches hold a piece through all steps; an accelerator likes few large ones.
    step = max(1, _PIECE // max(1, pairs * width)) if place.type == "cpu" else height
    for row in range(0, height, step):
        part = slice(row, row + step)
        _normal(down[:, part, None] + right, result[:, :, part])
    return result.flatten(0, 1)[:channels].to(device)


def _normal(bits: Tensor, both: Tensor) -> None:
    """Hash patterns once more, and make two normal numbers of each.

    Args:
        bits: (pairs, rows, columns) int64; changed.
        both: (pairs, 2, rows, columns) float32 for the numbers.
    """
    spare = torch.empty_like(bits)
    _scramble(bits, spare)
    torch.bitwise_right_shift(bits, 32, out=spare)
    # The half added keeps the logarithm finite.
    radius = spare.bitwise_and_(_LOW).float().add_(0.5).mul_(_BITS).log_().mul_(-2).sqrt_()
    angle = bits.bitwise_and_(_LOW).float().mul_(2 * math.pi * _BITS)
    torch.mul(radius, torch.cos(angle), out=both[:, 0])
    torch.mul(radius, angle.sin_(), out=both[:, 1])


@dataclass(frozen=True)
class Noise:
    """The noise of a batch of windows, made level by level when a network asks.

    `members` has one number for each window; member 0 gets zeros. `origin` (B, 2) holds the absolute
    coarse row and column of each window's first cell, halo left out. Columns `turn` apart are one place on
    the globe and have the same numbers.
    """

    seed: Seed
    members: tuple[int, ...]
    origin: Tensor
    turn: int | None = None
    device: torch.device | None = None  # where it is made; None: that of the origin

    def __post_init__(self) -> None:
        """Check that there is an origin for each window; raises InputError."""
        if self.origin.shape != (len(self.members), 2):
            raise InputError(
                f"The noise has {len(self.members)} windows, but origins of {tuple(self.origin.shape)}."
            )

    @cached_property
    def _places(self) -> list[list[int]]:
        """The origins as numbers, read once for all levels."""
        return self.origin.tolist()

    def at(self, level: int, scale: int, size: tuple[int, int], margin: int, channels: int) -> Tensor:
        """Return one level's noise, (B, channels, h·scale + 2·margin, w·scale + 2·margin) float32.

        Args:
            level, scale: of the network, see `level_noise`.
            size: h and w of the windows, in coarse cells.
            margin: pixels of this level around the windows.
            channels: how many numbers a pixel gets.
        """
        device = self.device or self.origin.device
        height, width = (edge * scale + 2 * margin for edge in size)
        fields = []
        for member, (row, column) in zip(self.members, self._places, strict=True):
            if member == 0:
                fields.append(torch.zeros(channels, height, width, device=device))
                continue
            top, left = row * scale - margin, column * scale - margin
            rows: Sequence[int] = range(top, top + height)
            columns: Sequence[int] = range(left, left + width)
            if self.turn is not None:
                half = self.turn * scale // 2
                columns = [(c + half) % (self.turn * scale) - half for c in columns]
            mix = SeedMix((self.seed,), (1.0,)) if isinstance(self.seed, int) else self.seed
            parts = []
            for seed, weight in zip(mix.seeds, mix.weights, strict=True):
                if weight:
                    place = rows, columns, channels, device
                    drawn = level_noise(seed, member, level, scale, *place)
                    parts.append(drawn if weight == 1 else drawn.mul_(weight))
            fields.append(sum(parts[1:], parts[0]))
        return torch.stack(fields) if len(fields) > 1 else fields[0].unsqueeze(0)
