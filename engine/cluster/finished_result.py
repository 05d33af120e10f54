"""Whether the files that a run is to write are there already, made by the very same run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from engine.cluster.parts_folder import PartsFolder
from engine.errors import InputError
from engine.feedback import Feedback
from engine.pipeline import provenance
from engine.pipeline.output_files import OutputFile
from engine.pipeline.request import SuperResolveResult
from engine.pipeline.run_plan import RunPlan
from engine.raster.written.written_tags import store_format, written_tags


def finished_result(
    plan: RunPlan, format: int, overwrite: bool, feedback: Feedback
) -> SuperResolveResult | None:
    """Return the result of a run whose files are all there, None where it is still to be made.

    The tags of the files say which run made them: engine, method, request, and of each input its size, time
    and a digest. An input that tells nothing of itself is never taken for the same.

    Args:
        plan: of the run, its rasters open.
        format: of a .zarr output.
        overwrite: whether files of another run may be replaced.
        feedback: hears what was decided and why.

    Raises:
        InputError: there are files of another run, which may not be replaced.
    """
    if not any(file.path.exists() for file in plan.files):
        return None
    main, tags = plan.files[0].path, provenance.run_tags(plan)
    why = _unknown_input(tags) or next(
        filter(None, (_difference(file, tags, format) for file in plan.files)), ""
    )
    if not why:
        PartsFolder(main).remove_leftover()
        feedback.log(f"{main} is finished already, by this same run: remove it to make it again.")
        return _result(plan)
    if not overwrite:
        raise InputError(f"{main} exists already, but {why}: remove it, or choose another file.")
    if PartsFolder(main).facts() is None:
        feedback.log(f"{main} exists already, but {why}: it is made anew.", "warning")
    return None


def _unknown_input(tags: Mapping[str, str]) -> str:
    """Return that an input tells nothing of itself by which a change could be noticed, "" where all do."""
    silent = provenance.untold_inputs(tags)
    return f"whether {silent[0]} is as it was cannot be told" if silent else ""


def _difference(file: OutputFile, tags: Mapping[str, str], format: int) -> str:
    """Return what tells that a file is not there as the run would make it, "" where it is."""
    if not file.path.exists():
        return f"{file.path.name} is not there"
    own = written_tags(file.path)
    if not {"MSR_REQUEST", "MSR_RESIDUAL"} <= set(own):
        return f"{file.path.name} does not say which run made it"
    if told := provenance.difference(tags, own):
        return f"by another run, {told} was another one"
    if any(own.get(name) != value for name, value in file.tags().items()):
        return f"{file.path.name} holds something else"
    if file.path.suffix.lower() == ".zarr" and store_format(file.path) != format:
        return "by another run, the format of Zarr was another one"
    return ""


def _result(plan: RunPlan) -> SuperResolveResult:
    """Return what the files tell of the run that made them."""
    own = written_tags(plan.files[0].path)
    return SuperResolveResult(
        residual=float(own["MSR_RESIDUAL"]),
        residual_original=math.nan,
        outside_range=math.nan,
        covered=math.nan,
        tiles=0,
        seconds=0.0,
        precision=own.get("MSR_PRECISION", ""),
        device=own.get("MSR_DEVICE", ""),
        **plan.told_of_result(),
        warnings=list(plan.warnings),
        sharpening=json.loads(own["MSR_SHARPENING"]) if "MSR_SHARPENING" in own else None,
        finished=True,
    )
