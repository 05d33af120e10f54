"""Spoilt rasters as inputs, and outputs that would destroy something: refused in a sentence."""

from __future__ import annotations

import os

import numpy as np

from tests.torture.case import Case, Finding
from tests.torture.forms.containers import write_vrt
from tests.torture.forms.geotiff import write_tif
from tests.torture.generators.question import Question, draw
from tests.torture.generators.shared import Shared
from tests.torture.generators.spoilt_rasters import SPOILT
from tests.torture.running.surroundings import Folders

Rng = np.random.Generator


def make(rng: Rng, folders: Folders, shared: Shared) -> Case:
    """Give a spoilt raster as target or source, or an output that must not be written."""
    question = draw(rng, folders.inputs / "plain", shared)
    if rng.random() < 0.3:
        return _output(rng, folders, question)
    role = "target" if not question.sources or rng.random() < 0.65 else str(rng.choice([*question.sources]))
    world = question.world if role == "target" else question.sources[role]
    what, spoil, may = SPOILT[int(rng.integers(len(SPOILT)))]
    path = spoil(world, folders.inputs, rng)
    request = question.asked(folders.outputs / "fine.tif")
    place = request["target"] if role == "target" else request["sources"][role]
    place["path"] = path
    trace = folders.inputs / "ran"
    if role != "target" and (what.startswith("all ") or what == "rotated"):
        may = True  # a source is warped anyway, and may be missing
    return Case(
        kind="files",
        what=f"{question.model}, {role} {what}",
        request=request,
        refusal="may" if may else "due",
        status=(2,),
        names=("target", "output", *question.sources, path[-12:]),
        outputs=("fine.tif",),
        always=lambda: [Finding("let in", "code in a VRT was run")] if trace.exists() else [],
    )


def _output(rng: Rng, folders: Folders, question: Question) -> Case:
    """Name an output that is an input, or cannot be one."""
    target = question.files["target"]
    how = int(rng.integers(14))
    request, may, names = (
        question.asked(folders.outputs / "fine.tif"),
        False,
        ("output", "target", target.name),
    )
    odd = folders.inputs / "link.tif"
    if how == 0:
        what, output = "the target itself", str(target)
    elif how == 1:
        odd.symlink_to(target)
        what, output = "a link to the target", str(odd)
    elif how == 2:
        os.link(target, odd)
        what, output = "a hard link to the target", str(odd)
    elif how == 3:
        over = write_vrt(folders.inputs / "over.vrt", question.world, str(target))
        request["target"]["path"] = str(over)
        what, output = "the source of the target's VRT", str(target)
    elif how == 4:
        what, output = (
            "the target by another path",
            str(target.parent / ".." / target.parent.name / target.name),
        )
    elif how == 5:
        request["target"]["path"] = f"file://{target}"
        what, output, may = "the target, given as file://", str(target), False
    elif how == 6:
        request["target"]["path"] = f"GTIFF_DIR:1:{target}"
        what, output = "the target, given as GTIFF_DIR", str(target)
    elif how == 7:
        request["target"]["path"] = f"vrt://{target}?bands=1"
        what, output = "the target, given as vrt://", str(target)
    elif how == 8:
        source = next(iter(question.files.values()))
        what, output = "a source", str(source)
    elif how == 9:
        what, output = "a folder", str(folders.outputs)
    elif how == 10:
        what, output = "a file in a file", str(target / "fine.tif")
    elif how == 11:
        what, output = "of another kind", str(folders.outputs / "fine.png")
    elif how == 12:
        what, output = "a device", "/dev/null"
    else:
        what, output = "with a NUL", str(folders.outputs / "a\0b.tif")
    request["output"] = output
    like = rng.random() < 0.15 and how in (0, 1, 2)
    if like:  # only the reference is meant to be overwritten
        other = write_tif(folders.inputs / "like.tif", question.world)
        request["grid"], request["output"] = {"like": str(other)}, str(other)
        what, names = "the reference raster", ("output", "like", "reference")
    return Case(
        "files",
        f"{question.model}, output {what}",
        request=request,
        refusal="may" if may else "due",
        status=(2,),
        names=names,
    )
