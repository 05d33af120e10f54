"""The command that hands on a model package: its options, and the request that they make."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from engine.errors import InputError


def export_options(command: argparse.ArgumentParser) -> None:
    """Add the options of `export`."""
    command.add_argument("--model", required=True, metavar="ID|FOLDER", help="the model to hand on")
    command.add_argument("--output", metavar="OUT.zip", help="write the package as one file, to be installed")
    command.add_argument(
        "--stac",
        metavar="OUT.json",
        help="write an Item for a STAC catalogue, by the Machine Learning Model extension 1.5",
    )
    command.add_argument("--no-overwrite", action="store_true", help="refuse when a file exists")


def export_request(options: argparse.Namespace) -> dict[str, Any]:
    """Return the request.

    Raises:
        InputError: nothing is to be written.
    """
    if not options.output and not options.stac:
        raise InputError("Give --output OUT.zip, --stac OUT.json or both.")
    files = {"output": options.output, "stac": options.stac}
    return {
        "model": options.model,
        "models": options.models,
        **{name: str(Path(file).absolute()) if file else None for name, file in files.items()},
        "overwrite": not options.no_overwrite,
    }


def export_text(result: dict[str, Any]) -> str:
    """Return what was written, as text."""
    written = [file for file in (result["output"], result["stac"]) if file]
    return f"{result['name']} {result['version']} ({result['id']})\nWrote {', '.join(written)}"
