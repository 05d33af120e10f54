"""`python -m training.ablate CONFIG.yaml`: what each source and each constraint is worth."""

from __future__ import annotations

import argparse
import os
import subprocess  # nosec B404: several processes of this program; argument list, no shell
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from engine.commands.options import Parser, whole
from engine.commands.sentences import shown
from engine.compute.devices import choose_device
from engine.errors import EngineError, InputError
from training.ablation import page
from training.ablation.gather import gather
from training.ablation.plan import variants
from training.ablation.run_task import work_on_cluster
from training.ablation.runs import AblationRun, finished, runs_of, work
from training.console.command import main
from training.console.device import add_device
from training.console.followed import followed
from training.console.needed import load
from training.data.readers import load_archive
from training.defaults.complete import complete
from training.schema.config import load_config
from training.schema.older import leaves_open
from training.tasks.cluster import add_cluster, cluster_of

ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def chosen(runs: Sequence[AblationRun], only: Sequence[str]) -> list[AblationRun]:
    """Return the runs of the variants, or kinds of variant, that are named.

    Raises:
        InputError: a name is neither.
    """
    known = dict.fromkeys([*(r.variant.kind for r in runs), *(r.variant.name for r in runs)])
    for name in only:
        if name not in known:
            raise InputError(f"--only: there is no {name} (there are: {', '.join(known)}).")
    return [r for r in runs if not only or r.variant.name in only or r.variant.kind in only]


def seeds_of(text: str) -> tuple[int, ...]:
    """Read a list of seeds such as 0,1,2.

    Raises:
        InputError: it is none.
    """
    try:
        seeds = tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"--seeds: {shown(text)} is no list of whole numbers such as 0,1,2.") from error
    if min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise InputError("--seeds: seeds are different whole numbers from 0 on.")
    return seeds


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    known = Parser(
        prog="python -m training.ablate",
        description="Train many short runs: with every subset of the source groups, without one constraint "
        "at a time, without any, and once with source dropout; score each on the test region and write a "
        "page. Each finished run adds a record. Started again, it goes on with the runs that have none.",
    )
    known.add_argument("config", type=Path, help="training configuration (YAML), with its key ablation")
    known.add_argument("--only", default="", help="variants or kinds (subset, constraint, …), by comma")
    known.add_argument("--seeds", help="by comma (default: the configuration's)")
    known.add_argument("--steps", type=whole(1), help="of each run (default: the configuration's)")
    known.add_argument(
        "--workers", type=whole(1, 4096), default=1, help="processes, one thread each (default: 1)"
    )
    add_cluster(known, "the runs")
    add_device(known)
    known.add_argument("--records", type=Path, help="file of records (default: in the output folder)")
    known.add_argument("--output", type=Path, help="folder of the page (default: runs/ablation/ID)")
    known.add_argument("--list", action="store_true", help="list the runs and whether they are done")
    known.add_argument("--no-runs", action="store_true", help="train nothing, write the page again")
    known.add_argument("--no-page", action="store_true", help="train, write no page")
    return known


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser().parse_args(given)
    if not (options.no_page or options.list):
        load("matplotlib")
    wanted = cluster_of(options)
    if wanted is not None and options.workers > 1:
        raise InputError("--workers: a cluster has its own: leave it out, or say --cluster local:N instead.")
    config = load_config(options.config).on(options.device)
    choose_device(config.device)  # refused before anything long
    archive = None
    if leaves_open(config):  # the runs' records tell what was chosen
        archive = load_archive(config)
        config = complete(config, archive).config
    seeds = seeds_of(options.seeds) if options.seeds else config.ablation.seeds
    folder = options.output or Path("runs") / "ablation" / config.model.id
    records = options.records or folder / "records.jsonl"
    every = runs_of(config, variants(config, options.steps), seeds)
    runs = chosen(every, [name for name in options.only.split(",") if name])
    done = finished(records, every)
    if options.list:
        for one in runs:
            print(f"{'done' if one.id in done else 'open'}  {one.id}")
        return 0
    archive = archive or load_archive(config)
    left = [one for one in runs if one.id not in done]
    if left and not options.no_runs:
        work_followed = followed()
        if work_followed is not None:
            work_followed.expect(len(left))
        print(f"{len(left)} of {len(runs)} runs to do, {left[0].config.steps} steps each.", flush=True)
        elsewhere: list[AblationRun] = []
        if wanted is not None:
            elsewhere = work_on_cluster(wanted, left, config, options.config, records, folder, _say)
        elif options.workers > 1:
            _spread(given, options.workers)
        else:
            torch.set_num_threads(1)  # runs are small, and compare whatever else the machine does
            elsewhere = work(left, archive, options.config, records, folder, _say)
        if elsewhere:
            print(f"{len(elsewhere)} runs are being done by another process.")
    if options.no_page:
        return 0
    command = f"python -m training.ablate {options.config.as_posix()}"
    print(page.write(folder, config, archive, gather(config, records, options.steps, seeds), command))
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def _spread(arguments: list[str], workers: int) -> None:
    """Do the runs in several processes; locks keep them off each other's.

    Raises:
        EngineError: one of them failed.
    """
    command = [sys.executable, "-m", "training.ablate", *arguments, "--workers", "1", "--no-page"]
    environment = {**os.environ, **dict.fromkeys(ONE_THREAD, "1")}
    started = [
        subprocess.Popen(command, env=environment)  # nosec B603: no shell; this interpreter
        for _ in range(workers)
    ]
    try:
        statuses = [process.wait() for process in started]
    except KeyboardInterrupt:
        for process in started:
            process.terminate()
        raise
    if any(statuses):
        raise EngineError("A worker of the ablation failed; what it said stands above.")


if __name__ == "__main__":
    main(run)
