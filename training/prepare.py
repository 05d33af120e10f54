"""`python -m training.prepare DATASET.yaml`: one aligned, chunked store from rasters as they are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import torch

from engine.commands.options import Parser, whole
from training.console.command import main
from training.console.needed import load
from training.preparation.prepare import prepare
from training.tasks.cluster import add_cluster, cluster_of


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = Parser(
        prog="python -m training.prepare",
        description="Align the rasters that a YAML file describes on one coarse and one fine grid, and write "
        "a Zarr store to train on, with a summary page beside it. Larger than memory is no matter.",
    )
    parser.add_argument("dataset", type=Path, help="description, e.g. training/datasets/example.yaml")
    parser.add_argument("--output", type=Path, help="the store (default: stores/NAME.zarr)")
    parser.add_argument("--overwrite", action="store_true", help="replace a store that is there")
    parser.add_argument("--strict", action="store_true", help="stop where units or fields look wrong")
    parser.add_argument(
        "--workers",
        type=whole(1, 4096),
        default=psutil.cpu_count() or 2,
        help="threads (default: one for each processor)",
    )
    add_cluster(parser, "the work, blocks of dates")
    parser.add_argument("--quiet", action="store_true", help="print nothing but the store's path")
    options = parser.parse_args(arguments)
    load("dask.array", "xarray", "zarr", "matplotlib")  # the page comes last
    torch.set_num_threads(1)  # the blocks are what runs in parallel
    start = time.monotonic()
    say = None if options.quiet else print
    given = (options.dataset, options.output, options.workers, options.overwrite, options.strict, say)
    done = prepare(*given, cluster_of(options))
    if say is not None:
        say(f"Summary: {done.summary} ({time.monotonic() - start:.0f} s)")
    print(done.store)
    return 0


if __name__ == "__main__":
    main(run)
