"""Refuses outputs that would take the place of what the run reads: rasters, what they refer to, the model."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.errors import InputError
from engine.pipeline.inputs import InputRasters
from engine.pipeline.method_choice import Choice
from engine.pipeline.output_files import MAIN, OutputFile
from engine.pipeline.request import SuperResolveRequest
from engine.raster.cloud.told_address import told
from engine.raster.opened_files import lost_file, opened_files, same_file, sidecars


def check_kept(
    files: Sequence[OutputFile], request: SuperResolveRequest, choice: Choice, inputs: InputRasters
) -> None:
    """Refuse an output that would replace or remove a file that the run reads, by whatever name.

    Raises:
        InputError: names the output and the input.
    """
    there = [f for f in files if any(map(os.path.lexists, (f.path, *sidecars(f.path))))]
    if not there:  # nothing can be lost
        return
    for label, name, more in _read(request, choice, inputs):
        opened = opened_files([name, *more])
        for file in there:
            lost = lost_file(file.path, opened)
            if lost is None:
                continue
            if same_file(name, file.path):
                raise InputError(
                    f"{output_label(file)} {file.path} is also the {label}: choose another file."
                )
            raise InputError(
                f"{output_label(file)} {file.path} would replace {lost}, from which the {label} ({name}) is "
                f"read: choose another file."
            )


def check_apart(files: Sequence[OutputFile]) -> None:
    """Refuse two outputs in one file, also where capitals or the form of accents alone differ.

    Many file systems take such names for the same.

    Raises:
        InputError: names both.
    """
    seen: dict[str, OutputFile] = {}
    for file in files:
        place = unicodedata.normalize("NFC", str(file.path.resolve())).casefold()
        if place in seen:
            other = "estimate" if seen[place].key == MAIN else _words(seen[place].key)
            raise InputError(
                f"{output_label(file)} {file.path} is also that of the {other}: choose another file."
            )
        seen[place] = file


def output_label(file: OutputFile) -> str:
    """Return how a sentence begins that is about an output."""
    return "The output" if file.key == MAIN else f"The output of the {_words(file.key)}"


def _words(key: str) -> str:
    return key.replace("_", " ")


def _read(
    request: SuperResolveRequest, choice: Choice, inputs: InputRasters
) -> Iterator[tuple[str, str, Sequence[str | Path]]]:
    """Yield the label of each thing read, its name, and the files that are known to belong to it."""
    yield "input target", inputs.target.ref.path, inputs.target.files
    for source in inputs.sources:
        yield f"input {source.spec.name}", source.raster.ref.path, source.raster.files
    if request.domain is not None and inputs.domain is not None and inputs.domain.raster is not None:
        yield "input domain", request.domain.path, inputs.domain.raster.files
    for name, ref in request.sources.items():  # also one that the run leaves out
        yield f"input {name}", ref.path, ()
    if request.grid is not None and request.grid.like:
        yield "reference raster", told(request.grid.like), ()
    if choice.package is not None:
        folder = choice.package.folder
        yield f"model {choice.id}", str(folder), [p for p in folder.rglob("*") if p.is_file()]
