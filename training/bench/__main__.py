"""How fast, how lean: each figure a ratio measured in this run, so that machines compare.

Throughput from files to a Cloud Optimized GeoTIFF against the bare forward pass on the same
threads, that in its best precision and layout against contiguous float32; peak memory of a
large output against a small one; seconds that a cold and a warm run cost beside the computing; and the
share of a training step that is waiting for data.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess  # nosec B404: measures fresh processes; argument list, no shell
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import torch

from engine.commands.options import Parser
from engine.compute.allocator import keep_freed_memory
from engine.compute.devices import PRECISIONS, PrecisionPlan, choose_device, free_memory, list_devices
from engine.errors import EngineError, InputError
from engine.features.network_inputs import NetworkInputs
from engine.feedback import Silent
from engine.files.root import ROOT
from engine.models.loading import load_model
from engine.models.model import ModelMethod
from engine.nets.interface import GeneratorNetwork
from engine.package.folder import Package, find_package
from engine.pipeline.method_choice import ModelCache
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.pipeline.tiles import TILE, edge
from engine.version import VERSION
from training.bench.compiled import compiled_gain
from training.bench.ensembles import ensemble_costs, ensemble_lines
from training.bench.files_alone import ceiling, files_alone
from training.bench.peers import measure_peer, peer_python
from training.bench.rasters import make_rasters, request_for
from training.bench.stages import stage_shares
from training.bench.training import loading_shares
from training.console.command import main

TINY = 16  # coarse cells along the edge of the raster that shows the overhead
# Starts a command from a small process: a child's peak counts what its parent held when it forked.
_PEAK = (
    "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL); "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(done.returncode)"
)


def say(text: str) -> None:
    """Tell what happens; standard output is for the results."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def forward_rates(method: ModelMethod, seconds: float) -> dict[str, float]:
    """Return Mpixel/s of the bare forward pass in each precision and layout that the device has.

    One tile as the pipeline cuts it, halo included; only pixels that are written count.
    """
    generator, k = method.module.generator, method.factor
    cells = edge(k, method.halo, 0, free_memory(method.device), (1024, 1024))
    size = cells + 2 * generator.halo
    random = torch.Generator().manual_seed(0)

    def channels(count: int, scale: int) -> torch.Tensor:
        tensor = torch.randn(1, count, size * scale, size * scale, generator=random)
        tensor[:, -1] = 1  # valid everywhere
        return tensor

    spec = generator.spec
    inputs = NetworkInputs(
        {name: channels(count, 1) for name, count in spec.coarse.items()},
        {name: channels(count, k) for name, count in spec.fine.items()},
        torch.zeros(1, 2) if spec.season else None,
        torch.zeros(1),
    )
    chosen, rates = method.plan, {}
    for dtype in PRECISIONS.values():
        for last in (False, True):
            plan = PrecisionPlan(dtype, last)
            method.use(plan)
            took = _time(generator, method.planned(inputs), method.device, seconds)
            rates[plan_name(plan)] = (cells * k) ** 2 / took / 1e6
            say(f"forward pass, {plan_name(plan)}: {rates[plan_name(plan)]:.3f} Mpixel/s")
    method.use(chosen)
    return rates


def plan_name(plan: PrecisionPlan) -> str:
    """Return a plan in words."""
    return f"{plan.precision} {'channels-last' if plan.channels_last else 'contiguous'}"


@torch.inference_mode()
def _time(generator: GeneratorNetwork, inputs: NetworkInputs, device: torch.device, seconds: float) -> float:
    """Return the time of the fastest pass within some seconds, after one to warm up."""
    generator(inputs.coarse, inputs.fine, inputs.vector)
    best, end = float("inf"), time.monotonic() + seconds
    while True:
        start = time.perf_counter()
        generator(inputs.coarse, inputs.fine, inputs.vector)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - start)
        if time.monotonic() > end:
            return best


def end_to_end(request: SuperResolveRequest, runs: int) -> float:
    """Return Mpixel/s from files to COG, the fastest of some runs with the model loaded."""
    cache, best = ModelCache(), 0.0
    for index in range(runs + 1):  # the first loads the model, and does not count
        start = time.perf_counter()
        result = super_resolve(request, Silent(), cache)
        rate = result.width * result.height / (time.perf_counter() - start) / 1e6
        if index:
            best = max(best, rate)
            say(f"end to end, {result.width} × {result.height}, {result.precision}: {rate:.3f} Mpixel/s")
    return best


def peak_memory(request: SuperResolveRequest) -> float:
    """Return the largest resident memory, in MB, of a fresh process that does the job.

    Raises:
        EngineError: the process failed.
    """
    command = [sys.executable, "-c", _PEAK, sys.executable, "-s", "-m", "engine", "super-resolve"]
    command += ["--model", request.model, "--target", request.target.path]
    command += [f"--date={request.date}"] if request.date else []
    command += [f"--source={name}={ref.path}" for name, ref in request.sources.items()]
    command += ["--device", request.device, "--output", request.output]
    done = subprocess.run(  # nosec B603: no shell; this interpreter
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise EngineError(f"The run for the peak memory ended with status {done.returncode}.")
    unit = 1 if sys.platform == "darwin" else 1024
    return int(done.stdout) * unit / 1e6


class WorkerClient:
    """The engine's worker, as the plugin starts it."""

    def __init__(self, cache: Path) -> None:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "MSR_CACHE": str(cache)}
        command = [sys.executable, "-u", "-s", "-m", "engine", "worker"]
        self.process = subprocess.Popen(  # nosec B603: no shell; this interpreter
            [*command, "--host-version", VERSION, "--idle-seconds", "600"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )
        self._count = 0

    def run(self, request: SuperResolveRequest) -> None:
        """Do one job.

        Raises:
            EngineError: the worker ended, or reports an error.
        """
        into, out = self._pipes()
        self._count += 1
        id = str(self._count)
        message = {"type": "run", "id": id, "job": "super_resolve", "request": request.to_json()}
        into.write(json.dumps(message) + "\n")
        into.flush()
        for line in out:
            answer = json.loads(line)
            if answer["type"] == "error":
                raise EngineError(f"The worker reports: {answer['message']}")
            if answer["type"] == "result" and answer["id"] == id:
                return
        raise EngineError("The worker ended before its result came.")

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        """Return the worker's standard input and output."""
        into, out = self.process.stdin, self.process.stdout
        if into is None or out is None:
            raise ValueError("the worker was started without pipes")
        return into, out

    def close(self) -> None:
        """End the worker."""
        for pipe in self._pipes():
            pipe.close()
        self.process.wait(30)


def overhead(request: SuperResolveRequest, computing: float, folder: Path) -> dict[str, float]:
    """Return the seconds beside computing: the first run ever, a cold one, and a warm one.

    Args:
        computing: seconds that the bare forward pass would take.
    """
    seconds = {}
    for name in ("first", "cold"):  # the first one measures precisions and keeps the answer
        start = time.perf_counter()
        client = WorkerClient(folder)
        try:
            client.run(request)
            seconds[name] = time.perf_counter() - start - computing
            warm = []
            for _ in range(5):
                start = time.perf_counter()
                client.run(request)
                warm.append(time.perf_counter() - start - computing)
        finally:
            client.close()
    return seconds | {"warm": sorted(warm)[len(warm) // 2]}


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Take all measurements in `folder`."""
    package = find_package(options.model, ())
    k = package.card.factor
    device = choose_device(options.device)
    side, large = (2048, 4096) if options.quick else (4096, 16384)

    def asked(rasters: Mapping[str, Path], output: Path) -> SuperResolveRequest:
        return request_for(package, rasters, output, options.device, options.without)

    say(f"making rasters of {side} × {side} fine cells")
    rasters = make_rasters(folder, package.card, side // k)
    request = asked(rasters, folder / "fine.tif")

    method = load_model(package, device)
    if not isinstance(method, ModelMethod):
        raise InputError(f"{package.card.id} is a cascade: name a model of one step.")
    chosen = plan_name(method.plan)
    rates = forward_rates(method, 1 if options.quick else 4)
    best = max(rates, key=rates.__getitem__)
    compiled = compiled_gain(method, set(request.sources))
    drawn = method.ensemble
    del method
    rate = end_to_end(request, 1 if options.quick else 3)
    best_possible = ceiling(
        files_alone(request), (side // k * k) ** 2 / rates[best] / 1e6, torch.get_num_threads()
    )

    stages = stage_shares(request, ModelCache())
    costs = {}
    if drawn:
        say("drawing members")
        one_tile = make_rasters(folder, package.card, TILE // k)
        costs = ensemble_costs(asked(one_tile, folder / "drawn.tif"), rounds=2)
    peer = _peer(package, rasters, folder, options) if options.peers else None
    tiny = make_rasters(folder, package.card, TINY)
    cost = overhead(
        asked(tiny, folder / "tiny.tif"),
        (TINY * k) ** 2 / rates[best] / 1e6,
        folder,
    )
    say(f"making rasters of {large} × {large} fine cells")
    large_rasters = make_rasters(folder, package.card, large // k)
    peaks = {
        size: peak_memory(asked(paths, folder / "peak.tif"))
        for size, paths in ((side, rasters), (large, large_rasters))
    }
    say("training some steps")
    waits = loading_shares(folder, 20 if options.quick else 60)
    return {
        "model": f"{package.card.id} {package.card.version}",
        "factor": k,
        "sources": sorted(request.sources),
        "device": next(d["name"] for d in list_devices() if d["id"].startswith(device.type)),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "forward_mpixel_per_second": rates,
        "best": best,
        "chosen_by_engine": chosen,
        "best_over_float32_contiguous": rates[best] / rates[plan_name(PrecisionPlan())],
        "compiled": compiled,
        "peer": peer,
        "stages": stages,
        "ensembles": costs,
        "end_to_end_mpixel_per_second": rate,
        "end_to_end_over_forward": rate / rates[best],
        "at_best_over_forward": best_possible,
        "peak_memory_mb": {f"{size}x{size}": peak for size, peak in peaks.items()},
        "peak_memory_ratio": peaks[large] / peaks[side],
        "overhead_seconds": cost,
        "data_loading": waits,
    }


def report(figures: Mapping[str, Any]) -> str:
    """Return the measurements as text."""
    rates, (small, large) = figures["forward_mpixel_per_second"], figures["peak_memory_mb"].items()
    lines = [
        f"{figures['model']} (×{figures['factor']}), sources: {', '.join(figures['sources']) or 'none'}",
        f"{figures['device']}, {figures['threads']} threads, torch {figures['torch']}",
        *(f"forward pass, {name:24}{rate:9.3f} Mpixel/s" for name, rate in rates.items()),
        f"best over contiguous float32           {figures['best_over_float32_contiguous']:9.2f}",
        *_compiled_line(figures["compiled"]),
        *_peer_lines(figures),
        f"end to end                             {figures['end_to_end_mpixel_per_second']:9.3f} Mpixel/s "
        f"(the engine chose {figures['chosen_by_engine']})",
        f"end to end over the best forward pass  {figures['end_to_end_over_forward']:9.2f}",
        f"the same, were files all the rest       {figures['at_best_over_forward']:9.2f}",
        "computing time of a run on one thread: "
        + ", ".join(f"{name} {share:.0%}" for name, share in figures["stages"].items()),
        *ensemble_lines(figures["ensembles"]),
        f"peak memory, {small[0]:26}{small[1]:9.0f} MB",
        f"peak memory, {large[0]:26}{large[1]:9.0f} MB",
        f"large over small                       {figures['peak_memory_ratio']:9.2f}",
        *(
            f"overhead of {name:27}{figures['overhead_seconds'][key]:9.2f} s"
            for key, name in (("first", "the first run ever"), ("cold", "a cold run"), ("warm", "a warm run"))
        ),
        *(
            f"training on {name}: a step of {w['step']:.3f} s waits {w['waiting']:.4f} s for data, "
            f"{w['share']:.1%} of it (made ahead in {w['making']:.4f} s)"
            for name, w in figures["data_loading"].items()
        ),
    ]
    return "\n".join(lines)


def _compiled_line(measured: Mapping[str, float] | None) -> list[str]:
    if measured is None:
        return []
    taken = "long runs take it" if measured["used"] else "not taken"
    return [
        f"OpenVINO over torch's best in float32  {measured['gain']:9.2f} "
        f"(differs by {measured['difference']:.1g} of the field's range; {taken})"
    ]


def _peer(
    package: Package, rasters: Mapping[str, Path], folder: Path, options: argparse.Namespace
) -> dict[str, float]:
    """Measure DL4DS on the model's single-band rasters, in tiles as the engine cuts them."""
    sources = [s for s in package.card.sources if not s.traits.of_target and s.name not in options.without]
    coarse = ["target", *(s.name for s in sources if s.grid == "coarse")]
    fine = [s.name for s in sources if s.grid == "fine"]
    say("DL4DS, in an environment of its own")
    job = {
        "factor": package.card.factor,
        "cells": 128,
        "threads": torch.get_num_threads(),
        "seconds": 5 if options.quick else 20,
        "output": str(folder / "peer.tif"),
    }
    return measure_peer(peer_python(ROOT / "build" / "peers"), rasters, coarse, fine, job)


def _peer_lines(figures: Mapping[str, Any]) -> list[str]:
    peer = figures["peer"]
    if peer is None:
        return []
    bare = figures["forward_mpixel_per_second"][figures["best"]] / peer["bare"]
    whole = figures["end_to_end_mpixel_per_second"] / peer["from_files"]
    return [
        f"over DL4DS's default network, bare     {bare:9.2f} "
        f"({peer['parameters'] / 1e6:.2f} million parameters, {peer['bare']:.2f} Mpixel/s)",
        f"over DL4DS, from files to a file       {whole:9.2f} ({peer['from_files']:.2f} Mpixel/s)",
    ]


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = Parser(prog="./dev bench", description=__doc__.split("\n\n")[1])
    parser.add_argument("--model", default="rainitur8", help="id or folder (default: %(default)s)")
    parser.add_argument("--without", action="append", default=[], metavar="SOURCE", help="leave a source out")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N, mps")
    parser.add_argument("--quick", action="store_true", help="smaller rasters, fewer runs")
    parser.add_argument("--peers", action="store_true", help="DL4DS too, installed into build/peers")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    keep_freed_memory()  # as the engine's own process does
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "build") as folder:
        figures = measure(options, Path(folder))
    print(json.dumps(figures) if options.json else report(figures))
    return 0


if __name__ == "__main__":
    main(run)
