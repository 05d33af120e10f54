"""The options that let many processes or machines make a run, and let it go on after a stop."""

from __future__ import annotations

import argparse
from collections import ChainMap
from collections.abc import Mapping
from typing import Any

from engine.cluster.parts_request import check_packages
from engine.commands.jobs import JOBS, Job, Json, State
from engine.commands.options import number, whole
from engine.feedback import Feedback

IN_PARTS = "super_resolve_in_parts"


def parts_options(command: Any) -> None:
    """Add them to a parser."""
    many = command.add_argument_group("decades and continents (see docs/cluster.md)")
    many.add_argument(
        "--cluster",
        metavar="WHERE",
        help="let workers of Dask make the parts (a tile at a date): local or local:N for N processes here, "
        "or the address or file of a scheduler",
    )
    many.add_argument(
        "--resume", action="store_true", help="go on with the finished parts that a stopped run has left"
    )
    many.add_argument(
        "--threads",
        type=whole(1, 1024),
        metavar="T",
        help="threads of each process that computes (default: all); networks round otherwise with others",
    )
    many.add_argument(
        "--zarr-format",
        type=int,
        choices=(2, 3),
        metavar="F",
        help="of a .zarr output: 2, which every reader knows (default), or 3, which the parts themselves are",
    )
    many.add_argument(
        "--wait",
        type=number(1),
        metavar="SECONDS",
        help="how long a cluster may be without any worker (300)",
    )


def parts_request(options: argparse.Namespace, run: Json) -> tuple[str, Json]:
    """Return the job and its request for a run, that of one process where nothing else is asked."""
    names = ("cluster", "resume", "threads", "zarr_format", "wait")
    asked = {name: getattr(options, name) for name in names if getattr(options, name) not in (None, False)}
    return (IN_PARTS, {"run": run, "parts": asked}) if asked else ("super_resolve", run)


def _super_resolve_in_parts(request: Json, feedback: Feedback, state: State) -> Json:
    """Downscale a raster in parts: `SuperResolveRequest` and `PartsRequest` in, `SuperResolveResult` out."""
    from engine.cluster.parts_request import PartsRequest

    wanted = PartsRequest.from_json(request["parts"])
    if wanted.cluster is not None:
        check_packages()
    from engine.cluster.start import start
    from engine.pipeline.request import SuperResolveRequest
    from engine.raster.projections import check_projections

    parsed = SuperResolveRequest.from_json(request["run"])
    check_projections()
    return start(parsed, wanted, feedback).to_json()


COMMAND_JOBS: Mapping[str, Job] = ChainMap({IN_PARTS: _super_resolve_in_parts}, JOBS)
