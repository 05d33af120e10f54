"""Normalisation and ranges, from training times and columns only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from engine.errors import InputError
from engine.features.network_inputs import channel_names, source_channels
from engine.specs import SourceSpec, TargetSpec
from engine.transforms import transform
from training.data.archive import Archive, ArchiveSource
from training.data.lazy import Array
from training.data.patches import View, Window, cut, withheld_block
from training.data.region import Region, truth_of
from training.data.split import Split
from training.schema.config import Config, SourceSection

HALO = 2  # coarse cells, so that slopes are right at a tile's edge
SMALLEST_STD = 1e-6
TILE = 128  # coarse cells along a tile's edge, at most


class ChannelMoments:
    """Mean, standard deviation and range of channels, tile by tile, in float64."""

    def __init__(self, channels: int) -> None:
        self.count = np.zeros(channels)
        self.total = np.zeros(channels)
        self.squares = np.zeros(channels)
        self.low = np.full(channels, np.inf)
        self.high = np.full(channels, -np.inf)

    def update(self, values: np.ndarray) -> None:
        """Take in (B, C, H, W); cells that are not finite do not count."""
        for index in range(values.shape[1]):
            valid = values[:, index][np.isfinite(values[:, index])].astype(np.float64)
            if valid.size:
                self.count[index] += valid.size
                self.total[index] += valid.sum()
                self.squares[index] += (valid**2).sum()
                self.low[index] = min(self.low[index], valid.min())
                self.high[index] = max(self.high[index], valid.max())

    def mean(self, index: int) -> float:
        """Mean of a channel, zero without a valid cell."""
        return float(self.total[index] / max(self.count[index], 1))

    def std(self, index: int) -> float:
        """Standard deviation of a channel; one where it does not vary."""
        variance = self.squares[index] / max(self.count[index], 1) - self.mean(index) ** 2
        deviation = float(np.sqrt(max(variance, 0.0)))
        return deviation if deviation > SMALLEST_STD * max(1.0, abs(self.mean(index))) else 1.0

    def range(self, index: int) -> tuple[float, float] | None:
        """Lowest and highest value of a channel."""
        return (float(self.low[index]), float(self.high[index])) if self.count[index] else None


def value_range(values: Array, times: Sequence[int]) -> tuple[float, float] | None:
    """Return the lowest and the highest value of (T, …) at some times; None where there is none."""
    moments = ChannelMoments(1)
    for time in times:
        moments.update(np.asarray(values[time]).reshape(1, 1, -1))
    return moments.range(0)


def target_spec(config: Config, archive: Archive, split: Split) -> TargetSpec:
    """Return the target with the statistics of its training times and columns."""
    section, moments, coarse = config.target, ChannelMoments(1), ChannelMoments(1)
    if section.leaves_open:
        raise ValueError("the configuration leaves its target open")
    for time in split.train.times:
        truth, field = truth_of(archive, split.train, time)
        values = transform(torch.from_numpy(np.ascontiguousarray(truth)), section.transform, section.scale)
        moments.update(values.numpy()[None, None])
        coarse.update(field[None, None])
    return TargetSpec(
        name=archive.target_name,
        units=archive.units,
        transform=section.transform,
        scale=section.scale,
        bounds=section.limits,
        conservation=section.conservation,
        weights=archive.weights,
        strength=1.0 if section.strength == "auto" else section.strength,  # to be measured
        title=archive.target_title,
        mean=moments.mean(0),
        std=moments.std(0),
        range=coarse.range(0),
    )


def physical_spread(archive: Archive, split: Split) -> float:
    """Return the standard deviation of the fine truth in training, in its units."""
    moments = ChannelMoments(1)
    for time in split.train.times:
        moments.update(truth_of(archive, split.train, time)[0][None, None])
    return moments.std(0)


def source_specs(
    config: Config, archive: Archive, split: Split, target: TargetSpec
) -> tuple[SourceSpec, ...]:
    """Return every source of the configuration with the statistics of its training times and columns.

    Raises:
        InputError: a derived feature is unknown or does not fit the source.
    """
    return tuple(_source_spec(section, archive, split, target, config) for section in config.sources)


def bare_spec(section: SourceSection, source: ArchiveSource) -> SourceSpec:
    """Return a source of the configuration without the statistics that normalise it."""
    return SourceSpec(
        name=source.name,
        units=source.units,
        grid=source.grid,
        kind=source.kind,
        dynamic=source.dynamic,
        optional=section.optional,
        title=source.title,
        classes=source.classes,
        derived=section.derived,
        value=section.value,
        kernel_months=section.kernel_months,
    )


def _source_spec(
    section: SourceSection, archive: Archive, split: Split, target: TargetSpec, config: Config
) -> SourceSpec:
    source = archive.sources[section.name]
    spec = bare_spec(section, source)
    try:
        names = channel_names(spec)
    except InputError as error:
        raise InputError(f"sources.{section.name}.derived: {error}") from error
    moments, raw = ChannelMoments(len(names)), ChannelMoments(1)
    for window, size in _windows(archive, split.train, config.sampling.withheld_months, source):
        seen = split.training_view
        view = View(
            (source.name,),
            seen.climatology_times,
            seen.climatology_columns,
            climatology_by_month=seen.climatology_by_month,
        )
        patch, _ = cut(archive, [window], size, HALO, view)
        channels = source_channels(spec, patch, target)
        if channels is None:
            raise ValueError(f"the patch lacks {source.name}")
        scale = archive.factor if source.grid == "fine" else 1
        edge = slice(HALO * scale, -HALO * scale)
        moments.update(channels[..., edge, edge].numpy())
        given = patch.climatology
        if given is None:
            given = (patch.fine if source.grid == "fine" else patch.coarse)[source.name][:, :1]
        values = given[..., edge, edge].numpy()
        raw.update(values.reshape(1, 1, -1, values.shape[-1]))
    statistics = {n: {"mean": moments.mean(i), "std": moments.std(i)} for i, n in enumerate(names)}
    scalar = source.traits.scalar
    return replace(spec, normalisation=statistics, range=raw.range(0) if scalar else None)


def _windows(
    archive: Archive, region: Region, block: int, source: ArchiveSource
) -> list[tuple[Window, tuple[int, int]]]:
    """Return windows that cover the training region once for each time (once for a static source)."""
    changes = source.dynamic or source.traits.of_target
    windows = []
    for index, time in enumerate(region.times if changes else region.times[:1]):
        withheld = withheld_block(int(archive.months[time]), block, index % block)
        for row in range(0, archive.shape[0], TILE):
            for column in range(region.columns[0], region.columns[1], TILE):
                size = (min(TILE, archive.shape[0] - row), min(TILE, region.columns[1] - column))
                windows.append((Window(time, row, column, withheld), size))
    return windows
