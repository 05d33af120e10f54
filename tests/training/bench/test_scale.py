"""The measurement of large runs: which runs it makes, and what it makes of their seconds and bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.raster.reader import Raster
from engine.raster.reference import RasterRef
from training.bench import scale


def test_its_ratios_are_of_runs_that_differ_in_one_thing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    runs = []

    def run_of(*words: str) -> tuple[float, float]:
        runs.append(words)
        given = dict(zip(words, words[1:], strict=False))
        raster = Raster(RasterRef(given["--target"]), "target")
        cells, dates = raster.width * raster.height, raster.count
        raster.close()
        workers = int(given.get("--cluster", "local:1")[-1])
        span = 10.0 if given.get("--date", "").endswith("2009-12") else 30.0  # a quarter of the months
        return 5 + span / workers, 100.0 + cells / 1e6 + dates / 60

    monkeypatch.setattr(scale, "run_of", run_of)
    assert scale.run(["--dates", "60", "--fine", "8192"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["memory, many dates / few"] == pytest.approx(101.0 / 100.5, rel=1e-3)
    assert 1 < told["memory, large output / small"] < 1.01
    assert told["parts a second, two workers / one"] == pytest.approx(2.0)
    assert len(runs) == 8 and all("local:1" in words or "local:2" in words for words in runs[4:])
    assert not any(Path(r[r.index("--target") + 1]).exists() for r in runs)
