"""The configuration's key `ablation`: which runs an ablation is made of."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from training.schema.base import Section

Constraint = Literal["conservation", "bounds", "adversarial", "attention", "inception"]
CONSTRAINTS: tuple[Constraint, ...] = ("conservation", "bounds", "adversarial", "attention", "inception")


class AblationSection(Section):
    """Groups of sources, constraints, seeds and the budget of a run; see `training.ablation.plan`."""

    # Names of groups and the sources in them; none: each source by itself. A source in no group
    # is always there.
    groups: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], tuple[str, ...]] = Field(
        default_factory=dict
    )
    # Groups that the runs without a constraint have; by default all. Where one source does nearly
    # all, the others show what a constraint is worth.
    reference: tuple[str, ...] | None = None
    constraints: tuple[Constraint, ...] = CONSTRAINTS
    steps: Annotated[int, Field(ge=1)] = 300
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=(0, 1, 2), min_length=1)
    times: Annotated[int, Field(ge=1)] | None = None  # test times at most, evenly spread; null: all
    overrides: dict[str, Any] = Field(
        default_factory=dict
    )  # keys of the configuration, e.g. a smaller network

    @model_validator(mode="after")
    def _clear(self) -> AblationSection:
        owners: dict[str, str] = {}
        for group, sources in self.groups.items():
            if not sources:
                raise ValueError(f"group {group} names no source")
            for source in sources:
                if source in owners:
                    raise ValueError(f"source {source} is in the groups {owners[source]} and {group}")
                owners[source] = group
        if "none" in self.groups:
            raise ValueError("a group cannot be called none")
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("a seed is listed twice")
        for key in ("sources", "steps", "seed", "split", "factor", "data", "model", "ablation"):
            if key in self.overrides:
                raise ValueError(f"overrides.{key} would make the runs something else")
        return self
