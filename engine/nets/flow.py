"""Members from a flow: noise is carried to a residual along a velocity that was learned.

Flow matching (Lipman et al. 2023, arXiv 2210.02747) and rectified flow (Liu et al. 2023, arXiv 2209.03003)
join noise z and residual r by a path and learn the mean velocity of the paths through a point. Here the path
is x = cos φ · z + sin φ · r with φ from 0 to π/2 (Albergo & Vanden-Eijnden 2023, arXiv 2209.15571): the
straight one, divided by the deviation that it has where r is standard normal. There the velocity is zero,
so a new network returns noise of the right size, and few steps are enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from engine.errors import InputError
from engine.features.network_inputs import BASE
from engine.fields.windows import crop
from engine.nets.flow_spec import FlowSpec
from engine.nets.generator import Generator
from engine.nets.interface import GeneratorNetwork
from engine.nets.noise import Noise
from engine.nets.shapes import window_size
from engine.nets.spec import NetworkSpec

STATE = "flow"  # the velocity's input beside the sources: x, cos φ, sin φ, and where x is known
STATE_CHANNELS = 4
END = math.pi / 2
LOWEST, HIGHEST = -5.0, 3.0  # logarithm of the local scale

Sources = dict[str, Tensor]


class FlowGenerator(GeneratorNetwork):
    """A network for the one estimate, and a flow for what members differ from it by.

    A member's residual is standardised by a local scale, which a small network finds from the sources, and
    drawn by Euler steps from white noise of its place. Each step looks `velocity.halo` coarse cells further,
    so the halo grows with the steps.

    Args:
        spec: of the whole, with its flow.
        estimate: the network of the one estimate, without noise.

    Raises:
        InputError: a source has the name of the flow's own input.
    """

    def __init__(self, spec: NetworkSpec, estimate: GeneratorNetwork) -> None:
        super().__init__(replace(spec, options={}))
        self.spec, self.estimate = spec, estimate
        if STATE in spec.fine:
            raise InputError(f"A source cannot be named {STATE}: the name is taken.")
        flow = spec.flow or FlowSpec()
        plain = replace(
            spec,
            fine={**spec.fine, STATE: STATE_CHANNELS},
            widths=flow.widths or spec.widths,
            boxes=(0, *(1,) * (len(spec.scales) - 2), 0) if len(spec.scales) > 1 else (0,),
            kind="inception",
            noise=0,
            flow=None,
            attention=False,
            inception=False,
            options={},
        )
        self.velocity = Generator(plain)
        narrow = tuple(max(8, width // 8 * 4) for width in plain.widths)
        self.local_scale = Generator(replace(plain, fine=spec.fine, widths=narrow))
        self.halo = max(estimate.halo, self.local_scale.halo, flow.steps * self.velocity.halo)

    @property
    def flow(self) -> FlowSpec:
        """What the flow is made of."""
        return self.spec.flow or FlowSpec()

    @property
    def widest(self) -> float:
        """Channels of the widest map, counted for each fine cell."""
        return max(self.estimate.widest, self.velocity.widest) + STATE_CHANNELS

    def forward(
        self, coarse: Sources, fine: Sources, vector: Tensor | None = None, noise: Noise | None = None
    ) -> Tensor:
        """Return the one estimate, whatever the noise; see `GeneratorNetwork.forward`."""
        given = self.around(coarse, fine, self.estimate.halo)
        return self.estimate(*given, vector)

    def drawn(self, coarse: Sources, fine: Sources, vector: Tensor | None, noise: Noise) -> Tensor:
        """Return what members differ from the one estimate by, in transformed space, (B, h·k, w·k).

        Zero for member 0. Arguments as for `GeneratorNetwork.forward`.
        """
        return self.ready_drawn(coarse, fine, vector)(noise)

    def ready_drawn(self, coarse: Sources, fine: Sources, vector: Tensor | None) -> Callable[[Noise], Tensor]:
        """Return what makes of each noise what `drawn` makes of it; the local scale is made once for all."""
        scale = self.flow.scale * self.spec.noise_gain * torch.exp(self.log_scale(coarse, fine, vector))

        def member(noise: Noise) -> Tensor:
            shown = torch.tensor([float(number > 0) for number in noise.members], device=scale.device)
            carried = self._carried(coarse, fine, vector, noise)
            return (shown[:, None, None, None] * scale * carried).squeeze(1)

        return member

    def _carried(self, coarse: Sources, fine: Sources, vector: Tensor | None, noise: Noise) -> Tensor:
        """Return the standardised residual that the noise is carried to, (B, 1, h·k, w·k)."""
        k, steps, reach = self.spec.factor, self.flow.steps, self.velocity.halo
        rows, columns = window_size(self.spec, self.halo, coarse, fine)
        size = (rows - 2 * self.halo, columns - 2 * self.halo)
        x = noise.at(len(self.spec.scales) - 1, k, size, steps * reach * k, 1)
        for step in range(steps):
            context = (steps - step) * reach
            given = self.around(coarse, fine, context)
            angle = x.new_full((x.shape[0], 1, 1, 1), END * step / steps)
            known = given[1][BASE][:, -1:].to(x.dtype)
            x = crop(x, reach, k) + END / steps * self.velocity_at(x, angle, known, *given, vector)
        return x

    def velocity_at(
        self, x: Tensor, angle: Tensor, known: Tensor, coarse: Sources, fine: Sources, vector: Tensor | None
    ) -> Tensor:
        """Return dx/dφ, (B, 1, h·k, w·k) float32, of the window inside the velocity's halo.

        Args:
            x: (B, 1, H·k, W·k), the standardised residual on its way.
            angle: φ, (B, 1, 1, 1).
            known: (B, 1, H·k, W·k), 1 where x means something, else 0.
            coarse, fine, vector: the sources, with the velocity's halo.
        """
        state = torch.cat([x, torch.cos(angle) + 0 * x, torch.sin(angle) + 0 * x, known], 1)
        state = torch.cat([state[:, :-1] * known, known], 1)
        return self.velocity(coarse, {**fine, STATE: state}, vector)

    def log_scale(self, coarse: Sources, fine: Sources, vector: Tensor | None) -> Tensor:
        """Return the logarithm of the residual's local deviation in units of the scale, (B, 1, h·k, w·k)."""
        given = self.around(coarse, fine, self.local_scale.halo)
        return self.local_scale(*given, vector).clamp(LOWEST, HIGHEST)

    def around(self, coarse: Sources, fine: Sources, halo: int) -> tuple[Sources, Sources]:
        """Return the sources, which have this network's halo, with so many coarse cells around instead."""
        cut, k = self.halo - halo, self.spec.factor
        return {n: crop(x, cut) for n, x in coarse.items()}, {n: crop(x, cut, k) for n, x in fine.items()}
