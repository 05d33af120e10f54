"""Where a result comes from, as tags of its file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from engine.errors import InputError
from engine.files.file_facts import file_facts
from engine.raster.georeference import crs_wkt
from engine.raster.opened_files import opened_files
from engine.version import VERSION

if TYPE_CHECKING:
    from engine.methods.interface import Method
    from engine.pipeline.run_plan import RunPlan
    from engine.raster.reader import Raster
    from engine.raster.reference import RasterRef

_POINTS = (
    ("MSR_ENGINE_VERSION", "the engine"),
    ("MSR_METHOD", "the method"),
    ("MSR_MODEL_SHA256", "the model"),
    ("MSR_INPUTS", "an input file"),
    *((name, "the request") for name in ("MSR_FACTOR", "MSR_SEED", "MSR_CONSERVATION", "MSR_REQUEST")),
)


def run_tags(plan: RunPlan) -> dict[str, str]:
    """Return the tags by which two runs are told apart: the same ones mean the same cells.

    They are known before a method is loaded.
    """
    request, choice = plan.request, plan.choice
    target = choice.target
    strength = target.strength if request.conservation is None else request.conservation
    entries = {
        "MSR_ENGINE_VERSION": VERSION,
        "MSR_METHOD": choice.id,
        "MSR_FACTOR": str(choice.factor),
        "MSR_INPUTS": json.dumps(_inputs(plan), ensure_ascii=False, sort_keys=True),
        "MSR_SEED": str(request.seed),
        "MSR_CONSERVATION": f"{target.conservation} {strength:g}",
        "MSR_REQUEST": _request_digest(plan),
    }
    if choice.package is not None:
        entries["MSR_MODEL_SHA256"] = choice.package.sha256
    return entries


def difference(now: Mapping[str, Any], then: Mapping[str, Any]) -> str | None:
    """Return in which point the `run_tags` of two runs differ, as a sentence's subject; None: in none."""
    return next((told for name, told in _POINTS if now.get(name) != then.get(name)), None)


def untold_inputs(tags: Mapping[str, Any]) -> list[str]:
    """Return the paths of the inputs in `run_tags` whose change nothing would tell."""
    return [entry["path"] for entry in json.loads(tags["MSR_INPUTS"]).values() if "digest" not in entry]


def check_seen(plan: RunPlan, told: str) -> None:
    """Refuse rasters that are others than those of the process which told of them.

    Of files here their size alone counts: disks that machines share tell times of different digits.

    Args:
        plan: of this process.
        told: `MSR_INPUTS` of the other one.

    Raises:
        InputError: names the first.
    """
    then = json.loads(told)
    for name, raster in _rasters(plan).items():
        there, here = then.get(name, {}), _input(raster)
        known = ("bytes", "digest") if raster.elsewhere else ("bytes",)
        if any(key in there and key in here and there[key] != here[key] for key in known):
            raise InputError(
                f"{name}: {raster.ref.path} is another one here than it was where and when the run began: "
                "all of its processes must see the same rasters."
            )


def check_unchanged(plan: RunPlan) -> None:
    """Refuse inputs on servers that are others now than when the run began.

    Raises:
        InputError: names the first.
    """
    for raster in plan.inputs.rasters:
        if raster.servers.changed:
            raise InputError(
                f"{raster.label}: {raster.ref.path} has changed on its server since the run began, so the "
                "result would mix two versions of it: begin again once nobody writes it any more."
            )


def tags(plan: RunPlan, method: Method) -> dict[str, str]:
    """Return the tags: model and hash, engine, inputs, seed, members, precision, conservation, time."""
    request, choice, inputs = plan.request, plan.choice, plan.inputs
    domain = inputs.domain
    entries = {
        **run_tags(plan),
        "MSR_PRECISION": choice.precision(method),
        "MSR_DEVICE": str(method.device),
        "TIFFTAG_SOFTWARE": f"MSR {VERSION}",
        "TIFFTAG_DATETIME": _now().strftime("%Y:%m:%d %H:%M:%S"),
    }
    if inputs.correction is not None:
        entries["MSR_BIAS_CORRECTION"] = inputs.correction.in_words
    if domain is not None:
        entries["MSR_DOMAIN"] = (
            f"where {domain.source} has data" if domain.raster is None else domain.raster.ref.path
        )
    if request.aggregate:
        entries["MSR_AGGREGATE"] = request.aggregate
    if request.ensemble is not None:
        entries["MSR_MEMBERS"] = str(request.ensemble.members)
        if request.ensemble.coherence:
            entries["MSR_COHERENCE_DAYS"] = f"{request.ensemble.coherence:g}"
    if choice.package is not None:
        card = choice.package.card
        entries["MSR_MODEL"] = f"{card.id} {card.version}"
        if card.raw.get("training", {}).get("simulated"):
            entries["MSR_TRAINING_DATA"] = "simulated"
        if card.cascade:
            entries["MSR_STEPS"] = f"{' '.join(map(str, card.cascade))}, learned without a fine truth"
        if card.shares:
            entries["MSR_DETAIL_SHARES"] = " ".join(f"{share:g}" for share in card.shares)
    base = inputs.base_in_use(method)
    if base is not None and base.weights:
        entries["MSR_BASE"] = " + ".join(f"{weight:.3g} {id}" for id, weight in base.weights)
    if base is not None and base.fitted is not None:
        entries["MSR_BASE_FITTED"] = f"{base.fitted:.4g}"  # share of the coarse cells that it was fitted on
    return entries


def _now() -> datetime:
    """Return the time, or that of SOURCE_DATE_EPOCH, with which the same run makes the same bytes."""
    told = os.environ.get("SOURCE_DATE_EPOCH", "")
    given = int(told) if told.isdecimal() and len(told) < 12 else None
    return datetime.now(timezone.utc) if given is None else datetime.fromtimestamp(given, timezone.utc)


def _inputs(plan: RunPlan) -> dict[str, Any]:
    """Return what each input is, so that a change of it can be noticed."""
    return {name: _input(raster) for name, raster in _rasters(plan).items()}


def _rasters(plan: RunPlan) -> dict[str, Raster]:
    inputs = plan.inputs
    named = {"target": inputs.target, **{s.spec.name: s.raster for s in inputs.sources}}
    if inputs.domain is not None and inputs.domain.raster is not None:
        named["domain"] = inputs.domain.raster
    return named


def _input(raster: Raster) -> dict[str, Any]:
    entry: dict[str, Any] = {"path": raster.ref.path, "band": raster.ref.band}
    if raster.elsewhere:
        return entry | raster.servers.first
    held = [name for name in raster.files if os.path.isfile(name)]
    return entry | (file_facts(held or opened_files([raster.ref.path])) or {})


def _request_digest(plan: RunPlan) -> str:
    """Return a digest of all that is asked beside the inputs' files, the method and where the output goes."""
    request, grid = plan.request, plan.grids.output
    rasters: Mapping[str, RasterRef] = {"target": request.target, **request.sources}
    if request.domain is not None:
        rasters = {**rasters, "domain": request.domain}
    asked = {
        "rasters": {name: _said(ref) for name, ref in rasters.items()},
        "grid": [crs_wkt(grid), list(grid.affine)[:6], list(grid.shape)],
        "dates": [str(when) for when in plan.dates],
        "quantity": request.quantity,
        "aggregate": request.aggregate,
        "conservation": request.conservation,
        "precision": request.precision,
        "tile": request.tile,
        "ensemble": None if request.ensemble is None else _without_files(asdict(request.ensemble)),
        "files": [file.key for file in plan.files],
    }
    text = json.dumps(asked, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _said(ref: RasterRef) -> list[Any]:
    """Return what the user says of a raster in place of its file."""
    return [ref.band, ref.crs, ref.units, ref.nodata, ref.scale, ref.offset, ref.kind]


def _without_files(ensemble: dict[str, Any]) -> dict[str, Any]:
    return {name: ensemble[name] for name in ("members", "levels", "coherence")}
