"""What a cascade learns from, and with what, where the configuration does not say it.

A network that is used below the scale it learned at must see what means the same at every scale: by how much
a covariate stands out from its own coarse means does, its value and its slope do not. With convolutions it
fits where the few cells of a coarse field lie, and draws that below.
"""

from __future__ import annotations

from typing import Any

from engine.errors import InputError
from training.data.archive import Archive
from training.data.hold_out.chosen import Chosen
from training.data.split import split_regions
from training.defaults.network import SEASONS
from training.defaults.schedule import LOSSES
from training.schema.config import Config, SourceSection

KIND, WIDTHS = "pointwise", (8, 4)
ANOMALY = "anomaly"


def choose_cascade(config: Config, archive: Archive) -> Chosen:
    """Return a cascade's configuration with its network, losses and what is derived of its sources.

    What it names of them stays; a configuration without a cascade stays as it is. Where no finer truth is
    known, such a one is told at which level it learns.

    Raises:
        InputError: no source lies on the fine grid; or as `training.data.split.split_regions`.
    """
    if config.cascade is None:
        return Chosen(config, doubts=_level(config, archive))
    update: dict[str, Any] = {}
    told = []
    sources = tuple(_source(source, archive) for source in config.sources)
    if sources != config.sources:
        update["sources"] = sources
        names = ", ".join(s.name for s, old in zip(sources, config.sources, strict=True) if s != old)
        told.append(f"Seen of {names}: by how much it stands out from its coarse means.")
    if config.network.get("kind", "auto") == "auto" and "widths" not in config.network:
        if not any(_is_fine(source, archive) for source in sources):
            raise InputError(
                "cascade: it learns how the target follows sources on the fine grid, and none is named: add "
                "one (elevation, land cover), or take the simple method bicubicsmooth."
            )
        months = {int(archive.months[time]) for time in split_regions(config, archive).train.times}
        chosen: dict[str, Any] = {"kind": KIND, "widths": list(WIDTHS)}
        if len(months) >= SEASONS:
            chosen["season"] = True
        update["network"] = {**chosen, **{k: v for k, v in config.network.items() if k != "kind"}}
        told.append(f"Network: {KIND}, widths {', '.join(map(str, WIDTHS))}, as a cascade's.")
    if "losses" not in config.model_fields_set:
        update["losses"] = LOSSES
    return Chosen(config.model_copy(update=update), tuple(told))


def _level(config: Config, archive: Archive) -> tuple[str, ...]:
    """Return what is said, once, of a model that learns one level up without being a cascade."""
    if not archive.level_up:
        return ()
    k = config.factor
    said = (
        f"No finer truth is known: it learns to make cells as large as the data's out of means over {k} × "
        f"{k} of them. To make finer cells than the data's, add a section cascade, or take sharpen."
    )
    return () if said in (config.model.description or "") else (said,)


def _is_fine(source: SourceSection, archive: Archive) -> bool:
    return source.name in archive.sources and archive.sources[source.name].grid == "fine"


def _source(source: SourceSection, archive: Archive) -> SourceSection:
    held = archive.sources.get(source.name)
    plain = not {"derived", "value"} & source.model_fields_set
    if held is None or not plain or held.kind != "continuous" or held.grid != "fine":
        return source
    return source.model_copy(update={"derived": (ANOMALY,), "value": False})
