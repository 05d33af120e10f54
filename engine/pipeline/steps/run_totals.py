"""Sums up the steps of a run, and says what the user should know of them."""

from __future__ import annotations

import math
from typing import Any

from engine.fields.conservation import limits
from engine.fields.mean_change import MeanChange
from engine.methods.interface import FittedMethod, Method
from engine.pipeline.request import SourceReport, SuperResolveResult
from engine.pipeline.run_plan import RunPlan
from engine.pipeline.steps.step_account import StepAccount


class RunTotals:
    """Sums over the steps that were made, in their order: sums of floats depend on it.

    Args:
        plan: the run's parts.
        method: loaded.

    Attributes:
        steps: that were made.
        residual: largest |mean of fine cells − coarse value|.
        change: of the mean over the years.
        precision, device: that the steps ran in.
    """

    def __init__(self, plan: RunPlan, method: Method) -> None:
        self.plan, self.method = plan, method
        self.steps, self.residual = 0, 0.0
        self.change = MeanChange(plan.dates)
        self.precision, self.device = plan.choice.precision(method), str(method.device)
        self._valid, self._coarse, self._beyond = 0, 0, 0.0
        self._error, self._carried, self._judged = 0.0, 0.0, 0

    def add(self, date: int, account: StepAccount) -> None:
        """Take in a step at the date of that number."""
        if account.change is not None:
            self.change.add_sums(date, account.change)
            if date == len(self.plan.dates) - 1:
                self.change.keep()
        if account.expected is not None:
            error, carried, cells = account.expected
            self._error, self._carried = self._error + error, self._carried + carried
            self._judged += cells
        self._coarse += account.coarse
        self._beyond += account.beyond
        self._valid += account.valid
        self.residual = max(self.residual, account.residual)
        self.steps += 1

    def warnings(self) -> list[str]:
        """Return what the user should know of the target's values and of the output's."""
        lines = []
        if self._beyond:
            share = self._beyond / max(self._coarse, 1)
            low, high = limits(self.plan.choice.target)
            ends = [f"{word} {end:g}" for word, end in (("below", low), ("above", high)) if end is not None]
            lines.append(
                f"target: {share:.1%} of the coarse cells are {' or '.join(ends)}, which cannot be: they "
                f"were cut off there, so their means are not kept."
            )
        if not self._valid:
            lines.append("The output holds no valid cell: check the target's band, nodata and extent.")
        return lines

    def expected(self) -> dict[str, float | None]:
        """Return the error that is expected, and what it is of that of interpolation; None: not known."""
        if not self._judged:
            return {"error": None, "over_interpolation": None}
        ratio = math.sqrt(self._error / total) if (total := self._error + self._carried) > 0 else 1.0
        return {"error": math.sqrt(self._error / self._judged), "over_interpolation": ratio}

    def sharpening(self) -> dict[str, Any] | None:
        """Return what a method learned and what it expects of its field, None of one that learns nothing."""
        if not isinstance(self.method, FittedMethod):
            return None
        return {
            **self.method.learned,
            "expected": {**self.expected(), "units": self.plan.choice.target.units},
        }

    def result(
        self, residual_original: float, sources: list[SourceReport], warnings: list[str], seconds: float
    ) -> SuperResolveResult:
        """Return the run's result, of which the steps' part is known here."""
        plan, (rows, cols) = self.plan, self.plan.grids.output.shape
        return SuperResolveResult(
            residual=self.residual,
            residual_original=residual_original,
            outside_range=max(source.outside_range for source in sources),
            covered=self._valid / (rows * cols * len(plan.dates)),
            tiles=self.steps,
            seconds=seconds,
            precision=self.precision,
            device=self.device,
            **plan.told_of_result(),
            sources=sources,
            warnings=warnings,
            sharpening=self.sharpening(),
            change=self.change.result(),
        )
