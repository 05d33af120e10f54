"""`python -m training.simulate training/simulation/snow.yaml`: a store of simulated snow, from nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from engine.commands.options import Parser
from engine.compute.allocator import keep_freed_memory
from training.console.command import main
from training.console.needed import load
from training.preparation.new_store import new_store
from training.preparation.summary import write_summary
from training.simulation.parameters import load_parameters
from training.simulation.pictures import Cycle, write_pictures
from training.simulation.run import Simulation
from training.simulation.writing import CITATION, write


def simulate(
    description: Path,
    output: Path | None = None,
    overwrite: bool = False,
    days: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> Path:
    """Run the simulation that a file of parameters describes; return the store.

    A page with maps and a picture of the snow's course lie beside it.

    Args:
        description: the YAML file.
        output: the store; by default `stores/NAME.zarr` in the working folder.
        overwrite: replace a store that is there.
        days: goes through the days, and may show progress.

    Raises:
        InputError: the parameters are wrong, or no longer those that were frozen.
    """
    parameters = load_parameters(description)
    final = output or Path("stores") / f"{parameters.name}.zarr"
    with new_store(final, overwrite) as part:
        run = Simulation(parameters)
        cycle = Cycle(run)
        plan, built = write(parameters, run, part, lambda all_days: cycle.watch(days(all_days)))
        write_pictures(final.with_suffix(".png"), run, cycle, parameters)
        write_summary(final.with_suffix(".html"), part, plan, built, [CITATION])
    return final


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = Parser(
        prog="python -m training.simulate",
        description="Simulate terrain, vegetation, weather and snow from seeds and published formulae, and "
        "write a Zarr store to train on, with a page of maps beside it. Nothing is downloaded, nothing "
        "was measured.",
    )
    parser.add_argument("parameters", type=Path, help="parameters, e.g. training/simulation/snow.yaml")
    parser.add_argument("--output", type=Path, help="the store (default: stores/NAME.zarr)")
    parser.add_argument("--overwrite", action="store_true", help="replace a store that is there")
    parser.add_argument("--quiet", action="store_true", help="print nothing but the store's path")
    options = parser.parse_args(arguments)
    load("dask.array", "xarray", "zarr", "scipy.ndimage", "matplotlib")
    torch.set_num_threads(1)  # fields fit into one core's cache: more threads only wait for each other
    keep_freed_memory()
    start = time.monotonic()
    count = len(load_parameters(options.parameters).period.dates)

    def days(all_days: Iterable[Any]) -> Iterable[Any]:
        from tqdm import tqdm

        return tqdm(all_days, "Simulating", count, unit="day", disable=options.quiet, file=sys.stderr)

    store = simulate(options.parameters, options.output, options.overwrite, days)
    if not options.quiet:
        print(f"Summary: {store.with_suffix('.html')} ({time.monotonic() - start:.0f} s)")
    print(store)
    return 0


if __name__ == "__main__":
    main(run)
