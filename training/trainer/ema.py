"""An exponential moving average of the generator's weights: what validation sees and what is shipped."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class MovingAverage:
    """Weights w̄ ← d·w̄ + (1 − d)·w, with d = min(decay, (1 + n) / (10 + n)) after n updates.

    The smaller decay at first keeps the random start from lingering in the average.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.weights = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Take in the module's weights."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        held, new = [], []
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                held.append(self.weights[name])
                new.append(value)
            else:
                self.weights[name].copy_(value)
        torch._foreach_lerp_(held, new, 1 - decay)  # on a GPU in few launches

    def restore(self, weights: Mapping[str, Tensor], updates: int) -> None:
        """Go on from saved weights."""
        self.updates = updates
        for name, held in self.weights.items():
            held.copy_(weights[name])
