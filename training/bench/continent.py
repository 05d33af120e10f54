"""How long a continent takes, reckoned from measured rates: hours, bytes, and what bounds each machine.

Arithmetic, not a measurement: rates are what the bench printed on one machine, and the command takes others.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from engine.commands.options import Parser
from training.console.command import main

BYTES = 4  # of a float32 cell


@dataclass(frozen=True)
class Machine:
    """What a run can use.

    Args:
        name: of it.
        cores: of its processors, together.
        gpus: of it, together.
        disk: that it writes to, in GB/s.
    """

    name: str
    cores: int
    gpus: int
    disk: float


MACHINES = (
    Machine("1 node of 16 cores", 16, 0, 1.0),
    Machine("1 GPU with 16 cores", 16, 1, 1.0),
    Machine("8 GPUs with 128 cores", 128, 8, 4.0),
    Machine("64 nodes of 32 cores", 2048, 0, 20.0),
)


def hours(cells: float, machine: Machine, rates: argparse.Namespace) -> dict[str, float]:
    """Return the hours that each part of a run takes on a machine, were it alone; the largest is the run's.

    Args:
        cells: fine cells to make, over all dates.
        machine: which runs.
        rates: Mpixel/s of one core from files to file, of one GPU's bare network, and the share of a core's
            time that is the network's.
    """
    core = rates.core * 1e6
    if machine.gpus:  # the cores do all but the network
        taken = {
            "processors": cells / (machine.cores * core / (1 - rates.network)),
            "network": cells / (machine.gpus * rates.gpu * 1e6),
        }
    else:
        taken = {"processors": cells / (machine.cores * core)}
    taken["disk"] = cells * BYTES * rates.packed / (machine.disk * 1e9)
    return {name: seconds / 3600 for name, seconds in taken.items()}


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = Parser(prog="python -m training.bench.continent", description=__doc__.split("\n\n")[0])
    parser.add_argument("--area", type=float, default=10.2e6, help="km² (default: Europe's, %(default)g)")
    parser.add_argument("--cell", type=float, default=0.5, help="km along a fine cell (default: %(default)g)")
    parser.add_argument("--dates", type=int, default=10957, help="fields (default: 30 years of days)")
    parser.add_argument(
        "--beside", type=float, default=1.3, help="cells of tiles over those of land (%(default)g)"
    )
    parser.add_argument(
        "--core", type=float, default=2.4, help="Mpixel/s of a core, files to file (%(default)g)"
    )
    parser.add_argument(
        "--network", type=float, default=0.64, help="share of it in the network (%(default)g)"
    )
    parser.add_argument(
        "--gpu", type=float, default=318.0, help="Mpixel/s of a GPU's bare network (%(default)g)"
    )
    parser.add_argument("--packed", type=float, default=0.6, help="bytes after compression (%(default)g)")
    options = parser.parse_args(arguments)
    field = options.area / options.cell**2
    cells = field * options.beside * options.dates
    size = cells * BYTES * options.packed
    print(f"{field:.3g} cells of land × {options.beside:g} × {options.dates:,} dates = {cells:.3g} cells;")
    print(f"{BYTES} bytes × {options.packed:g} each = {size / 1e12:.3g} TB.")
    for machine in MACHINES:
        taken = hours(cells, machine, options)
        bound = max(taken, key=taken.__getitem__)
        parts = ", ".join(f"{name} {value:.2g} h" for name, value in taken.items())
        print(f"{machine.name:22} {taken[bound]:6.2g} h, bound by {bound} ({parts})")
    return 0


if __name__ == "__main__":
    main(run)
