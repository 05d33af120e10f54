"""A broken PROJ is said to be so, with the variable that leads it astray, and no raster is blamed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import rasterio

from engine.commands import doctor
from engine.files.root import ROOT
from engine.raster import projections
from tests.engine.commands.sentence_wall import check

CODE = """
from engine.commands.jobs import State, run_job
from engine.commands.explain import explain
from engine.feedback import Silent
request = {"model": "bilinear", "factor": 2, "target": {"path": "t.tif"}, "output": "o.tif"}
try:
    run_job("super_resolve", request, Silent(), State())
except Exception as error:
    print(explain(error)["message"])
"""


def told(variables: dict[str, str]) -> str:
    environment = {n: v for n, v in os.environ.items() if n not in ("PROJ_DATA", "PROJ_LIB")} | variables
    done = subprocess.run(
        [sys.executable, "-s", "-c", CODE],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("name", ["PROJ_DATA", "PROJ_LIB"])
def test_a_folder_without_a_database(tmp_path: Path, name: str) -> None:
    check(told({name: str(tmp_path)}), "PROJ", f"{name} leads to {tmp_path}", "no proj.db", f"unset {name}")


def test_a_database_of_another_version(tmp_path: Path) -> None:
    (tmp_path / "proj.db").write_bytes(b"SQLite format 3\0 of another time")
    check(told({"PROJ_DATA": str(tmp_path)}), "PROJ_DATA", "of another version")


def test_a_sound_one_is_not_blamed(tmp_path: Path) -> None:
    check(told({}), "t.tif", "does not exist")
    assert projections.projection_problem() == ""
    shipped = Path(rasterio.__file__).parent / "proj_data"
    shutil.copytree(shipped, tmp_path / "proj")
    check(told({"PROJ_DATA": str(tmp_path / "proj")}), "t.tif", "does not exist")


def test_an_intel_mac_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    listed = tmp_path / "requirements.txt"
    listed.write_text("torch>=2.6\n")
    monkeypatch.setattr(doctor.sys, "platform", "darwin")
    monkeypatch.setattr(doctor.platform, "machine", lambda: "x86_64")

    def absent(name: str) -> str:
        raise doctor.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.importlib.metadata, "version", absent)
    assert "Apple silicon" in doctor._packages(listed)[0]["fix"]
