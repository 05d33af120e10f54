"""What a flow learns from a batch: the velocity between noise and residual, and the residual's scale."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.features.network_inputs import LIMIT, NetworkInputs
from engine.nets.downscaler import Downscaler
from engine.nets.flow import END, FlowGenerator
from engine.transforms import normalised
from training.trainer.flow.filled import filled
from training.trainer.losses import masked_mean


class FlowLearner(nn.Module):
    """A model with the losses of its flow, so that its gradients are averaged over processes as one.

    Args:
        model: whose generator has a flow; its one estimate gets no gradient.
    """

    def __init__(self, model: Downscaler) -> None:
        super().__init__()
        self.model = model
        if not isinstance(model.generator, FlowGenerator):
            raise TypeError("the generator has no flow")

    def forward(self, inputs: NetworkInputs, truth: Tensor) -> dict[str, Tensor]:
        """Return the losses: of the velocity at random angles, and of the local scale.

        `flow` is the mean squared error of the velocity, `flow_scale` the Gaussian log score (Good 1952)
        of the residual with the local deviation, both over the cells with truth. Angles, one for each
        window, and noise come from torch's generator.

        Args:
            inputs: as `Downscaler.prepare` returns them.
            truth: (B, h·k, w·k) in the target's units, NaN where there is none.
        """
        flow, (batch, height, width) = self._flow(), truth.shape
        with torch.no_grad():
            estimate = self.model(inputs).float()
            residual = (normalised(truth, self.model.target) - estimate) / flow.flow.scale
        sources = inputs.coarse, inputs.fine
        log_scale = flow.log_scale(*sources, inputs.vector).squeeze(1)
        known = torch.isfinite(residual)
        square = torch.where(known, residual, torch.zeros_like(residual)) * torch.exp(-log_scale)
        losses = {"flow_scale": masked_mean(log_scale + square.clamp(-LIMIT, LIMIT).square() / 2, known)}
        whole = filled((residual * torch.exp(-log_scale.detach())).clamp(-LIMIT, LIMIT))
        seen = torch.isfinite(whole)
        end = torch.where(seen, whole, torch.zeros_like(whole)).unsqueeze(1)
        place = (torch.arange(batch, device=truth.device) + torch.rand(batch, device=truth.device)) / batch
        angle = (END * place)[:, None, None, None]
        start = torch.randn(batch, 1, height, width, device=truth.device)
        x = torch.cos(angle) * start + torch.sin(angle) * end
        edge = flow.velocity.halo * flow.spec.factor
        x, shown = (functional.pad(field, (edge,) * 4) for field in (x, seen.unsqueeze(1).to(x.dtype)))
        velocity = flow.velocity_at(
            x, angle, shown, *flow.around(*sources, flow.velocity.halo), inputs.vector
        )
        error = velocity - (torch.cos(angle) * end - torch.sin(angle) * start)
        losses["flow"] = masked_mean(error.squeeze(1).square(), known)
        return losses

    def _flow(self) -> FlowGenerator:
        generator = self.model.generator
        if not isinstance(generator, FlowGenerator):
            raise TypeError("the generator has no flow")
        return generator
