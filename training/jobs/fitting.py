"""The job that trains a model to its package; run again after it was stopped, it goes on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from engine.compute.devices import choose_device
from engine.feedback import Feedback
from engine.files.atomic import write_text
from training.cascade.train import train as train_model
from training.console.followed import LossCurve
from training.console.needed import load
from training.defaults.dataset import open_config
from training.jobs.requests import TrainRequest, parsed
from training.jobs.training_page import write_page
from training.jobs.workplace import workplace
from training.schema.config import Config
from training.trainer.trainer import CHECKPOINT

STORES, RUNS = Path("stores"), Path("runs")


def train(request: dict[str, Any], feedback: Feedback) -> dict[str, Any]:
    """Train: `model` (id), `name`, `package` (folder), `run`, `page`, `resumed`, `metrics`, `ensemble`.

    A run of the same configuration that was stopped or killed goes on from its checkpoint.

    Raises:
        InputError, EngineError: as `training.trainer.run.train_network`.
    """
    asked = parsed(TrainRequest, request)
    head = [f"Training on {asked.input}"]

    def watch(curves: list[LossCurve]) -> None:
        if asked.page is not None:
            write_page(Path(asked.page), head, curves)

    with workplace(asked.folder, feedback, doubts=True, watch=watch) as work:
        load("jsonschema", "torch.utils.tensorboard", "matplotlib")
        path = _shortest(Path(asked.input), Path(asked.folder))
        config = open_config(path, STORES, print).on(asked.device)
        choose_device(config.device)  # refused before anything long
        if asked.threads is not None:
            torch.set_num_threads(asked.threads)
        mark, told = RUNS / f".{config.model.id}.unfinished", _fingerprint(config)
        resume = not asked.fresh and _goes_on(mark, told, RUNS / config.model.id)
        if resume:
            feedback.log(f"The run {config.model.id} that was stopped goes on from its checkpoint.")
        write_text(mark, json.dumps({"configuration": told}))
        head[:] = [f"{config.model.name} ({config.model.id})", f"Training on {asked.input}"]
        command = f"python -m training.train {path.as_posix()}"
        package = train_model(config, RUNS, None, resume, command)
        mark.unlink(missing_ok=True)
        metrics = package.card.raw["metrics"]
        if asked.page is not None:
            head[-1] = f"Trained on {asked.input}"
            write_page(
                Path(asked.page), head, work.curves, config.model.id, metrics, package.card.target.units
            )
        return {
            "model": config.model.id,
            "name": package.card.name,
            "package": str(package.folder.absolute()),
            "run": str((RUNS / config.model.id).absolute()),
            "page": asked.page,
            "resumed": resume,
            "ensemble": package.card.ensemble,
            "metrics": metrics,
        }


def _shortest(path: Path, folder: Path) -> Path:
    """Return a path as seen from the folder, where it is inside: a card then tells of no place outside."""
    return path.relative_to(folder) if path.is_relative_to(folder) else path


def _goes_on(mark: Path, told: str, folder: Path) -> bool:
    """Return whether a run in a folder was stopped that was of the same configuration."""
    try:
        before = json.loads(mark.read_text(encoding="utf-8"))["configuration"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return before == told and (folder / CHECKPOINT).is_file()


def _fingerprint(config: Config) -> str:
    """Return what tells a configuration from others, whatever device it is for."""
    text = config.model_copy(update={"device": "auto"}).model_dump_json()
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
