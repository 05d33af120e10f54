"""What an ensemble costs over its members' passes through the network alone, as ratios measured in one run.

A tile's fields are made of base and features, of members with their noise, conserved, and of statistics; a
whole run reads and writes files besides. Both are set against as many passes of the network on the same tile,
in the same precision and layout, twice: with its noise at hand, which is a member's own pass; and without
noise, which is the pass of the one estimate and lacks the layers that take the noise in.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from engine.commands.options import Parser, whole
from engine.compute.allocator import keep_freed_memory
from engine.compute.devices import wait_for
from engine.errors import InputError
from engine.feedback import Silent
from engine.fields.patch import Patch
from engine.files.root import ROOT
from engine.models.model import ModelMethod
from engine.nets.noise import Noise
from engine.package.folder import find_package
from engine.pipeline.method_choice import ModelCache
from engine.pipeline.request import EnsembleRequest, SuperResolveRequest
from engine.pipeline.run_plan import prepare
from engine.pipeline.steps.step_maker import StepMaker
from engine.pipeline.super_resolve import super_resolve
from engine.pipeline.tile_loop import tile_edge
from engine.pipeline.tiles import TILE, TileQueue
from training.bench.rasters import make_rasters, request_for
from training.bench.stages import MEMBERS_STAGES, STAGES, stage_shares
from training.console.command import main

MEMBERS = 8
FILES = ("spread", "quantiles", "support")  # that may be asked for beside the mean


def ensemble_costs(
    request: SuperResolveRequest,
    members: int = MEMBERS,
    rounds: int = 3,
    files: Sequence[str] = FILES[:2],
    profile: bool = False,
) -> dict[str, dict[str, Any]]:
    """Return the costs of an ensemble in each precision that this machine takes.

    Args:
        request: of one estimate, of a model with noise.
        members: of the ensemble.
        rounds: of measurements; the fastest counts.
        files: that are made beside the mean.
        profile: also say where a run's computing time goes.

    Returns:
        by precision: `tile` and `files`, what a tile's fields and a run take over the members' own passes;
        `tile_over_bare` and `files_over_bare`, the same over passes without noise; `bare`, Mpixel/s of those;
        `stages`, shares of a run's computing time on one thread, where they are asked for.

    Raises:
        InputError: the model draws no members.
    """
    output = Path(request.output)
    paths = {name: str(output.with_name(f"{output.stem}_{name}.tif")) for name in files}
    spread, quantiles, support = (paths.get(name) for name in FILES)
    ensemble = EnsembleRequest(members, spread=spread, quantiles=quantiles, support=support)
    wanted = replace(request, ensemble=ensemble)
    cache, costs = ModelCache(), {}
    with prepare(wanted) as plan:
        own = cache.method(plan.choice, wanted, Silent()).plan.precision
    for precision in sorted({"float32", own}):
        run = replace(wanted, precision=precision)
        bare, drawn, tile, cells = tile_seconds(run, cache, rounds)
        taken = []
        for _ in range(rounds):
            start = time.perf_counter()
            result = super_resolve(run, Silent(), cache)
            taken.append(time.perf_counter() - start)
        whole = min(taken) * cells / (result.width * result.height)
        costs[precision] = {
            "members": members,
            "tile": tile / (members * drawn),
            "files": whole / (members * drawn),
            "tile_over_bare": tile / (members * bare),
            "files_over_bare": whole / (members * bare),
            "bare": cells / bare / 1e6,
            "stages": stage_shares(run, cache, (*STAGES, *MEMBERS_STAGES)) if profile else {},
        }
    return costs


def tile_seconds(
    request: SuperResolveRequest, cache: ModelCache, rounds: int
) -> tuple[float, float, float, int]:
    """Return the seconds of a bare pass, of a member's own and of a tile's ensemble, and its fine cells.

    All take turns, so that another program's load falls on all.

    Raises:
        InputError: the model draws no members.
    """
    with prepare(request) as plan:
        method = cache.method(plan.choice, request, Silent())
        if not isinstance(method, ModelMethod) or request.ensemble is None:
            raise InputError(f"{plan.choice.id} draws no members: name a model with noise.")
        maker = StepMaker(plan, method)
        rows, columns = plan.grids.coarse.shape
        tile = TileQueue(rows, columns, tile_edge(maker, Silent()))[0]
        patch, when = maker.read(tile, 0).patch, plan.dates[0]

        def made() -> None:
            with torch.inference_mode():
                maker.estimate.fields(patch, when, lambda share: None)

        runs = (*passes(method, patch), made)
        bare, drawn, whole = fastest(runs, rounds, method.device)
    return bare, drawn, whole, tile.cells * method.factor**2


def passes(method: ModelMethod, patch: Patch) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return what sends a patch's sources through the network, without noise and with noise at hand."""
    with torch.inference_mode():
        ready = method.planned(method.module.prepare(patch))
    noise = method.module.noise(ready, 0, 1)
    if noise is None:
        raise ValueError("member 1 has no noise")
    kept = KeptNoise(noise)

    def passed(with_noise: bool) -> None:
        with torch.inference_mode():
            sources = ready.coarse, ready.fine, ready.vector
            method.module.generator(*sources, kept if with_noise else None)  # type: ignore[arg-type]  # as Noise

    return partial(passed, False), partial(passed, True)


class KeptNoise:
    """Noise that is drawn once for each level.

    Args:
        noise: that it is.
    """

    def __init__(self, noise: Noise) -> None:
        self.noise, self.members = noise, noise.members
        self._kept: dict[tuple[Any, ...], torch.Tensor] = {}

    def at(self, *place: Any) -> torch.Tensor:
        """See `Noise.at`."""
        if place not in self._kept:
            self._kept[place] = self.noise.at(*place)
        return self._kept[place]


def fastest(runs: Sequence[Callable[[], None]], rounds: int, device: torch.device) -> list[float]:
    """Return each one's shortest time in seconds; they take turns, and the first turn does not count."""
    best = [float("inf")] * len(runs)
    for turn in range(rounds + 1):
        for number, run in enumerate(runs):
            wait_for(device)
            start = time.perf_counter()
            run()
            wait_for(device)
            if turn:
                best[number] = min(best[number], time.perf_counter() - start)
    return best


def ensemble_lines(costs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the costs as text."""
    lines = []
    for precision, cost in costs.items():
        count = cost["members"]
        lines.append(
            f"{count} members over {count} own passes, {precision:8} {cost['tile']:9.2f} of a tile, "
            f"{cost['files']:.2f} from files to files; over bare passes {cost['tile_over_bare']:.2f} and "
            f"{cost['files_over_bare']:.2f}"
        )
        if cost["stages"]:
            shares = [f"{name} {share:.0%}" for name, share in cost["stages"].items() if share >= 0.005]
            lines.append(f"  computing time on one thread: {', '.join(shares)}")
    return lines


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = Parser(prog="python -m training.bench.ensembles", description=__doc__.split("\n\n")[0])
    parser.add_argument("--model", action="append", help="id or folder; may be given again (default: both)")
    parser.add_argument("--members", type=whole(2), default=MEMBERS, help="default: %(default)s")
    parser.add_argument(
        "--side", type=whole(64), default=TILE, help="fine cells along the edge (%(default)s)"
    )
    parser.add_argument("--rounds", type=whole(1), default=3, help="of which the fastest counts (3)")
    parser.add_argument("--files", nargs="*", choices=FILES, default=FILES[:2], help="beside the mean")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N, mps")
    parser.add_argument("--profile", action="store_true", help="say where the computing time goes")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    keep_freed_memory()
    figures = {}
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "build") as name:
        for model in options.model or ("rainitur8", "snow16km"):
            package = find_package(model, ())
            rasters = make_rasters(Path(name), package.card, options.side // package.card.factor)
            request = request_for(package, rasters, Path(name) / "fine.tif", options.device)
            costs = ensemble_costs(request, options.members, options.rounds, options.files, options.profile)
            figures[package.card.id] = costs
            if not options.json:
                print("\n".join([package.card.id, *ensemble_lines(costs)]), flush=True)
    if options.json:
        print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    main(run)
