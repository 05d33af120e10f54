"""The settings page, and what the engine's doctor says on it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from qgis.core import QgsApplication, QgsSettings

from msr_plugin.worker.doctor import examine, report_text
from msr_plugin.worker.environment import SETTING


def test_the_doctor_is_heard(engine_python):
    fine, report = examine(engine_python)
    assert fine, report
    assert "torch" in report


def test_a_python_without_the_engines_packages_is_told(tmp_path):
    fine, report = examine(Path(sys.executable))  # QGIS' own: no torch there
    assert not fine
    assert "torch" in report
    fine, report = examine(tmp_path / "absent")
    assert not fine
    assert "could not start: there is no such file or folder" in report
    loud = tmp_path / "python"
    loud.write_text("#!/bin/sh\necho no json\necho last words >&2\nexit 3\n")
    loud.chmod(0o755)
    fine, report = examine(loud)
    assert not fine
    assert "last words" in report


def test_a_report_is_text():
    report = {"ok": True, "versions": {"torch": None}, "models": [{"id": "a"}, "b"]}
    assert report_text(report) == "ok: yes\nversions:\n  torch: –\nmodels:\n  id: a\n  b"


def test_what_the_doctor_looked_at_is_a_line_each():
    findings = [
        {"name": "torch", "status": "ok", "message": "2.13.0", "fix": ""},
        {"name": "zarr", "status": "error", "message": "is missing", "fix": "Install it."},
    ]
    told = report_text({"findings": findings})
    assert told == "findings:\n  ok: torch: 2.13.0\n  error: zarr: is missing\n    → Install it."


@pytest.fixture
def page(qgis_app):
    """The page as the options dialog makes it."""
    from msr_plugin.settings_page import OptionsFactory

    yield OptionsFactory().createWidget()
    QgsSettings().remove(SETTING)


def test_the_setting_is_kept(page):
    page.python.setFilePath(" /opt/engine/bin/python ")
    assert not QgsSettings().value(SETTING)
    page.apply()
    assert QgsSettings().value(SETTING) == "/opt/engine/bin/python"


def test_the_test_button_shows_the_report(page, engine_python):
    page.python.setFilePath(str(engine_python))
    page.test_button.click()
    assert not page.test_button.isEnabled()
    end = time.monotonic() + 120
    while not page.test_button.isEnabled() and time.monotonic() < end:
        QgsApplication.processEvents()
        time.sleep(0.02)
    assert page.report.toPlainText().startswith("All is well.")
