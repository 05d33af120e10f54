"""How a training tells of its progress: curves for TensorBoard, a bar with the time left."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType

from engine.files.system_errors import told_of
from training.console.followed import followed
from training.console.time_left import TimeLeft
from training.trainer import step_log
from training.trainer.step_log import Losses

# The bar; its own rate and time left would count how long the first step waited.
BAR = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"
# Losses that are zero only without a cell that has a truth.
COMPARED = ("reconstruction", "physical", "crps", "flow")


class Progress:
    """Tells of each step while it is entered.

    Args:
        folder: of the run.
        done, steps: taken before, and in all.
        quiet: no bar.
        every: steps from validation to validation.
        phase: what is trained, for those who follow.
        judged_by: the score of validations that chooses the weights.
    """

    def __init__(
        self,
        folder: Path,
        done: int,
        steps: int,
        quiet: bool,
        every: int = 500,
        phase: str = "Training",
        judged_by: str = "rmse",
    ) -> None:
        from torch.utils.tensorboard import SummaryWriter
        from tqdm import tqdm

        self._followed, self._judged_by = followed(), judged_by
        self._quiet = quiet or self._followed is not None  # who follows hears it in another way
        if self._followed is not None:
            before = step_log.totals(folder / step_log.LOG) if done else {}
            self._followed.begin_training(phase, steps, before)
        self._curves = folder / "tensorboard"
        self._board = SummaryWriter(str(self._curves), purge_step=done)
        tqdm.monitor_interval = 0  # its thread serves bars that stand still, and may not be to be had
        self._bar = tqdm(
            total=steps, initial=done, unit="step", disable=self._quiet, file=sys.stderr, bar_format=BAR
        )
        self._left = TimeLeft(done, steps, every)
        self._taught = self._empty = 0  # steps with a cell that has a truth, and without

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
        if self._empty and self._taught:
            print(
                f"{self._empty} of {self._empty + self._taught} steps drew no cell with a truth and taught "
                f"nothing: a larger sampling.size or sampling.batch draws more.",
                file=sys.stderr,
            )
        with told_of(self._curves):
            self._board.close()

    def report(self, step: int, losses: Losses, scores: dict[str, float] | None) -> None:
        """Tell of a step: its losses and, after a validation, its scores."""
        with told_of(self._curves):
            self._board.add_scalar("rate", losses.rate, step)
            for name, value in losses.terms.items():
                self._board.add_scalar(f"loss/{name}", value, step)
            for name, value in (scores or {}).items():
                self._board.add_scalar(f"validation/{name}", value, step)
        if scores is not None and not self._quiet:
            numbers = ", ".join(f"{name} {value:.4g}" for name, value in scores.items())
            self._bar.write(f"step {step}: validation {numbers}", file=sys.stderr)
        self._left.after(step, scores is not None)
        told = [f"loss {losses.terms['total']:.4f}"]
        if any(losses.terms.get(name) for name in COMPARED):
            self._taught += 1
        else:
            self._empty += 1
            told = ["no truth in this step"]
        told += [words for words in (self._left.told(step),) if words]
        self._bar.set_postfix_str(", ".join(told), refresh=False)
        self._bar.update(1)
        if self._followed is not None:
            self._followed.step(step, losses.terms, scores, self._judged_by, self._left.seconds(step))
