"""The encoded conditional GAN's generator, built from its published description: a rival, not a part of ours.

What the description fixes: each coarse variable goes through a 1×1 convolution, batch normalisation
and LeakyReLU of slope 0.01, then through an encoder of four inception boxes of 8 channels; three
stages of four boxes with 256, 128 and 64 channels follow, each with attention, enlarged by 2×
transposed convolutions; the elevation joins by 4 and 8 channels before the last stage. So it enlarges
four times. It returns the field itself, without anything to stand on, and knows no climatology.

What it leaves open is chosen here: boxes are branches of equal width, concatenated (Szegedy et al.
2015); attention is that of CBAM (Woo et al. 2018), pooled locally as in `engine.nets.attention` so
that tiles agree; transposed convolutions have 2 × 2 taps; weights start after He et al. 2015, without which
so deep a stack of boxes starts silent; every fine source takes the elevation's way.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.errors import InputError
from engine.nets.attention import ChannelAttention, SpatialAttention
from engine.nets.interface import GeneratorNetwork
from engine.nets.noise import Noise
from engine.nets.shapes import cropped, first_pixel, stacked, window_size
from engine.nets.spec import NetworkSpec

FACTOR = 4  # of the network itself
SLOPE = 0.01  # of LeakyReLU below zero
ENCODED = 8  # channels of a variable's encoding
BOXES = 4  # of an encoder, and of a stage
WIDTHS = (256, 128, 64)  # channels of the stages
ELEVATION = (4, 8)  # channels of the elevation's two convolutions
BASE = "base"  # the simple disaggregation, which this network does not look at


class Box(nn.Module):
    """An inception box: 1×1 | 1×1 → 3×3 | 1×1 → 5×5 | 3×3 max-pool → 1×1, concatenated.

    (B, before, h, w) to (B, after, h, w), `after` a multiple of 4; the border of `radius` pixels is
    affected by the padding.
    """

    radius = 2

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        part = after // 4
        self.point = nn.Conv2d(before, part, 1)
        self.reduce3, self.conv3 = nn.Conv2d(before, part, 1), nn.Conv2d(part, part, 3, padding=1)
        self.reduce5, self.conv5 = nn.Conv2d(before, part, 1), nn.Conv2d(part, part, 5, padding=2)
        self.pooled = nn.Conv2d(before, part, 1)

    def start(self) -> None:
        """Draw weights that keep a map's variance from layer to layer (He et al. 2015, eq. 15)."""
        for layer in (
            *(self.point, self.reduce3, self.conv3),
            *(self.reduce5, self.conv5, self.pooled),
        ):
            nn.init.kaiming_normal_(layer.weight, a=SLOPE)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map."""
        branches = [
            self.point(x),
            self.conv3(_leaky(self.reduce3(x))),
            self.conv5(_leaky(self.reduce5(x))),
            self.pooled(functional.max_pool2d(x, 3, stride=1, padding=1)),
        ]
        return _leaky(torch.cat(branches, 1))


def _leaky(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, SLOPE)


def _boxes(before: int, after: int) -> list[nn.Module]:
    return [Box(before if index == 0 else after, after) for index in range(BOXES)]


class Stage(nn.Module):
    """Four boxes, then channel and spatial attention, at `scale` pixels along a working cell."""

    def __init__(self, before: int, width: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.boxes = nn.Sequential(*_boxes(before, width))
        self.channel = ChannelAttention(width, scale, window=3 if scale == 1 else 1)
        self.spatial = SpatialAttention()

    def reach(self, need: int) -> int:
        """Return the margin in pixels that the input needs for `need` exact pixels of output."""
        need += SpatialAttention.radius
        need = -(-need // self.scale) * self.scale + self.channel.window // 2 * self.scale
        need += Box.radius * BOXES
        return -(-need // self.scale) * self.scale  # whole cells, on which channel attention pools

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, before, h, w) to (B, width, h, w)."""
        return self.spatial(self.channel(self.boxes(x)))


class EncodedGenerator(GeneratorNetwork):
    """The target in its transformed space, from the coarse variables and the elevation.

    A larger factor is met by interpolation: the coarse variables are enlarged bilinearly to cells a
    quarter of the way from there to the fine grid, and the network does the rest. `spec.widths` and
    `spec.boxes` play no part, since the description fixes them. In evaluation batch normalisation
    uses its running statistics, so a tile with `halo` coarse cells of context gives what the whole
    field gives. The result is float32.

    Raises:
        InputError: the factor is no multiple of 4, or the specification asks for noise or season.
    """

    whole_field = True

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__(spec)
        if spec.factor % FACTOR:
            raise InputError(
                f"network.kind: encodedgan enlarges {FACTOR} times, so the factor must be a multiple of that."
            )
        for key in ("noise", "season"):
            if getattr(spec, key):
                raise InputError(f"network.{key}: encodedgan takes none.")
        self.before = spec.factor // FACTOR  # working cells along a coarse cell
        self.fine = {name: channels for name, channels in spec.fine.items() if name != BASE}
        self.variables = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.Conv2d(channels, ENCODED, 1),
                    nn.BatchNorm2d(ENCODED),
                    nn.LeakyReLU(SLOPE),
                    *_boxes(ENCODED, ENCODED),
                )
                for name, channels in spec.coarse.items()
            }
        )
        self.elevation: nn.Module | None = None
        if self.fine:
            self.elevation = nn.Sequential(
                nn.Conv2d(sum(self.fine.values()), ELEVATION[0], 3, padding=1),
                nn.LeakyReLU(SLOPE),
                nn.Conv2d(ELEVATION[0], ELEVATION[1], 3, padding=1),
                nn.LeakyReLU(SLOPE),
            )
        joined = WIDTHS[2] + (ELEVATION[1] if self.fine else 0)
        stages = [
            Stage(ENCODED * len(spec.coarse), WIDTHS[0], 1),
            Stage(WIDTHS[1], WIDTHS[1], 2),
            Stage(joined, WIDTHS[2], 4),
        ]
        self.stages = nn.ModuleList(stages)
        self.enlarge = nn.ModuleList(
            [nn.ConvTranspose2d(WIDTHS[i], WIDTHS[i + 1], 2, stride=2) for i in range(2)]
        )
        self.out = nn.Conv2d(WIDTHS[2], 1, 3, padding=1)
        for module in self.modules():
            if isinstance(module, Box):
                module.start()
        need, margins = 1, []  # the output's 3×3
        for stage in reversed(stages):
            margins.append(stage.reach(need))
            need = -(-margins[-1] // 2)
        self.margins = tuple(reversed(margins))  # pixels around the window that each stage takes in
        encoded = self.margins[0] + Box.radius * BOXES
        self.halo = encoded if self.before == 1 else first_pixel(encoded, self.before)

    @property
    def widest(self) -> float:
        """Channels of the widest map, which the description fixes."""
        return float(WIDTHS[-1] + ELEVATION[-1])

    def forward(
        self,
        coarse: dict[str, Tensor],
        fine: dict[str, Tensor],
        vector: Tensor | None = None,
        noise: Noise | None = None,
    ) -> Tensor:
        """Return the field, (B, 1, h·k, w·k) float32; see `GeneratorNetwork.forward`.

        Raises:
            InputError: an unknown source, sizes that do not fit, or noise.
        """
        if noise is not None:
            raise InputError("The encodedgan takes no noise.")
        rows, columns = window_size(self.spec, self.halo, coarse, fine)
        like, first = self.out.weight, next(iter(coarse.values()))
        size = ((rows - 2 * self.halo) * self.before, (columns - 2 * self.halo) * self.before)
        encodings = []
        for name, channels in self.spec.coarse.items():
            given = coarse.get(name)
            if given is None:
                given = first.new_zeros((first.shape[0], channels, rows, columns))
            given = given.to(like.dtype)
            if self.before > 1:
                given = functional.interpolate(
                    given, scale_factor=self.before, mode="bilinear", align_corners=False
                )
            encodings.append(self.variables[name](given))
        x = self._window(torch.cat(encodings, 1), 0, size)
        for index, stage in enumerate(self.stages):
            if index == 2 and self.elevation is not None:
                batch, k = first.shape[0], self.spec.factor
                given = stacked(fine, self.fine, like, batch, (rows * k, columns * k))
                given = cropped(given, x.shape[-2] + 4, x.shape[-1] + 4)  # its two convolutions' border
                x = torch.cat([x, cropped(self.elevation(given), *x.shape[-2:])], 1)
            x = stage(x)
            if index < 2:
                x = self._window(self.enlarge[index](x), index + 1, size)
        x = self.out(x)
        return cropped(x, size[0] * FACTOR, size[1] * FACTOR).float()

    def _window(self, x: Tensor, index: int, size: tuple[int, int]) -> Tensor:
        """Crop a map at the scale of stage `index` to the window and what that stage takes in."""
        scale, margin = 2**index, 2 * self.margins[index]
        return cropped(x, size[0] * scale + margin, size[1] * scale + margin)
