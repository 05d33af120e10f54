"""The generator: coarse fields and fine covariates in, a residual on the fine grid out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.nets.attention import ChannelAttention, SpatialAttention
from engine.nets.gradient_layout import cut_out
from engine.nets.inception import InceptionBox, PlainBox
from engine.nets.interface import GeneratorNetwork
from engine.nets.noise import Noise
from engine.nets.shapes import first_pixel, start_at_zero, window_size
from engine.nets.spec import NetworkSpec, stage_factors


class Encoder(nn.Module):
    """A source's own encoder: a 1×1 convolution that brings its channels to one scale and mixes them.

    What it hands on is summed with the other sources' encodings before the nonlinearity, so that a
    source that is absent is a zero and nothing else.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.normalise = nn.Conv2d(channels, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, h, w) to (B, width, h, w)."""
        return self.normalise(x)


class NoiseInjection(nn.Module):
    """Adds noise to a map: x + a(x) ⊙ (W z + b), with z white noise of a level (after Karras et al. 2019).

    W mixes the noise's channels into the map's. The amplitude a, two 1×1 convolutions of the map, lets
    the spread depend on the place, and b lets the members' centre leave the estimate without noise,
    which is made for other losses. The amplitude is zero at first: a new layer adds nothing.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(channels, width, 1)
        self.inner = nn.Conv2d(width, width, 1)
        self.amplitude = nn.Conv2d(width, width, 1)
        self.reset()

    def reset(self) -> None:
        """Forget what was learned: draw the weights anew, the amplitude zero."""
        self.inner.reset_parameters()
        nn.init.normal_(self.mix.weight, std=self.mix.in_channels**-0.5)
        if self.mix.bias is not None:
            nn.init.zeros_(self.mix.bias)
        start_at_zero(self.amplitude)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """Map (B, width, h, w) and noise (B, channels, h, w) to (B, width, h, w)."""
        amplitude, mixed = self.amplitude(functional.relu_(self.inner(x))), self.mix(noise)
        if amplitude.requires_grad or mixed.requires_grad:
            return (amplitude * mixed).add_(x)
        return amplitude.mul_(mixed).add_(x)


class GeneratorLevel(nn.Module):
    """Work at one scale: inject the fine sources and noise, boxes, attention.

    Channel attention works at all levels but the finest two, spatial attention at the last but one:
    there seven pixels are a short way in coarse cells, so the halo stays narrow.
    """

    def __init__(self, spec: NetworkSpec, index: int) -> None:
        super().__init__()
        self.scale = spec.scales[index]
        last = len(spec.scales) - 1
        self.finest = index == last
        width = spec.widths[index]
        self.encoders = nn.ModuleDict({name: Encoder(c, width) for name, c in spec.fine.items()})
        self.noise = NoiseInjection(spec.noise, width) if spec.noise else None
        self.box = InceptionBox if spec.inception else PlainBox
        self.boxes = nn.ModuleList([self.box(width) for _ in range(spec.boxes[index])])
        window = spec.window if index == 0 else 1
        channel = spec.attention and index < max(1, last - 1)
        spatial = spec.attention and index == last - 1
        self.channel = ChannelAttention(width, self.scale, window) if channel else None
        self.spatial = SpatialAttention() if spatial else None
        self.conv = nn.Conv2d(width, width, 3, padding=1) if self.finest else None

    def reach(self, need: int) -> int:
        """Return the margin in pixels that the input needs for `need` exact pixels of output."""
        if self.conv is not None:
            need += 1
        if self.spatial is not None:
            need += SpatialAttention.radius
        if self.channel is not None:
            need = -(-need // self.scale) * self.scale + self.channel.window // 2 * self.scale
        need += self.box.radius * len(self.boxes)
        if self.channel is not None:  # blocks must be whole coarse cells
            need = -(-need // self.scale) * self.scale
        return need

    def forward(
        self, x: Tensor, encoded: Tensor | None, noise: Tensor | None = None, keep: bool = False
    ) -> Tensor:
        """Map (B, width, h, w), the sources' encodings and the noise at this scale to (B, width, h, w).

        The encodings are changed unless they are to be kept.
        """
        if encoded is None:
            x = functional.relu(x)
        else:
            x = functional.relu_(encoded + x if keep else encoded.add_(x))
        if self.noise is not None and noise is not None:
            x = self.noise(x, noise)
        for box in self.boxes:
            x = box(x)
        if self.channel is not None:
            x = self.channel(x)
        if self.spatial is not None:
            x = self.spatial(x)
        if self.conv is not None:
            more = functional.relu_(self.conv(x))
            x = x + more if more.requires_grad else more.add_(x)
        return x

    def encoded(self, fine: dict[str, Tensor]) -> Tensor | None:
        """Return the sum of the sources' encodings, (B, width, h, w), None where there is no source.

        A sum of 1×1 convolutions is one of the stacked sources: the fine grid is read once.
        """
        if not fine:
            return None
        encoders = [self.encoders[name] for name in fine]
        layers = [encoder.normalise for encoder in encoders if isinstance(encoder, Encoder)]
        weight = torch.cat([layer.weight for layer in layers], 1)
        bias = torch.stack([layer.bias for layer in layers if layer.bias is not None]).sum(0)
        return functional.conv2d(torch.cat(list(fine.values()), 1), weight, bias)


class Generator(GeneratorNetwork):
    """A residual in the target's transformed space, from coarse and fine sources, any of which may lack.

    Coarse sources are encoded apart and fused at the coarse level. Then each stage (the factor's
    primes, largest first) reduces the width, enlarges bilinearly and injects every fine source,
    aggregated to that scale by the mean over valid pixels. After each stage the map is cropped to
    what later stages still need. `halo` is the context in coarse cells that makes a tile's output
    equal to the whole field's. No normalisation pools over the field, and attention pools over
    windows fixed to the coarse grid (see engine.nets.attention).
    The weights' dtype is the working precision; the result is float32. A new generator returns 0.
    """

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__(spec)
        self.primes = stage_factors(spec.factor)
        width = spec.widths[0]
        self.coarse = nn.ModuleDict({name: Encoder(c, width) for name, c in spec.coarse.items()})
        self.season = nn.Linear(2, width) if spec.season else None
        levels = [GeneratorLevel(spec, i) for i in range(len(spec.scales))]
        self.levels = nn.ModuleList(levels)
        self.reduce = nn.ModuleList(
            [nn.Conv2d(a, b, 1) for a, b in zip(spec.widths[:-1], spec.widths[1:], strict=True)]
        )
        self.out = nn.Conv2d(spec.widths[-1], 1, 3, padding=1)
        start_at_zero(self.out)
        self.margins = self._margins(levels)  # pixels around the window, at each level's own scale
        self.halo = self.margins[0]

    def _margins(self, levels: Sequence[GeneratorLevel]) -> tuple[int, ...]:
        need, margins = 1, []  # the output's 3×3
        for index in range(len(levels) - 1, -1, -1):
            margin = levels[index].reach(need)
            margins.append(margin)
            if index:
                need = first_pixel(margin, self.primes[index - 1])
        return tuple(reversed(margins))

    def forward(
        self,
        coarse: dict[str, Tensor],
        fine: dict[str, Tensor],
        vector: Tensor | None = None,
        noise: Noise | None = None,
    ) -> Tensor:
        """Return the residual; see `GeneratorNetwork.forward`. An absent source contributes nothing."""
        return self._drawn(*self._encoded(coarse, fine, vector), noise, keep=False)

    def ready(
        self, coarse: dict[str, Tensor], fine: dict[str, Tensor], vector: Tensor | None = None
    ) -> Callable[[Noise | None], Tensor]:
        """See `GeneratorNetwork.ready`: sources are aggregated and encoded once for all members."""
        size, first, encodings = self._encoded(coarse, fine, vector)
        kept = list(encodings)
        return lambda noise: self._drawn(size, first, kept, noise, keep=True)

    def _encoded(
        self, coarse: dict[str, Tensor], fine: dict[str, Tensor], vector: Tensor | None
    ) -> tuple[tuple[int, int], Tensor, Iterator[Tensor | None]]:
        """Encode the sources, which is the same for all members.

        Returns:
            the windows' rows and columns in coarse cells; the sum of the coarse sources' encodings,
            (B, width, H, W); that of the fine ones at each level, as far around as the level needs them.
        """
        rows, columns = window_size(self.spec, self.halo, coarse, fine)
        like = self.out.weight
        size = (rows - 2 * self.halo, columns - 2 * self.halo)
        pyramid = self._pyramid({name: x.to(like.dtype) for name, x in fine.items()})
        parts: list[Tensor] = [self.coarse[name](source.to(like.dtype)) for name, source in coarse.items()]
        x = sum(parts[1:], parts[0])
        if self.season is not None and vector is not None:
            x = x + self.season(vector.to(like.dtype))[:, :, None, None]
        return size, x, (self._level(index, sources, size) for index, sources in enumerate(pyramid))

    def _level(self, index: int, sources: dict[str, Tensor], size: tuple[int, int]) -> Tensor | None:
        """Return the encoding of the fine sources for level `index`."""
        if index:
            margin = self.margins[index]
            sources = {name: self._window(s, index, size, margin) for name, s in sources.items()}
        level = self.levels[index]
        return level.encoded(sources) if isinstance(level, GeneratorLevel) else None

    def _drawn(
        self,
        size: tuple[int, int],
        first: Tensor,
        encodings: Iterable[Tensor | None],
        noise: Noise | None,
        keep: bool,
    ) -> Tensor:
        """Return the residual of encoded sources, which stay as they are where they are to be kept."""
        x = first
        for index, (level, encoded) in enumerate(zip(self.levels, encodings, strict=True)):
            if index:
                prime, reduce = self.primes[index - 1], self.reduce[index - 1]
                before = self._window(x, index - 1, size, self._enough(index))
                x = functional.interpolate(
                    reduce(before), scale_factor=prime, mode="bilinear", align_corners=False
                )
                x = self._window(x, index, size, self.margins[index])
            x = level(x, encoded, self._noise(noise, index, size), keep)
        return self._window(self.out(x), len(self.primes), size, 0).float()

    def _noise(self, noise: Noise | None, index: int, size: tuple[int, int]) -> Tensor | None:
        """Return the noise of level `index` around the window, in the working precision."""
        if noise is None or not self.spec.noise:
            return None
        like = self.out.weight
        drawn = noise.at(index, self.spec.scales[index], size, self.margins[index], self.spec.noise)
        return (self.spec.noise_gain * drawn).to(like.device, like.dtype)

    def _enough(self, index: int) -> int:
        """Margin at level index − 1 that covers level index's margin after the enlargement."""
        return first_pixel(self.margins[index], self.primes[index - 1])

    def _window(self, x: Tensor, index: int, size: tuple[int, int], margin: int) -> Tensor:
        """Crop a map of level `index` to the window and `margin` pixels around it."""
        scale = self.spec.scales[index]
        top, left = (x.shape[-2] - size[0] * scale) // 2, (x.shape[-1] - size[1] * scale) // 2
        rows = slice(top - margin, x.shape[-2] - top + margin)
        return cut_out(x, rows, slice(left - margin, x.shape[-1] - left + margin))

    def _pyramid(self, fine: dict[str, Tensor]) -> list[dict[str, Tensor]]:
        """Aggregate each fine source to every level by the mean over valid pixels."""
        levels, plain = [fine], fine
        for prime in reversed(self.primes):
            plain = {name: block_mean(x, prime) for name, x in plain.items()}
            levels.append({name: over_valid(x) for name, x in plain.items()})
        return levels[::-1]


def block_mean(x: Tensor, factor: int) -> Tensor:
    """Return the means of factor × factor blocks; x is (B, C, h·factor, w·factor).

    A depthwise convolution: three times as fast as pooling for the few channels of a source.
    """
    kernel = x.new_full((x.shape[1], 1, factor, factor), 1 / factor**2)
    return functional.conv2d(x, kernel, stride=factor, groups=x.shape[1])


def over_valid(mean: Tensor) -> Tensor:
    """Turn means over all pixels, invalid ones counted as 0, into means over the valid ones.

    (B, C, h, w); the last channel is the share of valid pixels and stays.
    """
    share = mean[:, -1:]
    return torch.cat([mean[:, :-1] / share.clamp_min(1e-6), share], 1)
