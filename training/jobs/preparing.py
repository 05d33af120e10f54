"""The job that aligns rasters in a store, and keeps their description as YAML where it was told in parts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import yaml
from pydantic import ValidationError

from engine.errors import Cancelled, InputError
from engine.feedback import Feedback
from engine.files.atomic import write_text
from training.console.needed import load
from training.jobs.requests import PrepareRequest, parsed
from training.jobs.workplace import workplace
from training.preparation.prepare import prepare as make_store
from training.schema.dataset import Dataset
from training.schema.problems import first_error

HEAD = (
    "# A data set, as MSR's algorithm “Prepare training data” was told. Change it and prepare again, or\n"
    "# train on it: msr:train in QGIS, or python -m training.train. Every key is listed in\n"
    "# training/datasets/example.yaml.\n"
)


def prepare(request: dict[str, Any], feedback: Feedback) -> dict[str, Any]:
    """Make the store: `store`, `summary`, `description` (paths) and `remarks`.

    Raises:
        InputError: the request, the description or its rasters are wrong, or something is there already.
    """
    asked = parsed(PrepareRequest, request)
    with workplace(asked.folder, feedback) as work:
        load("dask.array", "xarray", "zarr", "matplotlib")
        torch.set_num_threads(1)  # the blocks are what runs in parallel
        work.expect(1)
        remarks: list[str] = []

        def say(sentence: str) -> None:
            feedback.log(sentence)

        output = None if asked.output is None else Path(asked.output)
        workers = asked.workers or os.cpu_count() or 1
        with _description(asked) as description:
            made = make_store(description, output, workers, asked.overwrite, asked.strict, say)
        remarks += made.remarks
        return {
            "store": str(made.store.absolute()),
            "summary": str(made.summary.absolute()),
            "description": str(description.absolute()),
            "warnings": remarks,
        }


@contextmanager
def _description(asked: PrepareRequest) -> Iterator[Path]:
    """Give the description's file; one that was told in parts stays unless its store cannot be made.

    Else what is corrected after a mistake would be refused, since the mistake's description is there already.
    """
    if asked.dataset is None:
        yield Path(asked.description or "")
        return
    path = Path(asked.yaml or "")
    before = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
    _write(asked.dataset, path, asked.overwrite)
    try:
        yield path
    except Cancelled:
        raise
    except BaseException:
        if before is None:
            path.unlink(missing_ok=True)
        else:
            write_text(path, before)
        raise


def _write(settings: dict[str, Any], path: Path, overwrite: bool) -> None:
    """Write a description as YAML, once it is seen to be one.

    Raises:
        InputError: it is none, or another file is there.
    """
    try:
        Dataset.model_validate(settings)
    except ValidationError as error:
        raise InputError(first_error(error, "The data set")) from error
    text = HEAD + yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=100)
    if path.is_file() and not overwrite and path.read_text(encoding="utf-8", errors="replace") != text:
        raise InputError(f"{path} is there already and says something else: say --overwrite to replace it.")
    write_text(path, text)
