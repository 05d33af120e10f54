"""What the algorithms of training share: their group, their worker, their folder, their words."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingParameterFile,
)
from qgis.PyQt.QtCore import QUrl

from ...compat import FILE, FOLDER
from ...folders import TRAINING_HELP
from ...translation import tr
from ...worker.environment import PAGE
from ...worker.training_service import TRAINING
from ..base import DEVICES, MsrAlgorithm
from ..engine_run import run_engine
from ..rasters import RasterProblem
from .loss_news import LossReporter

# What the commands' sentences say of their options, as the dialogs have them.
_WORDS = (
    (r"^--only: ", "Kinds of run (ONLY): "),
    (r"^--seeds: ", "Seeds (SEEDS): "),
    (r"choose another --output, or say --overwrite", "choose another name, or tick “Replace” (OVERWRITE)"),
    (r"say --overwrite to replace it", "tick “Replace” (OVERWRITE), or choose another name"),
    (
        r"make it again with python -m training\.prepare \S+ --overwrite",
        "prepare it again, with “Replace” (OVERWRITE) ticked",
    ),
    (r"make it again with training\.prepare --overwrite", "prepare it again"),
    (
        r"lacks: run (`[^`]+`), and start again",
        rf"lacks: press Install engine under {PAGE}, with training ticked, or run \1, and start again",
    ),
    (r"make it with training\.prepare\.", "make it with “Prepare training data”."),
    (r"start without --resume", "tick “Start anew” (FRESH)"),
    (
        r"try again, with a smaller tile size if it was memory",
        "run it again: it goes on from its last checkpoint",
    ),
)


class TrainingAlgorithm(MsrAlgorithm):
    """Base of the algorithms whose work training's worker does."""

    GROUP = ("training", "Training")
    ICON = "train"
    NEEDS_ENGINE = True

    def helpUrl(self) -> str:
        """Return the page about training from QGIS."""
        return QUrl.fromLocalFile(str(TRAINING_HELP)).toString()

    def checkParameterValues(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[bool, str]:
        """Return whether the parameters make a request, or a sentence that names the first that does not."""
        fine, message = super().checkParameterValues(parameters, context)
        if fine:
            try:
                self.request(parameters, context)
            except RasterProblem as problem:
                return False, str(problem)
        return fine, message

    def request(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        """Return what the worker is asked for; each algorithm says more.

        Raises:
            RasterProblem: a parameter is wrong; the sentence names it.
        """
        return {"folder": self.folder(parameters, context)}

    def prepareAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        """Read the layers, on the main thread."""
        try:
            self._asked = self.request(parameters, context)
        except RasterProblem as problem:
            raise QgsProcessingException(str(problem)) from None
        return True

    def ask(self, job: str, feedback: QgsProcessingFeedback) -> dict[str, Any] | None:
        """Run the job that was prepared; return its result, or None when the user cancelled.

        Raises:
            QgsProcessingException: it failed; one sentence.
        """
        return run_engine(
            job, self._asked, feedback, (), in_words, TRAINING, LossReporter(feedback, in_words)
        )

    def add_folder(self, optional: bool = True) -> None:
        """Add the folder where stores and runs are."""
        label = tr("Working folder (stores and runs)")
        self.add(QgsProcessingParameterFile("FOLDER", label, FOLDER, optional=optional))

    def add_yaml(self, name: str, label: str, optional: bool = True, advanced: bool = False) -> None:
        """Add a YAML file."""
        files = tr("YAML files (*.yaml *.yml);;All files (*)")
        parameter = QgsProcessingParameterFile(name, label, FILE, "", None, optional, files)
        self.add(parameter, advanced)

    def add_device(self) -> None:
        """Add the device, among the advanced parameters."""
        self.add_choice("DEVICE", tr("Device"), DEVICES, "auto", advanced=True)

    def path(self, parameters: dict[str, Any], name: str, context: QgsProcessingContext) -> str:
        """Return an absolute path, "" where none is given."""
        text = self.parameterAsString(parameters, name, context).strip() if parameters.get(name) else ""
        return os.path.abspath(os.path.expanduser(text)) if text else ""

    def existing(self, parameters: dict[str, Any], name: str, context: QgsProcessingContext) -> str:
        """Return an absolute path of something that is there, "" where none is given.

        Raises:
            RasterProblem: there is no such file or folder.
        """
        path = self.path(parameters, name, context)
        if path and not os.path.exists(path):
            raise RasterProblem(tr("{}: there is no {}: check the name.").format(self.label(name), path))
        return path

    def folder(self, parameters: dict[str, Any], context: QgsProcessingContext, beside: str = "") -> str:
        """Return the working folder: the one given, else the one to which a store, run or file belongs.

        Raises:
            RasterProblem: none is given and none follows; or it is a file.
        """
        given = self.path(parameters, "FOLDER", context)
        folder = given or (str(home_of(Path(beside))) if beside else "")
        if not folder:
            raise RasterProblem(
                tr("{} is missing: choose where stores and runs are.").format(self.label("FOLDER"))
            )
        if os.path.exists(folder) and not os.path.isdir(folder):
            raise RasterProblem(tr("{}: {} is a file, not a folder.").format(self.label("FOLDER"), folder))
        return folder


def home_of(path: Path) -> Path:
    """Return the working folder of a store (stores/NAME.zarr), of a run's file (runs/ID/…), or of a file."""
    for parent in path.parents:
        if parent.name in ("stores", "runs"):
            return parent.parent
    return path.parent


def in_words(sentence: str) -> str:
    """Return a sentence of training's commands in the words of the dialogs."""
    for pattern, words in _WORDS:
        sentence = re.sub(pattern, words, sentence)
    return sentence
