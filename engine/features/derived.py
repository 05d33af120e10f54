"""Features derived from a source on its own grid. A new one is a function and a line in `DERIVED`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.errors import InputError
from engine.features.terrain import sky_view, topographic_position
from engine.fields.climatology import flat_weights, season_weights, weighted_mean
from engine.fields.conservation import aggregate
from engine.fields.patch import Patch
from engine.fields.upsample import fill, upsample
from engine.fields.windows import spread_cells
from engine.specs import SourceSpec, TargetSpec
from engine.transforms import normalised

NEAR = (1, 2, 4)  # cells each way, that relief looks at


@dataclass(frozen=True)
class Given:
    """What a feature may look at."""

    values: Tensor  # (B, C, H, W) of the source in physical units, NaN where invalid
    source: SourceSpec
    target: TargetSpec
    patch: Patch
    cut: int = 0  # cells on each side of which nobody wants to know a feature

    @property
    def cell_size(self) -> tuple[Tensor, Tensor]:
        """Height and width in metres of the cells in each row, (B, H, 1) each, on the source's grid."""
        size = self.patch.cell_size
        if size is None:
            raise ValueError(f"the patch lacks the cell sizes that the features of {self.source.name} need")
        if self.source.grid == "coarse":
            k = self.patch.factor  # heights add up; a coarse cell is k mean widths wide
            size = size.unflatten(-1, (-1, k)).sum(-1)
        return size[:, 0, :, None], size[:, 1, :, None]

    @cached_property
    def rise(self) -> tuple[Tensor, Tensor]:
        """The gradient of the first channel, see `gradient`."""
        return gradient(self.values[:, 0], *self.cell_size)

    @cached_property
    def steepness(self) -> Tensor:
        """Square root of the slope's tangent."""
        east, north = self.rise
        return (east * east).addcmul_(north, north).sqrt_().sqrt_()

    @property
    def distance(self) -> Tensor:
        """Of a climatology's bands to the date, (B, M) months; infinite: withheld."""
        distance = self.patch.climatology_distance
        return torch.zeros(self.values.shape[:2], device=self.values.device) if distance is None else distance


@dataclass(frozen=True)
class Derived:
    """A derived feature: its channels, and the function that returns (B, channels, H, W).

    Of a static source it looks at nothing that changes with the date: it is made once for a tile. A feature
    that is much work leaves out the cells of `Given.cut` itself (`inner`).
    """

    channels: tuple[str, ...]
    compute: Callable[[Given], Tensor]
    kinds: tuple[str, ...] = ("continuous",)
    inner: bool = False


def gradient(height: Tensor, cell_height: Tensor, cell_width: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rise per metre along columns (eastwards) and against rows (northwards).

    Horn 1981, "Hill shading and the reflectance map", Proc. IEEE 69(1): differences over 3 × 3 cells.
    Cells without data count as level with their neighbours; beyond the window it is level.

    Args:
        height: (B, H, W) in metres.
        cell_height, cell_width: (B, H, 1) in metres.
    """
    around = F.pad(fill(height, 1).unsqueeze(1), (1, 1, 1, 1), mode="replicate").squeeze(1)
    across = torch.add(around[:, :-2], around[:, 1:-1], alpha=2).add_(around[:, 2:])
    east = (across[..., 2:] - across[..., :-2]).mul_(1 / (8 * cell_width))
    along = torch.add(around[..., :-2], around[..., 1:-1], alpha=2).add_(around[..., 2:])
    north = (along[:, :-2] - along[:, 2:]).mul_(1 / (8 * cell_height))
    return east, north


def _slope(given: Given) -> Tensor:
    """Square root of the slope's tangent: the root evens out its skew."""
    return given.steepness.unsqueeze(1)


def _aspect(given: Given) -> Tensor:
    """Sine and cosine of the direction that a slope faces, times `_slope`: zero on the flat."""
    scale = given.steepness.clamp_min(1e-6)
    east, north = given.rise
    return torch.stack([-east / scale, -north / scale], 1)


def _land(given: Given) -> Tensor:
    """1 where the ground lies above the sea, else 0."""
    return (given.values > 0).float()


def _refuse_coarse(given: Given, feature: str) -> None:
    if given.source.grid == "coarse":
        raise InputError(
            f"{given.source.name} is a coarse source, so it has no {feature} within coarse cells."
        )


def _anomaly(given: Given) -> Tensor:
    """Departure from the smooth field of the coarse cells' means."""
    _refuse_coarse(given, "anomaly")
    field, k = given.values[:, 0], given.patch.factor
    return (field - upsample(aggregate(field, k), k, "bilinear")).unsqueeze(1)


def _position(given: Given) -> Tensor:
    """Height above the mean of its surroundings: half a coarse cell and a whole one each way."""
    k = given.patch.factor if given.source.grid == "fine" else 2
    height, cut = given.values[:, 0], given.cut
    return torch.stack([topographic_position(height, r, cut) for r in (max(k // 2, 1), k)], 1)


def _relief(given: Given) -> Tensor:
    """Height above the mean of its surroundings, 1, 2 and 4 cells each way."""
    _refuse_coarse(given, "relief")
    return torch.stack([topographic_position(given.values[:, 0], r) for r in NEAR], 1)


def _exposure(given: Given) -> Tensor:
    """Which way the ground faces at large: rises per metre eastwards and northwards of smoothed heights.

    Means over squares of an eighth and 3/8 of a coarse cell each way.
    """
    _refuse_coarse(given, "exposure")
    height, k = given.values[:, 0], given.patch.factor
    parts: list[Tensor] = []
    for radius in (max(1, k // 8), max(2, 3 * k // 8)):
        parts += gradient(height - topographic_position(height, radius), *given.cell_size)
    return torch.stack(parts, 1)


def _standardised(given: Given) -> Tensor:
    """Departures from the mean of a coarse cell's own cells, over their deviation.

    The deviation itself comes second.
    """
    _refuse_coarse(given, "standardised")
    field, k = given.values[:, 0], given.patch.factor
    apart = field - spread_cells(aggregate(field, k), k)
    deviation = spread_cells(aggregate(apart.square(), k), k).sqrt()
    return torch.stack([apart / deviation.clamp_min(1e-6), deviation], 1)


def _skyview(given: Given) -> Tensor:
    """Share of the sky that is seen past what lies within REACH coarse cells."""
    k = given.patch.factor if given.source.grid == "fine" else 1
    return sky_view(given.values[:, 0], *given.cell_size, REACH * k, given.cut).unsqueeze(1)


def _seasonal(given: Given) -> Tensor:
    """The climatology for the date, as the network sees the target."""
    weights = season_weights(given.distance, given.source.kernel_months)
    return normalised(weighted_mean(given.values, weights), given.target).unsqueeze(1)


def _flat(given: Given) -> Tensor:
    """The climatology's mean over its bands, as the network sees the target."""

    def mean() -> Tensor:
        bands = weighted_mean(given.values, flat_weights(given.distance))
        return normalised(bands, given.target).unsqueeze(1)

    kept = given.patch.kept_of_climatology
    if kept is None:
        return mean()
    return kept.made_with(("flat", given.values.shape), torch.isfinite(given.distance), mean)


DERIVED: dict[str, Derived] = {
    "slope": Derived(("slope",), _slope),
    "aspect": Derived(("aspect_sine", "aspect_cosine"), _aspect),
    "land": Derived(("land",), _land),
    "anomaly": Derived(("anomaly",), _anomaly),
    "position": Derived(("position_near", "position_far"), _position, inner=True),
    "relief": Derived(tuple(f"relief_{radius}" for radius in NEAR), _relief),
    "exposure": Derived(("east_near", "north_near", "east_far", "north_far"), _exposure),
    "standardised": Derived(("standardised", "deviation"), _standardised),
    "skyview": Derived(("skyview",), _skyview, inner=True),
    "seasonal": Derived(("seasonal",), _seasonal, ("climatology",)),
    "flat": Derived(("flat",), _flat, ("climatology",)),
}
CLIMATOLOGY_FEATURES = ("seasonal", "flat")  # of a climatology whose card names none
REACH = 2  # coarse cells around a cell that a feature may look at
