"""Where a run's time goes, and DL4DS beside it, as the bench tells."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

from engine.errors import EngineError
from engine.nets.downscaler import Downscaler
from engine.package.folder import find_package
from engine.pipeline.method_choice import ModelCache
from training.bench.__main__ import TINY
from training.bench.peers import measure_peer
from training.bench.rasters import make_rasters, request_for
from training.bench.stages import STAGES, stage_shares


def test_shares_make_one_and_nothing_stays_changed(tmp_path: Path) -> None:
    package = find_package("rainitur8", ())
    rasters = make_rasters(tmp_path, package.card, TINY)
    before = Downscaler.prepare
    shares = stage_shares(request_for(package, rasters, tmp_path / "fine.tif", "cpu"), ModelCache())
    assert Downscaler.prepare is before
    assert set(shares) == {name for name, _, _ in STAGES} | {"all else"}
    assert sum(shares.values()) == pytest.approx(1)
    assert all(shares[name] > 0 for name, _, _ in STAGES)


def program(folder: Path, text: str) -> Path:
    """Write a program that stands for the other environment's Python."""
    path = folder / "python"
    path.write_text(f"#!{sys.executable}\n{text}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_peer_gets_the_rasters_by_name_and_tells_its_rates(tmp_path: Path) -> None:
    echo = (
        "import json, sys\njob = json.load(sys.stdin)\n"
        "print('a library says hello')\n"
        "print(json.dumps({'bare': job['factor'], 'from_files': len(job['coarse'] + job['fine'])}))"
    )
    rasters = {name: tmp_path / f"{name}.tif" for name in ("target", "elevation", "climatology")}
    figures = measure_peer(program(tmp_path, echo), rasters, ["target"], ["elevation"], {"factor": 8})
    assert figures == {"bare": 8, "from_files": 2}


def test_a_peer_that_fails_is_told_in_a_sentence(tmp_path: Path) -> None:
    broken = program(tmp_path, "raise SystemExit(3)")
    with pytest.raises(EngineError, match="did not run: run the bench without --peers"):
        measure_peer(broken, {"target": tmp_path}, ["target"], [], json.loads("{}"))
