"""What `./dev` writes into the default profile's settings, and what it leaves alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from qgis.core import Qgis
from qgis.PyQt.QtCore import QSettings

ROOT = Path(__file__).resolve().parents[2]
MADE_BY_DEV = "/somewhere/.envs/engine/bin/python"


@pytest.fixture
def settings_path(tmp_path: Path) -> Path:
    major = Qgis.QGIS_VERSION.split(".")[0]
    return tmp_path / "profiles/default/QGIS" / f"QGIS{major}.ini"


@pytest.fixture
def write(tmp_path: Path):
    """Run the script as `./dev` does, on a settings folder of its own."""

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, ROOT / ".ci/engine_setting.py", *arguments],
            env=os.environ | {"QGIS_CUSTOM_CONFIG_PATH": str(tmp_path), "QT_QPA_PLATFORM": "offscreen"},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    return run


def setting(path: Path, key: str = "msr/engine_python") -> str | None:
    return QSettings(str(path), QSettings.Format.IniFormat).value(key)


def test_a_new_profile_gets_the_interpreter(write, settings_path: Path) -> None:
    assert str(settings_path) in write(MADE_BY_DEV)
    assert setting(settings_path) == MADE_BY_DEV
    assert write(MADE_BY_DEV) == ""


def test_other_settings_stay(write, settings_path: Path) -> None:
    settings_path.parent.mkdir(parents=True)
    settings_path.write_text(
        "[PythonPlugins]\nmsr=true\n\n[UI]\nrecent=a, b\nname=\\xe9t\\xe9\n", encoding="utf-8"
    )
    before = {k: setting(settings_path, k) for k in ("PythonPlugins/msr", "UI/recent", "UI/name")}
    write(MADE_BY_DEV)
    assert {key: setting(settings_path, key) for key in before} == before
    assert setting(settings_path) == MADE_BY_DEV


@pytest.mark.parametrize("old", ["/gone/python", "/elsewhere/.envs/engine/bin/python"])
def test_one_that_is_gone_or_of_another_checkout_is_replaced(write, settings_path: Path, old: str) -> None:
    write(old)
    write(MADE_BY_DEV)
    assert setting(settings_path) == MADE_BY_DEV


def test_a_choice_of_the_users_own_is_kept_unless_forced(write, settings_path: Path) -> None:
    write(sys.executable)
    assert "keeps" in write(MADE_BY_DEV)
    assert setting(settings_path) == sys.executable
    write(MADE_BY_DEV, "force")
    assert setting(settings_path) == MADE_BY_DEV
