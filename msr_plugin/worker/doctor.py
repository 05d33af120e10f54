"""What the engine's doctor says about an interpreter; for the settings page."""

from __future__ import annotations

import json
import subprocess  # nosec B404: the engine is a program of its own; argument list, no shell
from pathlib import Path
from typing import Any

from ..folders import ROOT
from ..system_refusals import not_started
from ..translation import tr
from .environment import scrubbed_environment

_SECONDS = 180
_FINDING = {"name", "status", "message", "fix"}  # keys of one thing that the doctor looked at


def examine(python: Path) -> tuple[bool, str]:
    """Run the doctor with an interpreter; return whether all is well, and the report as text."""
    try:
        done = subprocess.run(  # nosec B603: no shell; the user named this program
            [str(python), "-s", "-m", "engine", "doctor", "--json"],
            cwd=str(ROOT),
            env=scrubbed_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, tr("{} did not answer within {} seconds.").format(python, _SECONDS)
    except (OSError, ValueError) as error:
        return False, tr("{} could not start: {}.").format(python, not_started(error))
    words = done.stderr.decode("utf-8", "replace").strip()
    try:
        report = json.loads(done.stdout.decode("utf-8"))
    except ValueError:
        last = words.splitlines()[-1] if words else tr("exit status {}").format(done.returncode)
        return False, tr("{} cannot run the engine: {}").format(python, last)
    return done.returncode == 0, report_text(report)


def report_text(report: Any, indent: str = "") -> str:
    """Return a report of the doctor as lines of text."""
    if isinstance(report, dict) and report.keys() >= _FINDING:
        lines = [f"{indent}{report['status']}: {report['name']}: {report['message']}"]
        return "\n".join([*lines, f"{indent}  → {report['fix']}"] if report["fix"] else lines)
    if isinstance(report, dict):
        lines = []
        for key, value in report.items():
            if isinstance(value, (dict, list)):
                lines += [f"{indent}{key}:", report_text(value, indent + "  ")]
            else:
                lines.append(f"{indent}{key}: {_word(value)}")
        return "\n".join(lines)
    if isinstance(report, list):
        return "\n".join(report_text(item, indent) for item in report)
    return f"{indent}{_word(report)}"


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)
