"""The command line: arguments into requests, and results, progress and errors into text."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from engine.commands import arguments
from engine.commands.ending import status_of
from engine.commands.explain import exit_status
from engine.commands.export_options import export_text
from engine.commands.jobs import State, run_job
from engine.commands.library_words import hush_libraries
from engine.commands.parts_options import COMMAND_JOBS, IN_PARTS
from engine.commands.signals import Ended, say
from engine.errors import Cancelled
from engine.files.partial_files import discard_all
from engine.raster.cloud.told_address import redacted

_GRACE_SECONDS = 2.0  # for a job to heed Ctrl-C


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit status: 0, 2 wrong input, 1 failure, 130 or 143 cancelled."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console may not know every sign
    options = arguments.build().parse_args(arguments.join_negative(argv))
    if options.command == "worker":
        from engine.commands.worker import main as serve

        return serve(options.host_version, options.idle_seconds)
    hush_libraries()
    try:
        job, request = arguments.request(options)
        result = _run(job, request, Terminal(sys.stderr.isatty(), talking=not options.json))
        print(json.dumps(result, ensure_ascii=False) if options.json else _TEXT[job](result), flush=True)
    except (Exception, KeyboardInterrupt) as error:
        return status_of(error, options.debug)
    return 1 if job == "doctor" and not result["ok"] else 0


class Terminal:
    """Feedback of a job: one line of progress on standard error where a person sees it."""

    def __init__(self, interactive: bool, talking: bool = False) -> None:
        self._interactive = interactive
        self._talking = talking  # standard output is for people, and may be a batch job's log
        self._shown = 0.0
        self._line = ""
        self.cancelled = threading.Event()

    def progress(
        self,
        fraction: float,
        phase: str,
        tiles_done: int = 0,
        tiles_total: int = 0,
        seconds_left: float | None = None,
        training: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the line anew, at most ten times a second."""
        now = time.monotonic()
        if not self._interactive or (now - self._shown < 0.1 and fraction < 1):
            return
        self._shown = now
        text = f"{100 * fraction:3.0f} % {phase}"
        if tiles_total:
            text += f", tile {tiles_done} of {tiles_total}"
        if seconds_left is not None:
            text += f", {seconds_left:.0f} s left"
        self._write(text)

    def log(self, message: str, level: str = "info") -> None:
        """Show warnings, and what else is told to a person, now or in the log of a batch job."""
        message = redacted(message)
        if level == "warning" or self._interactive:
            self.clear()
            print(f"Warning: {message}" if level == "warning" else message, file=sys.stderr)
        elif self._talking:
            print(message, flush=True)

    def check_cancelled(self) -> None:
        """Raise `Cancelled` after Ctrl-C."""
        if self.cancelled.is_set():
            raise Cancelled("The run was cancelled.")

    def clear(self) -> None:
        """Remove the line of progress."""
        if self._line:
            self._write("")
            print(end="\r", file=sys.stderr, flush=True)

    def _write(self, text: str) -> None:
        print(f"\r{text}{' ' * (len(self._line) - len(text))}", end="", file=sys.stderr, flush=True)
        self._line = text


def _run(job: str, request: dict[str, Any], terminal: Terminal) -> dict[str, Any]:
    """Run the job in a thread: Ctrl-C is heard at once whatever it computes."""
    outcome: list[Any] = []
    done = threading.Event()

    def work() -> None:
        try:
            outcome.append(run_job(job, request, terminal, State(), COMMAND_JOBS))
        except BaseException as error:  # raised again below, by the thread that is asked
            outcome.append(error)
        done.set()

    # Not Thread.join: a Ctrl-C in it makes Python 3.11 believe that the thread has ended.
    try:
        threading.Thread(target=work, daemon=True).start()  # a signal may come here too
        while not done.wait(0.1):
            pass
    except KeyboardInterrupt as interrupt:
        terminal.cancelled.set()
        if not done.wait(_GRACE_SECONDS):
            terminal.clear()
            say("The run was cancelled.")
            discard_all(finished=True)
            os._exit(interrupt.status if isinstance(interrupt, Ended) else exit_status("cancelled"))
        if isinstance(outcome[0], Cancelled):
            outcome[0] = interrupt
    terminal.clear()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def _super_resolve_text(result: dict[str, Any]) -> str:
    files = [result["output"], *result.get("outputs", {}).values()]
    if result.get("finished"):
        return f"Nothing was to do for {', '.join(files)}"
    lines = [
        f"{s['name']}: {s['path']} ({s['grid']}; {s['resampling']}; covers {100 * (s['covered'] or 0):.1f} %)"
        for s in result["sources"]
    ]
    tiles = f"{result['tiles']} tile{'' if result['tiles'] == 1 else 's'}"
    lines.append(
        f"{result['width']} × {result['height']} cells in {result['seconds']:.1f} s on {result['device']} "
        f"({result['precision']}, {tiles}), {100 * (result['covered'] or 0):.1f} % valid"
    )
    if result["residual"] is not None:
        lines.append(f"Largest residual of a coarse cell: {result['residual']:.3g}")
    if members := result.get("members"):
        lines.append(f"Drew {members} members; the output is their mean")
    lines.append(f"Wrote {', '.join(files)}")
    return "\n".join(lines)


def _check_text(result: dict[str, Any]) -> str:
    lines = []
    for each in result["inputs"]:
        parts = [each["variable"], each["units"], each["dates"], each["grid"], *each["notes"]]
        covers = f"covers about {100 * each['covered']:.0f} %"
        lines.append(f"{each['name']}: {each['path']} ({'; '.join([*filter(None, parts), covers])})")
    lines.append(f"The output would have {result['width']} × {result['height']} cells")
    lines += [f"Warning: {line}" for line in result["warnings"]]
    return "\n".join(lines)


def _models_text(result: dict[str, Any]) -> str:
    lines = ["Models"]
    for model in result["models"]:
        target = model["target"]
        lines.append(f"  {model['id']} {model['version']}: {model['name']}")
        kind = ", ensembles" if model["ensemble"] else ""
        lines.append(f"      target {target['name']} in {target['units']}{kind}; {model['folder']}")
        for source in model["sources"]:
            need = "optional" if source["optional"] else "required"
            need += ", brought along" if source["brought"] else ""
            lines.append(f"      source {source['name']} in {source['units'] or 'no unit'} ({need})")
    if not result["models"]:
        lines.append("  none")
    lines += [f"  broken: {sentence}" for sentence in result["broken"]]
    lines.append("Simple methods (baselines)")
    for info in result["baselines"]:
        need = f"; needs {', '.join(info['needs'])}" if info["needs"] else ""
        lines.append(f"  {info['id']}: {info['title']}{need}")
    return "\n".join(lines)


def _compare_text(result: dict[str, Any]) -> str:
    lines = []
    for level, factor in result["factors"].items():
        told = "One level up" if level == "up" else "Against the finer raster"
        lines.append(f"{told} (×{factor}; RMSE, ratio to bicubicsmooth, bias)")
        for row in result["rows"]:
            if row["level"] == level:
                numbers = (row["rmse"], row["ratio"], row["bias"])
                shown = "  ".join("       –" if x is None else f"{x:8.4g}" for x in numbers)
                lines.append(f"  {row['method']:36} {shown}  {row['note']}".rstrip())
    lines += [f"Not compared: {each['name']}: {each['why']}" for each in result["excluded"]]
    lines += [f"Note: {line}" for line in result["cannot_tell"]]
    return "\n".join([*lines, f"Wrote {', '.join(result['outputs'].values())}"])


def _doctor_text(result: dict[str, Any]) -> str:
    from engine.commands.doctor import as_text

    return as_text(result)


_TEXT = {
    "super_resolve": _super_resolve_text,
    IN_PARTS: _super_resolve_text,
    "check": _check_text,
    "models": _models_text,
    "compare_methods": _compare_text,
    "doctor": _doctor_text,
    "export_package": export_text,
}
