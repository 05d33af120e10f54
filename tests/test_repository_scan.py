"""The plugin repository's scan of the zip: bandit, detect-secrets and flake8, as they come with the zip."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HALF = "3f9a0c5de1"  # of what looks like a key
RENEW = "detect-secrets scan --all-files . > .secrets.baseline, in the unpacked zip, writes it anew"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    spec = importlib.util.spec_from_file_location("build_zip", ROOT / "build_zip.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with zipfile.ZipFile(module.build(ROOT, folder)) as archive:
        archive.extractall(folder)
    return folder / "msr"


def scan(folder: Path, tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-s", "-m", tool, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def bandit(folder: Path) -> subprocess.CompletedProcess[str]:
    return scan(folder, "bandit", "-r", ".", "-q")


def secrets(folder: Path) -> list[str]:
    """Return the files that hold what looks like a secret and is not in the baseline."""
    baseline = folder / ".secrets.baseline"
    before = baseline.read_bytes()
    done = scan(folder, "detect_secrets", "scan", "--all-files", ".", "--baseline", baseline.name)
    after = baseline.read_bytes()
    baseline.write_bytes(before)
    assert done.returncode == 0, done.stderr
    return sorted({file for file, _, _ in told(after) - told(before)})


def told(baseline: bytes) -> set[tuple[str, str, str]]:
    results = json.loads(baseline)["results"]
    return {(file, each["type"], each["hashed_secret"]) for file, found in results.items() for each in found}


def flake8(folder: Path) -> subprocess.CompletedProcess[str]:
    return scan(folder, "flake8", ".")


def test_bandit_finds_nothing(unpacked: Path) -> None:
    done = bandit(unpacked)
    assert done.returncode == 0, done.stdout


def test_detect_secrets_finds_nothing(unpacked: Path) -> None:
    assert secrets(unpacked) == [], RENEW


def test_flake8_finds_nothing(unpacked: Path) -> None:
    done = flake8(unpacked)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("place", ["training/data/building.py", "msr_plugin/tests.py", "engine/build/a.py"])
def test_no_finding_is_passed_over(tmp_path: Path, unpacked: Path, place: str) -> None:
    (tmp_path / place).parent.mkdir(parents=True)
    for name in (".flake8", ".secrets.baseline"):
        (tmp_path / name).write_bytes((unpacked / name).read_bytes())
    text = f'import os\n\n\ndef run(word):\n    return eval(word)\n\n\nKEY = "{HALF}{HALF[::-1]}"\n'
    (tmp_path / place).write_text(text, encoding="utf-8")
    assert "B307" in bandit(tmp_path).stdout
    assert secrets(tmp_path) == [place]
    assert "F401" in flake8(tmp_path).stdout


def test_a_shipped_hash_that_changes_is_told(tmp_path: Path, unpacked: Path) -> None:
    card = "resources/models/rainitur8/card.json"
    (tmp_path / card).parent.mkdir(parents=True)
    (tmp_path / ".secrets.baseline").write_bytes((unpacked / ".secrets.baseline").read_bytes())
    text = (unpacked / card).read_text(encoding="utf-8")
    before = text.index('"sha256": "') + len('"sha256": "')
    (tmp_path / card).write_text(f"{text[:before]}{'5e' * 8}{text[before + 16 :]}", encoding="utf-8")
    assert secrets(tmp_path) == [card]
