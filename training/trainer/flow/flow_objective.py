"""What a flow minimises, in the place of the losses of fields."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from engine.nets.downscaler import Downscaler
from engine.nets.spec import NetworkSpec
from engine.specs import TargetSpec
from training.data.cached_inputs import Batch
from training.schema.config import Config
from training.trainer.base_error import LossScale
from training.trainer.flow.learner import FlowLearner
from training.trainer.objective import Autocast, GeneratedFields, Objective


class FlowObjective(Objective):
    """The losses of a flow; see `training.trainer.flow.learner.FlowLearner`."""

    def learner(self, model: Downscaler) -> nn.Module:
        """Return the model with the losses of its flow."""
        return FlowLearner(model)

    def generate(
        self, model: Downscaler, learner: nn.Module, batch: Batch, seed: int, autocast: Autocast
    ) -> GeneratedFields:
        """Return the losses as they are; no field is made."""
        with autocast():
            return GeneratedFields(None, None, None, learner(batch.inputs, batch.truth))

    def terms(self, drawn: GeneratedFields, batch: Batch) -> dict[str, Tensor]:
        """Return the losses."""
        return drawn.losses or {}


def objective_of(
    network: NetworkSpec, config: Config, target: TargetSpec, scales: dict[bool, LossScale]
) -> Objective:
    """Return what a network minimises; arguments as for `Objective`."""
    kind = Objective if network.flow is None else FlowObjective
    return kind(config, target, scales)


def flow_scaled(model: Downscaler, network: NetworkSpec, scales: dict[bool, LossScale]) -> NetworkSpec:
    """Return the network with the scale of its flow: the base's error in transformed space, in training.

    The model that learns is given it too. A network without a flow stays as it is.
    """
    if network.flow is None:
        return network
    error = scales[True] if True in scales else scales[False]
    network = replace(network, flow=replace(network.flow, scale=float(error.rmse_seen)))
    model.generator.spec = one_step(network)
    return network


def one_step(network: NetworkSpec) -> NetworkSpec:
    """Return the network as it learns: a flow's losses look at one step, so its halo is that of one."""
    if network.flow is None:
        return network
    return replace(network, flow=replace(network.flow, steps=1))
