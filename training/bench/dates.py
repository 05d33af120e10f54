"""What a date costs in a run that makes many: its rate over that of a run of one, both from files to a file.

A tile is made for all dates before the next one is, so what static sources give it is made once.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from engine.commands.options import Parser, whole
from engine.compute.allocator import keep_freed_memory
from engine.compute.devices import choose_device
from engine.errors import InputError
from engine.feedback import Silent
from engine.files.root import ROOT
from engine.models.loading import load_model
from engine.models.model import ModelMethod
from engine.package.folder import Package, find_package
from engine.pipeline.method_choice import ModelCache
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from training.bench.__main__ import forward_rates, plan_name
from training.bench.ensembles import fastest
from training.bench.rasters import MONTHS, make_rasters, request_for
from training.bench.stages import stage_shares
from training.console.command import main

SIDE = 2048  # fine cells along the edge


def dates_cost(package: Package, folder: Path, side: int, rounds: int, device: str) -> dict[str, Any]:
    """Measure one date and twelve, in turns.

    Args:
        package: of a model of one step.
        folder: for rasters.
        side: fine cells along the edge.
        rounds: of which the fastest counts.
        device: as a request names it.

    Returns:
        `one` and `many`, rates over that of the bare network; `gain`, many over one; `stages` of the many.

    Raises:
        InputError: the model is a cascade.
    """
    method = load_model(package, choose_device(device))
    if not isinstance(method, ModelMethod):
        raise InputError(f"{package.card.id} is a cascade: name a model of one step.")
    bare, own = forward_rates(method, 1), plan_name(method.plan)
    rasters = make_rasters(folder, package.card, side // package.card.factor, MONTHS)
    one = request_for(package, rasters, folder / "fine.tif", device)
    many, cache = replace(one, date=None, all_dates=True), ModelCache()

    def make(request: SuperResolveRequest) -> None:
        super_resolve(request, Silent(), cache)

    seconds = fastest([partial(make, one), partial(make, many)], rounds, method.device)
    cells = (side // package.card.factor * package.card.factor) ** 2 / 1e6
    rates = cells / seconds[0], MONTHS * cells / seconds[1]
    return {
        "dates": MONTHS,
        "plan": own,
        "one": rates[0] / bare[own],
        "many": rates[1] / bare[own],
        "gain": rates[1] / rates[0],
        "stages": stage_shares(many, ModelCache()),
    }


def date_lines(name: str, cost: Mapping[str, Any]) -> list[str]:
    """Return what was measured of a model as text."""
    shares = [f"{stage} {share:.0%}" for stage, share in cost["stages"].items() if share >= 0.005]
    return [
        f"{name}: {cost['dates']} dates over one, each from files to a file {cost['gain']:9.2f}",
        f"  over the bare network ({cost['plan']}): one date {cost['one']:.2f}, many {cost['many']:.2f}",
        f"  computing time of many on one thread: {', '.join(shares)}",
    ]


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = Parser(prog="./dev bench dates", description=__doc__.split("\n\n")[0])
    parser.add_argument("--model", action="append", help="id or folder; may be given again (default: both)")
    parser.add_argument("--side", type=whole(64), default=SIDE, help="fine cells along the edge (2048)")
    parser.add_argument("--rounds", type=whole(1), default=2, help="of which the fastest counts (2)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N, mps")
    parser.add_argument("--threads", type=whole(1), help="of the processor (all)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    keep_freed_memory()
    if options.threads:
        torch.set_num_threads(options.threads)
    figures = {}
    (ROOT / "build").mkdir(exist_ok=True)
    for model in options.model or ("rainitur8", "snow16km"):
        package = find_package(model, ())
        with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "build") as name:
            cost = dates_cost(package, Path(name), options.side, options.rounds, options.device)
        figures[package.card.id] = cost
        if not options.json:
            print("\n".join(date_lines(package.card.id, cost)), flush=True)
    if options.json:
        print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    main(run)
