"""The conditional patch discriminator (Isola et al. 2017) with spectral norm (Miyato et al. 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from engine.nets.spec import NetworkSpec


class Discriminator(nn.Module):
    """Says for each patch of a fine field whether it looks real, given its condition.

    `channels` is the number of channels of the condition. Each strided layer halves the grid and
    doubles the channels, up to eight times `width`; with `spectral` every convolution is spectrally
    normalised, so that the hinge loss meets a function of bounded slope.
    """

    def __init__(self, channels: int, width: int = 32, layers: int = 3, spectral: bool = True) -> None:
        super().__init__()
        wrapped = spectral_norm if spectral else nn.Identity()
        blocks: list[nn.Module] = []
        before = 1 + channels
        for index in range(layers):
            after = width * 2 ** min(index, 3)
            blocks += [wrapped(nn.Conv2d(before, after, 4, 2, 1)), nn.LeakyReLU(0.2)]
            before = after
        blocks.append(wrapped(nn.Conv2d(before, 1, 3, padding=1)))
        self.layers = nn.Sequential(*blocks)

    def forward(self, field: Tensor, condition: Tensor) -> Tensor:
        """Map a field (B, 1, h, w) and its condition (B, C, h, w) to logits (B, 1, ≈h/2ⁿ, ≈w/2ⁿ).

        n is the number of layers; the field is in the target's transformed, normalised space.
        """
        return self.layers(torch.cat([field, condition], 1))


def condition_channels(spec: NetworkSpec) -> int:
    """Return the number of channels of `condition`."""
    return spec.coarse["target"] + sum(spec.fine.values())


def condition(spec: NetworkSpec, halo: int, coarse: dict[str, Tensor], fine: dict[str, Tensor]) -> Tensor:
    """Return (B, C, h·k, w·k): the upsampled coarse target and every fine source, without the halo.

    Takes the generator's inputs; a source that is absent is zero.
    """
    target, margin = coarse["target"], halo * spec.factor
    fields = [functional.interpolate(target, scale_factor=spec.factor, mode="bilinear", align_corners=False)]
    for name, channels in spec.fine.items():
        zero = fields[0].new_zeros(())
        shape = (target.shape[0], channels, *fields[0].shape[-2:])
        fields.append(fine[name] if name in fine else zero.expand(shape))
    stacked = torch.cat(fields, 1)
    return stacked[..., margin : stacked.shape[-2] - margin, margin : stacked.shape[-1] - margin]
