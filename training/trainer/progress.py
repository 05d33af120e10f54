"""How a training tells of its progress: curves for TensorBoard, a bar with the time left."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType

from engine.files.system_errors import told_of
from training.trainer.step_log import Losses


class Progress:
    """Tells of each step while it is entered.

    Args:
        folder: of the run.
        done, steps: taken before, and in all.
        quiet: no bar.
    """

    def __init__(self, folder: Path, done: int, steps: int, quiet: bool) -> None:
        from torch.utils.tensorboard import SummaryWriter
        from tqdm import tqdm

        self._quiet = quiet
        self._curves = folder / "tensorboard"
        self._board = SummaryWriter(str(self._curves), purge_step=done)
        tqdm.monitor_interval = 0  # its thread serves bars that stand still, and may not be to be had
        self._bar = tqdm(
            total=steps, initial=done, unit="step", disable=quiet, file=sys.stderr, smoothing=0.05
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
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
            told = ", ".join(f"{name} {value:.4g}" for name, value in scores.items())
            self._bar.write(f"step {step}: validation {told}", file=sys.stderr)
        self._bar.set_postfix_str(f"loss {losses.terms['total']:.4f}", refresh=False)
        self._bar.update(1)
