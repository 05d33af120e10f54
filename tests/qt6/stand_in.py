"""A thin stand-in for QGIS on Qt 6: `qgis.PyQt` is PyQt6, `qgis.core` and `qgis.gui` have the stubs' names.

A class, method or enum that the stubs do not know does not exist. What methods do is made up: those that the
plugin's windows need keep what they are given, all others return something that can be called further.
"""

from __future__ import annotations

import enum
import importlib
import site
import sys
import types
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

from PyQt6 import QtCore, QtGui, QtNetwork, QtWidgets

from tests.qt6.stub_names import StubClass, read_stub

# What QGIS has and its stubs leave out.
ERRORS = ("QgsProcessingException", "QgsCsException")
VALUES = {"Qgis": {"QGIS_VERSION": "4.0.0-stand-in"}}
QT = {"QtCore": QtCore, "QtGui": QtGui, "QtNetwork": QtNetwork, "QtWidgets": QtWidgets}


def _stubs() -> Path:
    places = [Path(place, "qgis-stubs") for place in site.getsitepackages()]
    return next(place for place in places if place.is_dir())


class StandIn(types.ModuleType):
    """A module whose classes are made as they are asked for."""

    def __init__(self, name: str, beside: list[StandIn], profile: Path) -> None:
        super().__init__(name)
        text = (_stubs() / f"_{name.rpartition('.')[2]}.pyi").read_text(encoding="utf-8")
        self._stub = read_stub(text)
        self._beside = beside  # modules whose classes this one's may inherit from
        self._behaviour = behaviour(profile)

    def __getattr__(self, name: str) -> Any:
        """Return a class that the stub declares."""
        if name in ERRORS:
            setattr(self, name, type(name, (Exception,), {}))
            return getattr(self, name)
        if name.startswith("_") or name not in self._stub:
            raise AttributeError(f"{self.__name__} has no {name} in QGIS' stubs")
        made = self._make(self._stub[name], name)
        setattr(self, name, made)
        for alias, place in self._stub[name].aliases.items():
            setattr(made, alias, self._base(place))
        return made

    def _base(self, dotted: str) -> type:
        module, _, name = dotted.rpartition(".")
        if module in QT:
            return getattr(QT[module], name)
        if dotted.startswith("PyQt5.sip") or not dotted[0].isupper():
            return object
        owner: Any = next(m for m in (self, *self._beside) if dotted.split(".", maxsplit=1)[0] in m._stub)
        for part in dotted.split("."):
            owner = getattr(owner, part)
        return owner

    def _make(self, stub: StubClass, path: str) -> type:
        if stub.is_enum:
            values = {name: 1 << at for at, name in enumerate(stub.values)}
            kind = enum.IntFlag if stub.name.endswith("Flag") else enum.Enum
            return kind(stub.name, values)
        bases = tuple(dict.fromkeys(self._base(base) for base in stub.bases)) or (object,)
        held: dict[str, Any] = {"__init__": _begin, "__module__": self.__name__}
        if issubclass(bases[0], QtCore.QObject):
            held |= {name: QtCore.pyqtSignal() for name in stub.signals}
        plain = stub.methods - {"__init__"}
        held |= {name: _made_up(name) for name in plain if not hasattr(bases[0], name)}
        held |= {name: self._make(inner, f"{path}.{name}") for name, inner in stub.inner.items()}
        held |= dict.fromkeys(stub.values, "") | VALUES.get(path, {}) | self._behaviour.get(path, {})
        return type(bases[0])(stub.name, bases, held)


def _begin(self: Any, *args: Any, **named: Any) -> None:
    self.given = args
    if isinstance(self, QtCore.QObject):
        parents = [a for a in args if isinstance(a, QtCore.QObject)]
        base = next(c for c in type(self).__mro__ if c.__module__.startswith("PyQt6"))
        base.__init__(self, *parents[:1])


class _Method:
    """A method that may be called on an object and on its class."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, owner: Any, kind: type) -> Any:
        return lambda *args, **named: MagicMock(name=self.name)


def _made_up(name: str) -> Any:
    return _Method(name)


def behaviour(profile: Path) -> dict[str, dict[str, Any]]:
    """Return what the plugin's windows and forms need of some classes: class → method → what it does."""
    kept: dict[str, Any] = {}
    definitions = {
        "addParameter": lambda self, made, *_: self.__dict__.setdefault("made", []).append(made) or True,
        "parameterDefinitions": lambda self: self.__dict__.get("made", []),
        "parameterDefinition": lambda self, name: next(
            (m for m in self.__dict__.get("made", []) if m.name() == name), None
        ),
        "initAlgorithm": lambda self, configuration=None: None,
    }
    return {
        "QgsSettings": {
            "value": lambda self, key, default=None, *_, **__: kept.get(key, default),
            "setValue": lambda self, key, value, *_: kept.__setitem__(key, value),
        },
        "QgsApplication": {
            "qgisSettingsDirPath": staticmethod(lambda: str(profile)),
            "iconPath": staticmethod(lambda name: ""),
            "instance": staticmethod(QtWidgets.QApplication.instance),
        },
        "QgsProcessingParameterDefinition": {
            "name": lambda self: self.given[0],
            "description": lambda self: self.given[1],
            "setHelp": lambda self, text: self.__dict__.__setitem__("told", text),
            "help": lambda self: self.__dict__.get("told", ""),
        },
        "QgsProcessingAlgorithm": definitions,
        "QgsProcessingProvider": {
            "addAlgorithm": lambda self, made: self.__dict__.setdefault("made", []).append(made) or True,
            "algorithms": lambda self: self.__dict__.get("made", []),
        },
        "QgsFileWidget": {
            "setFilePath": lambda self, path: self.__dict__.__setitem__("path", path),
            "filePath": lambda self: self.__dict__.get("path", ""),
        },
    }


def take_place(profile: Path) -> None:
    """Put the stand-in where `import qgis` looks for QGIS."""
    package, pyqt = types.ModuleType("qgis"), types.ModuleType("qgis.PyQt")
    package.__path__, pyqt.__path__ = [], []
    core = StandIn("qgis.core", [], profile)
    gui = StandIn("qgis.gui", [core], profile)
    modules = {"qgis": package, "qgis.PyQt": pyqt, "qgis.core": core, "qgis.gui": gui}
    for name in (*QT, "QtSvg", "QtXml"):
        modules[f"qgis.PyQt.{name}"] = importlib.import_module(f"PyQt6.{name}")
    modules |= {"qgis.utils": MagicMock(name="qgis.utils"), "processing": MagicMock(name="processing")}
    for name, module in modules.items():
        sys.modules[name] = module
        above, _, last = name.rpartition(".")
        if above:
            setattr(modules[above], last, module)
