"""Whole fields of the network's inputs, made once and cut into windows at each step.

What the network sees of a time depends on few things: which months are withheld from the
climatology, and whether there is one. Making the features of whole fields once is several times
cheaper than making those of every patch again; windows and their halos overlap a lot. Where truth is
known in a small part of the grid, fields are made of the rows and columns that windows with truth reach.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.features.network_inputs import NetworkInputs
from engine.nets.downscaler import Downscaler
from training.data.archive import Archive
from training.data.gaps import told_cells
from training.data.known_truth import bounding_box, truth_share
from training.data.patches import View, Window, cut

LIMIT = 3 * 2**30  # bytes of fields that are kept
SMALL = 0.5  # of the grid, at most, that fields are made of in place of all of it


@dataclass(frozen=True)
class Extent:
    """Rows and columns of coarse cells, first and last + 1."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.bottom - self.top, self.right - self.left

    def holds(self, window: Window, size: tuple[int, int]) -> bool:
        """Return whether a window of this size lies inside."""
        inside = self.top <= window.row and window.row + size[0] <= self.bottom
        return inside and self.left <= window.column and window.column + size[1] <= self.right


@dataclass
class Batch:
    """What one step needs: the network's inputs, and what its output is compared with.

    `climatology` says whether the base stands on one.
    """

    inputs: NetworkInputs
    truth: Tensor  # (B, h·k, w·k), physical units
    coarse: Tensor  # (B, h, w), physical units
    area: Tensor | None  # (B, h·k)
    climatology: bool
    factor: int  # k
    gain: Tensor | None = None  # (B, 1, 1), what the target's fields were multiplied by


def from_patch(
    model: Downscaler, archive: Archive, windows: Sequence[Window], size: tuple[int, int], view: View
) -> Batch:
    """Make a batch from patches cut for these windows alone."""
    patch, truth = cut(archive, windows, size, model.halo, view)
    h, edge = patch.halo, patch.halo * patch.factor
    coarse = patch.target[..., h : patch.target.shape[-2] - h, h : patch.target.shape[-1] - h]
    area = None if patch.area is None else patch.area[..., edge : patch.area.shape[-1] - edge]
    gain = torch.tensor([w.gain for w in windows])[:, None, None]
    if patch.domain is not None:
        patch.domain = told_cells(archive, windows, patch, model.target)
    return Batch(model.prepare(patch), truth, coarse, area, patch.climatology is not None, patch.factor, gain)


class CachedInputs:
    """Whole fields by time and withheld months, made when first asked for, the oldest dropped first.

    Args:
        model: whose inputs they are (their making does not depend on its weights).
        archive: the data.
        view: every source that a step may see.
        limit: bytes that are kept.
        reach: coarse cells around those with truth that windows may reach; None: fields of the whole grid.
    """

    def __init__(
        self, model: Downscaler, archive: Archive, view: View, limit: int = LIMIT, reach: int | None = None
    ) -> None:
        self.model, self.archive, self.view, self.limit, self.reach = model, archive, view, limit, reach
        self.halo = model.generator.halo
        self.climatologies = {n for n in view.sources if archive.sources[n].traits.of_target}
        self.kept: OrderedDict[tuple[int, frozenset[int] | None, Extent], NetworkInputs] = OrderedDict()
        self.shared: dict[tuple[str, Extent], Tensor] = {}  # static sources, the same at all times
        self.extents: dict[int, Extent] = {}
        self.bytes = 0

    def extent(self, time: int) -> Extent:
        """Return where a time's windows lie: around its truth, where that is a small part of the grid."""
        if time not in self.extents:
            height, width = self.archive.shape
            extent = Extent(0, height, 0, width)
            if self.reach is not None and not self.archive.wrap:
                known = bounding_box(truth_share(self.archive, [time])[0] > 0)
                if known is not None:
                    around, reach = Extent(*known), self.reach
                    small = Extent(
                        max(around.top - reach, 0),
                        min(around.bottom + reach, height),
                        max(around.left - reach, 0),
                        min(around.right + reach, width),
                    )
                    if small.shape[0] * small.shape[1] < SMALL * height * width:
                        extent = small
            self.extents[time] = extent
        return self.extents[time]

    def field(self, window: Window, climatology: bool, extent: Extent | None = None) -> NetworkInputs:
        """Return the inputs of a window's whole time, or of an extent, with the generator's halo around."""
        months = frozenset(int(self.archive.months[t]) for t in self.view.climatology_times)
        extent = extent or Extent(0, self.archive.shape[0], 0, self.archive.shape[1])
        key = (window.time, window.withheld & months if climatology else None, extent)
        inputs = self.kept.get(key)
        if inputs is None:
            view = self.view if climatology else self.view.without(self.climatologies)
            inputs = self._make(window, view, extent)
            self.kept[key] = inputs
            self.bytes += self._bytes(inputs, extent)
            while self.bytes > self.limit and len(self.kept) > 1:
                (*_, place), oldest = self.kept.popitem(last=False)
                self.bytes -= self._bytes(oldest, place)
        self.kept.move_to_end(key)
        return inputs

    def fit(self, count: int) -> bool:
        """Return whether so many fields could be kept, going by those made so far."""
        return count * self.bytes <= self.limit * max(len(self.kept), 1)

    def release(self) -> None:
        """Give back the memory of what was kept; it is made again where it is asked for."""
        self.kept.clear()
        self.shared.clear()
        self.bytes = 0

    def _make(self, window: Window, view: View, extent: Extent) -> NetworkInputs:
        whole = Window(window.time, extent.top, extent.left, window.withheld)
        # Their features are made once.
        known = {name for name in view.sources if (name, extent) in self.shared}
        known -= self.model.base.sources
        patch, _ = cut(self.archive, [whole], extent.shape, self.model.halo, view.without(known))
        if patch.domain is not None:
            patch.domain = told_cells(self.archive, [whole], patch, self.model.target)
        inputs = self.model.prepare(patch)
        for name in known:
            grid = self.archive.sources[name].grid
            (inputs.fine if grid == "fine" else inputs.coarse)[name] = self.shared[name, extent]
        for fields in (inputs.coarse, inputs.fine):
            for name in fields:
                source = self.archive.sources.get(name)
                if source is not None and not source.dynamic and name not in self.climatologies:
                    self.shared.setdefault((name, extent), fields[name])
        return inputs

    def _bytes(self, inputs: NetworkInputs, extent: Extent) -> int:
        named = {**inputs.coarse, **inputs.fine, "": inputs.base}
        own = [t for name, t in named.items() if (name, extent) not in self.shared]
        return sum(t.numel() * t.element_size() for t in own)

    def batch(self, windows: Sequence[Window], size: tuple[int, int], view: View) -> Batch:
        """Cut a batch that sees `view`; what `from_patch` gives for windows as they are in the archive."""
        k, climatology = self.archive.factor, not self.climatologies.isdisjoint(view.sources)
        fields, pairs = [], []
        for w in windows:
            extent = self.extent(w.time)
            if extent.shape != self.archive.shape and not extent.holds(w, size):
                raise ValueError(f"the window {w} lies beyond {extent}")
            fields.append(self.field(w, climatology, extent))
            pairs.append((fields[-1], replace(w, row=w.row - extent.top, column=w.column - extent.left)))
        gone = set(self.view.sources) - set(view.sources)
        coarse, fine = (
            {
                name: torch.cat(
                    [self._window(getattr(f, grid)[name], w, size, self.halo, scale) for f, w in pairs]
                )
                for name in getattr(fields[0], grid)
                if name not in gone
            }
            for grid, scale in (("coarse", 1), ("fine", k))
        )
        base = torch.cat([self._window(f.base, w, size, 0, k) for f, w in pairs])
        vectors = [f.vector for f in fields if f.vector is not None]
        vector = torch.cat(vectors) if vectors else None
        patch, truth = cut(self.archive, windows, size, 0, View((), domain=self.view.domain))
        return Batch(
            NetworkInputs(coarse, fine, vector, base, patch.origin),
            truth,
            patch.target,
            patch.area,
            climatology,
            k,
        )

    def _window(self, field: Tensor, window: Window, size: tuple[int, int], halo: int, scale: int) -> Tensor:
        """Cut (…, (h + 2·halo)·scale, …) from a whole field that has the same halo around."""
        top, left = window.row * scale, window.column * scale
        height, width = (size[0] + 2 * halo) * scale, (size[1] + 2 * halo) * scale
        rows = field[..., top : top + height, :]
        if left + width <= field.shape[-1]:
            return rows[..., left : left + width]
        # Round the globe: columns count from the archive's first, `halo` into the field.
        around = (torch.arange(left, left + width) - halo * scale) % (self.archive.shape[1] * scale)
        return rows[..., around + halo * scale]
