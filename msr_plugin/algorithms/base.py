"""What every algorithm of the provider shares: help, icons, typed parameters."""

from __future__ import annotations

from html import escape
from typing import Any

from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)
from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtGui import QIcon

from ..appearance.icons import plugin_icon
from ..appearance.window import for_box
from ..compat import DOUBLE, INTEGER, make_advanced, set_widget
from ..folders import HELP
from ..translation import tr
from ..worker.environment import explain_missing, find_engine
from .rasters import unreadable

LINES = "SOURCES"  # the text that may be a list of its lines or a mapping, too
DEVICES = ("auto", "cpu", "cuda", "mps")


class MsrAlgorithm(QgsProcessingAlgorithm):
    """Base of all algorithms. Subclasses say `texts()` and add parameters in `initAlgorithm`."""

    ID = ""
    TITLE = ""
    GROUP = ("tools", "Tools")
    ICON = "msr"
    TAGS: tuple[str, ...] = ()
    NEEDS_ENGINE = False  # told by Run: the dialog opens without one, too

    def texts(self) -> dict[str, str]:
        """Return the help: what the algorithm does under "", and one text for each parameter."""
        return {}

    def help_text(self, name: str) -> str:
        """Return the help of a parameter, or of the algorithm ("")."""
        return tr(self.texts().get(name, ""))

    def name(self) -> str:
        """Return the id, which never changes."""
        return self.ID

    def displayName(self) -> str:
        """Return the name in the toolbox."""
        return tr(self.TITLE)

    def groupId(self) -> str:
        """Return the group's id."""
        return self.GROUP[0]

    def group(self) -> str:
        """Return the group's name."""
        return tr(self.GROUP[1])

    def icon(self) -> QIcon:
        """Return the icon in the toolbox."""
        return plugin_icon(self.ICON)

    def tags(self) -> list[str]:
        """Return words that the toolbox also finds it by."""
        more = tr("super-resolution,downscaling,resolution").split(",")  # a language adds its own
        return list(dict.fromkeys([*self.TAGS, "msr", "super-resolution", "downscaling", *more]))

    def helpUrl(self) -> str:
        """Return the page with more help."""
        return QUrl.fromLocalFile(str(HELP)).toString()

    def shortDescription(self) -> str:
        """Return the first sentence of the help."""
        return self.help_text("").split(". ")[0].rstrip(".")

    def shortHelpString(self) -> str:
        """Return the help beside the dialog, parameters included."""
        about = escape(self.help_text(""))
        parts = [f"<p>{paragraph}</p>" for paragraph in about.split("\n") if paragraph]
        for definition in self.parameterDefinitions():
            text = self.help_text(definition.name())
            if text:
                parts.append(f"<h3>{escape(definition.description())}</h3><p>{escape(text)}</p>")
        return "".join(parts)

    def checkParameterValues(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[bool, str]:
        """Return whether each value may be one of its parameter, or a sentence that names the first other."""
        if missing := self.missing_engine():
            return False, missing
        for definition in self.parameterDefinitions():
            sentence = unacceptable(definition, parameters.get(definition.name()), context)
            if sentence is not None:
                return False, for_box(sentence)
        fine, message = super().checkParameterValues(parameters, context)
        return fine, message if fine else for_box(message)

    def missing_engine(self) -> str:
        """Return what to do where this needs an engine and there is none, "" else."""
        problem = find_engine().problem if self.NEEDS_ENGINE else None
        return for_box(explain_missing(problem)) if problem else ""

    def createInstance(self) -> MsrAlgorithm:
        """Return a fresh one."""
        return type(self)()

    def add(self, parameter: QgsProcessingParameterDefinition, advanced: bool = False) -> None:
        """Add a parameter together with its help."""
        parameter.setHelp(escape(self.help_text(parameter.name())))  # QGIS shows it as rich text
        if advanced:
            make_advanced(parameter)
        self.addParameter(parameter)

    def add_choice(
        self, name: str, label: str, values: tuple[str, ...], default: str, advanced: bool = False
    ) -> None:
        """Add a choice whose values are words, so that scripts and models stay readable."""
        parameter = QgsProcessingParameterEnum(
            name, label, list(values), defaultValue=default, usesStaticStrings=True
        )
        set_widget(parameter, "choices.word_choice.WordChoice")
        self.add(parameter, advanced)

    def add_device(self) -> None:
        """Add the device, among the advanced parameters: a list in dialogs, any that torch has in scripts."""
        device = QgsProcessingParameterString("DEVICE", tr("Device"), "auto", optional=True)
        set_widget(device, "choices.word_choice.WordChoice", DEVICES)
        self.add(device, advanced=True)

    def add_date(self, advanced: bool = False) -> None:
        """Add a date, for which dialogs offer those of the target."""
        date = QgsProcessingParameterString("DATE", tr("Date"), None, optional=True)
        set_widget(date, "choices.date_choice.DateChoice")
        self.add(date, advanced)

    def add_model(self, default: str | None = None, optional: bool = False) -> None:
        """Add a model by its id or folder, for which dialogs offer the installed ones."""
        model = QgsProcessingParameterString("MODEL", tr("Model"), default, optional=optional)
        set_widget(model, "choices.model_choice.ModelChoice")
        self.add(model)

    def add_integer(
        self,
        name: str,
        label: str,
        default: int | None,
        lowest: int,
        highest: int,
        optional: bool = False,
        advanced: bool = False,
    ) -> None:
        """Add a whole number between two limits."""
        self.add(
            QgsProcessingParameterNumber(name, label, INTEGER, default, optional, lowest, highest), advanced
        )

    def add_number(
        self,
        name: str,
        label: str,
        default: float | None,
        lowest: float,
        highest: float,
        optional: bool = False,
        advanced: bool = False,
    ) -> None:
        """Add a number between two limits."""
        self.add(
            QgsProcessingParameterNumber(name, label, DOUBLE, default, optional, lowest, highest), advanced
        )

    def lines_of(self, parameters: dict[str, Any], context: QgsProcessingContext) -> list[str]:
        """Return the lines of SOURCES, which may be a text, a list or a mapping."""
        value = parameters.get(LINES)
        if isinstance(value, dict):
            return [f"{name}={rasters}" for name, rasters in value.items()]
        if isinstance(value, (list, tuple)):
            return [str(line) for line in value]
        return (self.parameterAsString(parameters, LINES, context) or "").splitlines()

    def names_of_layers(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, str]:
        """Return the engine's names of covariates that have others than their layers give them, by those."""
        return {}

    def label(self, name: str) -> str:
        """Return a parameter as a sentence should name it: label and name."""
        definition = self.parameterDefinition(name)
        return f"{definition.description()} ({name})" if definition is not None else name

    def is_given(self, parameters: dict[str, Any], name: str, context: QgsProcessingContext) -> bool:
        """Return whether the user gave a value to an optional parameter."""
        value = parameters.get(name)
        if value is None or (hasattr(value, "isNull") and value.isNull()):
            return False
        return not (isinstance(value, str) and not value.strip())


def unacceptable(
    definition: QgsProcessingParameterDefinition, value: Any, context: QgsProcessingContext
) -> str | None:
    """Return what is wrong with a value, None where it may be taken; QGIS' own words name no label."""
    label = f"{definition.description()} ({definition.name()})"
    is_text = isinstance(definition, QgsProcessingParameterString) and definition.name() != LINES
    if is_text and isinstance(value, (list, tuple, dict)):
        return tr("{}: {} is a list: write one text, as the help says.").format(label, value)  # QGIS drops it
    if definition.checkValueIsAcceptable(value, context):
        return None
    if value is None or (isinstance(value, str) and not value.strip()):
        return tr("{} is missing.").format(label)
    if isinstance(definition, QgsProcessingParameterRasterLayer):
        return f"{label}: {unreadable(value)}"
    if isinstance(definition, QgsProcessingParameterNumber):
        lowest, highest = definition.minimum(), definition.maximum()
        return tr("{}: {} is no number from {:g} to {:g}.").format(label, value, lowest, highest)
    if isinstance(definition, QgsProcessingParameterEnum):
        return tr("{}: “{}” is none of {}.").format(label, value, ", ".join(definition.options()))
    return tr("{}: “{}” cannot be taken: see the help beside it.").format(label, value)
