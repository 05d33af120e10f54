"""Walks through MSR in a window of QGIS and says how that went: ./dev walk [OPTIONS].

A profile of its own, the plugin's zip and the engine installed, the sample made finer and played, a small
model trained and evaluated, the engine removed, all by clicks; a picture of each station. Exit status 1 where
a station fails. It needs no screen, but xvfb, xdotool and imagemagick.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
CODE = Path(__file__).resolve().parent
SCREEN = "1280x860x24"
DATES = ["2021-01", "2021-04", "2021-07"]  # of the sample
SECONDS = 3000  # of the whole
PROFILE = "profiles/default/QGIS/QGIS3.ini"
# QGIS asks its repository on opening the plugin manager, and waits where there is no internet.
SETTINGS = r"""[app]
plugin_repositories\QGIS%20Official%20Plugin%20Repository\url=https://plugins.qgis.org/plugins/plugins.xml
plugin_repositories\QGIS%20Official%20Plugin%20Repository\enabled=false
[Processing]
Configuration\KEEP_DIALOG_OPEN=true
[locale]
userLocale=en_US
"""


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="./dev walk", description=(__doc__ or "").split(":", maxsplit=1)[0])
    engine = parser.add_mutually_exclusive_group()
    engine.add_argument(
        "--bundle", type=Path, help="install the engine from this bundle, not from the network"
    )
    engine.add_argument(
        "--engine", type=Path, help="use this Python as the engine: installs and removes none"
    )
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "walk", help="default: build/walk")
    parser.add_argument("--pictures", type=Path, nargs="+", help="pictures of the documents to make anew")
    return parser.parse_args(arguments)


def make_profile(folder: Path) -> Path:
    """Write a fresh profile; return the folder of profiles."""
    profiles = folder / "qgis"
    shutil.rmtree(profiles, ignore_errors=True)
    settings = profiles / PROFILE
    settings.parent.mkdir(parents=True)
    settings.write_text(SETTINGS, encoding="utf-8")
    return profiles


def walk(options: argparse.Namespace) -> dict[str, Any]:
    """Start QGIS on a screen of its own; return the report of the walk.

    Raises:
        FileNotFoundError: QGIS ended without one.
        subprocess.TimeoutExpired: it took too long.
    """
    folder = options.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "work").mkdir(parents=True)
    sys.path.insert(0, str(ROOT))
    from build_zip import build

    facts = {
        "code": str(CODE),
        "folder": str(folder),
        "work": str(folder / "work"),
        "zip": str(build(ROOT, folder)),
        "bundle": str(options.bundle.resolve()) if options.bundle else "",
        "engine": str(options.engine.absolute()) if options.engine else "",
        "dates": DATES,
    }
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MSR_", "PYTHON"))}
    environment |= {
        "MSR_WALK": json.dumps(facts),
        "QT_QPA_PLATFORM": "xcb",
        "MSR_CACHE": str(folder / "cache"),
    }
    # QGIS takes the Python library of the first python3 there, which must be the one that can import qgis.
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    program = ["qgis", "--nologo", "--noversioncheck", "--profiles-path", str(make_profile(folder))]
    command = ["xvfb-run", "-a", "-s", f"-screen 0 {SCREEN}", *program, "--code", str(CODE / "startup.py")]
    with (folder / "qgis.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            process.wait(SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):  # the screen, QGIS and what it has started
                os.killpg(process.pid, signal.SIGTERM)
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def told(report: Mapping[str, Any]) -> list[str]:
    """Return the lines that say how a walk went."""
    lines = [f"{'station':<26}{'seconds':>8}{'clicks':>8}{'texts':>7}"]
    for row in report["rows"]:
        lines.append(f"{row['station']:<26}{row['seconds']:>8}{row['clicks']:>8}{row['texts']:>7}")
    lines.append(
        "Counted from the zip on: a click is one press of the mouse, a double click too; a text is typed."
    )
    first = report["facts"].get("first result")
    if first:
        counts = f"{first['clicks']} clicks, {first['texts']} texts, {first['seconds']} s"
        lines.append(f"From the zip to the first finer raster: {counts}.")
    for name, shown in report["facts"].get("dialogs", {}).items():
        names = ", ".join(shown["shown"])
        lines.append(f"{name} shows {len(shown['shown'])} of {shown['all']} parameters: {names}")
    for row in report["rows"]:
        if row["failure"]:
            lines.append(f"FAILED at {row['station']}: {row['failure']} See {row['picture']}")
    if report["left"] and not any(row["failure"] for row in report["rows"]):
        lines.append(f"FAILED: the walk ended before {report['left'][0]}.")
    return lines


def has_failed(report: Mapping[str, Any]) -> bool:
    """Return whether a station failed, or was never reached."""
    return bool(report["left"]) or any(row["failure"] for row in report["rows"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Walk; return the exit status."""
    options = parsed(arguments)
    try:
        report = walk(options)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        print(f"walk: {error}; QGIS's own words are in {options.folder / 'qgis.log'}", file=sys.stderr)
        return 1
    print("\n".join(told(report)))
    if has_failed(report):
        return 1
    if options.pictures:
        from docs.walk.small_pictures import make_small

        for path in make_small(options.folder.resolve(), options.pictures):
            print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
