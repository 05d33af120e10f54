"""Three hosts with addresses of their own: a run and a training give what one process gives.

Network namespaces of this machine, so tests of what crosses a network, not of its speed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml
from rasterio.transform import from_origin

from engine.files.root import ROOT
from tests.hosts.network import Hosts, can_make_hosts

pytest.importorskip("distributed")
pytestmark = pytest.mark.skipif(not can_make_hosts(), reason="only root can make network namespaces")
ONE_TIME = {"SOURCE_DATE_EPOCH": "1700000000"}  # so that the same run makes the same bytes
DATES, TILES = 6, 24
# Dask's own 30 seconds are for networks with bad minutes.
IMPATIENT = {
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "12s",
}


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    logs = tmp_path / "logs"
    logs.mkdir()
    with Hosts(3, logs) as made:
        yield made


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """The run: six dates of 24 tiles, by a method that fits a relation to a covariate."""
    shape = 24, 36
    rain = np.random.default_rng(1).gamma(2.0, 30, (DATES, *shape)).astype(np.float32)
    rain[:, 3, 5] = np.nan
    ground = np.random.default_rng(2).gamma(1.0, 400, (shape[0] * 4, shape[1] * 4)).astype(np.float32)
    for name, values, cell in (("rain", rain, 1.0), ("dem", ground[None], 0.25)):
        with rasterio.open(
            tmp_path / f"{name}.tif", "w", driver="GTiff", width=values.shape[2], height=values.shape[1],
            count=len(values), dtype="float32", crs="EPSG:4326", transform=from_origin(5, 50, cell, cell),
            nodata=float("nan"),
        ) as raster:  # fmt: skip
            raster.write(values)
            raster.units = ("mm" if name == "rain" else "m",) * len(values)
            for band in range(1, len(values) + 1):
                if name == "rain":
                    raster.update_tags(band, DATE=f"2001-{band:02d}")
    return [
        *(sys.executable, "-s", "-m", "engine", "super-resolve", "--model", "elevationregression"),
        *("--target", str(tmp_path / "rain.tif"), "--source", f"elevation={tmp_path / 'dem.tif'}"),
        *("--factor", "4", "--all", "--tile", "6", "--threads", "1"),
    ]


def plain_run(command: list[str], output: Path) -> bytes:
    """Return the bytes of what one process writes."""
    environment = {**os.environ, **ONE_TIME, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "--output", str(output)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return output.read_bytes()


def start_cluster(hosts: Hosts) -> str:
    """Start a scheduler on the first host and a worker on each other one; return the scheduler's address."""
    python = [sys.executable, "-s", "-m"]
    more = {**ONE_TIME, **IMPATIENT}
    address = f"tcp://{hosts.address(0)}:8786"
    scheduler = [*python, "distributed.cli.dask_scheduler", "--host", hosts.address(0), "--port", "8786"]
    hosts.start(0, [*scheduler, "--no-dashboard"], more)
    for host in (1, 2):
        worker = [*python, "distributed.cli.dask_worker", address, "--host", hosts.address(host)]
        hosts.start(host, [*worker, "--nthreads", "1", "--no-dashboard"], more)
    return address


def finished(output: Path) -> int:
    """Return how many parts of a run are finished."""
    journal = Path(f"{output}.parts") / "done.jsonl"
    return len(journal.read_text(encoding="utf-8").splitlines()) if journal.is_file() else 0


def test_workers_on_other_hosts_write_the_same_bytes(
    hosts: Hosts, command: list[str], tmp_path: Path
) -> None:
    expected = plain_run(command, tmp_path / "plain.tif")
    output = tmp_path / "fine.tif"
    address = start_cluster(hosts)
    run = hosts.start(0, [*command, "--output", str(output), "--cluster", address], {**ONE_TIME, **IMPATIENT})
    assert run.wait(300) == 0, hosts.words(run)
    assert output.read_bytes() == expected
    assert not Path(f"{output}.parts").exists()


def test_a_host_that_is_cut_off_is_done_without(hosts: Hosts, command: list[str], tmp_path: Path) -> None:
    expected = plain_run(command, tmp_path / "plain.tif")
    output = tmp_path / "fine.tif"
    address = start_cluster(hosts)
    run = hosts.start(0, [*command, "--output", str(output), "--cluster", address], {**ONE_TIME, **IMPATIENT})
    deadline = time.monotonic() + 240
    while finished(output) < 5:
        assert run.poll() is None, hosts.words(run)
        assert time.monotonic() < deadline, hosts.words(run)
        time.sleep(0.01)
    hosts.cut_off(2)
    at_the_cut = finished(output)
    assert run.wait(300) == 0, hosts.words(run)
    assert at_the_cut < DATES * TILES, "the run was over before the cut: it shows nothing"
    assert output.read_bytes() == expected


def test_torchrun_on_two_hosts_finds_the_losses_of_one_process(hosts: Hosts, tmp_path: Path) -> None:
    worker = ROOT / "tests" / "training" / "trainer" / "distributed_worker.py"
    settings = {
        "model": {"id": "tiny", "name": "Tiny", "version": "1.0.0", "licence": "CC0-1.0", "citation": "none"},
        "data": {"name": "small"},
        "factor": 2,
        "target": {"transform": "log1p", "bounds": [0, None], "conservation": "multiplicative"},
        "sources": [{"name": "elevation", "derived": ["slope"]}],
        "split": {"kind": "temporal", "train": [1, 2, 3, 4, 5, 6, 7, 8, 9], "test": [10, 11, 12]},
        "network": {"widths": [8, 8], "boxes": [1, 0]},
        "base": "default",
        "losses": {"adversarial": None},
        "optimiser": {"rate": 0.005, "warmup_steps": 2},
        "sampling": {"size": 5, "batch": 4},
        "validation": {"every": 5, "held_out": [5]},
        "steps": 5,
        "precision": "float32",  # each run measures its own, and bfloat16 is no nearer than a hundredth
    }
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")

    def arguments(runs: str) -> list[str]:
        return [str(worker), str(config), "--runs", str(tmp_path / runs), "--threads", "1", "--quiet"]

    one = hosts.start(0, [sys.executable, "-s", *arguments("one")])
    assert one.wait(300) == 0, hosts.words(one)
    both = []
    for host in (0, 1):
        torchrun = [sys.executable, "-s", "-m", "torch.distributed.run", "--nnodes", "2", "--node-rank"]
        torchrun += [str(host), "--nproc-per-node", "1"]
        torchrun += ["--master-addr", hosts.address(0), "--master-port", "29555"]
        both.append(
            hosts.start(host, [*torchrun, *arguments("two")], {"GLOO_SOCKET_IFNAME": hosts.interface(host)})
        )
    for program in both:
        assert program.wait(300) == 0, hosts.words(program)
    logs = [
        [json.loads(line) for line in (tmp_path / name / "tiny" / "log.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    ]
    assert [line["step"] for line in logs[0]] == [line["step"] for line in logs[1]] == list(range(6))
    for first, second in zip(logs[0][1:], logs[1][1:], strict=True):
        for name in set(first) - {"validation"}:
            assert second[name] == pytest.approx(first[name], rel=1e-3, abs=1e-5), (first["step"], name)
