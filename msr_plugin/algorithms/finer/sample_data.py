"""Sample data: simulated rasters that the plugin brings, to try the first steps with."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputRasterLayer,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFolderDestination,
    QgsProject,
)

from ...appearance.style import Look, style_when_loaded
from ...folders import ROOT
from ...system_refusals import system_reason
from ...translation import tr
from ..base import MsrAlgorithm
from ..faults import guarded
from ..places import absolute
from .help_page import finer_help

SHIPPED = ROOT / "resources" / "sample"
_BOTTOM = "simulated_elevation"  # the layer below all others
# Output: the file's stem, and the layer's name.
RASTERS = {
    "FINE": ("simulated_fine_temperature", "Fine temperature, to compare with (simulated)"),
    "ELEVATION": (_BOTTOM, "Elevation (simulated)"),
    "GREENNESS": ("simulated_greenness", "Greenness (simulated)"),
    "COARSE": ("simulated_temperature_coarse", "Coarse temperature (simulated)"),
}


class SampleData(MsrAlgorithm):
    """Copies the simulated rasters into a folder and adds them to the project; needs no engine."""

    ID = "sampledata"
    TITLE = "Sample data"
    GROUP = ("begin", "Begin here")
    ICON = "info"
    TAGS = ("example", "demo", "tutorial", "sample", "begin")

    def helpUrl(self) -> str:
        """Return the page with more help."""
        return finer_help()

    def texts(self) -> dict[str, str]:
        """Return the help."""
        return {
            "": "Adds small rasters to try MSR with, without any download: the mean temperature of three "
            "months on cells of 4 km, elevation and greenness on cells of 500 m, and the fine temperature "
            "to compare a result with. All of it is simulated, of a country that does not exist: nothing "
            "was measured.\nThen run “Make my raster finer” with the coarse temperature as the coarse "
            "raster, and elevation and greenness as covariates.",
            "FOLDER": "Where the files go.",
            "LOAD": "Add them to the project as layers.",
        }

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Add the parameters."""
        self.add(QgsProcessingParameterFolderDestination("FOLDER", tr("Folder")))
        self.add(QgsProcessingParameterBoolean("LOAD", tr("Add the layers to the project"), True))
        for name, (_, title) in RASTERS.items():
            self.addOutput(QgsProcessingOutputRasterLayer(name, tr(title)))

    @guarded
    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Copy the files, and have them loaded."""
        folder = Path(absolute(self.parameterAsString(parameters, "FOLDER", context)))
        load = self.parameterAsBoolean(parameters, "LOAD", context)
        results: dict[str, Any] = {"FOLDER": str(folder)}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, (stem, _) in RASTERS.items():
                results[name] = str(folder / f"{stem}.tif")
                if not (folder / f"{stem}.tif").exists():
                    shutil.copyfile(SHIPPED / f"{stem}.tif", folder / f"{stem}.tif")
        except OSError as error:
            raise QgsProcessingException(
                tr("{} cannot be written to: {}.").format(folder, system_reason(error))
            ) from error
        project = context.project()
        for name, (_, title) in RASTERS.items() if load and project is not None else ():
            _load(results[name], tr(title), name, project, context)
        feedback.pushInfo(tr("Now run “Make my raster finer” with the coarse temperature."))
        return results


_LOOKS = {"GREENNESS": Look(lower_bound=0.0), "ELEVATION": Look("m")}


def _load(path: str, title: str, name: str, project: QgsProject, context: QgsProcessingContext) -> None:
    context.addLayerToLoadOnCompletion(path, QgsProcessingContext.LayerDetails(title, project, name))
    style_when_loaded(path, _LOOKS.get(name, Look("degC")), context)
