"""“Evaluate a model”: a page that sets a trained model beside other methods, on data it never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputFile,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterString,
)

from ...folders import model_folders
from ...packages.cards import CardError, find_card
from ...translation import tr
from ..destinations import given_path
from ..faults import guarded
from ..places import absolute
from ..rasters import RasterProblem
from .training_algorithm import TrainingAlgorithm


class Evaluate(TrainingAlgorithm):
    """Scores a model, the simple methods and boosted trees on the test data, with intervals and maps."""

    ID = "evaluate"
    TITLE = "3. Evaluate a model"
    TAGS = ("training", "scores", "validation", "test", "rmse", "report", "skill")

    def texts(self) -> dict[str, str]:
        """Return the help."""
        return {
            "": "Sets a trained model beside the simple methods and boosted trees, on the test data that "
            "training never saw: a page with scores and their intervals, maps, spectra, quantiles, and "
            "its numbers as CSV and JSON beside it.",
            "CONFIG": "The configuration of a run, as training leaves it: runs/ID/config.yaml.",
            "MODEL": "The id or folder of a model package. Empty: the newest one of the configuration's "
            "runs. Alone: its card says on what it is tested.",
            "FOLDER": "Where stores and runs are. Empty: the folder that the configuration or the model's "
            "run belongs to.",
            "OUTPUT_HTML": "The page to write.",
            "COMPARE": "Ids or folders of further models of the same factor, with commas between them.",
            "MEMBERS": "Drawn from a model that gives ensembles.",
            "TREES": "Fit boosted trees with the covariates too, which takes some time.",
            "SEED": "Of draws and intervals.",
            "DEVICE": "auto takes the best that there is; or cpu, cuda, mps.",
        }

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Add the parameters."""
        self.add_yaml("CONFIG", tr("Configuration of a run (YAML)"))
        self.add_model(optional=True)
        self.add_folder()
        files = tr("HTML files (*.html)")
        self.add(QgsProcessingParameterFileDestination("OUTPUT_HTML", tr("Page of results"), files))
        compare = tr("Further models to compare with")
        self.add(QgsProcessingParameterString("COMPARE", compare, None, optional=True), True)
        self.add_integer("MEMBERS", tr("Members"), None, 2, 1000, optional=True, advanced=True)
        self.add(QgsProcessingParameterBoolean("TREES", tr("Boosted trees"), True), True)
        self.add_integer("SEED", tr("Seed"), 0, 0, 2**31 - 1, advanced=True)
        self.add_device()
        self.addOutput(QgsProcessingOutputFile("CSV", tr("Scores as CSV")))
        self.addOutput(QgsProcessingOutputFile("JSON", tr("Scores as JSON")))

    def request(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        """Return what the worker is asked for."""
        config = self.existing(parameters, "CONFIG", context)
        model = (self.parameterAsString(parameters, "MODEL", context) or "").strip()
        if not config and not model:
            raise RasterProblem(tr("{} is missing, or {}.").format(self.label("CONFIG"), self.label("MODEL")))
        run = absolute(model) if model and Path(absolute(model)).is_dir() else ""
        compare = self.parameterAsString(parameters, "COMPARE", context) or ""
        further = [text.strip() for text in compare.split(",") if text.strip()]
        page = given_path(parameters.get("OUTPUT_HTML"), context)
        report = page or self.parameterAsFileOutput(parameters, "OUTPUT_HTML", context)
        if not report.lower().endswith((".html", ".htm")):
            raise RasterProblem(
                tr("{} must be a page, ending in .html: {}").format(self.label("OUTPUT_HTML"), report)
            )
        members = self.is_given(parameters, "MEMBERS", context)
        package = self._package(model, "MODEL") if model else None
        return {
            "folder": self.folder(parameters, context, config or run),
            "config": config or None,
            "model": package,
            "report": report,
            "compare": [self._package(each, "COMPARE") for each in further],
            "members": self.parameterAsInt(parameters, "MEMBERS", context) if members else None,
            "trees": self.parameterAsBoolean(parameters, "TREES", context),
            "seed": self.parameterAsInt(parameters, "SEED", context),
            "device": self.parameterAsString(parameters, "DEVICE", context) or "auto",
        }

    def _package(self, text: str, name: str) -> str:
        """Return the folder of an installed model, or of the package that is named.

        Raises:
            RasterProblem: there is no such model.
        """
        try:
            return absolute(str(find_card(text, model_folders()).folder))
        except CardError as error:
            raise RasterProblem(f"{self.label(name)}: {error}") from None

    @guarded
    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Let the worker evaluate."""
        result = self.ask("evaluate", feedback)
        if result is None:
            return {}
        return {"OUTPUT_HTML": result["report"], "CSV": result["csv"], "JSON": result["json"]}
