"""“What is each source worth?”: many short trainings, with and without sources and constraints, on a page."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputFile,
    QgsProcessingOutputHtml,
    QgsProcessingParameterString,
)

from ...translation import tr
from ..faults import guarded
from ..rasters import RasterProblem
from .training_algorithm import TrainingAlgorithm


class Ablate(TrainingAlgorithm):
    """Trains short runs with every subset of the sources; cancelled, it goes on when it is run again."""

    ID = "ablate"
    TITLE = "4. What is each source worth?"
    TAGS = ("training", "ablation", "importance", "sources", "covariates", "sensitivity")

    def texts(self) -> dict[str, str]:
        """Return the help."""
        return {
            "": "Trains many short runs, with every subset of the sources and without one constraint at a "
            "time, and tells on a page what each is worth on the test data. Cancelled, it goes on where "
            "it was when it is run again with the same parameters.",
            "CONFIG": "A configuration with a number of steps, such as a run's own, runs/ID/config.yaml; "
            "its key ablation may name groups of sources.",
            "FOLDER": "Where stores and runs are. Empty: the folder that the configuration belongs to.",
            "STEPS": "Of each run. Empty: as the configuration says, 300 by itself.",
            "SEEDS": "Whole numbers with commas between them; every run is done once with each. Empty: "
            "0,1,2, or as the configuration says.",
            "ONLY": "Kinds of run, with commas between them: subset, constraint, unconstrained, dropout. "
            "Empty: all.",
            "DEVICE": "auto takes the best that there is; or cpu, cuda, mps.",
        }

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Add the parameters."""
        self.add_yaml("CONFIG", tr("Configuration (YAML)"), optional=False)
        self.add_folder()
        self.add_integer("STEPS", tr("Steps of each run"), None, 1, 10**7, optional=True)
        self.add(QgsProcessingParameterString("SEEDS", tr("Seeds"), None, optional=True))
        self.add(QgsProcessingParameterString("ONLY", tr("Kinds of run"), None, optional=True), True)
        self.add_device()
        self.addOutput(QgsProcessingOutputHtml("REPORT", tr("Page of results")))
        self.addOutput(QgsProcessingOutputFile("RECORDS", tr("Records of the runs")))

    def request(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        """Return what the worker is asked for."""
        config = self.existing(parameters, "CONFIG", context)
        only = (self.parameterAsString(parameters, "ONLY", context) or "").split(",")
        steps = self.is_given(parameters, "STEPS", context)
        return {
            "folder": self.folder(parameters, context, config),
            "config": config,
            "steps": self.parameterAsInt(parameters, "STEPS", context) if steps else None,
            "seeds": self._seeds(self.parameterAsString(parameters, "SEEDS", context) or ""),
            "only": [word.strip() for word in only if word.strip()],
            "device": self.parameterAsString(parameters, "DEVICE", context) or "auto",
        }

    def _seeds(self, text: str) -> list[int]:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if not all(part.isdecimal() for part in parts):
            raise RasterProblem(
                tr("{}: write whole numbers from 0 on, such as 0,1,2.").format(self.label("SEEDS"))
            )
        return [int(part) for part in parts]

    @guarded
    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Let the worker do the runs that are left."""
        result = self.ask("ablate", feedback)
        if result is None:
            feedback.pushInfo(tr("Run it again with the same parameters, and it goes on where it was."))
            return {}
        return {"REPORT": result["report"], "RECORDS": result["records"]}
