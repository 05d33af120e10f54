"""From a request as plain data to a call.

Worker and command line share this. A job is a function of (request, feedback, state) that returns
plain data; `JOBS` lists them. What they need is imported when they run, so that listing or
refusing is quick, and works where a package is missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import EngineError, InputError, PackageError
from engine.feedback import Feedback
from engine.files.partial_files import begin_job, discard_finished

Json = dict[str, Any]


@dataclass
class State:
    """What stays between the jobs of one process: the models that are loaded."""

    kept: dict[str, Any] = field(default_factory=dict)


Job = Callable[[Json, Feedback, State], Json]


def run_job(
    name: str, request: Any, feedback: Feedback, state: State, jobs: Mapping[str, Job] | None = None
) -> Json:
    """Run a job and return its result as JSON can hold it (a number that is not finite is null).

    `jobs`: those that there are; None: the engine's own.

    Raises:
        InputError: there is no such job, or the request is no object.
        Exception: whatever the job raises; `engine.commands.explain` puts it into words.
    """
    jobs = JOBS if jobs is None else jobs
    if name not in jobs:
        raise InputError(f"There is no job {name}; there are: {', '.join(jobs)}.")
    if not isinstance(request, Mapping):
        raise InputError("The request is not an object.")
    begin_job()
    result = jobs[name](dict(request), feedback, state)
    try:
        feedback.check_cancelled()
    except EngineError:  # cancelled in the job's last instant: it must leave nothing
        discard_finished()
        raise
    return finite(result)


def super_resolve(request: Json, feedback: Feedback, state: State) -> Json:
    """Downscale a raster: `SuperResolveRequest` in, `SuperResolveResult` out."""
    from engine.pipeline.method_choice import ModelCache
    from engine.pipeline.request import SuperResolveRequest
    from engine.pipeline.super_resolve import super_resolve as downscale
    from engine.raster.projections import check_projections

    parsed = SuperResolveRequest.from_json(request)
    check_projections()  # a broken PROJ would be blamed on the rasters
    if "models" not in state.kept:
        state.kept["models"] = ModelCache()
    return downscale(parsed, feedback, state.kept["models"]).to_json()


def check(request: Json, feedback: Feedback, state: State) -> Json:
    """Say what a run would make of its inputs; the request is that of `super_resolve`."""
    from engine.pipeline.request import SuperResolveRequest
    from engine.pipeline.super_resolve import check as look

    return look(SuperResolveRequest.from_json(request), feedback)


def models(request: Json, feedback: Feedback, state: State) -> Json:
    """List the models in `models` (folders), $MSR_MODELS and the shipped ones, and the baselines.

    The result: `models` (id, name, version, folder, factor, ensemble, target, sources), `broken` (sentences)
    and `baselines` (id, title, help, needs_climatology, any_sources, needs: the sources
    that are required).
    """
    from engine.methods.registry import BASELINES, baseline
    from engine.package.folder import installed
    from engine.specs import TargetSpec

    listed: list[Json] = []
    broken: list[str] = []
    for package in installed(_folders(request)):
        if isinstance(package, PackageError):
            broken.append(str(package))
            continue
        card = package.card
        target = {"name": card.target.name, "title": card.target.title, "units": card.target.units}
        sources = [
            {
                "name": s.name,
                "title": s.title,
                "units": s.units,
                "optional": s.optional,
                "kind": s.kind,
                "brought": package.default_raster(s.name) is not None,
            }
            for s in card.sources
        ]
        entry: Json = {
            "id": card.id,
            "name": card.name,
            "version": card.version,
            "folder": str(package.folder),
        }
        entry |= {"factor": card.factor, "ensemble": card.ensemble}
        listed.append({**entry, "target": target, "sources": sources})
    baselines = [
        {
            "id": id,
            "title": info.title,
            "help": info.help,
            "needs_climatology": info.needs_climatology,
            "any_sources": info.any_sources,
            "needs": [s.name for s in baseline(id, 2, TargetSpec("target", "")).sources if not s.optional],
        }
        for id, info in BASELINES.items()
    ]
    return {"models": listed, "broken": broken, "baselines": baselines}


def check_package(request: Json, feedback: Feedback, state: State) -> Json:
    """Check the package in `folder` to the last tensor, without running it: id, name and version.

    The rasters that it brings are opened too, as plain GeoTIFF.
    """
    import torch

    from engine.bias.correction import package_factors, package_grid
    from engine.compute.devices import PrecisionPlan
    from engine.methods.registry import BASELINES
    from engine.models.loading import load_model
    from engine.package.folder import load_package
    from engine.raster.reader import Raster
    from engine.raster.reference import ShippedRaster

    folder = request.get("folder")
    if not isinstance(folder, str) or not folder:
        raise InputError("The request lacks folder.")
    package = load_package(folder)
    card = package.card
    if card.id in BASELINES:
        raise PackageError(f"{package.folder}: the id {card.id} is that of a simple method.")
    load_model(package, torch.device("cpu"), plan=PrecisionPlan())
    if package_factors(package) is not None:
        package_grid(package)
    for source in card.sources:
        if (path := package.default_raster(source.name)) is not None:
            Raster(ShippedRaster(str(path)), source.name).close()
    if package.domain_raster is not None:
        Raster(ShippedRaster(str(package.domain_raster)), "domain").close()
    return {"id": card.id, "name": card.name, "version": card.version, "folder": str(package.folder)}


def export_package(request: Json, feedback: Feedback, state: State) -> Json:
    """Hand on `model` (id or folder) as a zip (`output`), an Item of a STAC catalogue (`stac`) or both."""
    from engine.package.export import export_package as export
    from engine.package.folder import find_package

    model = request.get("model")
    if not isinstance(model, str) or not model:
        raise InputError("The request lacks model.")
    files = [request.get(name) for name in ("output", "stac")]
    if not all(file is None or (isinstance(file, str) and file) for file in files):
        raise InputError("The request's output and stac must be paths or null.")
    package = find_package(model, _folders(request))
    output, stac = (None if file is None else Path(file).expanduser() for file in files)
    overwrite = request.get("overwrite", True) is True
    done = export(package, output, stac, overwrite, feedback.check_cancelled)
    card = package.card
    told = {"id": card.id, "name": card.name, "version": card.version, "folder": str(package.folder)}
    return {
        **told,
        **{k: None if f is None else str(f) for k, f in (("output", done.zip), ("stac", done.stac))},
    }


def doctor(request: Json, feedback: Feedback, state: State) -> Json:
    """Examine this Python: see `engine.commands.doctor`."""
    from engine.commands.doctor import examine

    return examine(_folders(request))


def compare_methods(request: Json, feedback: Feedback, state: State) -> Json:
    """Compare methods on a raster: see `engine.comparison.compare.compare`."""
    from engine.comparison.compare import compare
    from engine.comparison.request import CompareRequest
    from engine.pipeline.method_choice import ModelCache
    from engine.raster.projections import check_projections

    parsed = CompareRequest.from_json(request)
    check_projections()
    if "models" not in state.kept:
        state.kept["models"] = ModelCache()
    return compare(parsed, feedback, state.kept["models"])


JOBS: dict[str, Job] = {
    "super_resolve": super_resolve,
    "check": check,
    "models": models,
    "check_package": check_package,
    "export_package": export_package,
    "doctor": doctor,
    "compare_methods": compare_methods,
}


def _folders(request: Json) -> list[str]:
    folders = request.get("models") or []
    if not isinstance(folders, list) or not all(isinstance(f, str) for f in folders):
        raise InputError("The request's models must be a list of folders.")
    return folders


def finite(value: Any) -> Any:
    """Return plain data with null for every number that strict JSON cannot hold."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return value
