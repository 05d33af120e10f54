"""Kills the workers of a run, then the whole run, again and again, and compares the bytes that come out.

`python -m tests.torture.cluster_kills --worker-kills 20 --run-kills 10`; exit status 1 where bytes differ.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import psutil
import rasterio
from affine import Affine

from engine.files.root import ROOT

ROWS, COLUMNS, DATES, FACTOR, TILE = 48, 64, 60, 8, 16  # 12 tiles at 60 dates
PATIENCE = 600.0  # seconds for what must come


def coarse_raster(folder: Path) -> Path:
    """Write monthly rain with an empty corner."""
    values = np.random.default_rng(0).gamma(2.0, 30, (DATES, ROWS, COLUMNS)).astype(np.float32)
    values[:, :TILE, :TILE] = np.nan
    path = folder / "rain.tif"
    grid = {"width": COLUMNS, "height": ROWS, "count": DATES, "dtype": "float32", "crs": "EPSG:4326"}
    with rasterio.open(path, "w", driver="GTiff", transform=Affine(1, 0, 0, 0, -1, 50), **grid) as file:
        file.write(values)
        file.units = ("mm",) * DATES
        for band in range(DATES):
            file.update_tags(band + 1, DATE=f"{2000 + band // 12}-{band % 12 + 1:02d}")
    return path


def command(target: Path, output: Path, *more: str) -> list[str]:
    """Return the command line of a run."""
    words = [sys.executable, "-s", "-m", "engine", "super-resolve", "--model", "bicubicsmooth", "--all"]
    words += ["--factor", str(FACTOR), "--tile", str(TILE), "--target", str(target), "--threads", "1"]
    return [*words, "--output", str(output), *more]


def bytes_in(path: Path) -> dict[str, bytes]:
    """Return the bytes of a file, or of all files of a store."""
    files = [p for p in sorted(path.rglob("*")) if p.is_file()] if path.is_dir() else [path]
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


class KilledRun:
    """A run in parts in a process group of its own.

    Args:
        words: its command line.
        output: of it.
    """

    def __init__(self, words: list[str], output: Path) -> None:
        self._list = output.with_name(output.name + ".parts") / "done.jsonl"
        self.process = subprocess.Popen(words, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL)

    @property
    def parts(self) -> int:
        """How many parts are on the list."""
        return self._list.read_bytes().count(b"\n") if self._list.exists() else 0

    def wait_for(self, parts: int) -> bool:
        """Wait until so many parts are done; return whether the run still goes on."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None and self.parts < parts:
            if time.monotonic() > end:
                raise TimeoutError(f"{self.parts} parts after {PATIENCE:.0f} s, not {parts}")
            time.sleep(0.02)
        return self.process.poll() is None

    def workers(self) -> list[psutil.Process]:
        """Return the processes of its workers."""
        try:
            below = psutil.Process(self.process.pid).children(recursive=True)
            return [p for p in below if "spawn_main" in " ".join(p.cmdline())]
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        """Kill it with all its workers."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def kill_workers(run: KilledRun, kills: int, rng: random.Random) -> int:
    """Kill a worker at a time while parts come, and return how many were killed."""
    total, killed = DATES * -(-ROWS // TILE) * -(-COLUMNS // TILE), 0
    while killed < kills:
        # Spread over the parts that there are, so that each kill hits a run in the middle of its work.
        if not run.wait_for(min(run.parts + rng.randrange(1, max(2, total // (kills + 5))), total - 1)):
            break
        workers = run.workers()
        if workers:
            victim = rng.choice(workers)
            try:
                victim.kill()
                killed += 1
            except psutil.NoSuchProcess:
                continue
    return killed


def main() -> int:
    """Run the campaign, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worker-kills", type=int, default=20)
    parser.add_argument("--run-kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    os.environ["SOURCE_DATE_EPOCH"] = "1700000000"
    folder, rng, wrong = Path(mkdtemp(prefix="msr-kills-")), random.Random(options.seed), 0
    try:
        target = coarse_raster(folder)
        for ending, form in ((".tif", ()), (".zarr", ("--zarr-format", "3"))):
            plain, fine = folder / f"plain{ending}", folder / f"fine{ending}"
            subprocess.run(command(target, plain, *form), cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            expected = bytes_in(plain)
            words = command(target, fine, *form, "--cluster", "local:2", "--resume")
            run = KilledRun(words, fine)
            killed = kill_workers(run, options.worker_kills, rng)
            same = run.process.wait() == 0 and bytes_in(fine) == expected
            wrong += not same
            print(
                f"{ending}: {killed} workers killed in one run: {'the same' if same else 'OTHER'} bytes",
                flush=True,
            )
            shutil.rmtree(fine) if fine.is_dir() else fine.unlink(missing_ok=True)
            killed, kept = 0, []
            while killed < options.run_kills:
                run = KilledRun(words, fine)
                at = run.parts
                if not run.wait_for(at + 1 + rng.randrange(40)):
                    break
                run.kill()
                killed += 1
                kept.append(run.parts)
            done = subprocess.run(words, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
            same = done.returncode == 0 and bytes_in(fine) == expected
            wrong += not same
            told = ", ".join(map(str, kept))
            print(
                f"{ending}: the run killed {killed} times (with {told} parts done): "
                f"{'the same' if same else 'OTHER'} bytes",
                flush=True,
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
