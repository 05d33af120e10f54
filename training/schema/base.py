"""What every section of a configuration is made of: the strict base, and numbers with their limits."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

LARGEST = 2**63

Month = Annotated[int, Field(ge=1, le=12)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


Degrees = Annotated[float, Field(ge=-180, le=180)]


class Section(BaseModel):
    """Base: unknown keys are errors, as are numbers that are infinite or beyond what a machine counts."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _countable(cls, data: Any) -> Any:
        for name, value in data.items() if isinstance(data, dict) else ():
            if isinstance(value, int) and abs(value) >= LARGEST:
                raise ValueError(f"the number of {name} has more digits than a machine counts with")
        return data
