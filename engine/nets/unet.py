"""A plain U-Net (Ronneberger, Fischer & Brox 2015) on the fine grid: what the generator is compared with."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.errors import InputError
from engine.nets.interface import GeneratorNetwork
from engine.nets.noise import Noise
from engine.nets.shapes import cropped, first_pixel, stacked, start_at_zero, window_size
from engine.nets.spec import NetworkSpec, stage_factors

CONVOLUTIONS = 2  # 3×3, at each level on the way down and on the way up


class Block(nn.Module):
    """Two 3×3 convolutions, each with a ReLU; (B, before, h, w) to (B, after, h, w)."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, padding=1)
        self.second = nn.Conv2d(after, after, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map; the border of `CONVOLUTIONS` pixels is affected by the padding."""
        return functional.relu(self.second(functional.relu(self.first(x))))


class UNet(GeneratorNetwork):
    """A residual in the target's transformed space from all sources, stacked as channels of one image.

    The coarse sources are enlarged bilinearly and concatenated with the fine ones, an absent one as
    zeros. Pooling goes from the fine grid down to the coarse one by the factor's primes, smallest
    first, so its blocks lie on the coarse grid and a tile with `halo` coarse cells of context gives
    what the whole field gives. On the way up maps are enlarged bilinearly, joined with those of the
    way down, and cropped to what later levels need. `spec.widths` are the levels' channels from the
    coarse to the fine one. The result is float32; a new network returns 0.

    Raises:
        InputError: the specification asks for noise.
    """

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__(spec)
        if spec.noise:
            raise InputError("network.noise: the U-Net takes no noise.")
        self.primes = stage_factors(spec.factor)
        widths = spec.widths
        last = len(widths) - 1
        channels = sum(spec.coarse.values()) + sum(spec.fine.values())
        down = [Block(channels, widths[last])]
        down += [Block(widths[i + 1], widths[i]) for i in range(last - 1, -1, -1)]
        self.down = nn.ModuleList(down)  # from the fine level to the coarse one
        self.season = nn.Linear(2, widths[0]) if spec.season else None
        self.up = nn.ModuleList(
            [Block(widths[i - 1] + widths[i], widths[i]) for i in range(1, last + 1)]
        )  # from the level above the coarse one to the fine one
        self.out = nn.Conv2d(widths[last], 1, 3, padding=1)
        start_at_zero(self.out)
        self.margins = self._margins()  # pixels around the window that each level's result needs
        self.halo = self.margins[0] + self._spoilt()

    @property
    def widest(self) -> float:
        """Channels of the widest map; sources and what is joined on the way up stay at hand."""
        return super().widest + sum(self.spec.coarse.values()) + sum(self.spec.fine.values())

    def _margins(self) -> tuple[int, ...]:
        need, margins = 1, []  # the output's 3×3
        for index in range(len(self.primes), 0, -1):
            margins.append(need)
            p = self.primes[index - 1]
            need = first_pixel(need + CONVOLUTIONS, p)
        return (need, *reversed(margins))

    def _spoilt(self) -> int:
        """Coarse cells at the border that the way down's padding affects, and the enlargement's."""
        pixels = CONVOLUTIONS + (self.spec.factor + 1) // 2
        for prime in reversed(self.primes):
            pixels = -(-pixels // prime) + CONVOLUTIONS
        return pixels

    def forward(
        self,
        coarse: dict[str, Tensor],
        fine: dict[str, Tensor],
        vector: Tensor | None = None,
        noise: Noise | None = None,
    ) -> Tensor:
        """Return the residual, (B, 1, h·k, w·k) float32; see `GeneratorNetwork.forward`.

        Raises:
            InputError: an unknown source, sizes that do not fit, or noise.
        """
        if noise is not None:
            raise InputError("The U-Net takes no noise.")
        rows, columns = window_size(self.spec, self.halo, coarse, fine)
        like, k = self.out.weight, self.spec.factor
        size = (rows - 2 * self.halo, columns - 2 * self.halo)
        batch = next(iter(coarse.values())).shape[0]
        below = stacked(coarse, self.spec.coarse, like, batch, (rows, columns))
        below = functional.interpolate(below, scale_factor=k, mode="bilinear", align_corners=False)
        x = torch.cat([below, stacked(fine, self.spec.fine, like, batch, (rows * k, columns * k))], 1)
        skips: list[Tensor] = []
        for block, prime in zip(self.down[:-1], reversed(self.primes), strict=True):
            x = block(x)
            skips.append(x)
            x = functional.max_pool2d(x, prime)
        x = self.down[-1](x)
        if self.season is not None and vector is not None:
            x = x + self.season(vector.to(like.dtype))[:, :, None, None]
        x = self._window(x, 0, size, self.margins[0])
        for index, (block, prime) in enumerate(zip(self.up, self.primes, strict=True), start=1):
            x = functional.interpolate(x, scale_factor=prime, mode="bilinear", align_corners=False)
            margin = self.margins[index] + CONVOLUTIONS
            joined = [self._window(part, index, size, margin) for part in (x, skips.pop())]
            x = self._window(block(torch.cat(joined, 1)), index, size, self.margins[index])
        return self._window(self.out(x), len(self.primes), size, 0).float()

    def _window(self, x: Tensor, index: int, size: tuple[int, int], margin: int) -> Tensor:
        """Crop a map of level `index` to the window and `margin` pixels around it."""
        scale = self.spec.scales[index]
        return cropped(x, size[0] * scale + 2 * margin, size[1] * scale + 2 * margin)
