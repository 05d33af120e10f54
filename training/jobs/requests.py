"""What the jobs of training are asked for, checked before anything long."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator

from engine.errors import InputError
from training.schema.base import Section
from training.schema.problems import first_error


class JobRequest(Section):
    """What every job is told: the folder where stores, runs and relative paths are."""

    folder: str = Field(min_length=1)

    @field_validator("folder")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if not Path(value).is_absolute():
            raise ValueError("must be an absolute path")
        return value


class PrepareRequest(JobRequest):
    """A description of rasters, in a file or told here; then it is written to `yaml`, to be kept."""

    description: str | None = None
    dataset: dict[str, Any] | None = None
    yaml: str | None = None  # needed with `dataset`
    output: str | None = None  # the store; null: FOLDER/stores/NAME.zarr
    overwrite: bool = False
    strict: bool = False
    workers: Annotated[int, Field(ge=1, le=4096)] | None = None

    @model_validator(mode="after")
    def _one(self) -> PrepareRequest:
        if (self.description is None) == (self.dataset is None):
            raise ValueError("one of description and dataset must be there")
        if self.dataset is not None and self.yaml is None:
            raise ValueError("yaml must say where the description is kept")
        return self


class TrainRequest(JobRequest):
    """What to train on: a description, a configuration, or a store."""

    input: str = Field(min_length=1)
    device: str | None = None
    threads: Annotated[int, Field(ge=1, le=4096)] | None = None
    fresh: bool = False  # do not go on from the checkpoint of a run that was stopped
    page: str | None = None  # of the losses, written anew while it trains


class EvaluateRequest(JobRequest):
    """A configuration, or a model whose card holds one."""

    report: str = Field(min_length=1)  # the page; its numbers lie beside it as CSV and JSON
    config: str | None = None
    model: str | None = None
    compare: tuple[str, ...] = ()
    members: Annotated[int, Field(ge=2, le=1000)] | None = None
    trees: bool = True
    seed: Annotated[int, Field(ge=0)] = 0
    device: str | None = None


class AblateRequest(JobRequest):
    """A configuration with its key `ablation`, or without: each source is then a group."""

    config: str = Field(min_length=1)
    output: str | None = None  # folder of the page and of the runs; null: FOLDER/runs/ablation/ID
    steps: Annotated[int, Field(ge=1)] | None = None
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = ()
    only: tuple[str, ...] = ()
    device: str | None = None


_Request = TypeVar("_Request", bound=JobRequest)


def parsed(kind: type[_Request], request: dict[str, Any]) -> _Request:
    """Return a request as its kind.

    Raises:
        InputError: names the key at fault.
    """
    try:
        return kind.model_validate(request)
    except ValidationError as error:
        raise InputError(first_error(error, "The request")) from error
