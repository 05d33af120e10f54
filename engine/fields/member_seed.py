"""What an ensemble's noise is drawn from: a seed, or several that are mixed, so that it changes with time."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass


@dataclass(frozen=True)
class SeedMix:
    """Seeds whose numbers are summed with weights, the squares of which sum to 1: standard normal again."""

    seeds: tuple[int, ...]
    weights: tuple[float, ...]

    @classmethod
    def at(cls, seed: int, day: float, spacing: float) -> SeedMix:
        """Return that of a day: independent noise stands at knots, and between them is interpolated.

        Days much closer than the spacing have nearly the same numbers; those twice as far apart have nothing
        in common. A day is what it is without any other, so dates may come in any order.

        Args:
            seed: of the ensemble.
            day: since whenever.
            spacing: days from knot to knot.
        """
        knot = math.floor(day / spacing)
        share = day / spacing - knot
        size = math.hypot(1 - share, share)
        seeds = zlib.crc32(f"{seed} {knot}".encode()), zlib.crc32(f"{seed} {knot + 1}".encode())
        return cls(seeds, ((1 - share) / size, share / size))


Seed = int | SeedMix
