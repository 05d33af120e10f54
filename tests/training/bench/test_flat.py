"""The measurement of training's memory: which commands it runs, and what it makes of their peaks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.bench import flat
from training.preparation.prepare import prepare
from training.schema.config import load_config


@pytest.mark.parametrize("sources", [[], ["climatology"]])
def test_its_ratios_are_of_commands_that_differ_in_the_number_of_dates(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, sources: list[str]
) -> None:
    monkeypatch.setattr(flat, "CELLS", 6)
    monkeypatch.setattr(flat, "FACTOR", 2)
    commands = []

    def peak_of(module: str, first: str, *words: str) -> tuple[float, float]:
        if module == "training.prepare":
            prepare(Path(first), Path(words[1]))
            return 1.0, 1.0
        config = load_config(first)
        assert config.data.options["memory_gib"] == 0
        assert [source.name for source in config.sources] == sources
        commands.append((module, config.model.id))
        return 1.0, 100.0 + int(config.model.id.removeprefix("days")) / 10

    monkeypatch.setattr(flat, "peak_of", peak_of)
    assert flat.run(["--few", "30", "--many", "70", *(f"--{name}" for name in sources)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told.values()) == [pytest.approx(107 / 103)] * len(flat.COMMANDS)
    assert commands == [(m, f"days{n}") for n in (30, 70) for m, *_ in flat.COMMANDS.values()]
