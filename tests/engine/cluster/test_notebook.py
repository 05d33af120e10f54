"""The example notebooks: their code runs, cell by cell, as it stands there."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest

pytest.importorskip("distributed")

from engine.files.root import ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def test_there_are_some() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where it may write
    monkeypatch.syspath_prepend(str(ROOT))
    told = json.loads(path.read_text(encoding="utf-8"))
    assert told["nbformat"] == 4
    names: dict[str, object] = {"__name__": "__main__"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, cell in enumerate(told["cells"]):
            assert not cell.get("outputs"), "it is kept without what it made"
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), f"{path.name}, cell {number}", "exec"), names)
