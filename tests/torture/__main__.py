"""`./dev torture`: many hostile cases, each outcome judged; every failure is kept with its seed."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

from tests.torture.case import Judged
from tests.torture.generators.listing import GENERATORS
from tests.torture.generators.shared import Shared, make_shared, unmount
from tests.torture.report import in_words, table
from tests.torture.running.lane import Lane, begin, run_case
from tests.torture.running.surroundings import ROOT


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="./dev torture",
        description="Hostile requests, files, packages, configurations, kills, limits and environments; each "
        "outcome is judged. Ends with status 1 where one was wrong; failures are kept in build/torture.",
    )
    parser.add_argument(
        "--minutes", type=float, help="stop after so long (default: when all requests are done)"
    )
    parser.add_argument("--seed", default="0", help="a seed, or several: 0-9 (0)")
    parser.add_argument("--requests", type=int, default=320, help="cases of each seed (320)")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 2, help="cases at a time (one a processor)"
    )
    parser.add_argument(
        "--only", type=int, metavar="N", help="the case N of the seed alone; its files are kept"
    )
    parser.add_argument(
        "--kind", action="append", default=[], choices=[*GENERATORS], help="cases of this kind alone"
    )
    parser.add_argument("--keep", type=Path, default=ROOT / "build" / "torture", help="where failures go")
    return parser.parse_args(arguments)


def seeds(text: str) -> list[int]:
    """Read `3` or `0-9`."""
    first, mark, last = text.partition("-")
    try:
        return list(range(int(first), int(last) + 1)) if mark else [int(text)]
    except ValueError:
        raise SystemExit(f"--seed {text} must be a whole number, or two with a dash between: 0-9.") from None


def campaign(chosen: argparse.Namespace, scratch: Path, shared: Shared) -> Iterator[Judged]:
    """Run the cases in several processes; yield them as they end."""
    deadline = time.monotonic() + 60 * chosen.minutes if chosen.minutes else float("inf")
    waiting = [(seed, number) for number in range(chosen.requests) for seed in seeds(chosen.seed)]
    waiting.reverse()
    context = get_context("spawn")
    kinds = tuple(chosen.kind)
    with ProcessPoolExecutor(chosen.jobs, context, begin, (scratch, chosen.keep, shared)) as pool:
        running: set[Future[Judged]] = set()
        while waiting or running:
            while waiting and len(running) < chosen.jobs + 1 and time.monotonic() < deadline:
                running.add(pool.submit(run_case, *waiting.pop(), kinds))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()


def main() -> int:
    """Run the torture; return the exit status."""
    chosen = options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stop tidies up, too
    begun = time.monotonic()
    scratch = Path(tempfile.mkdtemp(prefix="msr-torture-"))
    shared = Shared(scratch / "shared")
    shutil.rmtree(chosen.keep, ignore_errors=True)
    chosen.keep.mkdir(parents=True)
    judged: list[Judged] = []
    try:
        print("making models, a store and a training…", file=sys.stderr)
        make_shared(shared.folder)
        if chosen.only is not None:
            lane = Lane(scratch / "lane", chosen.keep, shared)
            judged.append(lane.run(seeds(chosen.seed)[0], chosen.only, tuple(chosen.kind), keep_all=True))
            lane.close()
            (one,) = judged
            print(one.kind, one.what, one.ended, one.message, one.kept, sep="\n  ")
            print(in_words(one) if one.findings else "nothing wrong")
        else:
            for each in campaign(chosen, scratch, shared):
                judged.append(each)
                if each.findings:
                    print(in_words(each), flush=True)
                if len(judged) % 100 == 0:
                    told = f"{len(judged)} cases, {sum(bool(j.findings) for j in judged)} failed"
                    print(f"{told}, {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    finally:
        unmount(shared.small_disk)
        shutil.rmtree(scratch, ignore_errors=True)
    print(table(judged) + f"\n\n{time.monotonic() - begun:.0f} s; failures in {chosen.keep}")
    lines = [json.dumps(asdict(j), default=str) for j in judged]
    (chosen.keep / "cases.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    return 1 if any(j.findings for j in judged) else 0


if __name__ == "__main__":
    sys.exit(main())
