"""The training configuration: one YAML file, validated before anything long starts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from engine.contract import RESERVED_IDS
from engine.errors import InputError
from engine.methods.blended_base import base_ids
from engine.raster.cloud.told_address import told
from engine.transforms import TRANSFORMS
from training.schema.ablation import AblationSection
from training.schema.base import NotNegative, Positive, Section, Share
from training.schema.bias import BiasSection
from training.schema.cascade import CascadeSection, order_of_steps
from training.schema.dataset import is_description
from training.schema.ensemble import EnsembleSection, with_generator
from training.schema.problems import first_error
from training.schema.split import SPLITS, AutoSplit, SplitSection, WholeSplit, check_periods
from training.schema.validation import ValidationSection
from training.schema.yaml_file import read_yaml


def _known_transform(name: Any) -> Any:
    if name in TRANSFORMS or name == "auto":
        return name
    *first, last = (*TRANSFORMS, "auto")
    raise ValueError(f"must be {', '.join(first)} or {last}")


TransformName = Annotated[str, BeforeValidator(_known_transform)]


def _device_name(name: Any) -> Any:
    if isinstance(name, str) and re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name):
        return name
    raise ValueError("must be auto, cpu, cuda, cuda:N or mps")


DeviceName = Annotated[str, BeforeValidator(_device_name)]


def _known_base(name: Any) -> Any:
    names = ("default", "auto", "blend", *base_ids())
    if name in names:
        return name
    raise ValueError(f"must be one of {', '.join(names)}")


BaseName = Annotated[str, BeforeValidator(_known_base)]


def _named_steps(value: Any) -> Any:
    if value == "auto":
        return 0
    if value == 0 and isinstance(value, int):
        raise ValueError("must be 1 or more, or auto")
    return value


StepNumber = Annotated[int, BeforeValidator(_named_steps), Field(ge=0)]  # 0: left open

if TYPE_CHECKING:
    AnySplit = SplitSection
else:  # the kinds on the list, told apart by their key `kind`
    AnySplit = Annotated[Union[tuple(SPLITS.values())], Field(discriminator="kind")]


class ModelSection(Section):
    """The package that training ends with."""

    id: str = Field(pattern=r"^[a-z][a-z0-9]*$")
    name: str = Field(min_length=1)
    version: str = Field(default="1.0.0", pattern=r"^\d+\.\d+\.\d+$")
    description: str = ""
    licence: str = Field(min_length=1)
    citation: str = Field(min_length=1)

    @field_validator("id")
    @classmethod
    def _not_generic(cls, value: str) -> str:
        if value in RESERVED_IDS:
            raise ValueError(f"{value} is the id of a generic algorithm")
        return value


class DataSection(Section):
    """Which data set, and what its reader wants to know."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)


# What a target is in which the configuration names some of these keys, and not the others.
NEUTRAL = {"transform": "identity", "bounds": [None, None], "conservation": "additive"}


class TargetSection(Section):
    """The variable that is downscaled; name, units and grid come from the data set.

    Where it names none of transform, bounds and conservation, or says auto (of bounds null), they are chosen
    by quantity and values (training.defaults.target). Beside one that it names the others are `NEUTRAL`.
    """

    transform: TransformName = "auto"
    scale: Positive = 1.0  # transform(value / scale)
    bounds: tuple[float | None, float | None] | None = None
    conservation: Literal["multiplicative", "additive", "auto"] = "auto"
    # How strongly the fine field is made to conserve; auto: as is best on training dates held out, less than
    # 1 where the coarse field is a product of another origin.
    strength: Share | Literal["auto"] = 1.0

    @model_validator(mode="before")
    @classmethod
    def _beside_others(cls, data: Any) -> Any:
        if isinstance(data, dict) and any(key in data for key in NEUTRAL):
            return {**NEUTRAL, **data}
        return data

    @property
    def leaves_open(self) -> bool:
        """Whether a part of it is to be chosen."""
        return "auto" in (self.transform, self.conservation) or self.bounds is None

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """The bounds; none, as long as they are not chosen."""
        return self.bounds or (None, None)

    @model_validator(mode="after")
    def _within_the_transform(self) -> TargetSection:
        if self.bounds is None:
            return self
        low = self.bounds[0]
        known = TRANSFORMS.get(self.transform)
        if known is not None and known.from_zero and (low is None or low < 0):
            raise ValueError(
                f"transform {self.transform} is for values from 0 on: bounds must begin at 0 or above"
            )
        if self.conservation == "multiplicative" and (low is None or low < 0):
            raise ValueError("conservation multiplicative is for values from 0 on: so must bounds be")
        return self


class SourceSection(Section):
    """One source of the data set that the model may use."""

    name: str
    optional: bool = True
    derived: tuple[str, ...] = ()  # features computed from it, e.g. slope, aspect, land
    value: bool = True  # of a continuous source: whether the network sees the value itself beside them
    kernel_months: Positive = 0.7  # climatology: band weights exp(−cyclic distance / kernel)
    default: bool = False  # ship the raster with the model, for users who give none
    dropout: Share = 0.0  # chance that a training step goes without it


class PointLoss(Section):
    """A loss between fields, cell by cell."""

    kind: Literal["l1", "charbonnier", "mse"] = "charbonnier"
    weight: NotNegative = 1.0
    epsilon: Positive = 0.05  # charbonnier: √(error² + epsilon²)


class AdversarialLoss(Section):
    """The discriminator's term, from step `start` on."""

    kind: Literal["hinge", "leastsquares", "logistic"] = "hinge"
    weight: NotNegative = 0.01
    start: Annotated[int, Field(ge=0)] = 500
    ramp: Annotated[int, Field(ge=0)] = 0  # steps over which the weight grows from zero
    width: Annotated[int, Field(ge=4)] = 16  # channels of the discriminator's first stage
    layers: Annotated[int, Field(ge=1, le=6)] = 3  # its strided stages
    spectral: bool = True  # spectral normalisation
    rate: Positive = 4e-4
    # The discriminator learns but its judgement does not reach the generator: a fault to be compared with.
    detached: bool = False


class ConservationLoss(Section):
    """|aggregate − coarse| before the conservation layer."""

    weight: NotNegative = 0.1


class LossesSection(Section):
    """What is minimised. The adversarial term belongs to it unless it is set to null.

    Errors are in units of the base's own (see training.trainer.base_error), in each space.
    """

    reconstruction: PointLoss = PointLoss()  # in transformed space
    physical: tuple[PointLoss, ...] = (PointLoss(kind="mse"),)  # in the target's units
    adversarial: AdversarialLoss | None = AdversarialLoss()
    conservation: ConservationLoss = ConservationLoss()


class OptimiserSection(Section):
    """AdamW with a linear warm-up and a cosine decay."""

    rate: Positive = 2e-3
    final_rate: NotNegative = 1e-6
    weight_decay: NotNegative = 1e-4
    betas: tuple[Share, Share] = (0.9, 0.99)
    warmup_steps: Annotated[int, Field(ge=0)] = 100
    clip: Positive = 1.0  # largest norm of the gradient
    ema: Share = 0.999  # decay of the averaged weights that are shipped


class SamplingSection(Section):
    """How training patches are drawn."""

    size: Annotated[int, Field(ge=1)] = 16  # coarse cells along a patch's edge
    batch: Annotated[int, Field(ge=1)] = 4
    wet_bias: Share = 0.0  # share of patches drawn in proportion to the target's mean
    flip_horizontal: bool = False
    flip_vertical: bool = False
    # Non-negative targets: coarse field and truth of a patch times exp(N(0, jitter²)), so that its level
    # does not tell the place; errors count relative to that factor.
    jitter: Annotated[float, Field(ge=0, le=2)] = 0.0
    withheld_months: Annotated[int, Field(ge=1, le=11)] = 3  # cyclic block that a sample must not see
    without_sources: Share = 0.1  # chance that a training step goes without any source


class Config(Section):
    """A whole training run."""

    model: ModelSection
    data: DataSection
    factor: Annotated[int, Field(ge=2, le=100)]
    target: TargetSection = TargetSection()
    bias: BiasSection | None = None  # null: the coarse field is taken as it is
    sources: tuple[SourceSection, ...] = ()
    split: AnySplit = AutoSplit()  # without one, the last fifth of the dates tests
    # Fine cells that count, in coarse means and in results. auto: those that have a truth at least now and
    # then; all; a fine source's name: those where it has data; or a GeoTIFF: those where it is not 0.
    domain: str = Field(default="auto", min_length=1)
    network: dict[str, Any] = Field(default_factory=dict)
    # What the network's residual stands on. auto: the simple method or the blend of them that is best on
    # training data held out, and with `start_from` that of the package; blend: a blend in any case; a simple
    # method's id; default: constructed analogues with a climatology, else interpolation.
    base: BaseName = "auto"
    start_from: str | None = None  # id or folder of a package whose weights training begins with
    losses: LossesSection = LossesSection()
    ensemble: EnsembleSection | None = None
    cascade: CascadeSection | None = None
    optimiser: OptimiserSection = OptimiserSection()
    sampling: SamplingSection = SamplingSection()
    validation: ValidationSection = ValidationSection()
    ablation: AblationSection = AblationSection()
    # Without it, by the data's size (training.defaults.schedule); training then stops where what is held out
    # no longer improves.
    steps: StepNumber = 0
    checkpoint_every: Annotated[int, Field(ge=1)] = 250
    # auto: the fastest on this machine, measured when the run starts; to the last digit, only runs
    # in the same precision and layout are the same.
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    layout: Literal["auto", "contiguous", "channels_last"] = "auto"
    device: DeviceName = "auto"  # auto: CUDA where there is one, else MPS, else the processor
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="before")
    @classmethod
    def _generator(cls, data: Any) -> Any:
        return with_generator(data)

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        names = [s.name for s in self.sources]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"source {name} is listed twice")
        rule = self.domain in ("auto", "all")
        if not rule and self.domain not in names and not self.domain.lower().endswith((".tif", ".tiff")):
            raise ValueError(
                f"domain {self.domain} is neither auto, all, a source of the configuration nor a GeoTIFF"
            )
        if told(self.domain) != self.domain:  # the configuration stays with runs, records and packages
            raise ValueError("domain: an address with a user, password or query is not kept: download it")
        if self.cascade is not None and not rule:
            raise ValueError("a cascade counts every cell: leave domain out")
        if self.ensemble is not None and self.ensemble.generator == "flow":
            self._check_flow()
        elif self.ensemble is not None and not self.network.get("noise"):
            raise ValueError("ensemble needs noise to draw members with: set network.noise")
        if self.ensemble is not None and self.ensemble.about and self.ensemble.generator != "flow":
            raise ValueError("ensemble.about is for a flow: leave it out")
        if self.ensemble is not None and self.ensemble.train == "noise" and self.start_from is None:
            raise ValueError("ensemble.train: noise alone can learn only where start_from names a model")
        self._check_bias()
        if self.cascade is not None:
            order_of_steps(self.factor, self.cascade.steps)
            if self.base not in ("auto", "default"):
                raise ValueError("a cascade has the default base")
            sharpens = "losses" in self.model_fields_set and self.losses.adversarial is not None
            if self.ensemble is not None or sharpens or self.start_from:
                raise ValueError("a cascade goes without ensemble, start_from and losses.adversarial (null)")
        elif isinstance(self.split, WholeSplit):
            raise ValueError("split: whole holds nothing out, which only a cascade can do with")
        for month in self.validation.held_out:
            if month not in self.split.train_months:
                raise ValueError(f"validation.held_out: month {month} is no training month")
        if self.validation.cells is not None and self.split.drawn_blocks is not None:
            raise ValueError("validation.cells: the split draws blocks already, set split.blocks.validation")
        for key in ("held_out_periods", "periods"):
            given = getattr(self.validation, key)
            if given and not self.split.needs_years:
                raise ValueError(f"validation.{key} goes with split.kind: period")
            check_periods(f"validation.{key}", given)
        if self.sampling.jitter and self.target.conservation == "additive":
            raise ValueError("sampling.jitter is for targets that are conserved by ratio")
        if self.validation.score == "crps" and self.ensemble is None:
            raise ValueError("validation.score: the CRPS is of an ensemble, and there is none")
        if set(self.validation.held_out) >= set(self.split.train_months):
            raise ValueError("validation.held_out leaves no month to train on")
        return self

    def _check_flow(self) -> None:
        if self.start_from is None:
            raise ValueError("ensemble.generator: a flow learns beside an estimate: name it by start_from")
        if self.network.get("noise"):
            raise ValueError("network.noise: a flow brings noise of its own, leave it out")
        if self.losses.adversarial is not None:
            raise ValueError("ensemble.generator: a flow has no adversary: set losses.adversarial to null")

    def _check_bias(self) -> None:
        if self.cascade is not None and (self.bias is not None or self.target.strength == "auto"):
            raise ValueError("a cascade has no fine truth to fit bias or target.strength: auto by")
        if self.bias is None:
            return
        wrong = {"mean": "multiplicative", "ratio": "additive"}.get(self.bias.method)
        if wrong == self.target.conservation:
            other = "ratio" if self.bias.method == "mean" else "mean"
            raise ValueError(
                f"bias.method: {self.bias.method} is not for target.conservation {wrong}: choose {other}"
            )

    @property
    def judged_by(self) -> str:
        """The score that chooses the weights which are kept: the CRPS, where members alone learn."""
        stays = self.ensemble is not None and self.ensemble.estimate_stays
        return "crps" if stays else self.validation.score

    def on(self, device: str | None) -> Config:
        """Return the configuration for another device; None: as it is."""
        return self if device is None else self.model_copy(update={"device": device})


def load_config(path: str | Path) -> Config:
    """Read and validate a configuration.

    Raises:
        InputError: no such file, no YAML, or a wrong key; the sentence names file and key.
    """
    settings = read_yaml(path)
    if is_description(settings):
        raise InputError(
            f"{path} describes a data set: train on it with training.train, then name the configuration that "
            f"its run leaves, runs/ID/config.yaml."
        )
    return parse_config(settings, str(path))


def parse_config(data: dict[str, Any], label: str = "configuration") -> Config:
    """Validate a configuration given as plain data.

    Raises:
        InputError: a wrong key, named in the sentence.
    """
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise InputError(first_error(error, label, SPLITS)) from error
