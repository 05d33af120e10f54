"""Whole fields of the network's inputs, made once and cut into windows at each step.

What the network sees of a time depends on few things: which months are withheld from the
climatology, and whether there is one. Making the features of whole fields once is several times
cheaper than making those of every patch again; windows and their halos overlap a lot.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.features.network_inputs import NetworkInputs
from engine.nets.downscaler import Downscaler
from training.data.archive import Archive
from training.data.patches import View, Window, cut

LIMIT = 3 * 2**30  # bytes of fields that are kept


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
    return Batch(model.prepare(patch), truth, coarse, area, patch.climatology is not None, patch.factor, gain)


class CachedInputs:
    """Whole fields by time and withheld months, made when first asked for, the oldest dropped first.

    Args:
        model: whose inputs they are (their making does not depend on its weights).
        archive: the data.
        view: every source that a step may see.
        limit: bytes that are kept.
    """

    def __init__(self, model: Downscaler, archive: Archive, view: View, limit: int = LIMIT) -> None:
        self.model, self.archive, self.view, self.limit = model, archive, view, limit
        self.halo = model.generator.halo
        self.climatologies = {n for n in view.sources if archive.sources[n].traits.of_target}
        self.kept: OrderedDict[tuple[int, frozenset[int] | None], NetworkInputs] = OrderedDict()
        self.shared: dict[str, Tensor] = {}  # static sources, the same at all times
        self.bytes = 0

    def field(self, window: Window, climatology: bool) -> NetworkInputs:
        """Return the inputs of a window's whole time, with the generator's halo around."""
        months = frozenset(int(self.archive.months[t]) for t in self.view.climatology_times)
        key = (window.time, window.withheld & months if climatology else None)
        inputs = self.kept.get(key)
        if inputs is None:
            inputs = self._make(window, self.view if climatology else self.view.without(self.climatologies))
            self.kept[key] = inputs
            self.bytes += self._bytes(inputs)
            while self.bytes > self.limit and len(self.kept) > 1:
                self.bytes -= self._bytes(self.kept.popitem(last=False)[1])
        self.kept.move_to_end(key)
        return inputs

    def fit(self, count: int) -> bool:
        """Return whether so many fields could be kept, going by those made so far."""
        return count * self.bytes <= self.limit * max(len(self.kept), 1)

    def _make(self, window: Window, view: View) -> NetworkInputs:
        whole = Window(window.time, 0, 0, window.withheld)
        known = {name for name in view.sources if name in self.shared}  # their features are made once
        known -= self.model.base.sources
        patch, _ = cut(self.archive, [whole], self.archive.shape, self.model.halo, view.without(known))
        inputs = self.model.prepare(patch)
        for name in known:
            grid = self.archive.sources[name].grid
            (inputs.fine if grid == "fine" else inputs.coarse)[name] = self.shared[name]
        for fields in (inputs.coarse, inputs.fine):
            for name in fields:
                source = self.archive.sources.get(name)
                if source is not None and not source.dynamic and name not in self.climatologies:
                    self.shared.setdefault(name, fields[name])
        return inputs

    def _bytes(self, inputs: NetworkInputs) -> int:
        named = {**inputs.coarse, **inputs.fine, "": inputs.base}
        return sum(t.numel() * t.element_size() for name, t in named.items() if name not in self.shared)

    def batch(self, windows: Sequence[Window], size: tuple[int, int], view: View) -> Batch:
        """Cut a batch that sees `view`; what `from_patch` gives for windows as they are in the archive."""
        k, climatology = self.archive.factor, not self.climatologies.isdisjoint(view.sources)
        fields = [self.field(w, climatology) for w in windows]
        pairs = list(zip(fields, windows, strict=True))
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
