"""A model card as typed data. `card.schema.json` is the full description of the file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

GENERIC_IDS = frozenset({"superresolve", "baseline", "modelinfo", "installmodel"})  # never a model's id


@dataclass(frozen=True)
class TargetSpec:
    """The variable that is downscaled."""

    name: str
    units: str
    transform: str = "identity"  # identity, log1p, cuberoot: the space in which the network works
    scale: float = 1.0  # transform(value / scale)
    bounds: tuple[float | None, float | None] = (None, None)  # physical limits, in units
    conservation: str = "additive"  # multiplicative (non-negative), additive
    weights: str = "count"  # how the coarse product was made: mean by count or by area of fine cells
    strength: float = 1.0  # default conservation strength, 0..1
    title: str = ""
    mean: float = 0.0  # of the transformed target in training
    std: float = 1.0
    range: tuple[float, float] | None = None  # seen in training, coarse values, in units


@dataclass(frozen=True)
class SourceSpec:
    """One covariate: what it is, on which grid it belongs, and how it is normalised."""

    name: str
    units: str
    grid: str  # coarse, fine
    kind: str = "continuous"  # continuous, angle (degrees), class, climatology (of the target)
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

    @property
    def channels(self) -> int:
        """Number of channels as read: fractions per class, sine and cosine of an angle, else one."""
        return {"class": len(self.classes), "angle": 2}.get(self.kind, 1)


@dataclass(frozen=True)
class Card:
    """A validated card; `raw` holds every field of the file."""

    id: str
    name: str
    version: str
    factor: int
    target: TargetSpec
    sources: tuple[SourceSpec, ...]
    network: dict[str, Any]  # the generator's specification
    resolution: dict[str, Any]  # coarse, fine, units: as trained
    needs_date: bool  # the day of year, a climatology or a dynamic source wants one
    raw: dict[str, Any]
    cascade: tuple[int, ...] = ()  # factors of the steps that the network is used for, one after another

    def one_step(self, factor: int) -> Card:
        """Return a cascade's card as that of one of its steps."""
        return replace(self, factor=factor, network={**self.network, "factor": factor}, cascade=())

    @property
    def ensemble(self) -> bool:
        """Whether the model can draw members: its network has a noise input. A cascade draws none."""
        noise = self.network.get("noise", 0)
        return isinstance(noise, int) and noise > 0 and not self.cascade

    def source(self, name: str) -> SourceSpec | None:
        """Return the source of that name, or None."""
        return next((s for s in self.sources if s.name == name), None)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Card:
        """Read a card that `engine.package` has validated against the schema."""
        target = dict(raw["target"])
        for key in ("bounds", "range"):
            if target.get(key) is not None:
                target[key] = tuple(target[key])
        sources = []
        for entry in raw["sources"]:
            source = dict(entry)
            for key in ("classes", "derived", "range"):
                if source.get(key) is not None:
                    source[key] = tuple(source[key])
            sources.append(SourceSpec(**source))
        needs_date = bool(raw["network"].get("season")) or any(s.kind == "climatology" for s in sources)
        return cls(
            id=raw["id"],
            name=raw["name"],
            version=raw["version"],
            factor=raw["factor"],
            target=TargetSpec(**target),
            sources=tuple(sources),
            network=raw["network"],
            resolution=raw["resolution"],
            needs_date=needs_date,
            raw=raw,
            cascade=tuple(raw.get("cascade", {}).get("steps", ())),
        )
