"""A process that takes training steps as it is told to, for `training.bench.steps`.

It may run with the packages of another revision, so it names only what has long been there. A line of
standard input holds a number of steps, or `profile`; the answer is a line of JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from engine.compute.allocator import keep_freed_memory
from engine.compute.prefetch import Prefetcher
from training.data.readers import load_archive
from training.data.split import split_archive
from training.schema.config import load_config, parse_config
from training.trainer.trainer import Trainer

PROFILED = 3  # steps
MOST = 2**31  # no step is the last


def opened(config: str, settings: dict[str, Any], folder: Path) -> Trainer:
    """Return a trainer of a configuration with some of its keys set anew, its plan chosen."""
    complete = parse_config({**load_config(config).model_dump(mode="json"), **settings})
    archive = load_archive(complete)
    trainer = Trainer(complete, archive, split_archive(complete, archive), folder)
    trainer.measure_plan()
    return trainer


def taken(trainer: Trainer, count: int) -> dict[str, Any]:
    """Take steps; return their `seconds` and `losses`."""
    losses, start = [], time.perf_counter()
    for _ in range(count):
        losses.append(trainer.step().terms["total"])
    return {"seconds": time.perf_counter() - start, "losses": losses}


def profiled(trainer: Trainer) -> dict[str, float]:
    """Return operation → milliseconds of a step that it takes by itself, the longest first."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        taken(trainer, PROFILED)
    own = {one.key: one.self_cpu_time_total / PROFILED / 1000 for one in profile.key_averages()}
    return dict(sorted(own.items(), key=lambda pair: -pair[1]))


def main(arguments: list[str]) -> None:
    """Serve: configuration, settings as JSON, first step, threads."""
    config, settings, first, threads = arguments
    keep_freed_memory()
    torch.set_num_threads(int(threads))
    out, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    with tempfile.TemporaryDirectory() as folder:
        trainer = opened(config, json.loads(settings), Path(folder))
        trainer.step_number = int(first)
        plan = {"bfloat16": trainer.plan.bfloat16, "channels_last": trainer.plan.channels_last}
        print(json.dumps(plan), file=out, flush=True)
        with Prefetcher(trainer.batch, MOST) as trainer.take:
            for line in sys.stdin:
                word = line.strip()
                answer = profiled(trainer) if word == "profile" else taken(trainer, int(word))
                print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
