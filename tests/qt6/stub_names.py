"""What QGIS's Python modules hold, read from the text of their stubs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_CLASS = re.compile(r"^( *)class (\w+)\((.*)\):")
_METHOD = re.compile(r"^( *)def (\w+)\(")
_SIGNAL = re.compile(r"^( *)(\w+): typing\.ClassVar\[QtCore\.pyqtSignal\]")
_VALUE = re.compile(r"^( *)(\w+) = \.\.\. # type: (\S+)")

_ALIAS = re.compile(r"^( *)(\w+): typing\.Type\[(?:_core\.)?(Qg\w+\.\w+)\]")


@dataclass
class StubClass:
    """A class as a stub declares it; `values` are an enum's, or a class's own that are no enum's."""

    name: str
    bases: list[str]
    methods: set[str] = field(default_factory=set)
    signals: set[str] = field(default_factory=set)
    values: list[str] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)  # of enums that moved: where they are now
    inner: dict[str, StubClass] = field(default_factory=dict)

    @property
    def is_enum(self) -> bool:
        """Whether it is one of Qt's or QGIS's enums, which the stubs show as numbers."""
        return self.bases == ["int"]


def read_stub(text: str) -> dict[str, StubClass]:
    """Return a stub's classes by name, each with those inside it."""
    classes: dict[str, StubClass] = {}
    chain: list[StubClass] = []  # the classes around a line, outermost first
    for line in text.splitlines():
        if match := _CLASS.match(line):
            depth = len(match[1]) // 4
            bases = [base.strip(" '\"") for base in match[3].split(",")]
            made = StubClass(match[2], bases)
            (chain[depth - 1].inner if depth else classes)[made.name] = made
            chain[depth:] = [made]
            continue
        for pattern in (_METHOD, _SIGNAL, _ALIAS, _VALUE):
            match = pattern.match(line)
            depth = len(match[1]) // 4 if match else 0
            if match is None or not 0 < depth <= len(chain):
                continue
            owner = chain[depth - 1]
            if pattern is _METHOD:
                owner.methods.add(match[2])
            elif pattern is _SIGNAL:
                owner.signals.add(match[2])
            elif pattern is _ALIAS:
                owner.aliases[match[2]] = match[3]
            elif owner.is_enum or match[3].startswith("typing"):  # else it is an enum's without its scope
                owner.values.append(match[2])
    return classes
