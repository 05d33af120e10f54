"""The doctor: what it finds in a sound environment and in broken ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.commands import doctor
from engine.files.root import ROOT


def finding(report: dict, name: str) -> dict:
    return next(f for f in report["findings"] if f["name"] == name)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSR_CACHE", str(tmp_path / "cache"))


def test_a_sound_environment() -> None:
    report = doctor.examine()
    assert report["ok"], doctor.as_text(report)
    assert report["executable"] == sys.executable
    for name in ("torch", "rasterio", "numpy", "pyproj", "odc-geo", "safetensors", "jsonschema", "psutil"):
        assert report["versions"][name]
        assert finding(report, name)["status"] == "ok"
    assert finding(report, "projections")["status"] == "ok"
    assert report["devices"][-1]["id"] == "cpu"
    assert "All that is needed is there." in doctor.as_text(report)
    json.dumps(report, allow_nan=False)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("surely-not-there>=1", "is not installed"),
        ("numpy>=99,<100", "is not >=99,<100"),
        ("numpy<1", "is not <1"),
    ],
)
def test_a_requirement_that_is_not_met(tmp_path: Path, monkeypatch, line: str, words: str) -> None:
    requirements = tmp_path / "requirements-engine.txt"
    requirements.write_text(f"# a comment\n\n{line}   # why\npsutil>=5\n")
    monkeypatch.setattr(doctor, "REQUIREMENTS", requirements)
    report = doctor.examine()
    wrong = finding(report, line.split(">", maxsplit=1)[0].split("<", maxsplit=1)[0])
    assert not report["ok"]
    assert wrong["status"] == "error" and words in wrong["message"]
    assert "-m pip install -r" in wrong["fix"] and sys.executable in wrong["fix"]
    assert finding(report, "psutil")["status"] == "ok"
    text = doctor.as_text(report)
    assert words in text and wrong["fix"] in text and "must be put right" in text


def test_without_the_list_of_requirements(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(doctor, "REQUIREMENTS", tmp_path / "absent.txt")
    report = doctor.examine()
    assert not report["ok"] and "absent.txt" in finding(report, "requirements")["message"]


# A finder in front of all others makes a package absent or broken, in a process of its own.
BROKEN = """
import sys
name, how = sys.argv[1:3]
class Finder:
    def find_spec(self, full, path=None, target=None):
        if full == name:
            raise (ModuleNotFoundError(f"No module named {name!r}", name=name) if how == "absent"
                   else OSError("a library cannot be loaded"))
sys.meta_path.insert(0, Finder())
from engine.commands.cli import main
sys.exit(main(["doctor", *sys.argv[3:]]))
"""


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("torch", "absent"),
        ("torch", "broken"),
        ("rasterio", "absent"),
        ("pyproj", "broken"),
        ("jsonschema", "absent"),
        ("psutil", "broken"),
        ("safetensors", "absent"),
    ],
)
def test_it_runs_without_any_package(name: str, how: str) -> None:
    command = [sys.executable, "-c", BROKEN, name, how, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert not report["ok"]
    wrong = finding(report, name)
    assert wrong["status"] == "error" and "cannot be imported" in wrong["message"]
    assert done.stderr == ""


def test_projections_are_found_whatever_the_variables_say(tmp_path: Path) -> None:
    environment = {**os.environ, "PROJ_DATA": str(tmp_path), "PROJ_LIB": str(tmp_path)}
    command = [sys.executable, "-m", "engine", "doctor"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "ok      projections" in done.stdout
    for name in ("PROJ_DATA", "PROJ_LIB"):
        assert f"ok      {name}: is set to {tmp_path}, and set aside" in done.stdout


def test_projections_without_their_database_where_nothing_is_set_aside(tmp_path: Path) -> None:
    environment = {**os.environ, "PROJ_DATA": str(tmp_path), "PROJ_LIB": str(tmp_path)}
    code = "from engine.commands import doctor; print(doctor.as_text(doctor.examine()))"
    command = [sys.executable, "-s", "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    assert "error   projections: PROJ" in done.stdout and f"PROJ_DATA leads to {tmp_path}" in done.stdout
    assert f"warning PROJ_DATA: is set to {tmp_path}" in done.stdout


def test_a_broken_model_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "models" / "broken").mkdir(parents=True)
    report = doctor.examine([str(tmp_path / "models")])
    warnings = [f["message"] for f in report["findings"] if f["status"] == "warning"]
    assert any("broken is no model package" in w for w in warnings)
    assert report["ok"]


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MSR_CACHE", str(tmp_path / "file" / "cache"))
    report = doctor.examine()
    assert finding(report, "cache")["status"] == "warning" and report["ok"]


@pytest.mark.parametrize(
    ("version", "wanted", "holds"),
    [
        ("2.13.0+cpu", ">=2.6,<3", True),
        ("2.6", ">=2.6.0", True),
        ("3.0.0", "<3", False),
        ("3.0.0rc1", ">=2,<3", False),
        ("0.5.3", ">=0.4.9,<0.6", True),
        ("0.6", ">=0.4.9,<0.6", False),
        ("1.10", ">=1.9", True),
        ("1.0", "==1.0.0", True),
        ("1.0", "!=1.0", False),
        ("1.0", "", True),
        ("unknown", ">=1", False),
    ],
)
def test_ranges_of_versions(version: str, wanted: str, holds: bool) -> None:
    assert doctor.satisfies(version, wanted) is holds


def test_every_requirement_is_read() -> None:
    lines = doctor.REQUIREMENTS.read_text().splitlines()
    wanted = [line for line in lines if line.strip() and not line.startswith("#")]
    assert len(doctor.examine()["versions"]) == len(wanted)
