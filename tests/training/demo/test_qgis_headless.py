"""The profile that the demo runs in, and what is read from qgis_process; a script stands in for it."""

from __future__ import annotations

import configparser
import sys
from pathlib import Path

import pytest

from engine.errors import EngineError, InputError
from engine.files.root import ROOT
from training.demo.qgis_headless import make_profile, run_algorithm

ANSWER = """import json, os, sys
print("a plugin that prints")
results = {"ARGUMENTS": sys.argv[1:], "PROFILE": os.environ["QGIS_CUSTOM_CONFIG_PATH"]}
print(json.dumps({"results": results}, indent=2))
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch):
    """Put a program named qgis_process.bin, with the given Python text, on an otherwise empty PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def make(text: str) -> None:
        program = folder / "qgis_process.bin"
        program.write_text(f"#!{sys.executable}\n{text}", encoding="utf-8")
        program.chmod(0o755)

    return make


def test_the_profile_has_the_plugin_and_its_engine(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    environment = make_profile(tmp_path)
    make_profile(tmp_path)  # again, over the first
    assert environment["QGIS_CUSTOM_CONFIG_PATH"] == str(tmp_path)
    assert "PYTHONPATH" not in environment
    profile = tmp_path / "profiles/default"
    assert (profile / "python/plugins/msr").resolve() == ROOT
    settings = configparser.ConfigParser()
    settings.read(profile / "QGIS/QGIS3.ini")
    assert settings["PythonPlugins"]["msr"] == "true"
    assert Path(settings["msr"]["engine_python"]).samefile(sys.executable)
    assert Path(settings["msr"]["engine_python"]).parent.parent == Path(sys.prefix)


def test_it_hands_over_parameters_and_returns_results(tmp_path: Path, fake) -> None:
    fake(ANSWER)
    environment = make_profile(tmp_path / "qgis")
    results = run_algorithm("msr:x", {"TARGET": "a b.tif", "DATE": "--11"}, environment)
    assert results["ARGUMENTS"] == ["--json", "run", "msr:x", "--", "TARGET=a b.tif", "DATE=--11"]
    assert results["PROFILE"] == str(tmp_path / "qgis")


@pytest.mark.parametrize(
    "text", ["import sys\nsys.exit('Algorithm msr:x not found!')", "print('Algorithm msr:x not found!')"]
)
def test_a_failed_run_says_what_qgis_said(tmp_path: Path, fake, text: str) -> None:
    fake(text)
    with pytest.raises(EngineError, match="not found!"):
        run_algorithm("msr:x", {}, make_profile(tmp_path / "qgis"))


def test_no_qgis_is_said(tmp_path: Path, fake) -> None:
    with pytest.raises(InputError, match="qgis_process was not found"):
        run_algorithm("msr:x", {}, make_profile(tmp_path / "qgis"))
