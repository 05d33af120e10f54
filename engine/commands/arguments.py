"""The command line's options, their help, and the request that they make."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import gettempdir
from typing import Any
from uuid import uuid4

from engine.aggregation import CHOICES
from engine.commands.compare_options import EXAMPLES, compare_options, compare_request, named_rasters
from engine.commands.ensemble_options import ensemble_options, ensemble_request
from engine.commands.export_options import export_options, export_request
from engine.commands.options import Parser, number, numbers, whole
from engine.commands.parts_options import parts_options, parts_request
from engine.commands.sentences import shown
from engine.contract import IDLE_SECONDS
from engine.errors import InputError
from engine.raster.reference import KINDS, GridRequest, RasterRef
from engine.version import VERSION

_EXAMPLES = """examples:
  a model, month 11 of a raster with one band for each month:
    python -m engine super-resolve --model rainitur8 --target rain.tif --date 11 \\
        --source temperature=t2m.tif --source climatology=climatology.tif --output fine.tif
  a simple method, eight times finer, band 3, conserving the coarse cells:
    python -m engine super-resolve --model bicubic --factor 8 --target rain.tif#3 \\
        --conservation 1 --output fine.tif
  a NetCDF variable, all its dates, on the grid of another raster:
    python -m engine super-resolve --model rainitur8 --target 'NETCDF:"rain.nc":tp' --all \\
        --like dem.tif --output fine.tif
  any covariates of one's own, without a model; and the error that is expected:
    python -m engine super-resolve --model sharpen --factor 16 --target stack.nc --all \\
        --source dem=dem.tif --source cover=cover.tif --output fine.tif --expected-error error.tif
  an ensemble of 20: its mean in fine.tif, and how far the members differ:
    python -m engine super-resolve --model rainitur8 --target rain.tif --date 11 --members 20 \\
        --output fine.tif --spread spread.tif --quantiles-output q.tif --quantiles 0.1,0.9

`python -m engine models` lists the models and the simple methods.
Exit status: 0 done, 2 wrong input, 1 failure, 130 cancelled (143 by SIGTERM, 129 by SIGHUP)."""

_SUCH = {"--units": "temperature=K", "--nodata": "target=-9999", "--scale": "ndvi=0.0001"}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


def build() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = Parser(
        prog="python -m engine",
        description="Super-resolution of geophysical rasters, without QGIS.",
        epilog="`python -m engine COMMAND --help` explains a command.",
    )
    parser.add_argument("--version", action="version", version=f"MSR engine {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _super_resolve(commands)
    comparison = _command(
        commands, "compare-methods", "compare all methods that fit on a raster of your own", epilog=EXAMPLES
    )
    compare_options(comparison)
    _models_option(comparison)
    _output_options(comparison)
    listing = _command(commands, "models", "list the models found and the simple methods")
    examination = _command(
        commands, "doctor", "say what is right and wrong with this Python; exit status 1 if it cannot run MSR"
    )
    export = _command(commands, "export", "hand on a model: one zip file, an Item for a STAC catalogue")
    export_options(export)
    for command in (listing, examination, export):
        _models_option(command)
        _output_options(command)
    worker = _command(commands, "worker", "serve QGIS: JSON lines on standard input and output")
    worker.add_argument("--host-version", metavar="V", help="the plugin's version; another one is refused")
    worker.add_argument(
        "--idle-seconds",
        type=number(0),
        default=float(IDLE_SECONDS),
        metavar="S",
        help=f"end after so long without a run ({IDLE_SECONDS})",
    )
    return parser


def _command(commands: Any, name: str, summary: str, **more: Any) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **more,
    )


def _super_resolve(commands: Any) -> None:
    command = _command(commands, "super-resolve", "make a finer raster out of a coarse one", epilog=_EXAMPLES)
    _what(command)
    _when_and_where(command)
    _how(command)
    ensemble_options(command)
    parts_options(command)
    _output_options(command)


def _what(command: argparse.ArgumentParser) -> None:
    what = command.add_argument_group("what")
    what.add_argument(
        "--model",
        required=True,
        metavar="ID|FOLDER|BASELINE",
        help="a model's id or folder, or a simple method",
    )
    what.add_argument(
        "--target",
        required=True,
        metavar="RASTER[#BAND]",
        help="the coarse raster: a file, FILE.nc:VARIABLE, or any name that GDAL reads; bands count from 1",
    )
    what.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="NAME=RASTER[#BAND]",
        help="a source of the model, by its name; of sharpen any covariate, by any name; once for each",
    )
    what.add_argument(
        "--domain",
        metavar="RASTER[#BAND]",
        help="the fine cells that count, in coarse means and in the output: those with any number but 0 "
        "(default: the model's own, else all)",
    )
    for option, metavar, of_what in (
        ("--units", "NAME=UNIT", "the units of the target or a source, in place of what its file says"),
        ("--nodata", "NAME=NUMBER", "a number that means missing, beside those that the file names"),
        ("--scale", "NAME=NUMBER", "values = numbers in the file × this, in place of the file's own scale"),
    ):
        what.add_argument(
            option, action="append", default=[], metavar=metavar, help=f"{of_what}, such as {_SUCH[option]}"
        )
    what.add_argument(
        "--kind",
        action="append",
        default=[],
        metavar="NAME=KIND",
        help="what a source of sharpen is: continuous, class or angle (default: as its file shows)",
    )
    what.add_argument(
        "--output",
        metavar="OUT.tif",
        help="the Cloud Optimized GeoTIFF to write, or a CF-NetCDF (.nc) or Zarr (.zarr); not needed "
        "with --check",
    )
    what.add_argument(
        "--check", action="store_true", help="say what is understood of the inputs, and write nothing"
    )
    what.add_argument("--no-overwrite", action="store_true", help="refuse when the output exists")


def _when_and_where(command: argparse.ArgumentParser) -> None:
    when = command.add_argument_group("when")
    which = when.add_mutually_exclusive_group()
    which.add_argument(
        "--date",
        metavar="D",
        help="YYYY, YYYY-MM, YYYY-MM-DD, YYYY-MM-DDTHH:MM (UTC), MM for that month of any year, or all dates "
        "from one to another one: 2018-10..2019-06",
    )
    which.add_argument("--all", action="store_true", help="one dated band for each date of the target")
    when.add_argument(
        "--aggregate",
        choices=CHOICES,
        metavar="PART:WAY",
        help=f"make the steps of each date (the hours of a day) one field: {', '.join(CHOICES)}",
    )
    where = command.add_argument_group("where (default: the target's cells, each divided by the factor)")
    where.add_argument("--like", metavar="RASTER", help="take CRS, resolution and extent of this raster")
    where.add_argument("--crs", metavar="C", help="the output's CRS, such as EPSG:32632")
    where.add_argument("--resolution", metavar="R", help="cell size in units of the CRS, or X,Y")
    where.add_argument("--extent", metavar="XMIN,YMIN,XMAX,YMAX", help="in the output's CRS")


def _how(command: argparse.ArgumentParser) -> None:
    how = command.add_argument_group("how")
    how.add_argument(
        "--conservation",
        type=number(0, 1),
        metavar="0..1",
        help="how far the fine cells' mean is drawn to their coarse cell (default: as the model's card says)",
    )
    how.add_argument(
        "--factor",
        type=whole(2, 100),
        metavar="K",
        help="simple methods: fine cells along a coarse cell (default: as --like or --resolution says)",
    )
    how.add_argument(
        "--quantity",
        choices=("auto", "nonnegative", "signed"),
        default="auto",
        help="simple methods: what kind of values the target has (default: auto, by its units and values)",
    )
    how.add_argument(
        "--expected-error", metavar="FILE.tif", help="write the error that the method expects (sharpen)"
    )
    how.add_argument(
        "--supported-share",
        metavar="FILE.tif",
        help="write the share of the fine detail that is supported, 0 to 1 (sharpen)",
    )
    how.add_argument("--device", default="auto", metavar="D", help="auto, cpu, cuda, cuda:N or mps")
    how.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="of the network; auto measures which is faster here",
    )
    how.add_argument(
        "--tile",
        type=whole(0, 100_000),
        default=0,
        metavar="N",
        help="tile edge in coarse cells (0: by memory)",
    )
    _models_option(how)


def _models_option(parser: Any) -> None:
    parser.add_argument(
        "--models",
        action="append",
        default=[],
        metavar="DIR",
        help="a folder of models to search before $MSR_MODELS and the shipped ones",
    )


def _output_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object, last line")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def join_negative(argv: Sequence[str]) -> list[str]:
    """Join options and values that begin with a minus sign, which argparse takes for an option.

    `--extent -10 40 10 60` (also with commas) and `--date --11` become one word each.
    """
    words = list(argv)
    joined: list[str] = []
    while words:
        word = words.pop(0)
        values = []
        if word in ("--extent", "--resolution"):
            while words and re.fullmatch(rf"{_NUMBER}([,;]{_NUMBER})*,?", words[0]):
                values.append(words.pop(0).strip(","))
        elif word == "--date" and words and re.fullmatch(r"--\d\d.*", words[0]):
            values.append(words.pop(0))
        joined.append(f"{word}={','.join(values)}" if values else word)
    return joined


def request(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """Return the job and its request.

    Raises:
        InputError: an option's value cannot be read.
    """
    if options.command == "compare-methods":
        return "compare_methods", compare_request(options)
    if options.command == "export":
        return "export_package", export_request(options)
    if options.command != "super-resolve":
        return options.command, {"models": options.models}
    from engine.pipeline.request import SuperResolveRequest

    sources = named_rasters(options.source)
    rasters = _told({"target": RasterRef.parse(options.target), **sources}, options)
    sizes = numbers("--resolution", options.resolution, (1, 2))
    extent = numbers("--extent", options.extent, (4,))
    grid = None
    if options.like or options.crs or sizes or extent:
        if options.like and (options.crs or sizes or extent):
            raise InputError("--like gives the whole grid: leave out --crs, --resolution and --extent.")
        resolution = None if sizes is None else sizes[0] if len(sizes) == 1 else sizes
        grid = GridRequest(options.like, options.crs, resolution, extent)
    made = SuperResolveRequest(
        model=options.model,
        target=rasters.pop("target"),
        output=_output(options),
        sources=rasters,
        domain=None if options.domain is None else RasterRef.parse(options.domain),
        grid=grid,
        factor=options.factor,
        quantity=options.quantity,
        date=options.date,
        all_dates=options.all,
        aggregate=options.aggregate,
        conservation=options.conservation,
        device=options.device,
        precision=options.precision,
        tile=options.tile,
        seed=options.seed,
        ensemble=ensemble_request(options),
        expected_error=options.expected_error,
        supported_share=options.supported_share,
        overwrite=not options.no_overwrite,
        models=tuple(options.models),
    )
    return ("check", made.to_json()) if options.check else parts_request(options, made.to_json())


def _output(options: argparse.Namespace) -> str:
    """Return the file to write; of a check that names none, one that is nowhere yet.

    Raises:
        InputError: there is none.
    """
    if options.output:
        return str(options.output)
    if not options.check:
        raise InputError("Give --output OUT.tif, the file to write, or --check to write nothing.")
    return str(Path(gettempdir()) / f"msr-check-{uuid4().hex}.tif")


def _told(rasters: dict[str, RasterRef], options: argparse.Namespace) -> dict[str, RasterRef]:
    """Return the rasters with what the user says of them."""
    told = dict(rasters)
    for option in ("units", "nodata", "scale"):
        for text in getattr(options, option):
            name, mark, value = text.partition("=")
            if not mark or name not in told:
                known = ", ".join(told)
                raise InputError(
                    f"--{option} {text} must be NAME={'UNIT' if option == 'units' else 'NUMBER'}, with "
                    f"the name of a raster of this run ({known})."
                )
            if option == "units":
                told[name] = replace(told[name], units=value)
                continue
            try:
                number = float(value)
            except ValueError:
                raise InputError(f"--{option} {text}: {value!r} is no number.") from None
            ref = told[name]
            told[name] = replace(ref, nodata=number) if option == "nodata" else replace(ref, scale=number)
    for text in options.kind:
        name, mark, kind = text.partition("=")
        if not mark or name not in told or name == "target" or kind not in KINDS:
            known = ", ".join(name for name in told if name != "target")
            raise InputError(
                f"--kind {shown(text)} must be NAME=KIND, with the name of a source of this run "
                f"({known or 'there is none'}) and one of {', '.join(KINDS)}."
            )
        told[name] = replace(told[name], kind=kind)
    return told
