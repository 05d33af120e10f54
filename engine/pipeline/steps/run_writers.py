"""Writers of a run's files, and what the files are in the terms of CF."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from engine.pipeline.output_files import OutputFile
from engine.pipeline.run_plan import RunPlan
from engine.pipeline.steps.run_totals import RunTotals
from engine.raster.georeference import crs_wkt
from engine.raster.written.cf_layout import BandLayout
from engine.raster.written.raster_writer import RasterWriter


def run_writer(plan: RunPlan, file: OutputFile, tags: Mapping[str, str]) -> RasterWriter:
    """Return the writer of one of a run's files.

    Args:
        plan: the run's parts.
        file: one of its files.
        tags: of all its files.
    """
    rows, cols = plan.grids.output.shape
    return RasterWriter(
        file.path,
        cols,
        rows,
        plan.grids.output.affine,
        crs_wkt(plan.grids.output),
        bands=len(plan.dates) * len(file.bands),
        band_names=file.band_names(plan.dates, plan.choice.target.name),
        band_tags=file.band_tags(plan.dates),
        units=file.units,
        tags={**tags, **file.tags()},
        layout=run_layout(plan, file),
    )


def run_layout(plan: RunPlan, file: OutputFile) -> BandLayout:
    """Return what the bands of a run's file are.

    The target is called as the variable that it comes from where nothing else names it.
    """
    spec, variable = plan.choice.target, plan.inputs.target.variable
    named = replace(spec, name=variable) if variable and spec.name == "target" else spec
    return file.layout(plan.dates, named, plan.request.aggregate)


def later_tags(totals: RunTotals) -> dict[str, str]:
    """Return the tags of a run's files that are known only after its steps."""
    tags, learned = {"MSR_RESIDUAL": f"{totals.residual:.6g}"}, totals.sharpening()
    if learned:
        tags["MSR_SHARPENING"] = json.dumps(learned, ensure_ascii=False)
    return tags
