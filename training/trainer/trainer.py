"""The training loop: steps, validation, checkpoints.

What a step draws depends on the seed and the step's number alone, so a resumed run goes on as if
it had never stopped.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.compute.devices import wait_for
from engine.compute.prefetch import Prefetcher
from engine.errors import Cancelled
from engine.nets.downscaler import Downscaler
from engine.nets.spec import NetworkSpec
from engine.specs import BaseSpec, SourceSpec, TargetSpec
from training.bias.strength import with_strength
from training.data.archive import Archive
from training.data.cached_inputs import LIMIT, Batch, from_patch, training_inputs
from training.data.masked_truth import mask_truth
from training.data.normalisation import physical_spread, source_specs, target_spec
from training.data.patches import PatchSampler, View, Window
from training.data.placement import Carrier, enough_memory, training_device
from training.data.split import Split
from training.data.streamed.room import room_beside
from training.evaluation.base_choice import choose_base
from training.metrics.distribution.scale import TruthScale
from training.schema.config import Config
from training.trainer import checkpoint, distributed, same_data, step_log
from training.trainer.adversary import Adversary
from training.trainer.base_error import BaseError, measured_scales
from training.trainer.ema import MovingAverage
from training.trainer.flow.flow_objective import flow_scaled, objective_of, one_step
from training.trainer.network import network_spec
from training.trainer.objective import GeneratedFields
from training.trainer.precision import TrainingPlan, choose
from training.trainer.schedule import adversarial_weight, no_better, noise_seed, rate, set_rate, sources_gone
from training.trainer.step_log import Losses, read_losses
from training.trainer.validation import KEPT, residual_share, validate, validation_scale
from training.trainer.warm_start import base_of, noise_alone, start_from, statistics_of

CHECKPOINT = "checkpoint.safetensors"
LOG = step_log.LOG
_STEP, _PLAN = 0, 1  # streams of random numbers


class Trainer:
    """Trains one model in one run folder.

    Args:
        config, archive, split: what is trained on what.
        folder: of the run: checkpoint, log, TensorBoard.
        specs: target and sources with their statistics, where they were taken elsewhere.
        base: what the residual stands on, where that was chosen elsewhere.

    Raises:
        InputError: the network or the sources do not fit; the sentence names the key.
    """

    def __init__(
        self,
        config: Config,
        archive: Archive,
        split: Split,
        folder: Path,
        specs: tuple[TargetSpec, tuple[SourceSpec, ...]] | None = None,
        base: BaseSpec | None = None,
    ) -> None:
        self.config, self.folder = config, folder
        self.whole = archive
        self.archive = archive = mask_truth(archive, split.train.cells)  # all that is learned from
        self.device = training_device(config.device)
        self.carry = Carrier(self.device)
        torch.manual_seed(config.seed)
        taken = specs[0] if specs else target_spec(config, archive, split)
        self.target: TargetSpec = with_strength(config, archive, split, taken)
        self.sources: tuple[SourceSpec, ...] = (
            specs[1] if specs else source_specs(config, archive, split, self.target)
        )
        if config.start_from is not None:
            self.target, self.sources = statistics_of(config.start_from, self.target, self.sources)
        self.spread = physical_spread(archive, split)
        self.network = network_spec(config, self.sources)
        self.base_choice = choose_base(config, archive, split, self.target, base or base_of(config))
        self.base = self.base_choice.spec
        view = replace(split.training_view, folds=self.base_choice.folds)
        self.split = split = replace(split, training_view=view)
        self.model = self.downscaler(network=one_step(self.network))
        self.halo = self.model.halo
        if config.start_from is not None:
            start_from(self.model, config.start_from)
        if config.ensemble is not None and config.ensemble.estimate_stays:
            noise_alone(self.model.generator)
        self.model.to(self.device)
        self.learning = [p for p in self.model.generator.parameters() if p.requires_grad]
        optimiser, section = config.optimiser, config.losses.adversarial
        self.optimiser = torch.optim.AdamW(
            self.learning,
            optimiser.rate,
            betas=optimiser.betas,
            weight_decay=optimiser.weight_decay,
        )
        self.adversary: Adversary | None = None
        if section is not None:
            halo = self.model.generator.halo
            self.adversary = Adversary(section, optimiser, self.target, self.network, halo, self.device)
        self.average = MovingAverage(self.model.generator, optimiser.ema)
        self.sampler = PatchSampler(
            archive, split.train.times, split.train.columns, self.halo, config.sampling, split.train.cells
        )
        room, reach = room_beside(config, self.whole, LIMIT), max(self.sampler.size) - 1
        self.fields = training_inputs(config, self.model, archive, split, room, reach)
        block, measured = config.sampling.withheld_months, BaseError(self.target, self.spread)
        self.scales = measured_scales(self.fields, split.train, measured, block)
        self.whole_fields = self.fields.settled()
        self.network = flow_scaled(self.model, self.network, self.scales)
        self.objective = objective_of(self.network, config, self.target, self.scales)
        self.parallel: nn.Module = self.objective.learner(self.model)  # gradients averaged over processes
        self.plan = TrainingPlan()
        self.take: Callable[[int], Batch] = self.batch
        self.step_number, self.saved_step = 0, 0  # steps done, and those in the checkpoint
        self.best: dict[str, Any] = {}  # step and score of the best validation
        self.best_weights: dict[str, Tensor] = {}  # on the processor

    def downscaler(
        self, weights: dict[str, Tensor] | None = None, network: NetworkSpec | None = None
    ) -> Downscaler:
        """Return a model on the run's base, with a generator's weights for use; None: untrained."""
        regression, network = self.base_choice.regression, network or self.network
        model = Downscaler(self.target, self.sources, network, self.base, regression)
        if weights is None:
            return model
        model.generator.load_state_dict(weights)
        return model.eval().to(self.device)

    # ------------------------------------------------------------------ one step

    def view(self, rng: np.random.Generator) -> View:
        """Draw which sources a step goes without."""
        return self.split.training_view.without(sources_gone(self.config, rng))

    def batch(self, step: int, stream: int = _STEP) -> Batch:
        """Return a step's batch, this process's share of it, on the device."""
        rng = np.random.default_rng([self.config.seed, step, stream])
        view = self.view(rng)
        return self.carry(self._batch(distributed.share(self.sampler.windows(rng)), view))

    def _batch(self, windows: list[Window], view: View) -> Batch:
        # Made anew where few would be kept, or the base goes without a source that it looks at.
        if not self.whole_fields or not self.model.base.sources <= set(view.sources):
            return from_patch(self.model, self.archive, windows, self.sampler.size, view)
        return self.fields.batch(windows, self.sampler.size, view)

    def generate(self, batch: Batch, plan: TrainingPlan, seed: int = 0) -> GeneratedFields:
        """Return the physical fields before and after conservation; the noise is the seed's."""
        autocast = partial(plan.autocast, self.device)
        return self.objective.generate(self.model, self.parallel, batch, seed, autocast)

    def reconstruction(self, drawn: GeneratedFields, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted terms that compare with the truth and with the coarse field."""
        return self.objective.terms(drawn, batch)

    def step(self) -> Losses:
        """Take one step and return its numbers.

        Raises:
            EngineError: a loss is not finite, or memory ran out.
        """
        with enough_memory(self.config, self.device, self.saved_step):
            return self._step()

    def _step(self) -> Losses:
        step, config = self.step_number, self.config
        torch.manual_seed(int(np.random.SeedSequence([config.seed, step]).generate_state(1)[0]))
        batch = self.take(step)
        speed = rate(step, config.steps, config.optimiser)
        set_rate(self.optimiser, speed)
        drawn = self.generate(batch, self.plan, noise_seed(config.seed, step))
        terms = self.reconstruction(drawn, batch)
        weight = adversarial_weight(step, config.losses.adversarial)
        rival = None
        if self.adversary is not None and weight > 0:
            rival_rate = rate(step, config.steps, config.optimiser, self.adversary.section.rate)
            rival = self.adversary.step(drawn.judged, batch, self._autocast, rival_rate)
            terms["adversarial"] = weight * self.adversary.generator_loss(drawn.judged, batch, self._autocast)
        total = torch.stack([t.float() for t in terms.values()]).sum()
        told = distributed.averaged(torch.stack([t.detach().float() for t in terms.values()]))
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        norm = nn.utils.clip_grad_norm_(self.learning, config.optimiser.clip)
        self.optimiser.step()
        self.average.update(self.model.generator)
        self.step_number += 1
        return read_losses(step, terms, told, rival, norm, speed)

    def measure_plan(self) -> dict[str, float]:
        """Choose precision and layout for this machine; returns the seconds of a step in each."""
        batch = self.batch(0, _PLAN)

        def trial(plan: TrainingPlan) -> None:
            plan.apply(self.device, *self._networks())
            drawn = self.generate(batch, plan)
            terms = self.reconstruction(drawn, batch)
            loss = torch.stack([t.float() for t in terms.values()]).sum()
            if self.adversary is not None:
                self.adversary.network.eval()  # spectral norm must not move before the first step
                for judge in (self.adversary.generator_loss, self.adversary.own_loss):
                    loss = loss + judge(drawn.judged, batch, partial(plan.autocast, self.device))
                self.adversary.network.train()
            loss.backward()
            for network in self._networks():
                network.zero_grad(set_to_none=True)
            wait_for(self.device)

        self.model.eval()  # running statistics must not move before the first step either
        with (
            distributed.alone(),
            enough_memory(self.config, self.device),
        ):  # some may need more steps than others
            chosen, seconds = choose(
                trial, self.config.precision, self.config.layout, self.device.type != "cpu"
            )
        best = distributed.of_first([chosen.bfloat16, chosen.channels_last], self.device)
        self.plan = TrainingPlan(*map(bool, best))
        self.model.train()
        self.use_plan()
        return seconds

    def _networks(self) -> list[nn.Module]:
        return [self.model.generator, *([self.adversary.network] if self.adversary is not None else [])]

    def _autocast(self) -> contextlib.AbstractContextManager[None]:
        return self.plan.autocast(self.device)

    def use_plan(self) -> None:
        """Lay out the networks as the plan says."""
        self.plan.apply(self.device, *self._networks())

    # ------------------------------------------------------------------ validation, checkpoints

    def validate(self) -> dict[str, float]:
        """Score the averaged weights on the validation region; keep them when they are the best."""
        wanted, values = self.config.judged_by, self.scored(self.average.weights)
        score = float(np.mean([v for name, v in values.items() if name.split("_")[0] == wanted]))
        last = not self.split.held_out  # nothing apart to judge by: the last weights are kept
        if last or not self.best or score < self.best["score"]:
            self.best = {"step": self.step_number, "score": score}
            self.best_weights = {n: w.to("cpu", copy=True) for n, w in self.average.weights.items()}
        return values

    @property
    def stopped(self) -> bool:
        """Whether what is held out no longer improves, so that no further step is taken."""
        best = self.best.get("step", self.step_number)
        return self.split.held_out and no_better(self.step_number, best, self.config.validation)

    @cached_property
    def validation_scale(self) -> TruthScale:
        """The scale of the validation region's truth, measured at the first validation."""
        return validation_scale(self.whole, self.split)

    def scored(self, weights: dict[str, Tensor]) -> dict[str, float]:
        """Return the scores of a generator's weights on the validation region."""
        held = self.downscaler(weights)
        section = self.config.validation
        members = self.config.ensemble.validated if self.config.ensemble is not None else 0
        block = self.config.sampling.withheld_months
        return validate(held, self.whole, self.split, block, section.cases, members, self.validation_scale)

    def residual_share(self, quiet: bool = True) -> float:
        """Return the share of the best weights' residual to ship; see `training.trainer.validation`."""
        block, model = self.config.sampling.withheld_months, self.downscaler(self.best_weights)
        room = room_beside(self.config, self.whole, KEPT)
        return residual_share(model, self.whole, self.split, block, quiet, room)

    def save(self) -> None:
        """Write the checkpoint."""
        parts: dict[str, dict[str, Tensor]] = {
            "generator": self.model.generator.state_dict(),
            "optimiser": checkpoint.optimiser_tensors(self.optimiser),
            "average": self.average.weights,
        }
        if self.adversary is not None:
            parts["discriminator"] = self.adversary.network.state_dict()
            parts["rival"] = checkpoint.optimiser_tensors(self.adversary.optimiser)
        if self.best_weights:
            parts["best"] = self.best_weights
        state = {
            "step": self.step_number,
            "updates": self.average.updates,
            "best": self.best,
            "plan": {"bfloat16": self.plan.bfloat16, "channels_last": self.plan.channels_last},
            "threads": torch.get_num_threads(),
            "config": self.config.model_dump(mode="json"),
            "data": self._data(),
        }
        checkpoint.save(self.folder / CHECKPOINT, parts, state)
        self.saved_step = self.step_number

    def _data(self) -> dict[str, Any]:
        return same_data.facts(self.whole, self.target, self.sources, self.spread)

    def restore(self) -> None:
        """Go on from the run folder's checkpoint.

        Raises:
            InputError: there is none, or it is of another configuration.
        """
        path = self.folder / CHECKPOINT
        parts, state = checkpoint.load(path)
        try:
            self._take(parts, state)
        except (KeyError, TypeError, AttributeError, RuntimeError, ValueError) as error:  # a part is missing
            raise checkpoint.not_whole(path) from error

    def _take(self, parts: dict[str, dict[str, torch.Tensor]], state: dict[str, Any]) -> None:
        """Take over what a checkpoint holds."""
        same_data.check(self.folder, self.config, state, self._data())
        self.plan = TrainingPlan(**state["plan"])
        self.use_plan()
        self.model.generator.load_state_dict(parts["generator"])
        checkpoint.restore_optimiser(self.optimiser, parts.get("optimiser", {}))
        self.average.restore(parts["average"], state["updates"])
        if self.adversary is not None:
            self.adversary.network.load_state_dict(parts["discriminator"])
            checkpoint.restore_optimiser(self.adversary.optimiser, parts.get("rival", {}))
        self.step_number, self.best = state["step"], state["best"]
        self.saved_step = self.step_number
        self.best_weights = parts.get("best", {})
        if distributed.processes().first:
            step_log.truncate(self.folder / LOG, self.step_number)

    def run(self, report: Callable[[int, Losses, dict[str, float] | None], None]) -> None:
        """Train to the end; `best_weights` are then the ones to ship.

        Of several processes only the first validates and writes; it alone has `best_weights`.

        Args:
            report: called after each step with the number of steps done, its losses, and the
                validation's scores where there was one.

        Raises:
            InputError: the configuration cannot be trained in so many processes.
        """
        config, first = self.config, distributed.processes().first
        distributed.check(config.sampling.batch, self._networks())
        self.parallel = distributed.parallel(self.objective.learner(self.model), unused=True)
        if self.adversary is not None:
            self.adversary.parallel = distributed.parallel(self.adversary.network)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / LOG if first else Path(os.devnull)
        with step_log.opened(path) as log, Prefetcher(self.batch, config.steps) as self.take:
            if first and self.step_number == 0:  # the untrained network returns its base, to be beaten
                log.write(json.dumps({"step": 0, "validation": self.validate()}) + "\n")
            ended = self.stopped
            while self.step_number < config.steps and not ended:
                saved = False
                losses = self.step()
                done = self.step_number
                record: dict[str, Any] = {"step": done, "rate": losses.rate, **losses.terms}
                scores = None
                validates = done % config.validation.every == 0 or done == config.steps
                if first and validates:
                    scores = self.validate()
                    record["validation"] = scores
                if config.validation.patience and validates:
                    ended = bool(distributed.of_first([self.stopped], self.device)[0])
                log.write(json.dumps(record) + "\n")
                if first and (done % config.checkpoint_every == 0 or done == config.steps or ended):
                    log.flush()  # the log is never behind the checkpoint
                    self.save()
                    saved = True
                try:
                    report(done, losses, scores)
                except Cancelled:  # so that the run goes on from here
                    log.flush()
                    if not saved:
                        self.save()
                    raise
        self.fields.release()
