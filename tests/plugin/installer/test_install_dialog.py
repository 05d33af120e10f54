"""The dialog, the bar and the settings page, driven by their buttons against the local index."""

from __future__ import annotations

import dataclasses
import time

import pytest
from qgis.core import QgsApplication, QgsSettings

from msr_plugin.installer import install_dialog, install_task, jobs, offer
from msr_plugin.installer import plan as plan_module
from msr_plugin.installer.bundle_maker import make_bundle
from msr_plugin.installer.install_dialog import InstallDialog
from msr_plugin.installer.installation import install
from msr_plugin.worker.environment import SETTING
from msr_plugin.worker.installed_engine import installed_engine

TORCH = "torch-1.0-py3-none-any.whl"


@pytest.fixture
def here(lock, plan, fine, monkeypatch):
    """This machine as one that the tests' lock is for."""
    monkeypatch.delenv("MSR_ENGINE_PYTHON", raising=False)
    monkeypatch.setattr(install_task, "_background", [])
    for module in (install_dialog, jobs, plan_module):
        monkeypatch.setattr(module, "platform_name", lambda: lock.platform)
    for module in (install_dialog, plan_module):
        monkeypatch.setattr(module, "read_lock", lambda _: lock)
    for module in (jobs, plan_module):
        monkeypatch.setattr(module, "fitting_python", lambda versions: plan.python)
    monkeypatch.setattr(jobs, "install", lambda p, s, w: install(p, s, w, fine))
    yield lock
    QgsSettings().remove(SETTING)
    QgsSettings().remove(offer.SHOWN)


@pytest.fixture
def dialog(here):
    dialog = InstallDialog()
    dialog.show()
    yield dialog
    dialog._work.cancel()
    settle(dialog)
    dialog.close()


def settle(dialog: InstallDialog, until=lambda: False) -> None:
    """Let events pass until the work has ended."""
    end = time.monotonic() + 60
    while dialog._work.busy and not until() and time.monotonic() < end:
        QgsApplication.processEvents()
        time.sleep(0.01)
    QgsApplication.processEvents()


def test_it_says_what_is_downloaded_and_installs_it(dialog, monkeypatch, fine) -> None:
    text = dialog.about.text()
    for words in ("Place: ", "Download: ", "from 127.0.0.1", "On disk: about", "are free", "Python: "):
        assert words in text
    assert not dialog.cuda.isVisible()
    QgsSettings().setValue(SETTING, "/gone/python")
    dialog.install_button.click()
    assert not dialog.install_button.isEnabled() and dialog.cancel_button.isEnabled()
    settle(dialog)
    assert dialog.status.text() == "The engine is ready.", dialog.log.toPlainText()
    engine = installed_engine()
    assert engine is not None and fine(engine.interpreter)[0]
    assert not QgsSettings().value(SETTING, "")  # it would hide the new engine
    assert TORCH in dialog.log.toPlainText()
    assert dialog.install_button.text() == "Install again"


def test_cuda_is_asked_for_where_there_is_a_card(here, monkeypatch) -> None:
    monkeypatch.setattr(plan_module, "has_nvidia", lambda: True)
    dialog = InstallDialog()
    dialog.show()
    assert dialog.cuda.isVisible() and dialog.cpu.isChecked()
    before = dialog.about.text()
    dialog.cuda.setChecked(True)
    assert dialog.variant == "cuda" and dialog.about.text() != before
    dialog.close()


def test_training_is_offered_with_its_size_and_kept_by_updates(dialog, index) -> None:
    assert "more)" in dialog.training.text() and not dialog.training.isChecked()
    dialog.training.setChecked(True)
    dialog.install_button.click()
    settle(dialog)
    engine = installed_engine()
    assert engine is not None and engine.sets == ("engine", "training")
    assert any("tqdm" in path for path, _ in index.asked)
    other = InstallDialog()
    assert other.training.isChecked()


def test_a_failure_is_told_and_tried_again(dialog, index) -> None:
    index.status = {TORCH: 404}
    dialog.install_button.click()
    settle(dialog)
    assert "HTTP 404" in dialog.status.text() and dialog.install_button.text() == "Try again"
    index.status = {}
    dialog.install_button.click()
    settle(dialog)
    assert dialog.status.text() == "The engine is ready."


def test_cancel_ends_it_and_closing_does_not(dialog, index) -> None:
    index.silent = {TORCH}
    dialog.install_button.click()
    settle(dialog, lambda: TORCH in dialog.status.text())
    dialog.close()
    other = InstallDialog()
    other.show()
    assert TORCH in other.status.text() and other.cancel_button.isEnabled() and other.bar.isVisible()
    other.cancel_button.click()
    settle(other)
    assert other.status.text().startswith("Cancelled.") and installed_engine() is None
    other.close()


def test_a_bundle_is_installed(dialog, here, network, watcher, tmp_path, index) -> None:
    path = tmp_path / "b.zip"
    version = dialog._plan().python_version
    plan = dialog._plan()
    make_bundle(plan, path, network, watcher.watcher)
    asked = len(index.asked)
    dialog.install_from(path)
    settle(dialog)
    assert dialog.status.text() == "The engine is ready." and len(index.asked) == asked
    assert installed_engine().version == version
    dialog.install_from(tmp_path / "none")
    assert "no such file" in dialog.status.text()


def test_a_bundle_whose_checksums_are_its_own_is_told(
    dialog, here, network, watcher, tmp_path, monkeypatch
) -> None:
    path = tmp_path / "b.zip"
    plan = dialog._plan()
    make_bundle(plan, path, network, watcher.watcher)
    wheels = [dataclasses.replace(w, sha256="") if w.name == TORCH else w for w in plan.wheels]
    open_plan = dataclasses.replace(plan, wheels=tuple(wheels))
    monkeypatch.setattr(jobs, "plan_of_bundle", lambda bundle: open_plan)
    dialog.install_from(path)
    settle(dialog)
    assert "no checksum of torch: that of the bundle was taken" in dialog.status.text()
    assert installed_engine() is not None


def test_the_report_is_copied(dialog) -> None:
    dialog.copy_button.click()
    assert QgsApplication.clipboard().text().startswith("### MSR")


def test_a_machine_without_an_engine_is_told(here, monkeypatch) -> None:
    from msr_plugin.installer.problems import InstallProblem

    def refuse(*_, **__):
        raise InstallProblem("There is none.")

    for module in (install_dialog, plan_module):
        monkeypatch.setattr(module, "read_lock", refuse)
    dialog = InstallDialog()
    assert dialog.about.text() == "There is none." and not dialog.install_button.isEnabled()


def test_the_page_shows_updates_and_removes(here, plan, network, watcher, fine, monkeypatch) -> None:
    from msr_plugin import settings_page

    page = settings_page.OptionsPage()
    assert page.install_button.text() == "Install engine" and not page.remove_button.isEnabled()
    install(plan, network, watcher.watcher, fine)
    page = settings_page.OptionsPage()
    assert page.state.text().count("Installed: for the processor") == 1
    assert page.install_button.text() == "Install engine again"
    monkeypatch.setattr(settings_page, "is_outdated", lambda engine: True)
    page = settings_page.OptionsPage()
    assert page.install_button.text() == "Update engine" and "update the engine" in page.state.text()
    page.remove_button.click()
    assert page.report.toPlainText() == "Removing the engine …"
    settle(page)
    assert "are free again" in page.report.toPlainText() and installed_engine() is None


def test_an_engine_at_work_is_not_removed(here, plan, network, watcher, fine, monkeypatch) -> None:
    from msr_plugin.settings_page import OptionsPage

    engine = install(plan, network, watcher.watcher, fine)
    page = OptionsPage()
    assert jobs.TRAINING._turn.acquire(blocking=False)
    try:
        page.remove_button.click()
    finally:
        jobs.TRAINING._turn.release()
    assert "A run is under way" in page.report.toPlainText()
    assert installed_engine() == engine and not page._work.busy


def test_a_variable_that_names_another_engine_is_told(dialog, monkeypatch) -> None:
    monkeypatch.setenv("MSR_ENGINE_PYTHON", "/another/python")
    dialog.install_button.click()
    settle(dialog)
    assert dialog.status.text().endswith("the variable MSR_ENGINE_PYTHON names another, which is used.")


def test_the_bar_offers_once_for_each_version(here, qgis_iface, monkeypatch, plan) -> None:
    from msr_plugin.installer.offer import offer_engine

    monkeypatch.setenv("MSR_ENGINE_PYTHON", "/nowhere/python")
    pushed = []

    class Bar:
        def createMessage(self, title, text):
            from qgis.gui import QgsMessageBar

            self.bar = QgsMessageBar()
            return self.bar.createMessage(title, text)

        def pushWidget(self, widget, level):
            pushed.append(widget)

        def popWidget(self, widget):
            pushed.remove(widget)

    bar = Bar()
    monkeypatch.setattr(qgis_iface, "messageBar", lambda: bar)
    widget = offer_engine(qgis_iface)
    assert pushed == [widget]
    assert offer_engine(qgis_iface) is None
    QgsSettings().remove(offer.SHOWN)
    monkeypatch.setenv("MSR_ENGINE_PYTHON", str(plan.python.path))
    assert offer_engine(qgis_iface) is None  # there is an engine
