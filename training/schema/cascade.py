"""The configuration's `cascade`: small steps learned one level up, where there is no fine truth."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from training.schema.base import Section

MOST_STEPS = 6
ASSUMPTION = (
    "Scale invariance: the relation between the target and its sources that was learned between coarser "
    "scales is taken to hold at every scale down to the fine grid. No fine truth was known to train or test."
)


class CascadeSection(Section):
    """Steps that are learned between coarser scales and then taken again and again, down to the factor.

    Cross-validation leaves out one block of cells of the coarse field and one year at a time.
    """

    steps: tuple[Literal[2, 3, 5], ...] = Field(min_length=1)
    block: Annotated[int, Field(ge=1)] = 3  # cells of the coarse field along a held-out block's edge
    gap_days: Annotated[int, Field(ge=0)] = 10  # around the held-out year, which are not trained on
    shrink: bool = True  # detail by what it is worth further down, measured above the data

    @field_validator("steps")
    @classmethod
    def _once(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) < len(value):
            raise ValueError("each step stands once")
        return value

    def entry(self, factor: int, coarse: float) -> dict[str, Any]:
        """Return what a card says of the cascade; `coarse` is the coarse cells' size."""
        return {
            "steps": list(order_of_steps(factor, self.steps)),
            "trained": [{"step": k, "coarse": k * coarse, "fine": coarse} for k in self.steps],
            "assumption": ASSUMPTION,
        }


def order_of_steps(factor: int, steps: tuple[int, ...]) -> tuple[int, ...]:
    """Return the steps that make up a factor, in the order of their use: small ones first.

    Most of a field's detail is in the levels next to the coarse one. A small step errs least, and has
    seen the most blocks one level up; the first one also takes off nearest to the scale that it was
    learned at. The larger step comes last, where little is left to be made.

    Raises:
        ValueError: the factor is no product of these steps.
    """
    order, rest = [], factor
    for step in sorted(steps):
        while rest % step == 0 and rest > 1:
            order.append(step)
            rest //= step
    if rest != 1 or set(order) != set(steps) or len(order) > MOST_STEPS:
        told = ", ".join(str(step) for step in steps)
        raise ValueError(f"the factor {factor} is no product of the steps {told}, each used at least once")
    return tuple(order)
