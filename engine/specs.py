"""What is downscaled and what helps: the target and its sources, as typed data."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from engine.source_kinds import OfKind

# The id, among the methods of a base, of the regression of each fine cell on the coarse cells around it.
NEIGHBOURHOOD = "neighbourhood"


@dataclass(frozen=True)
class TargetSpec:
    """The variable that is downscaled."""

    name: str
    units: str
    transform: str = "identity"  # of `engine.transforms`: the space in which the network works
    scale: float = 1.0  # transform(value / scale)
    bounds: tuple[float | None, float | None] = (None, None)  # physical limits, in units
    conservation: str = "additive"  # multiplicative (non-negative), additive
    weights: str = "count"  # how the coarse product was made: mean by count or by area of fine cells
    strength: float = 1.0  # default conservation strength, 0..1
    title: str = ""
    mean: float = 0.0  # of the transformed target in training
    std: float = 1.0
    range: tuple[float, float] | None = None  # seen in training, coarse values, in units

    @property
    def nonnegative(self) -> bool:
        """Whether it cannot be negative, so that it is corrected by ratio and not by difference."""
        return self.conservation == "multiplicative"

    @property
    def by_area(self) -> bool:
        """Whether a coarse value is the mean by area, and not by count, of its fine cells."""
        return self.weights == "area"


@dataclass(frozen=True)
class BaseSpec:
    """What a model's residual stands on, and how much of it counts."""

    weights: tuple[tuple[str, float], ...] = ()  # simple methods by id; none: the best that sources allow
    residual: float = 1.0  # share of the network's residual, by what it gained on held-out data
    conserved: bool = True  # its methods; else only what is made of it, as strongly as the target says

    @property
    def in_words(self) -> str:
        """The methods and their weights."""
        parts = [id if weight == 1 else f"{weight:.2f} × {id}" for id, weight in self.weights]
        return " + ".join(parts) or "the best disaggregation that the sources allow"


@dataclass(frozen=True)
class SpreadSpec:
    """By how much members stand out from the estimate, for each set of sources that a run may have.

    Measured on held-out data: with fewer sources an estimate errs more, and noise that learned beside all of
    them does not tell by how much.
    """

    factors: tuple[tuple[frozenset[str], float], ...] = ()

    def factor(self, given: Collection[str]) -> float:
        """Return that of the sources given: of the likest set; of several as like the widest; 1 without any.

        Two sets are the less like, the more sources are in one of them alone.
        """
        if not self.factors:
            return 1.0
        return min(self.factors, key=lambda entry: (len(entry[0] ^ set(given)), -entry[1]))[1]


@dataclass(frozen=True)
class BiasSpec:
    """How a coarse product of another origin is corrected before it is downscaled."""

    method: str  # mean, ratio, quantile_mapping, quantile_delta_mapping
    kind: str  # additive, multiplicative: what is done with a factor
    group: str  # all, season, month: parts of the year with factors of their own
    groups: tuple[int, ...]  # these parts: months 1..12, seasons 1 (DJF)..4, or 0
    months: tuple[int, ...]  # 1..12, that it was fitted in

    @property
    def in_words(self) -> str:
        """The method, and by which parts of the year."""
        parts = "" if self.group == "all" else f", by {self.group}"
        return f"{self.method.replace('_', ' ')} ({self.kind}{parts})"


@dataclass(frozen=True)
class DomainSpec:
    """Which fine cells a model counts (see `engine.fields.domain`): at its own place, or wherever it is."""

    file: str = ""  # of the package: 0 outside, 1 inside; beyond it every cell counts
    source: str = ""  # those where this fine source has data


@dataclass(frozen=True)
class SourceSpec(OfKind):
    """One covariate: what it is, on which grid it belongs, and how it is normalised."""

    name: str
    units: str
    grid: str  # coarse, fine
    kind: str = "continuous"  # of `engine.source_kinds`
    dynamic: bool = False
    optional: bool = True
    title: str = ""
    classes: tuple[int, ...] = ()  # kind class: one channel of cover fractions for each
    derived: tuple[str, ...] = ()  # features computed on the source's grid, e.g. slope, aspect, land
    value: bool = True  # kind continuous: whether the network sees the value itself beside them
    normalisation: dict[str, dict[str, float]] = field(default_factory=dict)  # feature: {mean, std}
    range: tuple[float, float] | None = None  # seen in training, in units
    period: str = "month"  # kind climatology: month (12 bands), day (366)
    kernel_months: float = 0.7  # kind climatology: weights exp(−cyclic distance / kernel)
    default: dict[str, Any] | None = None  # static raster in the package: {file, sha256}


@dataclass(frozen=True)
class OwnSource(SourceSpec):
    """A raster of the user's own, for a method that takes any; in no card."""

    of_year: bool = False  # dynamic: its bands without dates are the months or the days of a year
