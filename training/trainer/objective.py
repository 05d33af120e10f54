"""What the generator minimises, but for the adversarial term: of the one estimate, and of the members.

The deterministic losses judge member 0, which has no noise; the CRPS judges members 1 … M. All
are drawn in one pass of the network, stacked along the batch. Only those are drawn that a loss
with weight looks at.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from engine.features.network_inputs import NetworkInputs
from engine.fields.conservation import aggregate, conserve
from engine.nets.downscaler import Downscaler
from engine.specs import TargetSpec
from engine.transforms import normalised
from training.data.cached_inputs import Batch
from training.schema.config import Config
from training.trainer.base_error import LossScale
from training.trainer.losses import conservation_loss, differences_crps, ensemble_crps, point_loss

Autocast = Callable[[], contextlib.AbstractContextManager[None]]


@dataclass
class GeneratedFields:
    """Fields in physical units: the one estimate before and after conservation, members after it.

    `free` and `fine` are (B, h·k, w·k), None where no loss looks at them; `members` is
    (M, B, h·k, w·k), None without an ensemble. `losses` are those of a flow, which makes no fields.
    """

    free: Tensor | None
    fine: Tensor | None
    members: Tensor | None
    losses: dict[str, Tensor] | None = None

    @property
    def judged(self) -> Tensor:
        """The fields for the discriminator: a noisy member where there is noise."""
        chosen = self.fine if self.members is None else self.members[0]
        if chosen is None:
            raise ValueError("nothing was drawn")
        return chosen


class Objective:
    """The weighted losses of a configuration.

    Args:
        config: its losses and its ensemble.
        target: what is downscaled.
        scales: the base's errors, with a climatology (True) and without (False).
    """

    def __init__(self, config: Config, target: TargetSpec, scales: dict[bool, LossScale]) -> None:
        self.losses, self.ensemble, self.factor = config.losses, config.ensemble, config.factor
        self.target, self.scales = target, scales
        losses, noisy = config.losses, config.ensemble
        weights = [losses.reconstruction.weight, losses.conservation.weight]
        weights += [section.weight for section in losses.physical]
        frozen = noisy is not None and noisy.train == "noise"
        self.deterministic = noisy is None or (not frozen and any(weights))

    @property
    def members(self) -> tuple[int, ...]:
        """The members that a step draws."""
        drawn = range(1, 1 + self.ensemble.members) if self.ensemble is not None else ()
        return (0,) * self.deterministic + tuple(drawn)

    def learner(self, model: Downscaler) -> nn.Module:
        """Return what is called at each step: the model."""
        return model

    def generate(
        self, model: Downscaler, learner: nn.Module, batch: Batch, seed: int, autocast: Autocast
    ) -> GeneratedFields:
        """Return the physical fields before and after conservation.

        Args:
            model: that learns.
            learner: what `learner` returned of it, or what averages its gradients over processes.
            batch: what fields are made from.
            seed: of the noise.
            autocast: gives the context in which the network runs.
        """
        with autocast():
            output, _ = self.draw(learner, batch, seed)
        return self.conserved(model.to_physical(output.float()), batch)

    def draw(self, model: nn.Module, batch: Batch, seed: int) -> tuple[Tensor, tuple[int, ...]]:
        """Return the network's fields of all members, stacked (K · B, h·k, w·k), and the members.

        `model` is a `Downscaler`, or what averages one's gradients over processes.
        """
        members, count = self.members, batch.truth.shape[0]
        inputs = stacked(batch.inputs, len(members))
        return model(inputs, seed, tuple(m for m in members for _ in range(count))), members

    def conserved(self, free: Tensor, batch: Batch) -> GeneratedFields:
        """Conserve fields in physical units, member by member.

        Args:
            free: (K · B, h·k, w·k), the members as `draw` stacks them.
            batch: what they were drawn from.
        """
        many, count = len(self.members), batch.truth.shape[0]
        coarse = batch.coarse.repeat(many, 1, 1)
        area = None if batch.area is None else batch.area.repeat(many, 1)
        fine = conserve(free, coarse, self.factor, self.target, self.target.strength, area)
        one = count if self.deterministic else 0
        members = fine[one:].unflatten(0, (-1, count)) if self.ensemble is not None else None
        return GeneratedFields(free[:one] if one else None, fine[:one] if one else None, members)

    def terms(self, drawn: GeneratedFields, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted terms that compare with the truth and with the coarse field."""
        terms: dict[str, Tensor] = {}
        if drawn.free is not None and drawn.fine is not None:
            terms.update(self._deterministic(drawn.free, drawn.fine, batch))
        if drawn.members is not None:
            terms.update(self._probabilistic(drawn.members, batch))
        return terms

    def _deterministic(self, free: Tensor, fine: Tensor, batch: Batch) -> dict[str, Tensor]:
        losses, scale = self.losses, self.scales[batch.climatology]
        section, truth = losses.reconstruction, batch.truth
        unit = scale.seen(section)
        seen, wanted = normalised(fine, self.target) / unit, normalised(truth, self.target) / unit
        terms = {"reconstruction": section.weight * point_loss(seen, wanted, section)}
        for section in losses.physical:
            size: float | Tensor = scale.physical(section) * (1.0 if batch.gain is None else batch.gain)
            term = section.weight * point_loss(fine / size, truth / size, section)
            terms["physical"] = terms["physical"] + term if "physical" in terms else term
        if losses.conservation.weight:
            area = batch.area if self.target.by_area else None
            residual = conservation_loss(free, batch.coarse, self.factor, area) / scale.mae
            terms["conservation"] = losses.conservation.weight * residual
        return terms

    def _probabilistic(self, members: Tensor, batch: Batch) -> dict[str, Tensor]:
        section, scale = self.ensemble, self.scales[batch.climatology]
        if section is None:
            return {}
        unit = scale.mae * (1.0 if batch.gain is None else batch.gain)
        terms = {"crps": section.weight * self._over_scales(members / unit, batch.truth / unit)}
        if section.transformed_weight or section.differences:
            seen = normalised(members, self.target) / scale.mae_seen
            wanted = normalised(batch.truth, self.target) / scale.mae_seen
            if section.transformed_weight:
                terms["crps_seen"] = section.transformed_weight * self._over_scales(seen, wanted)
            if section.differences:
                texture = differences_crps(seen, wanted, section.differences, section.fairness)
                terms["crps_differences"] = section.differences_weight * texture
        return terms

    def _over_scales(self, members: Tensor, truth: Tensor) -> Tensor:
        """Return the mean CRPS over the block sizes; what is left over at the edge does not count."""
        section = self.ensemble
        if section is None:
            raise ValueError("there is no ensemble to score")
        scores = []
        for size in section.scales:
            if size == 1:
                scores.append(ensemble_crps(members, truth, section.fairness))
                continue
            rows, columns = (edge // size * size for edge in truth.shape[-2:])
            blocks = aggregate(members[..., :rows, :columns], size)
            scores.append(
                ensemble_crps(blocks, aggregate(truth[..., :rows, :columns], size), section.fairness)
            )
        return torch.stack(scores).mean()


def stacked(inputs: NetworkInputs, count: int) -> NetworkInputs:
    """Return the inputs `count` times along the batch."""
    if count == 1:
        return inputs

    def many(x: Tensor) -> Tensor:
        return x.repeat(count, *(1,) * (x.ndim - 1))

    return replace(
        inputs,
        coarse={name: many(x) for name, x in inputs.coarse.items()},
        fine={name: many(x) for name, x in inputs.fine.items()},
        vector=None if inputs.vector is None else many(inputs.vector),
        base=many(inputs.base),
        origin=None if inputs.origin is None else many(inputs.origin),
    )
