"""A model card as typed data. `card.schema.json` is the full description of the file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from engine.specs import BaseSpec, BiasSpec, DomainSpec, SourceSpec, SpreadSpec, TargetSpec


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
    shares: tuple[float, ...] = ()  # of each step's detail, by what it is worth there; none: all of it
    base: BaseSpec | None = None  # what the residual stands on; None: the best that the sources allow
    bias: BiasSpec | None = None  # how the coarse product is corrected first; None: it is not
    domain: DomainSpec | None = None  # the fine cells that count; None: all
    spread: SpreadSpec | None = None  # of members, by the sources given; None: as the network draws them
    regression: dict[str, Any] | None = None  # of the base: its file, and the coarse cells that it is of

    def one_step(self, number: int) -> Card:
        """Return a cascade's card as that of one of its steps, by its number from 0."""
        factor, base = self.cascade[number], self.base
        if self.shares:
            base = replace(base or BaseSpec(), residual=self.shares[number])
        network = {**self.network, "factor": factor}
        return replace(self, factor=factor, network=network, base=base, cascade=(), shares=())

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
        """Read a card that `engine.package.folder` has validated against the schema."""
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
        needs_date = bool(raw["network"].get("season")) or any(s.traits.of_target for s in sources)
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
            base=_base(raw.get("base")),
            bias=_bias(raw.get("bias")),
            domain=_domain(raw.get("domain")),
            spread=_spread(raw.get("spread")),
            regression=raw.get("base", {}).get("regression"),
            cascade=tuple(raw.get("cascade", {}).get("steps", ())),
            shares=tuple(raw.get("cascade", {}).get("shares", ())),
        )


def _domain(entry: dict[str, Any] | None) -> DomainSpec | None:
    return None if entry is None else DomainSpec(entry.get("file", ""), entry.get("source", ""))


def _base(entry: dict[str, Any] | None) -> BaseSpec | None:
    if entry is None:
        return None
    weights = tuple(entry.get("weights", {}).items())
    return BaseSpec(weights, entry.get("residual", 1.0), entry.get("conserved", True))


def _spread(entries: list[dict[str, Any]] | None) -> SpreadSpec | None:
    if entries is None:
        return None
    return SpreadSpec(tuple((frozenset(entry["sources"]), entry["factor"]) for entry in entries))


def _bias(entry: dict[str, Any] | None) -> BiasSpec | None:
    if entry is None:
        return None
    words = entry["method"], entry["kind"], entry["group"]
    return BiasSpec(*words, tuple(entry["groups"]), tuple(entry["months"]))
