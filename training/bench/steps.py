"""How many steps a second training takes, beside another revision of the code.

Both take the same steps in turns, in a process each, in the same precision and layout; so a busy machine
falls on both alike. The ratio is that of the medians. Losses are compared step by step.
"""

from __future__ import annotations

import io
import json
import statistics
import subprocess  # nosec B404: git, and processes of this program; argument lists, no shell
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from engine.commands.options import Parser, whole
from engine.errors import EngineError, InputError
from engine.files.root import ROOT
from training.bench.training import RAIN
from training.console.command import main

SCRIPT = Path(__file__).with_name("stepping.py")
# The tree's own packages come first, whatever lies beside the script.
RUN = "import runpy, sys; sys.path[0] = sys.argv.pop(1); runpy.run_path(sys.argv.pop(1), run_name='__main__')"
TURN = 4  # steps
WARM = 4  # before anything counts
SHOWN = 12  # operations of a profile


class Stepper:
    """A process that takes steps with the packages of a tree.

    Args:
        tree: folder of the packages.
        config: of the training.
        settings: keys of it that are set anew.
        first: number of the first step.
        threads: of the processor.

    Raises:
        EngineError: the process ended.
    """

    def __init__(self, tree: Path, config: Path, settings: dict[str, Any], first: int, threads: int) -> None:
        command = [sys.executable, "-s", "-c", RUN, str(tree), str(SCRIPT), str(config)]
        self._process = subprocess.Popen(  # nosec B603: no shell; this interpreter
            [*command, json.dumps(settings), str(first), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.plan: dict[str, bool] = self._answer()
        self.seconds: list[float] = []  # of a step, one of each turn
        self.losses: list[float] = []

    def __enter__(self) -> Stepper:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def take(self, count: int, counts: bool = True) -> None:
        """Take steps, and keep their seconds where they count."""
        answer = self._ask(str(count))
        self.losses += answer["losses"]
        if counts:
            self.seconds.append(answer["seconds"] / count)

    def profile(self) -> dict[str, float]:
        """Return operation → milliseconds of a step, the longest first."""
        return self._ask("profile")

    @property
    def rate(self) -> float:
        """Steps in a second."""
        return 1 / statistics.median(self.seconds)

    def _ask(self, word: str) -> dict[str, Any]:
        if self._process.stdin is not None:
            self._process.stdin.write(f"{word}\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = "" if self._process.stdout is None else self._process.stdout.readline()
        if not line:
            self._process.wait()  # which may be a while behind with its words
            raise EngineError("The process that takes the steps ended; what it said stands above.")
        answer: dict[str, Any] = json.loads(line)
        return answer


def unpacked(revision: str, folder: Path) -> Path:
    """Unpack the packages of a revision into a folder; returns it.

    Raises:
        InputError: git knows no such revision.
    """
    command = ["git", "-C", str(ROOT), "archive", "--format=zip", revision, "engine", "training"]
    done = subprocess.run(command, capture_output=True, check=False)  # nosec B603: no shell
    if done.returncode:
        raise InputError(f"--against: git gives no revision {revision}: {done.stderr.decode().strip()}")
    with zipfile.ZipFile(io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder)
    return folder


def beside(
    trees: Sequence[Path], config: Path, steps: int, first: int, threads: int, profile: bool
) -> list[dict[str, Any]]:
    """Return what each tree's steps gave: `rate`, `seconds`, `losses`, `plan`, `profile`.

    Args:
        trees: folders of packages; the first one chooses precision and layout.
        config: of the training.
        steps: that each takes and that count.
        first: number of the first step.
        threads: of the processor.
        profile: look at what operations take, too.
    """
    steppers: list[Stepper] = []
    try:
        settings: dict[str, Any] = {"device": "cpu"}
        for tree in trees:
            steppers.append(Stepper(tree, config, settings, first, threads))
            plan = steppers[0].plan
            settings["precision"] = "bfloat16" if plan["bfloat16"] else "float32"
            settings["layout"] = "channels_last" if plan["channels_last"] else "contiguous"
        for stepper in steppers:
            stepper.take(WARM, counts=False)
        for _ in range(-(-steps // TURN)):
            for stepper in steppers:
                stepper.take(TURN)
        return [
            {
                "rate": stepper.rate,
                "seconds": stepper.seconds,
                "losses": stepper.losses,
                "plan": stepper.plan,
                "profile": stepper.profile() if profile else {},
            }
            for stepper in steppers
        ]
    finally:
        for stepper in steppers:
            stepper.__exit__(None, None, None)


def report(figures: Sequence[dict[str, Any]], names: Sequence[str], config: str, threads: int) -> str:
    """Return the measurements as text."""
    plan = figures[0]["plan"]
    precision = "bfloat16" if plan["bfloat16"] else "float32"
    layout = "channels-last" if plan["channels_last"] else "contiguous"
    count = len(figures[0]["seconds"]) * TURN
    lines = [f"{config}: {precision}, {layout}, {threads} threads, {count} steps of each"]
    lines += [f"{name:<14}{one['rate']:9.3f} steps/s" for name, one in zip(names, figures, strict=True)]
    if len(figures) > 1:
        new, old = figures
        ratios = sorted(b / a for a, b in zip(new["seconds"], old["seconds"], strict=True))
        low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
        gap = max(abs(a - b) / max(abs(b), 1e-12) for a, b in zip(new["losses"], old["losses"], strict=True))
        lines.append(
            f"ratio         {new['rate'] / old['rate']:9.3f} (half of the turns: {low:.2f} to {high:.2f})"
        )
        lines.append(
            f"losses differ by {gap:.1e} of themselves at most, at the first step by "
            f"{abs(new['losses'][0] - old['losses'][0]) / abs(old['losses'][0]):.1e}"
        )
    for name, one in zip(names, figures, strict=True):
        if one["profile"]:
            total = sum(one["profile"].values())
            lines.append(f"{name}: {total:.0f} ms of operations in a step, of these")
            top = list(one["profile"].items())[:SHOWN]
            lines += [f"  {key:<52}{ms:8.1f} ms {ms / total:6.1%}" for key, ms in top]
    return "\n".join(lines)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    import torch

    parser = Parser(prog="python -m training.bench.steps", description=__doc__.split("\n\n")[1])
    parser.add_argument(
        "--against", metavar="REVISION", help="of git, e.g. HEAD~1 (default: this tree alone)"
    )
    parser.add_argument(
        "--config", type=Path, action="append", help="of the training (default: the rain model's)"
    )
    parser.add_argument("--steps", type=whole(TURN), default=60, help="of each that count (default: 60)")
    parser.add_argument("--first", type=whole(0), default=0, help="number of the first step (default: 0)")
    parser.add_argument(
        "--threads", type=whole(1, 4096), default=torch.get_num_threads(), help="default: all cores"
    )
    parser.add_argument("--profile", action="store_true", help="show which operations take longest")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    figures: dict[str, list[dict[str, Any]]] = {}
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "build") as name:
        trees, names = [ROOT], ["this tree"]
        if options.against is not None:
            trees.append(unpacked(options.against, Path(name)))
            names.append(options.against)
        for config in options.config or [RAIN]:
            one = beside(trees, config, options.steps, options.first, options.threads, options.profile)
            figures[config.name] = one
            if not options.json:
                print(report(one, names, config.name, options.threads), flush=True)
    if options.json:
        print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    main(run)
