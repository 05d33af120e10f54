"""The plugin on Qt 6, for QGIS 4: modules imported, forms and windows made on PyQt6, every name looked up.

QGIS itself is a stand-in with the names of its stubs (tests/qt6): what its methods do is not tried here.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.source_tree import ROOT, plant

PYTHON = Path(os.environ.get("MSR_QT6_PYTHON") or ROOT / ".envs" / "qt6" / "bin" / "python")


@pytest.fixture
def on_qt6(tmp_path: Path):
    """Return a function that runs tests/qt6 and returns what it tells."""
    if not PYTHON.is_file():
        reason = f"{PYTHON} is not there: ./dev test makes it where PyQt6 can be had"
        if os.environ.get("MSR_QT6") == "needed":
            pytest.fail(reason)
        pytest.skip(reason)
    own = {"QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path), "MSR_ENGINE_PYTHON": str(tmp_path / "none")}

    def run(*arguments: str) -> list[str]:
        command = [str(PYTHON), "-s", "-m", "tests.qt6", str(tmp_path / "profile"), *arguments]
        environment = {**os.environ, **own, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_the_plugin_runs_on_qt_6(on_qt6) -> None:
    assert on_qt6() == []


BREACHES = {
    "an enum of Qt without its scope": "from qgis.PyQt.QtCore import Qt\nleft = Qt.AlignLeft",
    "an enum of a class": "from qgis.PyQt.QtWidgets import QMessageBox as Box\nok = Box.Yes",
    "an enum that is not there": "from qgis.PyQt.QtCore import Qt\nleft = Qt.AlignmentFlag.AlignLefty",
    "an enum of QGIS without its scope": "from qgis.core import QgsProcessing as P\nraster = P.TypeRaster",
    "a class that QGIS has not": "from qgis import core\nfrom qgis.core import Qgis\nx = Qgis.Nothing.At",
    "exec_": "def ask(dialog):\n    return dialog.exec_()",
    "QRegExp": "from qgis.PyQt.QtCore import QRegExp",
    "a type of QVariant": "from qgis.PyQt.QtCore import QVariant\nkind = QVariant.Int",
}


def test_the_check_sees_what_qt_6_has_not(on_qt6, tmp_path: Path) -> None:
    good = "from qgis.PyQt.QtCore import Qt\nleft = Qt.AlignmentFlag.AlignLeft.value"
    files = {f"{at}.py": text for at, text in enumerate(BREACHES.values())}
    plant(tmp_path / "planted", {**files, "good.py": good})
    told = {line.split(":")[0] for line in on_qt6(str(tmp_path / "planted"))}
    assert told == {f"planted/{name}" for name in files}
