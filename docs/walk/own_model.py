"""The stations from the sample to a model of one's own, its scores, and the engine's end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dialogs import dialog_of, entry, field_of, open_from_toolbox, run, tick_layers
from first_result import COVARIATES, listed
from hand import Hand, Steps, WalkError, main_window, rest, shown, wait_for
from qgis.core import QgsApplication
from qgis.gui import QgsFilterLineEdit
from qgis.PyQt.QtWidgets import QDialog, QDockWidget, QTreeView

NAME, MODEL = "samplehills", "samplehills8"
TITLE = "Temperature of the sample hills, 4 km to 500 m (x8)"
STEPS = 60
TRAINING = 900.0  # seconds
REMOVING = 300.0
CONFIGURATION = f"""# Few steps: the walk shows the way, not a good model.
model: {{id: {MODEL}, name: "{TITLE}", licence: CC0-1.0, citation: Simulated by MSR.}}
data: {{name: store, options: {{path: stores/{NAME}.zarr}}}}
factor: 8
sources: [{{name: elevation}}, {{name: greenness_simulated}}]
steps: {STEPS}
"""


def prepare_training_data(hand: Hand, facts: dict[str, Any]) -> Steps:
    """*1. Prepare training data* with the sample's fine temperature as the truth."""
    title = "1. Prepare training data"
    yield from open_from_toolbox(hand, facts, title)
    dialog = dialog_of(title)
    yield from hand.write(field_of(dialog, "NAME"), NAME)
    yield from tick_layers(hand, dialog, "FINE", ["Fine temperature"])
    yield from tick_layers(hand, dialog, "COVARIATES", COVARIATES)
    yield from hand.write(field_of(dialog, "FOLDER"), facts["work"])
    hand.picture("prepare_dialog", dialog)
    yield from run(hand, dialog, TRAINING)
    yield from hand.press(dialog, "Close")
    if not Path(facts["work"], "stores", f"{NAME}.zarr").is_dir():
        raise WalkError("There is no store of training data.")


def train_a_model(hand: Hand, facts: dict[str, Any]) -> Steps:
    """*2. Train a model* with a configuration of few steps; the only file that is not made in QGIS."""
    configuration = Path(facts["work"], "few_steps.yaml")
    configuration.write_text(CONFIGURATION, encoding="utf-8")
    title = "2. Train a model"
    yield from open_from_toolbox(hand, facts, title)
    dialog = dialog_of(title)
    yield from hand.write(field_of(dialog, "INPUT"), str(configuration))
    hand.picture("train_dialog", dialog)
    yield from run(hand, dialog, TRAINING)
    hand.picture("train_log", dialog)
    yield from hand.press(dialog, "Close")


def see_its_algorithm(hand: Hand, facts: dict[str, Any]) -> Steps:
    """The model's algorithm stands in the toolbox."""
    dock = main_window().findChild(QDockWidget, "ProcessingToolbox")
    yield from hand.write(dock.findChild(QgsFilterLineEdit), "sample hills")
    yield rest(1)
    entry(dock.findChild(QTreeView), TITLE)
    hand.picture("own_model")
    if QgsApplication.processingRegistry().algorithmById(f"msr:{MODEL}") is None:
        raise WalkError(f"QGIS has no msr:{MODEL}.")


def evaluate_the_model(hand: Hand, facts: dict[str, Any]) -> Steps:
    """*3. Evaluate a model*; its page opens in the results viewer."""
    title = "3. Evaluate a model"
    yield from open_from_toolbox(hand, facts, title)
    dialog = dialog_of(title)
    run_folder = Path(facts["work"], "runs", MODEL)
    yield from hand.write(field_of(dialog, "CONFIG"), str(run_folder / "config.yaml"))
    hand.picture("evaluate_dialog", dialog)
    yield from run(hand, dialog, TRAINING)
    page = Path(str(dialog.results().get("OUTPUT_HTML")))
    yield from hand.press(dialog, "Close")
    if not page.is_file():
        raise WalkError("There is no page of the evaluation.")
    facts["evaluation"] = str(page)
    yield rest(2)


def remove_the_engine(hand: Hand, facts: dict[str, Any]) -> Steps:
    """*Settings > Options > Super-resolution > Remove engine* gives the disk back."""
    yield from hand.menu("Settings", "Options")
    yield wait_for(lambda: shown(QDialog, "Options"), "the options open")
    options = shown(QDialog, "Options")
    yield from hand.click(*listed_page(options))
    yield rest(1)
    hand.picture("options", options)
    if not facts["engine"]:
        from msr.msr_plugin.installer.install_task import background_work
        from msr.msr_plugin.worker.installed_engine import engines_folder, installed_engine

        yield from hand.press(options, "Remove engine")
        yield wait_for(lambda: installed_engine() is None, "the engine is out of use")
        yield wait_for(lambda: not background_work().busy, "its files are gone", REMOVING)
        yield rest(1)
        left = sorted(path.name for path in engines_folder().glob("*"))
        if left:
            raise WalkError(f"Of the engine are left: {left}.")
        hand.picture("removed", options)
    yield from hand.press(options, "Cancel")


def listed_page(options: QDialog) -> tuple[Any, Any]:
    """Return the list or tree at the options' side, and where in it the plugin's page lies."""
    for tree in options.findChildren(QTreeView):
        if tree.isVisible():
            index = entry(tree, "Super-resolution")
            tree.scrollTo(index)
            return tree.viewport(), tree.visualRect(index).center()
    return listed(options, "Super-resolution")
