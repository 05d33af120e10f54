"""From a patch in physical units to what the generator sees.

Each source becomes one tensor: its channels, normalised, 0 where invalid, and a last channel that
is 1 where the source is valid. A source that is not there is left out of the dictionaries.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from engine.errors import InputError
from engine.features.derived import CLIMATOLOGY_FEATURES, DERIVED, REACH, Given
from engine.fields.kept import kept_or_made
from engine.fields.missing import all_finite
from engine.fields.patch import Patch
from engine.fields.windows import crop, narrowed
from engine.specs import SourceSpec, TargetSpec
from engine.transforms import normalised

TARGET, BASE = "target", "base"  # inputs that every generator has
LIMIT = 10.0  # standard deviations; sources beyond are cut off here


@dataclass
class NetworkInputs:
    """A generator's inputs for B windows with a halo.

    `base`, (B, h·k, w·k), is the field on which the residual stands, normalised, NaN where there
    is no coarse value. `origin` is the patch's.
    """

    coarse: dict[str, Tensor]  # (B, C, H, W)
    fine: dict[str, Tensor]  # (B, C, H·k, W·k)
    vector: Tensor | None  # (B, 2), sine and cosine of the day of year
    base: Tensor
    origin: Tensor | None = None  # (B, 2) int64
    turn: int | None = None  # the patch's

    def without(self, names: Iterable[str]) -> NetworkInputs:
        """Return the inputs without some sources; the base stays as it is."""
        gone = set(names)
        return replace(
            self,
            coarse={n: x for n, x in self.coarse.items() if n not in gone},
            fine={n: x for n, x in self.fine.items() if n not in gone},
        )


def channel_names(source: SourceSpec) -> tuple[str, ...]:
    """Return the channels that a source gives, its validity mask left out.

    Raises:
        InputError: a derived feature is unknown or does not go with the source's kind.
    """
    names: list[str] = []
    if _is_seen(source):
        names += source.traits.channels(source.classes)
    for feature in _derived(source):
        if feature not in DERIVED:
            raise InputError(f"{source.name}: there is no feature {feature}; there are {', '.join(DERIVED)}.")
        derived = DERIVED[feature]
        if source.kind not in derived.kinds:
            raise InputError(
                f"{source.name}: the feature {feature} is not for sources of kind {source.kind}."
            )
        names += derived.channels
    if not names:
        raise InputError(f"{source.name}: without its value it needs derived features.")
    return tuple(names)


def network_channels(sources: Iterable[SourceSpec]) -> tuple[dict[str, int], dict[str, int]]:
    """Return the number of channels of each coarse and fine input, masks included.

    Raises:
        InputError: a source has the name of another input, or a feature that does not fit.
    """
    coarse, fine = {TARGET: 2}, {BASE: 2}
    for source in sources:
        if source.name in coarse or source.name in fine:
            raise InputError(f"A source cannot be named {source.name}: the name is taken.")
        (coarse if source.grid == "coarse" else fine)[source.name] = len(channel_names(source)) + 1
    return coarse, fine


def source_channels(source: SourceSpec, patch: Patch, target: TargetSpec, cut: int = 0) -> Tensor | None:
    """Return a source's channels before normalisation, or None when the patch lacks it.

    Statistics over training data are taken from these: `SourceSpec.normalisation` gives mean and
    std by channel name.

    Args:
        source: of the card.
        patch: of any halo.
        target: what is downscaled.
        cut: coarse cells on each side that the channels leave out.

    Returns:
        (B, C, H, W) as `channel_names` lists them, NaN where invalid.
    """
    values = _values(source, patch)
    if values is None:
        return None
    cells = cut * (1 if source.grid == "coarse" else patch.factor)
    given, shown = Given(values, source, target, patch, cells), crop(values, cells)
    parts = [shown] if _is_seen(source) else []
    for feature in _derived(source):
        made = DERIVED[feature].compute(given)
        parts.append(made if DERIVED[feature].inner else crop(made, cells))
    channels = torch.cat(parts, 1) if len(parts) > 1 else parts[0]
    # Derived features end where the source ends.
    if not source.traits.of_target and source.derived and not all_finite(shown):
        valid = torch.isfinite(shown).all(1, keepdim=True)
        channels = channels.masked_fill(~valid, torch.nan)
    return channels


def is_static(source: SourceSpec) -> bool:
    """Return whether what the network sees of a source is the same at all dates."""
    return not source.dynamic and not source.traits.of_target


def static_key(source: SourceSpec) -> Hashable:
    """Return under what a tile keeps what the network sees of a static source, from the first date on."""
    return "features", source.name, id(source)  # which lives as long as the network


def _values(source: SourceSpec, patch: Patch) -> Tensor | None:
    if source.traits.of_target:
        return patch.climatology
    return (patch.coarse if source.grid == "coarse" else patch.fine).get(source.name)


def _normalised_channels(source: SourceSpec, patch: Patch, target: TargetSpec) -> Tensor:
    channels = source_channels(source, patch, target, REACH)
    if channels is None:
        raise ValueError(f"the patch lacks {source.name}")
    return normalise(channels, channel_names(source), source.normalisation)


def normalise(
    channels: Tensor, names: Iterable[str], statistics: Mapping[str, Mapping[str, float]]
) -> Tensor:
    """Normalise channels, set invalid cells to zero and append the validity mask.

    Args:
        channels: (B, C, H, W), NaN or infinite where invalid.
        names: of the channels.
        statistics: mean and std by channel name; a channel without stays as it is.

    Returns:
        (B, C + 1, H, W) float32, finite.
    """
    batch, count, height, width = channels.shape
    result = channels.new_empty((batch, count + 1, height, width), dtype=torch.float32)
    values, mask = result[:, :count], result[:, count:]
    for index, name in enumerate(names):
        one = statistics.get(name, {})
        scale = 1 / one.get("std", 1.0)
        shift = torch.tensor(-one.get("mean", 0.0) * scale)  # the processor's, which goes with any device
        torch.add(shift, channels[:, index], alpha=scale, out=values[:, index])
    mask.fill_(1.0)
    if not all_finite(values):
        valid = torch.isfinite(values.sum(1, keepdim=True))
        mask.copy_(valid)
        values.masked_fill_(~valid, 0.0)
    values.clamp_(-LIMIT, LIMIT)
    return result


@torch.no_grad()
def network_inputs(
    patch: Patch,
    target: TargetSpec,
    sources: Iterable[SourceSpec],
    base: Tensor,
    halo: int,
    season: bool = False,
) -> NetworkInputs:
    """Return the generator's inputs; no gradient is kept.

    Args:
        patch: its halo is at least `halo` + `engine.features.derived.REACH`.
        target: what is downscaled.
        sources: of the card; those that the patch lacks are left out.
        base: (B, (h + 2·halo)·k, (w + 2·halo)·k) the simple disaggregation in physical units, NaN
            where there is no coarse value.
        halo: that the generator wants, in coarse cells.
        season: the generator wants the day of year.

    Raises:
        InputError: the day of year is wanted and not known.
    """
    patch = narrowed(patch, halo + REACH)
    below = normalised(base, target)
    own = normalised(crop(patch.target, REACH), target)
    coarse = {TARGET: normalise(own.unsqueeze(1), (TARGET,), {})}
    fine = {BASE: normalise(below.unsqueeze(1), (BASE,), {})}
    for source in sources:
        if _values(source, patch) is None:
            continue
        kept = patch.kept if is_static(source) else None
        made = kept_or_made(kept, static_key(source), partial(_normalised_channels, source, patch, target))
        (coarse if source.grid == "coarse" else fine)[source.name] = made
    inner = crop(below, halo, patch.factor)
    vector = season_vector(patch) if season else None
    return NetworkInputs(coarse, fine, vector, inner, patch.origin, patch.turn)


def season_vector(patch: Patch) -> Tensor:
    """Return sine and cosine of the day of year, (B, 2).

    Raises:
        InputError: the patch has no date.
    """
    if patch.day_of_year is None:
        raise InputError("The model needs the date, because it looks at the season: give one.")
    angle = patch.day_of_year.float() * (2 * math.pi / 365.25)
    return torch.stack([torch.sin(angle), torch.cos(angle)], -1)


def _is_seen(source: SourceSpec) -> bool:
    """Return whether the network sees the source itself, and not its derived features alone."""
    return not source.traits.of_target and (source.value or not source.traits.optional_value)


def _derived(source: SourceSpec) -> tuple[str, ...]:
    if source.traits.of_target and not source.derived:
        return CLIMATOLOGY_FEATURES
    return source.derived
