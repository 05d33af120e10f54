"""The runs of an ablation, from a configuration.

Up to four groups of sources: every subset. More: none, each alone, all but each, and all. Then the
reference without one constraint at a time, and without sources and constraints at once: the
unconstrained GAN. Last a run with source dropout, whose sources are withheld at the test: the quick
ablation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from engine.errors import InputError
from training.records.record import merged
from training.schema.ablation import Constraint
from training.schema.config import Config

EVERY_SUBSET = 4  # groups at most of which every subset is run
DROPOUT = "dropout"
NONE = "none"
UNCONSTRAINED = "unconstrained"
FREED: tuple[Constraint, ...] = ("conservation", "bounds")  # what an unconstrained GAN goes without

Subset = frozenset[str]


@dataclass(frozen=True)
class Variant:
    """One kind of run, done with each seed.

    `kind` is subset, constraint, unconstrained or dropout; `overrides` are all keys that it changes in the
    configuration.
    """

    name: str
    kind: str
    groups: Subset
    overrides: dict[str, Any] = field(hash=False)
    constraint: Constraint | None = None


def groups_of(config: Config) -> dict[str, tuple[str, ...]]:
    """Return the groups of sources by name.

    Raises:
        InputError: a group names a source that the configuration lacks, or there is no group.
    """
    known = [s.name for s in config.sources]
    groups = dict(config.ablation.groups) or {name: (name,) for name in known}
    if not groups:
        raise InputError("ablation: the configuration has no source.")
    for group, sources in groups.items():
        for source in sources:
            if source not in known:
                raise InputError(
                    f"ablation.groups.{group}: the configuration has no source {source} (it has: "
                    f"{', '.join(known)})."
                )
    for group in config.ablation.reference or ():
        if group not in groups:
            raise InputError(f"ablation.reference: there is no group {group}.")
    return groups


def subsets(names: Iterable[str]) -> list[Subset]:
    """Return the subsets of groups that are run, small ones first."""
    names = list(names)
    count = len(names)
    sizes = range(count + 1) if count <= EVERY_SUBSET else (0, 1, count - 1, count)
    return [frozenset(chosen) for size in sizes for chosen in combinations(names, size)]


def subset_name(subset: Iterable[str], order: Iterable[str]) -> str:
    """Return the name of a subset: its groups in their order."""
    chosen = set(subset)
    return "+".join(name for name in order if name in chosen) or NONE


def variants(config: Config, steps: int | None = None) -> list[Variant]:
    """Return every variant of a configuration's ablation.

    Args:
        config: with its key `ablation`.
        steps: of each run; None: as `ablation.steps` says.

    Raises:
        InputError: see `groups_of`.
    """
    groups, section = groups_of(config), config.ablation
    common = _common(config, steps or section.steps)
    full = frozenset(groups)
    reference = full if section.reference is None else frozenset(section.reference)

    def subset(chosen: Subset, dropout: bool = False) -> dict[str, Any]:
        return merged(common, _sources(config, groups, chosen, dropout))

    chosen = subsets(groups)
    if reference not in chosen:
        chosen.append(reference)
    planned = [Variant(subset_name(s, groups), "subset", s, subset(s)) for s in chosen]
    for name in section.constraints:
        off = without(name, config)
        if off is not None:
            overrides = merged(subset(reference), off)
            planned.append(Variant(f"without-{name}", "constraint", reference, overrides, name))
    freed = [off for name in FREED if (off := without(name, config)) is not None]
    if freed:
        overrides = subset(frozenset())
        for off in freed:
            overrides = merged(overrides, off)
        planned.append(Variant(UNCONSTRAINED, UNCONSTRAINED, frozenset(), overrides))
    planned.append(Variant(DROPOUT, DROPOUT, full, subset(full, dropout=True)))
    return planned


def without(constraint: Constraint, config: Config) -> dict[str, Any] | None:
    """Return what switches a constraint off; None where the configuration has it off already.

    A ratio and a logarithm presume values that are not negative. So without bounds a target is
    conserved by sums, and the cube root, which keeps the sign, stands in for log1p.
    """
    network = config.network.get(constraint, True)
    of_ours = config.network.get("kind", "inception") == "inception"
    if constraint == "conservation":
        if config.target.strength == 0 and config.losses.conservation.weight == 0:
            return None
        return {"target": {"strength": 0.0}, "losses": {"conservation": {"weight": 0.0}}}
    if constraint == "bounds":
        if config.target.limits == (None, None) and config.target.conservation == "additive":
            return None
        target: dict[str, Any] = {"bounds": [None, None], "conservation": "additive"}
        if config.target.transform == "log1p":
            target["transform"] = "cuberoot"
        return {"target": target, "sampling": {"jitter": 0.0}}
    if constraint == "adversarial":
        return None if config.losses.adversarial is None else {"losses": {"adversarial": None}}
    return {"network": {constraint: False}} if network and of_ours else None


def _common(config: Config, steps: int) -> dict[str, Any]:
    """Return what every run changes.

    A shorter schedule; one precision, so that runs compare; a fresh start; one field, not an
    ensemble: what is measured is the estimate.
    """
    share = min(1.0, steps / config.steps)
    overrides: dict[str, Any] = {
        "steps": steps,
        "optimiser": {"warmup_steps": round(config.optimiser.warmup_steps * share)},
        "precision": "float32",
        "layout": "contiguous",
    }
    if config.start_from is not None:
        overrides["start_from"] = None
    if config.ensemble is not None:
        overrides |= {"ensemble": None, "network": {"noise": 0}, "validation": {"score": "rmse"}}
    rival = config.losses.adversarial
    if rival is not None:
        shorter = {"start": round(rival.start * share), "ramp": round(rival.ramp * share)}
        overrides["losses"] = {"adversarial": shorter}
    return merged(overrides, config.ablation.overrides)


def _sources(
    config: Config, groups: dict[str, tuple[str, ...]], chosen: Subset, dropout: bool
) -> dict[str, Any]:
    """Return the sources of a subset; a run of its own sees them at every step."""
    gone = {source for group, sources in groups.items() if group not in chosen for source in sources}
    kept = [s.model_dump(mode="json") for s in config.sources if s.name not in gone]
    if dropout:
        return {"sources": kept}
    return {"sources": [{**s, "dropout": 0.0} for s in kept], "sampling": {"without_sources": 0.0}}
