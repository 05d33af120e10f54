"""The discriminator and its training: the adversarial part of the losses."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import torch
from torch import Tensor, nn

from engine.features.network_inputs import NetworkInputs
from engine.nets.spec import NetworkSpec
from engine.specs import TargetSpec
from engine.transforms import normalised
from training.data.cached_inputs import Batch
from training.schema.config import AdversarialLoss, OptimiserSection
from training.trainer.discriminator import Discriminator, condition, condition_channels
from training.trainer.distributed import averaged
from training.trainer.losses import adversarial_loss, discriminator_loss

Autocast = Callable[[], contextlib.AbstractContextManager[None]]


class Adversary:
    """A conditional patch discriminator with its optimiser.

    Args:
        section: of the configuration.
        optimiser: for the optimiser's other settings.
        target: what is judged, as the network sees it.
        spec, halo: of the generator, whose inputs are the condition.
        device: where it judges.
    """

    def __init__(
        self,
        section: AdversarialLoss,
        optimiser: OptimiserSection,
        target: TargetSpec,
        spec: NetworkSpec,
        halo: int,
        device: torch.device | None = None,
    ) -> None:
        self.section, self.clip = section, optimiser.clip
        self.target, self.spec, self.halo = target, spec, halo
        self.network = Discriminator(
            condition_channels(spec), section.width, section.layers, section.spectral
        ).to(device)
        self.parallel: nn.Module = self.network  # the same, but for gradients averaged over processes
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(),
            section.rate,
            betas=optimiser.betas,
            weight_decay=optimiser.weight_decay,
        )

    def generator_loss(self, fine: Tensor, batch: Batch, autocast: Autocast) -> Tensor:
        """Return the generator's adversarial loss; its gradient reaches the generator through `fine`.

        Where the section says detached, none does.

        Args:
            fine: (B, h·k, w·k) generated, physical units.
            batch: what it was generated from.
            autocast: gives the context in which the network runs.
        """
        field = self._where_known(self._judged(fine.detach() if self.section.detached else fine), batch)
        given = self._condition(batch.inputs)
        self.network.requires_grad_(False)
        try:
            with autocast():
                logits = self.network(field, given)
        finally:
            self.network.requires_grad_(True)
        return adversarial_loss(logits.float(), self.section.kind)

    def own_loss(self, fine: Tensor, batch: Batch, autocast: Autocast) -> Tensor:
        """Return the discriminator's loss on the truth and on generated fields, which get no gradient."""
        real, fake = self._judged(batch.truth), self._where_known(self._judged(fine.detach()), batch)
        given = self._condition(batch.inputs)
        with autocast():
            logits = self.parallel(torch.cat([real, fake]), torch.cat([given, given]))
        first, second = logits.float().chunk(2)
        return discriminator_loss(first, second, self.section.kind)

    def step(self, fine: Tensor, batch: Batch, autocast: Autocast, rate: float) -> Tensor:
        """Train the discriminator for one step; returns its loss, without gradient."""
        loss = self.own_loss(fine, batch, autocast)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
        self.optimiser.step()
        return averaged(loss)

    def _judged(self, field: Tensor) -> Tensor:
        """Return a physical field as the discriminator sees it, (B, 1, ·, ·), zero where invalid."""
        seen = normalised(field, self.target).unsqueeze(1)
        return torch.where(torch.isfinite(seen), seen, torch.zeros_like(seen))

    @staticmethod
    def _where_known(field: Tensor, batch: Batch) -> Tensor:
        """Return a judged field, zero where the truth is too: holes must not tell the two apart."""
        return torch.where(torch.isfinite(batch.truth).unsqueeze(1), field, torch.zeros_like(field))

    def _condition(self, inputs: NetworkInputs) -> Tensor:
        return condition(self.spec, self.halo, inputs.coarse, inputs.fine)
