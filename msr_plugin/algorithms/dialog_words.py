"""The engine's sentences in the words of a dialog: labels in place of its own names and of options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from . import told
from .base import MsrAlgorithm
from .finer.covariate_kinds import NAME as KINDS
from .rasters import InputRaster

# Option of the command line: parameter of the dialogs.
OPTIONS = {
    "model": "MODEL",
    "target": "TARGET",
    "source": "SOURCES",
    "output": "OUTPUT",
    "date": "DATE",
    "all": "ALL_DATES",
    "aggregate": "AGGREGATE",
    "domain": "DOMAIN",
    "like": "REFERENCE",
    "crs": "CRS",
    "resolution": "RESOLUTION",
    "extent": "EXTENT",
    "conservation": "CONSERVATION",
    "factor": "FACTOR",
    "quantity": "QUANTITY",
    "truth": "TRUTH",
    "method": "METHODS",
    "device": "DEVICE",
    "tile": "TILE",
    "members": "MEMBERS",
    "seed": "SEED",
    "coherence": "COHERENCE",
    "spread": "OUTPUT_SPREAD",
    "quantiles-output": "OUTPUT_QUANTILES",
    "quantiles": "QUANTILES",
    "members-output": "OUTPUT_MEMBERS",
    "support": "OUTPUT_SUPPORT",
    "expected-error": "OUTPUT_EXPECTED_ERROR",
    "supported-share": "OUTPUT_SUPPORT",
}
# How a sentence begins that is about a parameter: the parameter.
_BEGINNINGS = {
    "The output of the spread": "OUTPUT_SPREAD",
    "The output of the quantiles": "OUTPUT_QUANTILES",
    "The output of the members": "OUTPUT_MEMBERS",
    "The output of the support": "OUTPUT_SUPPORT",
    "The output of the supported share": "OUTPUT_SUPPORT",
    "The output of the expected error": "OUTPUT_EXPECTED_ERROR",
    "The output": "OUTPUT",
    "The table": "OUTPUT_TABLE",
    "The page": "OUTPUT_HTML",
    "The differences": "OUTPUT_DIFFERENCES",
    "The truth differences": "OUTPUT_TRUTH_DIFFERENCES",
    "The target": "TARGET",
    "The reference grid": "REFERENCE",
    "the reference grid": "REFERENCE",
    "The CRS": "CRS",
    "The conservation strength": "CONSERVATION",
    "The tile size": "TILE",
    "The factor": "FACTOR",
    "The quantity": "QUANTITY",
    "The device": "DEVICE",
    "The quantile": "QUANTILES",
    "The coherence": "COHERENCE",
    "A coherence": "COHERENCE",
    "date": "DATE",
    "aggregate": "AGGREGATE",
}
# What a sentence begins with that is about a parameter without naming it: the parameter.
_UNNAMED = {
    "There is no device": "DEVICE",
    "There is no model": "MODEL",
    "An ensemble needs": "MEMBERS",
    "There is no method": "METHODS",
}
# What a sentence advises: the parameter, and the same advice with its label in it.
_ADVICE = {
    "choose signed": ("QUANTITY", "choose signed in {}"),
    "give the date,": ("DATE", "give {},"),
    "give an extent": ("EXTENT", "give {}"),
    "check the resolution": ("RESOLUTION", "check {}"),
    "the reference raster": ("REFERENCE", "{}"),
}
_TOLD_OPTION = re.compile(
    r"--(?P<key>units|nodata|scale|offset) (?P<name>\w+)=(?P<value>[^;)]*)(?:; file_units in a data set)?"
)
_KIND_OPTION = re.compile(r"\(kind (?P<said>\w+=\w+)\)")
_OPTION = re.compile(
    rf"(?<![\w/.-])--(?P<option>{'|'.join(sorted(OPTIONS, key=len, reverse=True))})(?![\w-])"
    r"(?:(?P<rest>[^(),;]*), [A-Z_]+(?=\)))?"
)
_NO_BAND_PARAMETER = "save that band as a raster of its own"


@dataclass(frozen=True)
class DialogWords:
    """How a dialog calls things.

    Attributes:
        parameters: parameter → label, as sentences name it.
        inputs: the engine's name of a raster (target, or a source's) → label of its parameter.
    """

    parameters: Mapping[str, str]
    inputs: Mapping[str, str]

    @classmethod
    def of(cls, algorithm: MsrAlgorithm, inputs: Mapping[str, InputRaster]) -> DialogWords:
        """Return those of an algorithm, with the rasters of a run by the engine's names."""
        names = [definition.name() for definition in algorithm.parameterDefinitions()]
        labels = {name: algorithm.label(name) for name in names}
        if told.NAME in labels:
            labels[told.NAME] = told.LABEL
        return cls(labels, {name: raster.label for name, raster in inputs.items()})

    def __call__(self, sentence: str) -> str:
        """Return a sentence of the engine for the reader of the dialog."""
        return self._options(self._advice(self._inputs(self._beginning(sentence))))

    def _beginning(self, sentence: str) -> str:
        for words, name in _UNNAMED.items():
            if sentence.startswith(f"{words} ") and name in self.parameters:
                return f"{self.parameters[name]}: {sentence[0].lower()}{sentence[1:]}"
        for words, name in _BEGINNINGS.items():
            follows = sentence[len(words) : len(words) + 1]
            if sentence.startswith(words) and follows in (" ", ":") and name in self.parameters:
                return self.parameters[name] + sentence[len(words) :]
        return sentence

    def _inputs(self, sentence: str) -> str:
        first = re.match(r"[a-z][a-z0-9_]*(?=[: ])", sentence)
        label = self.inputs.get(first[0]) if first else None
        if first and label:
            sentence = self._band(label + sentence[first.end() :], first[0], label)
        for name, called in self.inputs.items():
            sentence = re.sub(rf"\bthe input {name}\b", called.replace("\\", r"\\"), sentence)
        return sentence

    def _band(self, sentence: str, name: str, label: str) -> str:
        """Name the parameter that chooses a raster's band, or what helps where the dialog has none."""
        parameter = next((p for p, called in self.parameters.items() if called == label), "")
        of_lines = label.startswith(self.parameters.get("SOURCES", "\0"))
        way = f"{name}=RASTER#BAND" if of_lines else self.parameters.get(f"{parameter}_BAND")
        return sentence.replace("(RASTER#BAND", f"({way or _NO_BAND_PARAMETER}")

    def _advice(self, sentence: str) -> str:
        for words, (name, advice) in _ADVICE.items():
            if name in self.parameters:
                sentence = sentence.replace(words, advice.format(self.parameters[name]))
        return sentence

    def _options(self, sentence: str) -> str:
        where = self.parameters.get(told.NAME)
        if where is not None:
            sentence = _TOLD_OPTION.sub(lambda m: f"{m['name']}.{m['key']}={m['value']} in {where}", sentence)
        kinds = self.parameters.get(KINDS)
        if kinds is not None:
            sentence = _KIND_OPTION.sub(lambda m: f"({m['said']} in {kinds})", sentence)

        def named(match: re.Match[str]) -> str:
            label = self.parameters.get(OPTIONS[match["option"]])
            return f"{label}{match['rest'] or ''}" if label else match[0]

        return _OPTION.sub(named, sentence)
