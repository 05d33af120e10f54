"""`python -m training.bench.device`: a device beside the processor of the same machine, in one run.

Training: the losses of the same steps in float32 on both, then steps per second of each in its fastest
precision, and the share of a step that is waiting for data. Models: the largest difference between the two
fields in float32, then pixels per second from files to a Cloud Optimized GeoTIFF, and those of the bare
network, on each. Also the most memory that the device had to give.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch

from engine.commands.options import Parser, whole
from engine.compute.devices import choose_device, list_devices
from engine.errors import InputError
from engine.feedback import Silent
from engine.files.root import ROOT
from engine.models.loading import load_model
from engine.models.model import ModelMethod
from engine.package.folder import find_package
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from training.bench.__main__ import end_to_end, forward_rates, say
from training.bench.rasters import make_rasters, request_for
from training.bench.training import RAIN, loading
from training.console.command import main
from training.data.readers import load_archive
from training.data.split import split_archive
from training.schema.config import Config, load_config, parse_config
from training.trainer.trainer import Trainer

PROCESSOR = "cpu"


def losses_of(config: Config, devices: Sequence[str], folder: Path, steps: int) -> dict[str, list[float]]:
    """Return the total loss of the first steps on each device, float32, from the same weights and batches."""
    plain = config.model_dump(mode="json") | {"precision": "float32", "layout": "contiguous"}
    archive = load_archive(config)
    measured = {}
    for name in devices:
        own = parse_config(plain).on(name)
        trainer = Trainer(own, archive, split_archive(own, archive), folder)
        measured[name] = [trainer.step().terms["total"] for _ in range(steps)]
    return measured


def training_figures(config: Config, device: str, folder: Path, steps: tuple[int, int]) -> dict[str, Any]:
    """Measure training on the processor and on a device.

    Args:
        config: of the training.
        device: beside the processor.
        folder: for the runs.
        steps: how many on the processor, and on the device.
    """
    losses = losses_of(config, (PROCESSOR, device), folder, 10)
    for name, values in losses.items():
        say(f"losses on {name}: " + ", ".join(f"{v:.6f}" for v in values))
    settings = config.model_dump(mode="json")
    measured: dict[str, dict[str, Any]] = {}
    for name, count in zip((PROCESSOR, device), steps, strict=True):
        begin_memory(device)
        measured[name] = dict(loading(settings | {"device": name}, folder, count))
        say(f"{1 / measured[name]['step']:.3f} steps/s on {name}, {measured[name]['share']:.1%} waiting")
    measured[device]["peak_memory_mb"] = most_memory(device)
    return {
        "batch": config.sampling.batch,
        "losses": losses,
        "devices": measured,
        "steps_ratio": measured[PROCESSOR]["step"] / measured[device]["step"],
    }


def model_figures(
    id_or_folder: str, device: str, folder: Path, side: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Measure a model on the processor and on a device; raises InputError for a cascade.

    Args:
        id_or_folder: of the model.
        device: beside the processor.
        folder: for rasters and results.
        side: fine cells along the edge of the raster.
        options: whose `without` names sources that are left out.
    """
    package = find_package(id_or_folder, ())
    rasters = make_rasters(folder, package.card, side // package.card.factor)
    plain = request_for(package, rasters, folder / "fine.tif", options.device, options.without)
    fields = [field_of(replace(plain, device=name, precision="float32")) for name in (PROCESSOR, device)]
    span = float(np.nanmax(fields[0]) - np.nanmin(fields[0]))
    if (np.isnan(fields[0]) != np.isnan(fields[1])).any():
        raise InputError(f"{package.card.id} leaves out other cells on {device} than on the processor.")
    difference = float(np.nanmax(np.abs(fields[0] - fields[1]))) / span
    say(f"{package.card.id}: largest difference {difference:.2e} of the range")
    seconds = 1 if options.quick else 4
    rates: dict[str, dict[str, float]] = {}
    for name in (PROCESSOR, device):
        begin_memory(device)
        files = end_to_end(replace(plain, device=name), 1 if options.quick else 3)
        method = load_model(package, choose_device(name))
        if not isinstance(method, ModelMethod):
            raise InputError(f"{package.card.id} is a cascade: name a model of one step.")
        most = most_memory(device)
        rates[name] = {
            "files": files,
            "network": max(forward_rates(method, seconds).values()),
            "memory_mb": most,
        }
    return {
        "largest_difference": difference,
        "mpixel_per_second": rates,
        "files_ratio": rates[device]["files"] / rates[PROCESSOR]["files"],
        "network_ratio": rates[device]["network"] / rates[PROCESSOR]["network"],
    }


def field_of(request: SuperResolveRequest) -> np.ndarray:
    """Do a job and return its field, (rows, columns), NaN where missing."""
    super_resolve(request, Silent())
    with rasterio.open(request.output) as raster:
        return raster.read(1, masked=True).astype(np.float64).filled(np.nan)


def begin_memory(device: str) -> None:
    """Count the most memory of a device anew."""
    if choose_device(device).type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(choose_device(device))


def most_memory(device: str) -> float:
    """Return the most memory, in MB, that tensors took on a device since then; NaN where it does not tell."""
    place = choose_device(device)
    return torch.cuda.max_memory_allocated(place) / 1e6 if place.type == "cuda" else float("nan")


def report(figures: Mapping[str, Any], device: str) -> str:
    """Return the measurements as text."""
    lines = [f"{figures['device']} beside {figures['processor']}, torch {figures['torch']}"]
    if training := figures.get("training"):
        cpu, gpu = training["losses"][PROCESSOR], training["losses"][device]
        lines.append(f"training in windows of {training['batch']}, loss of the same steps on both, float32:")
        lines += [
            f"  step {n:3}   {a:.6f}   {b:.6f}   {abs(a - b) / abs(a):.1e}"
            for n, (a, b) in enumerate(zip(cpu, gpu), 1)
        ]
        one, two = (training["devices"][name] for name in (PROCESSOR, device))
        lines += [
            f"training, processor      {1 / one['step']:9.2f} steps/s",
            f"training, device         {1 / two['step']:9.2f} steps/s, {two['share']:.1%} of a step waiting",
            f"device over processor    {training['steps_ratio']:9.2f}",
            f"most memory              {two['peak_memory_mb']:9.0f} MB",
        ]
    for name, model in figures["models"].items():
        one, two = (model["mpixel_per_second"][key] for key in (PROCESSOR, device))
        lines += [
            f"{name}: largest difference {model['largest_difference']:.1e} of the range, float32",
            f"  from files to file     {one['files']:9.2f} → {two['files']:9.2f} Mpixel/s, "
            f"ratio {model['files_ratio']:.2f}",
            f"  bare network, its best {one['network']:9.2f} → {two['network']:9.2f} Mpixel/s, "
            f"ratio {model['network_ratio']:.2f}",
            f"  most memory            {two['memory_mb']:9.0f} MB",
        ]
    return "\n".join(lines)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = Parser(prog="python -m training.bench.device", description=__doc__.split("\n\n")[1])
    parser.add_argument("--device", default="auto", help="auto, cuda, cuda:N, mps")
    parser.add_argument(
        "--config", type=Path, default=RAIN, help="of the training (default: the rain model's)"
    )
    parser.add_argument("--only", choices=("training", "models"), help="one of the two")
    parser.add_argument("--batch", type=whole(1), help="windows of a step (default: the configuration's)")
    parser.add_argument(
        "--steps", type=whole(2), default=200, help="of training on the device (default: 200)"
    )
    parser.add_argument(
        "--side", type=whole(64), default=4096, help="fine cells along the edge (default: 4096)"
    )
    parser.add_argument(
        "--model", action="append", help="id or folder; may be given again (default: rainitur8)"
    )
    parser.add_argument("--without", action="append", default=[], metavar="SOURCE", help="leave a source out")
    parser.add_argument("--quick", action="store_true", help="fewer runs")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    device = str(choose_device(options.device))
    if device == PROCESSOR and options.device == "auto":
        raise InputError("There is no device here beside the processor: --device auto finds none.")
    figures: dict[str, Any] = {
        "device": next(d["name"] for d in list_devices() if d["id"] == device),
        "processor": list_devices()[-1]["name"],
        "torch": torch.__version__,
        "models": {},
    }
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "build") as name:
        folder = Path(name)
        if options.only != "models":
            config, steps = load_config(options.config), options.steps
            if options.batch:
                sampling = config.sampling.model_copy(update={"batch": options.batch})
                config = config.model_copy(update={"sampling": sampling})
            figures["training"] = training_figures(config, device, folder, (max(2, steps // 10), steps))
        for model in [] if options.only == "training" else options.model or ["rainitur8"]:
            figures["models"][model] = model_figures(model, device, folder, options.side, options)
    print(json.dumps(figures) if options.json else report(figures, device))
    return 0


if __name__ == "__main__":
    main(run)
