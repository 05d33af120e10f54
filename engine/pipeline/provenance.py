"""Where a result comes from, as tags of its file."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from engine.version import VERSION

if TYPE_CHECKING:
    from engine.methods.interface import Method
    from engine.pipeline.inputs import InputRasters
    from engine.pipeline.method_choice import Choice
    from engine.pipeline.request import SuperResolveRequest


def tags(
    request: SuperResolveRequest, choice: Choice, method: Method, inputs: InputRasters, strength: float
) -> dict[str, str]:
    """Return the tags: model and hash, engine, inputs, seed, members, precision, conservation, time."""
    named = {"target": inputs.target, **{s.spec.name: s.raster for s in inputs.sources}}
    domain = inputs.domain
    if domain is not None and domain.raster is not None:
        named["domain"] = domain.raster
    files = {name: _file(raster.ref.path, raster.ref.band) for name, raster in named.items()}
    entries = {
        "MSR_ENGINE_VERSION": VERSION,
        "MSR_METHOD": choice.id,
        "MSR_FACTOR": str(choice.factor),
        "MSR_INPUTS": json.dumps(files, ensure_ascii=False, sort_keys=True),
        "MSR_SEED": str(request.seed),
        "MSR_PRECISION": choice.precision(method),
        "MSR_DEVICE": str(method.device),
        "MSR_CONSERVATION": f"{choice.target.conservation} {strength:g}",
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
        entries["MSR_MODEL_SHA256"] = choice.package.sha256
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


def _file(path: str, band: int | None) -> dict[str, str | int | None]:
    """Describe an input so that a change of the file can be noticed."""
    entry: dict[str, str | int | None] = {"path": path, "band": band}
    if os.path.isfile(path):
        status = os.stat(path)
        modified = datetime.fromtimestamp(status.st_mtime, timezone.utc)
        entry |= {"bytes": status.st_size, "modified": modified.isoformat(timespec="seconds")}
    return entry
