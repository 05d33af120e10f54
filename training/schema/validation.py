"""The configuration's `validation`: what is held out of training to choose the weights by, and how often."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from training.schema.base import Degrees, Month, Section
from training.schema.split import CellSection, Day


class ValidationSection(Section):
    """Validation inside the training months; test months are never opened."""

    every: Annotated[int, Field(ge=1)] = 500
    score: Literal["rmse", "mae", "crps"] = (
        "rmse"  # its mean over the cases chooses the weights that are kept
    )
    cases: tuple[Literal["all", "without_climatology", "without_sources"], ...] = Field(
        default=("all",), min_length=1
    )
    # Where nothing of the following is named. auto: a block of training dates, or of cells or columns, is
    # chosen and held out (training.data.hold_out); training: nothing is, scores are those of training data.
    where: Literal["auto", "training"] = "auto"
    # Validations in a row that may be no better before training stops; 0: it takes all its steps.
    patience: Annotated[int, Field(ge=0)] = 0
    # Whether what is shipped is trained once more, on what was held out too, when that has judged it. Left
    # out: where `steps` are left out too.
    refit: bool | None = None
    held_out: tuple[Month, ...] = ()  # training months kept for validation, in training unseen
    held_out_longitudes: tuple[float, float] | None = None  # the same by x coordinate, in the archive's CRS
    held_out_periods: tuple[tuple[Day, Day], ...] = ()  # or by date: first and last of each
    gap_days: Annotated[int, Field(ge=0)] = 0  # training dates this near to these periods are left out
    cells: CellSection | None = None  # or by blocks of coarse cells, at training dates
    blocks: tuple[tuple[Month, ...], ...] = ()  # folds of `training.cross_validate`, by month
    longitude_blocks: tuple[tuple[Degrees, Degrees], ...] = ()  # or by longitude
    periods: tuple[tuple[Day, Day], ...] = ()  # or by date, a water year each, say

    @property
    def names_something(self) -> bool:
        """Whether it says what is held out."""
        columns = self.held_out_longitudes is not None
        return bool(self.held_out or self.held_out_periods) or columns or self.cells is not None

    @model_validator(mode="after")
    def _one_way(self) -> ValidationSection:
        if self.where == "training" and self.names_something:
            raise ValueError("where: training holds nothing out, yet something is named: leave one out")
        if self.gap_days and not self.held_out_periods:
            raise ValueError("gap_days are days around held_out_periods, and there are none")
        return self
