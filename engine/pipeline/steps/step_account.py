"""What a step tells of itself beside its cells, as plain numbers that a message or a file can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

Sums = tuple[float, float, int]


@dataclass(frozen=True)
class StepAccount:
    """Numbers of one tile at one date.

    Attributes:
        residual: largest |mean of fine cells − coarse value|.
        valid: cells of the output with a value.
        coarse: coarse cells, valid or not.
        beyond: of them, those whose value cannot be.
        change: sums of coarse cells and of their fine means, and how many, for `MeanChange`.
        expected: sums of square errors, of squares of carried detail, and how many, of a method that judges.
        counts: of each input the cells read, see `InputRasters.counts`.
    """

    residual: float = 0.0
    valid: int = 0
    coarse: int = 0
    beyond: float = 0.0
    change: Sums | None = None
    expected: Sums | None = None
    counts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> StepAccount:
        """Return what `to_json` told; floats are the same to the bit."""
        sums = {key: None if data[key] is None else tuple(data[key]) for key in ("change", "expected")}
        counts = {name: tuple(numbers) for name, numbers in data["counts"].items()}
        return cls(**{**data, **sums, "counts": counts})
