"""A multilayer perceptron over all that is known of one fine cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.errors import InputError
from engine.features.network_inputs import BASE
from engine.nets.interface import GeneratorNetwork
from engine.nets.noise import Noise
from engine.nets.shapes import cropped, window_size
from engine.nets.spec import NetworkSpec

STEPS = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if (down, right) != (0, 0))
MOST_LAYERS = 8
HARMONICS = 3  # of the year: a year, a half, a quarter, so that weeks of one season differ


class Perceptron(GeneratorNetwork):
    """A residual in the target's transformed space, from each fine cell's own features.

    A cell sees the fine sources and the base where it lies, its place in its coarse cell, the season, each
    coarse source in its coarse cell and interpolated, and what the eight coarse cells around have more. How
    the ground lies at several scales, the sources' derived features tell. Hidden layers of rectified units
    follow, all of one width, with dropout (Srivastava et al. 2014, JMLR 15), without which a few thousand
    cells are learned by heart. So every fine cell with a truth is a sample, however sparse they lie. An
    absent source contributes nothing. `spec.widths[0]` is the hidden width. The result is float32; a new
    network returns 0.

    Options: `layers`, how many hidden ones; `dropout`, the share of their units that a step goes without.

    Raises:
        InputError: the specification asks for noise, or an option has no such value.
    """

    OPTIONS: ClassVar[Mapping[str, Any]] = {"layers": 2, "dropout": 0.2}
    finds_relation = True
    halo = 1  # coarse cells: those around, and the interpolation

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__(spec)
        layers, dropout = self.options["layers"], self.options["dropout"]
        if spec.noise:
            raise InputError("network.noise: the perceptron takes no noise.")
        if not isinstance(layers, int) or not 1 <= layers <= MOST_LAYERS:
            raise InputError(f"network.options.layers must be a whole number from 1 to {MOST_LAYERS}.")
        if isinstance(dropout, bool) or not 0 <= dropout < 1:
            raise InputError("network.options.dropout must be from 0 to below 1.")
        width = spec.widths[0]
        between = {name: nn.Linear(c, width) for name, c in spec.coarse.items()}  # interpolated
        around = {name: nn.Linear(c + (c - 1) * len(STEPS), width) for name, c in spec.coarse.items()}
        self.fine = nn.ModuleDict({name: nn.Linear(c, width) for name, c in spec.fine.items()})
        self.between, self.around = nn.ModuleDict(between), nn.ModuleDict(around)
        self.place = nn.Linear(2, width, bias=False)
        self.season = nn.Linear(2 * HARMONICS, width) if spec.season else None
        self.dropout = nn.Dropout(float(dropout))
        self.hidden = nn.ModuleList([nn.Linear(width, width) for _ in range(layers - 1)])
        self.out = nn.Linear(width, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    @property
    def widest(self) -> float:
        """See `GeneratorNetwork.widest`: all layers are as wide, and two are held at a time."""
        return 2.0 * self.spec.widths[0]

    def forward(
        self,
        coarse: dict[str, Tensor],
        fine: dict[str, Tensor],
        vector: Tensor | None = None,
        noise: Noise | None = None,
    ) -> Tensor:
        """Return the residual; see `GeneratorNetwork.forward`. An absent source contributes nothing."""
        k, like = self.spec.factor, self.out.weight
        rows, columns = (n - 2 * self.halo for n in window_size(self.spec, self.halo, coarse, fine))
        batch, size = next(iter(coarse.values())).shape[0], (rows * k, columns * k)
        # What is the same in all of a coarse cell.
        given = {name: source.to(like.dtype) for name, source in coarse.items()}
        x = sum(self.around[name](_with_differences(source).movedim(1, -1)) for name, source in given.items())
        if self.season is not None and vector is not None:
            x = x + self.season(_harmonics(vector.to(like.dtype)))[:, None, None]
        # What differs from cell to cell, of those alone that have a base: the others get no value.
        seen = {name: cropped(source, *size).to(like.dtype) for name, source in fine.items()}
        layers = [self.fine[name] for name in seen]
        for name, source in given.items():
            layers.append(self.between[name])
            seen[f"between {name}"] = cropped(_enlarged(source, k), *size)
        layers.append(self.place)
        seen["place"] = _place_in_cell(k, like).repeat(batch, 1, rows, columns)
        there = seen[BASE][:, -1] > 0 if BASE in seen else like.new_ones((batch, *size), dtype=torch.bool)
        index, row, column = there.nonzero(as_tuple=True)
        cells = torch.cat(list(seen.values()), 1).movedim(1, -1)[index, row, column]
        linear = [layer for layer in layers if isinstance(layer, nn.Linear)]  # which all of them are
        bias = torch.stack([layer.bias for layer in linear if layer.bias is not None]).sum(0)
        hidden = functional.linear(cells, torch.cat([layer.weight for layer in linear], 1), bias)
        hidden = hidden + x[index, row // k, column // k]
        hidden = self.dropout(functional.relu(hidden))
        for layer in self.hidden:
            hidden = self.dropout(functional.relu(layer(hidden)))
        residual = like.new_zeros((batch, *size), dtype=torch.float32)
        residual = residual.index_put((index, row, column), self.out(hidden).squeeze(-1).float())
        return residual.unsqueeze(1)


def _harmonics(vector: Tensor) -> Tensor:
    """Return sine and cosine of once, twice, four times … the year's angle, (B, 2·HARMONICS), from (B, 2)."""
    parts = [vector]
    for _ in range(HARMONICS - 1):
        sine, cosine = parts[-1].unbind(-1)
        parts.append(torch.stack([2 * sine * cosine, cosine.square() - sine.square()], -1))
    return torch.cat(parts, -1)


def _enlarged(source: Tensor, factor: int) -> Tensor:
    """Interpolate a coarse source bilinearly to fine cells: (B, C, H, W) to (B, C, H·k, W·k).

    Of the cells around those count that are valid; the mask, last, becomes their share.
    """
    seen = functional.interpolate(source, scale_factor=factor, mode="bilinear", align_corners=False)
    return torch.cat([seen[:, :-1] / seen[:, -1:].clamp_min(1e-3), seen[:, -1:]], 1)


def _with_differences(source: Tensor) -> Tensor:
    """Return a coarse source's channels and mask, and what each cell around has more, inside a halo of 1.

    The differences are 0 where one of both cells is missing.

    Args:
        source: (B, C + 1, H, W), the mask last.

    Returns:
        (B, C + 1 + 8·C, H − 2, W − 2).
    """
    height, width = (n - 2 for n in source.shape[-2:])
    own = source[..., 1:-1, 1:-1]
    parts = [own]
    for down, right in STEPS:
        other = source[..., 1 + down : 1 + down + height, 1 + right : 1 + right + width]
        parts.append((other[:, :-1] - own[:, :-1]) * (other[:, -1:] * own[:, -1:]))
    return torch.cat(parts, 1)


def _place_in_cell(factor: int, like: Tensor) -> Tensor:
    """Return how far right and down in its coarse cell a fine cell lies, deviation 1, (1, 2, k, k)."""
    along = (torch.arange(factor, dtype=like.dtype, device=like.device) + 0.5) / factor - 0.5
    along = along * 12**0.5
    return torch.stack([along.expand(factor, factor), along[:, None].expand(factor, factor)])[None]
