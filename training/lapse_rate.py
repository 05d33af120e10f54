"""`python -m training.lapse_rate CONFIG.yaml`: how a cascade's fine field follows the ground, and maps.

There is no fine truth to score a cascade with at its own scale. What can be looked at is whether the
detail that it makes is physical: for temperature, how it falls with height.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from engine.commands.options import Parser, whole
from engine.methods.interface import ELEVATION
from training.cascade.lapse_rate import SEASONS, fields_of, slope_of
from training.cascade.maps import draw
from training.console.command import main
from training.console.needed import load
from training.records.record import append, record_of, run_id
from training.schema.config import load_config


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = Parser(
        prog="python -m training.lapse_rate",
        description="Downscale test dates with a trained cascade and every simple method, and print how the "
        "fine detail follows elevation, per kilometre, with 95 % intervals.",
    )
    parser.add_argument("config", help="e.g. training/configs/moselle_temperature.yaml")
    parser.add_argument("--model", help="id or folder of the package (default: runs/ID/package)")
    parser.add_argument("--dates", type=whole(2), default=24, help="test dates (default: 24)")
    parser.add_argument("--maps", type=Path, metavar="OUT.png", help="maps of the coldest and warmest date")
    parser.add_argument("--threads", type=whole(1, 4096), default=1, help="processor threads (default: 1)")
    parser.add_argument("--record", type=Path, metavar="FILE", help="add the slopes to these records")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    options = parser.parse_args(arguments)
    if options.maps is not None:
        load("matplotlib")
    config = load_config(options.config)
    torch.set_num_threads(max(1, options.threads))
    package = options.model or str(Path("runs") / config.model.id / "package")
    given, times, fields, titles = fields_of(config, package, options.dates)
    elevation = np.asarray(given.sources[ELEVATION].array[0, 0])
    slopes = {name: slope_of(several, elevation, given.factor) for name, several in fields.items()}
    units = f"{given.units}/km"
    metrics = {}
    for name, slope in slopes.items():
        value, low, high = slope.interval()
        metrics[name] = {"slope": value, "low": low, "high": high, "explained": slope.explained}
        for season, months in SEASONS.items():
            rows = [i for i, t in enumerate(times) if int(given.months[t]) in months]
            if rows:
                metrics[name][f"slope_{season}"] = slope.interval(rows).value
    if options.maps is not None:
        draw(options.maps, given, times, fields, titles, elevation)
    if options.record is not None:
        command = f"python -m training.lapse_rate {Path(options.config).as_posix()}"
        notes = {"model": list(fields)[-1], "units": units, "dates": [given.dates[t] for t in times]}
        name = run_id(f"{config.model.id}-lapse-rate", config)
        append(
            options.record,
            record_of(name, "lapse_rate", config, options.config, command, metrics, None, notes),
        )
    if options.json:
        print(json.dumps({"units": units, "dates": len(times), "methods": metrics}))
        return 0
    width = max(map(len, titles.values()))
    print(f"{'Detail over elevation (' + units + ')':<{width}}  slope   95 % interval    explained")
    for name, values in metrics.items():
        told = f"{values['low']:.2f} to {values['high']:.2f}"
        print(f"{titles[name]:<{width}}  {values['slope']:6.2f}  {told:>15}  {values['explained']:9.2f}")
    known = float(np.isfinite(elevation).mean())
    dates = f"{len(times)} date{'s' * (len(times) != 1)}"
    print(f"{dates}; {known:.0%} of the fine cells have an elevation, the others take no part.")
    if options.maps is not None:
        print(f"Maps: {options.maps}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    main(run)
