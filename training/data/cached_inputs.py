"""Whole fields of the network's inputs, made once and cut into windows at each step.

What the network sees of a time depends on few things: which months are withheld from the
climatology, and whether there is one. Making the features of whole fields once is several times
cheaper than making those of every patch again; windows and their halos overlap a lot. Where truth is
known in a small part of the grid, fields are made of the rows and columns that windows with truth reach.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.features.network_inputs import NetworkInputs
from engine.nets.downscaler import Downscaler
from training.data.archive import Archive
from training.data.gaps import told_cells
from training.data.known_truth import bounding_box, truth_share
from training.data.patches import View, Window, cut
from training.data.split import Split
from training.data.streamed.field_file import FieldFile, HeldField, rows_of
from training.schema.config import Config

LIMIT = 3 * 2**30  # bytes of fields that are kept, in memory and in a file
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


@dataclass
class WholeInputs:
    """The network's inputs of a whole field, or of an extent, in memory or in a file."""

    coarse: dict[str, HeldField]
    fine: dict[str, HeldField]
    vector: Tensor | None
    base: HeldField

    @property
    def bytes(self) -> int:
        """What it takes in memory."""
        fields = [*self.coarse.values(), *self.fine.values(), self.base]
        return sum(field.nbytes for field in fields if isinstance(field, Tensor))


_Key = tuple[int, frozenset[int] | None, Extent]  # time, months withheld, place


class CachedInputs:
    """Whole fields by time and withheld months, made when first asked for.

    What memory has no room for goes into a temporary file where `count` fields are few enough to be kept;
    else the oldest are dropped. So inputs are made of whole fields, or of patches, whatever memory there is.

    Args:
        model: whose inputs they are (their making does not depend on its weights).
        archive: the data.
        view: every source that a step may see.
        room: bytes that are kept in memory.
        reach: coarse cells around those with truth that windows may reach; None: fields of the whole grid.
        count: fields that steps may ask for; None: nothing goes into a file.
        limit: bytes that are kept in all.
    """

    def __init__(
        self,
        model: Downscaler,
        archive: Archive,
        view: View,
        room: int = LIMIT,
        reach: int | None = None,
        count: int | None = None,
        limit: int = LIMIT,
    ) -> None:
        self.model, self.archive, self.view, self.reach = model, archive, view, reach
        self.room, self.count, self.limit = room, count, limit
        self.halo = model.generator.halo
        self.climatologies = {n for n in view.sources if archive.sources[n].traits.of_target}
        self.kept: OrderedDict[_Key, WholeInputs] = OrderedDict()
        self.shared: dict[tuple[str, Extent], HeldField] = {}  # static sources, the same at all times
        self.extents: dict[int, Extent] = {}
        self.file = FieldFile()
        self.bytes = 0  # in memory
        self._made, self._made_bytes = 0, 0  # fields, static sources left out
        self._disk_full = False

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

    def field(self, window: Window, climatology: bool, extent: Extent | None = None) -> WholeInputs:
        """Return the inputs of a window's whole time, or of an extent, with the generator's halo around.

        Static sources are in `shared`.
        """
        months = frozenset(int(self.archive.months[t]) for t in self.view.climatology_times)
        extent = extent or Extent(0, self.archive.shape[0], 0, self.archive.shape[1])
        key = (window.time, window.withheld & months if climatology else None, extent)
        if key not in self.kept:
            view = self.view if climatology else self.view.without(self.climatologies)
            self.kept[key] = self._held(self._make(window, view, extent))
            while self.bytes > self.room and len(self.kept) > 1:
                _, oldest = self.kept.popitem(last=False)
                self.bytes -= oldest.bytes
        self.kept.move_to_end(key)
        return self.kept[key]

    def base(self, window: Window, climatology: bool, extent: Extent | None = None) -> Tensor:
        """Return the base of a window's whole time, or of an extent, (1, h·k, w·k)."""
        held = self.field(window, climatology, extent).base
        return rows_of(held, 0, held.shape[-2])

    def fit(self, count: int) -> bool:
        """Return whether so many fields could be kept, going by those made so far."""
        return count * self._made_bytes <= self.limit * max(self._made, 1)

    def settled(self) -> bool:
        """Return whether steps are cut from whole fields, going by those made so far; if not, let them go."""
        worth = self.count is not None and self.fit(self.count)
        if not worth:
            self.release()
        return worth

    def release(self) -> None:
        """Give back the memory and the file of what was kept; it is made again where it is asked for."""
        self.kept.clear()
        self.shared.clear()
        self.file.close()
        self.bytes = 0

    def _make(self, window: Window, view: View, extent: Extent) -> NetworkInputs:
        """Return the inputs but for the static sources, which are added to those that all times share."""
        whole = Window(window.time, extent.top, extent.left, window.withheld)
        # Their features are made once.
        known = {name for name in view.sources if (name, extent) in self.shared}
        known -= self.model.base.sources
        patch, _ = cut(self.archive, [whole], extent.shape, self.model.halo, view.without(known))
        if patch.domain is not None:
            patch.domain = told_cells(self.archive, [whole], patch, self.model.target)
        inputs = self.model.prepare(patch)
        for fields in (inputs.coarse, inputs.fine):
            for name in self._static(fields):
                values = fields.pop(name)
                if (name, extent) not in self.shared:
                    self.shared[name, extent] = self._placed([values])[0]
        return inputs

    def _static(self, names: Iterable[str]) -> list[str]:
        sources = self.archive.sources
        static = [name for name in names if name in sources and not sources[name].dynamic]
        return [name for name in static if name not in self.climatologies]

    def _held(self, inputs: NetworkInputs) -> WholeInputs:
        names = [*inputs.coarse, *inputs.fine]
        fields = _fields(inputs)
        self._made, self._made_bytes = self._made + 1, self._made_bytes + sum(t.nbytes for t in fields)
        *placed, base = self._placed(fields)
        coarse = dict(zip(names, placed[: len(inputs.coarse)]))
        fine = dict(zip(names[len(inputs.coarse) :], placed[len(inputs.coarse) :]))
        return WholeInputs(coarse, fine, inputs.vector, base)

    def _placed(self, fields: Sequence[Tensor]) -> list[HeldField]:
        """Return fields as they are kept: in memory, or in the file where there is no room for them."""
        size = sum(field.nbytes for field in fields)
        worth = self.count is not None and self.fit(self.count)
        if worth and self.bytes + size > self.room and not self._disk_full:
            try:
                return [self.file.put(field) for field in fields]
            except OSError:  # what is not kept is made again
                self._disk_full = True
        self.bytes += size
        return [field.contiguous() for field in fields]  # not the larger ones that they are windows of

    def batch(self, windows: Sequence[Window], size: tuple[int, int], view: View) -> Batch:
        """Cut a batch that sees `view`; what `from_patch` gives for windows as they are in the archive."""
        k, climatology = self.archive.factor, not self.climatologies.isdisjoint(view.sources)
        extents = [self.extent(w.time) for w in windows]
        for w, extent in zip(windows, extents):
            if extent.shape != self.archive.shape and not extent.holds(w, size):
                raise ValueError(f"the window {w} lies beyond {extent}")
        fields = [self.field(w, climatology, extent) for w, extent in zip(windows, extents)]
        places = [
            replace(w, row=w.row - extent.top, column=w.column - extent.left)
            for w, extent in zip(windows, extents)
        ]
        coarse, fine = (
            {
                name: torch.cat(
                    [self._window(held[name], w, size, self.halo, scale) for held, w in zip(whole, places)]
                )
                for name in whole[0]
            }
            for whole, scale in (
                ([self._seen(f.coarse, e, "coarse", view) for f, e in zip(fields, extents)], 1),
                ([self._seen(f.fine, e, "fine", view) for f, e in zip(fields, extents)], k),
            )
        )
        base = torch.cat([self._window(f.base, w, size, 0, k) for f, w in zip(fields, places)])
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

    def _seen(self, own: dict[str, HeldField], extent: Extent, grid: str, view: View) -> dict[str, HeldField]:
        """Return a field's inputs on a grid, those of static sources among them, without what is not seen."""
        gone = set(self.view.sources) - set(view.sources)
        static = self._static(view.sources)
        shared = {n: self.shared[n, extent] for n in static if self.archive.sources[n].grid == grid}
        return {name: held for name, held in {**own, **shared}.items() if name not in gone}

    def _window(
        self, field: HeldField, window: Window, size: tuple[int, int], halo: int, scale: int
    ) -> Tensor:
        """Cut (…, (h + 2·halo)·scale, …) from a whole field that has the same halo around."""
        top, left = window.row * scale, window.column * scale
        height, width = (size[0] + 2 * halo) * scale, (size[1] + 2 * halo) * scale
        rows = rows_of(field, top, top + height)
        if left + width <= field.shape[-1]:
            return rows[..., left : left + width]
        # Round the globe: columns count from the archive's first, `halo` into the field.
        around = (torch.arange(left, left + width) - halo * scale) % (self.archive.shape[1] * scale)
        return rows[..., around + halo * scale]


def _fields(whole: NetworkInputs) -> list[Tensor]:
    return [*whole.coarse.values(), *whole.fine.values(), whole.base]


def training_inputs(
    config: Config, model: Downscaler, archive: Archive, split: Split, room: int, reach: int
) -> CachedInputs:
    """Return the inputs that a training's steps are cut from, where fields of all its times are few enough.

    Args:
        config, archive, split: of the training.
        model: whose inputs they are.
        room: bytes that are kept in memory.
        reach: as in `CachedInputs`.
    """
    sampling = config.sampling
    inputs = CachedInputs(model, archive, split.training_view, room, reach)
    # Where directions turn or levels change, features are made anew for each step.
    if not (sampling.flip_horizontal or sampling.flip_vertical or sampling.jitter):
        blocks = sampling.withheld_months if inputs.climatologies else 0
        inputs.count = len(split.train.times) * (1 + blocks)
    return inputs
