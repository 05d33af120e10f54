"""A local regression whose coefficients a small network finds from the coarse fields."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from engine.errors import InputError
from engine.nets.interface import GeneratorNetwork
from engine.nets.noise import Noise
from engine.nets.shapes import cropped, start_at_zero, window_size
from engine.nets.spec import NetworkSpec

BASE = "base"  # says what the field is like, not what the ground is: it gets no coefficient


class Pointwise(GeneratorNetwork):
    """A residual in the target's transformed space, linear in the fine sources: Σ b(X) · f.

    The coefficients b of the fine channels f depend on the coarse sources of a cell and the season
    through two 1×1 convolutions, and are enlarged bilinearly. It is what data mining sharpening fits
    in moving windows (Gao, Kustas & Anderson 2012, Remote Sens. 4), learned once for all dates. Without
    relief there is no detail, direction and place mean nothing, and a coefficient is per unit of its
    source at every scale: what is learned one level up can be used below. An absent source contributes
    nothing. `spec.widths[0]` is the hidden width. The result is float32; a new network returns 0.

    Raises:
        InputError: the specification asks for noise, or there is no fine source.
    """

    halo = 1  # coarse cells, for the bilinear enlargement

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__(spec)
        self.channels = {name: count - 1 for name, count in spec.fine.items() if name != BASE}
        if spec.noise:
            raise InputError("network.noise: the pointwise regression takes no noise.")
        if not self.channels:
            raise InputError("network.kind: the pointwise regression needs a fine source.")
        width = spec.widths[0]
        self.coarse = nn.ModuleDict({name: nn.Conv2d(c, width, 1) for name, c in spec.coarse.items()})
        self.season = nn.Linear(2, width) if spec.season else None
        self.mix = nn.Conv2d(width, width, 1)
        layers = {name: nn.Conv2d(width, count, 1) for name, count in self.channels.items()}
        for layer in layers.values():
            start_at_zero(layer)
        self.coefficients = nn.ModuleDict(layers)

    def forward(
        self,
        coarse: dict[str, Tensor],
        fine: dict[str, Tensor],
        vector: Tensor | None = None,
        noise: Noise | None = None,
    ) -> Tensor:
        """Return the residual; see `GeneratorNetwork.forward`."""
        k = self.spec.factor
        rows, columns = window_size(self.spec, self.halo, coarse, fine)
        encoded = [self.coarse[name](source.to(self.mix.weight.dtype)) for name, source in coarse.items()]
        x = sum(encoded[1:], encoded[0])
        if self.season is not None and vector is not None:
            x = x + self.season(vector.to(x.dtype))[:, :, None, None]
        x = functional.relu(self.mix(functional.relu(x)))
        height, width = (rows - 2 * self.halo) * k, (columns - 2 * self.halo) * k
        residual = x.new_zeros(x.shape[0], 1, height, width)
        for name, count in self.channels.items():
            slopes = self.coefficients[name](x)
            slopes = functional.interpolate(slopes, scale_factor=k, mode="bilinear", align_corners=False)
            # Zero where invalid; an absent source is all zero, so that gradients find their way.
            values = fine[name][:, :count].to(slopes.dtype) if name in fine else slopes.new_zeros(())
            residual = residual + cropped(slopes * values, height, width).sum(1, keepdim=True)
        return residual.float()
