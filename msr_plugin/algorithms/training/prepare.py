"""“Prepare training data”: rasters of the project or the disk into one aligned store, with a description."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputFile,
    QgsProcessingOutputFolder,
    QgsProcessingOutputHtml,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterCrs,
    QgsProcessingParameterString,
)

from ...translation import tr
from ..faults import guarded
from ..finer.covariates import RasterList, valid
from ..rasters import RasterProblem, crs_text
from .raster_series import first_layer, series_of, values_of
from .source_parts import further_sources, listed_sources, title_of
from .training_algorithm import TrainingAlgorithm

AGGREGATIONS = ("none", "day:mean", "day:sum", "month:mean", "month:sum")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
# Texts among the advanced parameters: name, label, key in the description of the target or of its rasters.
_TARGET_TEXTS = (("TARGET_TITLE", "Title of the variable", "title"),)
_RASTER_TEXTS = (
    ("FILE_UNITS", "Units in the files, where they say none or wrong ones", "file_units"),
    ("DATE_PATTERN", "Where the date stands in file names (rain_{year}{month}*.tif)", "date"),
)
_RASTER_NUMBERS = (
    ("SCALE", "Scale", "scale"),
    ("OFFSET", "Offset", "offset"),
    ("NODATA", "Number that means missing", "nodata"),
)
_DATASET_TEXTS = (("TITLE", "Title of the data set"), ("CITATION", "Citation"), ("LICENCE", "Licence"))
NOT_STATED = "not stated"


class Prepare(TrainingAlgorithm):
    """Aligns rasters in a store to train on; writes the description as YAML, to be kept."""

    ID = "prepare"
    TITLE = "1. Prepare training data"
    TAGS = ("training", "data", "zarr", "store", "align", "resample", "learn")

    def texts(self) -> dict[str, str]:
        """Return the help."""
        return {
            "": "Brings the rasters of a variable, and of what may help to make it finer, onto one coarse "
            "and one fine grid, and writes a store to train on, with a page that shows what is in it and "
            "what looks wrong. Any CRS, resolution, data type and nodata will do.\nWhat was asked for is "
            "written as a YAML file into the working folder: it can be changed, kept and prepared again "
            "(Description).",
            "NAME": "Of the data set and of the model that will learn from it: lower-case letters, digits "
            "and _. Empty: as the first raster, or its folder, is called.",
            "FINE": "The truth: rasters of the variable at the fine resolution, one for each date, or "
            "files of many dates. Layers, files or folders; in scripts also patterns (rain/*.tif) and "
            "FILE.nc:VARIABLE. Dates are taken from the files, else from names such as rain_2001-05.tif. "
            "Without any, a model is learned from the coarse rasters themselves.",
            "COARSE": "Rasters of the variable at the coarse resolution. Empty: the means of the fine "
            "ones. Beside fine ones: a product of another origin, which will be corrected.",
            "COVARIATES": "What may help and does not change with the date: elevation, land cover, "
            "distance to the sea. A name with dem or elevation in it is taken as the height of the "
            "ground.",
            "UNITS": "Of the variable in the store, such as mm or degC. Empty: as they are.",
            "FACTOR": "Fine cells along the edge of a coarse one: a product of 2, 3 and 5.",
            "FOLDER": "Where the store (stores/NAME.zarr) and the description (NAME.yaml) are written, "
            "and models will be trained.",
            "DESCRIPTION": "A description that is there already, in place of all parameters above but the "
            "folder.",
            "SOURCES": "Further sources, one on each line: NAME=RASTERS|units=degC|grid=coarse|dynamic. "
            "RASTERS are given as the fine ones are. dynamic: one raster for each date; grid: fine "
            "(unless it is said) or coarse; kind: continuous, class (with classes=1,2,3) or angle; also "
            "file_units, date, variable, title, scale, nodata.",
            "VALID_RANGE": "Lowest and highest value that can be, such as 0,1: what lies outside counts "
            "as missing.",
            "TARGET_TITLE": "What the variable is called on pages and in the model.",
            "FILE_UNITS": "What the numbers in the files are in, where the files say nothing or something "
            "wrong.",
            "DATE_PATTERN": "Where the date stands in the files' names: {year}, {month}, {day}, {doy}, "
            "{hour}, {minute}, and * for the rest. Empty: found by itself.",
            "SCALE": "Value = number in the file × scale + offset. Empty: as the files say.",
            "OFFSET": "Value = number in the file × scale + offset. Empty: as the files say.",
            "NODATA": "A number that means missing, where the files name none.",
            "AGGREGATE": "What becomes of several steps of a date, such as the hours of a day.",
            "PERIOD": "First and last date to take, such as 2001-01,2010-12. Empty: all.",
            "CRS": "Of the coarse and fine grid. Empty: the target's own.",
            "RESOLUTION": "Size of the coarse cells in units of the CRS. Empty: the coarse rasters' own, "
            "or blocks of fine cells.",
            "TITLE": "Stands on pages and in the model's card.",
            "CITATION": "Who made the data, and where they are described. Stands in the model's card.",
            "LICENCE": "Of the data, such as CC-BY-4.0. Stands in the model's card.",
            "STRICT": "Stop where units or fields look wrong, before the long work.",
            "OVERWRITE": "Replace a store and a description of this name.",
        }

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Add the parameters."""
        self.add(QgsProcessingParameterString("NAME", tr("Name of the data set"), None, optional=True))
        self.add(RasterList("FINE", tr("Fine rasters of the variable (the truth)")))
        self.add(RasterList("COARSE", tr("Coarse rasters of the variable")))
        self.add(RasterList("COVARIATES", tr("Rasters that may help, such as elevation")))
        self.add(QgsProcessingParameterString("UNITS", tr("Units"), None, optional=True))
        self.add_integer("FACTOR", tr("Factor"), 8, 2, 100)
        self.add_folder(optional=False)
        self.add_yaml("DESCRIPTION", tr("Description that is there already (YAML)"), advanced=True)
        sources = tr("Further sources (NAME=RASTERS|KEY=VALUE, one on each line)")
        self.add(QgsProcessingParameterString("SOURCES", sources, None, True, optional=True), True)
        for name, label in (
            ("VALID_RANGE", tr("Valid range (lowest,highest)")),
            *((name, tr(label)) for name, label, _ in (*_TARGET_TEXTS, *_RASTER_TEXTS)),
            ("PERIOD", tr("Period (first,last)")),
        ):
            self.add(QgsProcessingParameterString(name, label, None, optional=True), True)
        for name, label, _ in _RASTER_NUMBERS:
            self.add_number(name, tr(label), None, -1e30, 1e30, optional=True, advanced=True)
        self.add_choice("AGGREGATE", tr("Steps of a date"), AGGREGATIONS, AGGREGATIONS[0], advanced=True)
        self.add(QgsProcessingParameterCrs("CRS", tr("CRS of the grids"), None, optional=True), True)
        self.add_number(
            "RESOLUTION", tr("Size of the coarse cells"), None, 0, 1e9, optional=True, advanced=True
        )
        for name, label in _DATASET_TEXTS:
            self.add(QgsProcessingParameterString(name, tr(label), None, optional=True), True)
        self.add(QgsProcessingParameterBoolean("STRICT", tr("Stop at doubts"), False), True)
        self.add(QgsProcessingParameterBoolean("OVERWRITE", tr("Replace"), False), True)
        self.addOutput(QgsProcessingOutputFolder("STORE", tr("Store")))
        self.addOutput(QgsProcessingOutputFile("YAML", tr("Description")))
        self.addOutput(QgsProcessingOutputHtml("SUMMARY", tr("Summary page")))

    def request(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        """Return what the worker is asked for."""
        more = {
            "overwrite": self.parameterAsBoolean(parameters, "OVERWRITE", context),
            "strict": self.parameterAsBoolean(parameters, "STRICT", context),
        }
        description = self.existing(parameters, "DESCRIPTION", context)
        if description:
            return {
                "folder": self.folder(parameters, context, description),
                "description": description,
                **more,
            }
        dataset = self._dataset(parameters, context)
        folder = self.folder(parameters, context)
        yaml = str(Path(folder) / f"{dataset['name']}.yaml")
        return {"folder": folder, "dataset": dataset, "yaml": yaml, **more}

    def _dataset(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        """Return the description that the parameters make."""

        def text(name: str) -> str:
            return (self.parameterAsString(parameters, name, context) or "").strip()

        fine, coarse = (values_of(parameters.get(key)) for key in ("FINE", "COARSE"))
        if not fine and not coarse:
            raise RasterProblem(
                tr("{} is missing, or at the least {}.").format(self.label("FINE"), self.label("COARSE"))
            )
        name = text("NAME") or valid(title_of((fine or coarse)[0], context))
        if not _NAME.fullmatch(name):
            raise RasterProblem(
                tr("{}: “{}” must be lower-case letters, digits and _.").format(self.label("NAME"), name)
            )
        factor = self.parameterAsInt(parameters, "FACTOR", context)
        target: dict[str, Any] = {"name": name}
        target |= {key: text(each) for each, _, key in _TARGET_TEXTS if text(each)}
        target |= {"units": text("UNITS")} if text("UNITS") else {}
        if text("VALID_RANGE"):
            target["valid_range"] = self._pair(text("VALID_RANGE"), "VALID_RANGE")
        said = self._of_rasters(parameters, context)
        if fine:
            target["fine"] = {**series_of(fine, self.label("FINE"), context), **said}
        if coarse:
            told = said if not fine else {}
            target["coarse"] = {**series_of(coarse, self.label("COARSE"), context), **told}
        dataset: dict[str, Any] = {
            "name": name,
            "title": text("TITLE") or name.replace("_", " ").capitalize(),
            "citation": text("CITATION") or NOT_STATED,
            "licence": text("LICENCE") or NOT_STATED,
            "factor": factor,
        }
        if grid := self._grid(parameters, context):
            dataset["grid"] = grid
        if text("PERIOD"):
            parts = [part.strip() for part in text("PERIOD").split(",")]
            if len(parts) != 2:
                raise RasterProblem(
                    tr("{}: write two dates, such as 2001-01,2010-12.").format(self.label("PERIOD"))
                )
            dataset["period"] = parts
        layer = first_layer(fine or coarse, context)
        coarse_edge = factor**0.5 if fine else factor**-0.5
        cell = None if layer is None else (layer, coarse_edge)
        sources = listed_sources(self, parameters, context, "COVARIATES", cell)
        sources += further_sources(self, parameters, context)
        return {**dataset, "target": target, **({"sources": sources} if sources else {})}

    def _of_rasters(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        """Return what is said of the target's files."""
        said: dict[str, Any] = {}
        for name, _, key in _RASTER_TEXTS:
            if value := (self.parameterAsString(parameters, name, context) or "").strip():
                said[key] = value
        for name, _, key in _RASTER_NUMBERS:
            if self.is_given(parameters, name, context):
                said[key] = self.parameterAsDouble(parameters, name, context)
        way = self.parameterAsString(parameters, "AGGREGATE", context)
        return {**said, **({} if way in ("", AGGREGATIONS[0]) else {"aggregate": way})}

    def _grid(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        grid: dict[str, Any] = {}
        crs = self.parameterAsCrs(parameters, "CRS", context)
        if self.is_given(parameters, "CRS", context) and crs.isValid():
            grid["crs"] = crs_text(crs)
        if self.is_given(parameters, "RESOLUTION", context):
            grid["resolution"] = self.parameterAsDouble(parameters, "RESOLUTION", context)
        return grid

    def _pair(self, text: str, name: str) -> list[float | None]:
        try:
            low, high = (float(part) if part.strip() else None for part in text.split(","))
        except ValueError:
            raise RasterProblem(tr("{}: write two numbers, such as 0,1.").format(self.label(name))) from None
        return [low, high]

    @guarded
    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Let the worker prepare the store."""
        result = self.ask("prepare", feedback)
        if result is None:
            return {}
        feedback.pushInfo(tr("The store is {}; train on it next.").format(result["store"]))
        feedback.pushInfo(tr("Its description is kept in {}.").format(result["description"]))
        return {
            "STORE": os.path.abspath(result["store"]),
            "YAML": result["description"],
            "SUMMARY": result["summary"],
        }
