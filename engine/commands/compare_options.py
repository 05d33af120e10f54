"""The options of `compare-methods`, and the request that they make."""

from __future__ import annotations

import argparse
from typing import Any

from engine.commands.options import whole
from engine.commands.sentences import shown
from engine.errors import InputError
from engine.raster.reference import RasterRef

EXAMPLES = """example:
  all methods that fit, one level up and against a finer raster:
    python -m engine compare-methods --target coarse.tif --truth fine.tif \\
        --source elevation=dem.tif --output table.csv --page page.html"""


def compare_options(command: argparse.ArgumentParser) -> None:
    """Add them."""
    command.add_argument("--target", required=True, metavar="RASTER[#BAND]", help="the coarse raster")
    command.add_argument("--output", required=True, metavar="TABLE.csv", help="the table to write")
    command.add_argument(
        "--page", metavar="PAGE.html", help="write it as a page too, with what it cannot tell"
    )
    command.add_argument(
        "--truth",
        metavar="RASTER[#BAND]",
        help="a finer raster of the same quantity, to compare with too",
    )
    command.add_argument(
        "--factor",
        type=whole(2, 100),
        metavar="K",
        help="cells along a coarse one (default: --truth says it)",
    )
    command.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="NAME=RASTER[#BAND]",
        help="a covariate of sharpen; elevation and climatology are for other methods too; once for each",
    )
    command.add_argument(
        "--method",
        action="append",
        default=[],
        metavar="ID",
        help="compare it alone (default: all that fit)",
    )
    command.add_argument("--date", metavar="D", help="of the target (default: all, of many an even sample)")
    command.add_argument(
        "--quantity", choices=("auto", "nonnegative", "signed"), default="auto", help="what the target holds"
    )
    command.add_argument(
        "--differences", metavar="FILE.tif", help="write made − known one level up, a band for each method"
    )
    command.add_argument("--truth-differences", metavar="FILE.tif", help="write made − truth, likewise")
    command.add_argument("--device", default="auto", metavar="D", help="auto, cpu, cuda, cuda:N or mps")


def compare_request(options: argparse.Namespace) -> dict[str, Any]:
    """Return the request.

    Raises:
        InputError: an option's value cannot be read.
    """
    from engine.comparison.request import CompareRequest

    made = CompareRequest(
        target=RasterRef.parse(options.target),
        table=options.output,
        page=options.page,
        differences=options.differences,
        truth_differences=options.truth_differences,
        truth=None if options.truth is None else RasterRef.parse(options.truth),
        factor=options.factor,
        sources=named_rasters(options.source),
        methods=tuple(options.method),
        quantity=options.quantity,
        date=options.date,
        device=options.device,
        models=tuple(options.models),
    )
    return made.to_json()


def named_rasters(texts: list[str]) -> dict[str, RasterRef]:
    """Return the rasters of NAME=RASTER by their names.

    Raises:
        InputError: one is no such pair, or stands twice.
    """
    sources: dict[str, RasterRef] = {}
    for text in texts:
        name, mark, raster = text.partition("=")
        if not (mark and name and raster):
            raise InputError(f"--source {shown(text)} must be NAME=RASTER, such as elevation=dem.tif.")
        if name == "target":
            raise InputError("--source target is the name of the coarse raster: give another name.")
        if name in sources:
            raise InputError(f"--source {shown(name)} is given twice.")
        sources[name] = RasterRef.parse(raster)
    return sources
