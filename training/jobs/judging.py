"""The jobs that judge: a model beside other methods, and what its sources and constraints are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.feedback import Feedback
from training.ablate import run as run_ablation
from training.ablation.page import PAGE
from training.evaluate import run as run_evaluation
from training.jobs.requests import AblateRequest, EvaluateRequest, parsed
from training.jobs.workplace import workplace
from training.schema.config import load_config


def evaluate(request: dict[str, Any], feedback: Feedback) -> dict[str, Any]:
    """Score and compare on the test data: `report`, `csv` and `json` (paths).

    Raises:
        InputError: configuration, model or data are wrong.
    """
    asked = parsed(EvaluateRequest, request)
    arguments = [] if asked.config is None else [asked.config]
    arguments += [] if asked.model is None else ["--model", asked.model]
    arguments += [part for each in asked.compare for part in ("--compare", each)]
    arguments += [] if asked.members is None else ["--members", str(asked.members)]
    arguments += [] if asked.trees else ["--no-trees"]
    arguments += [] if asked.device is None else ["--device", asked.device]
    arguments += ["--seed", str(asked.seed), "--report", asked.report]
    with workplace(asked.folder, feedback) as work:
        work.begin("Evaluating")
        run_evaluation(arguments)
        page = Path(asked.report).absolute()
    beside = {kind: str(page.with_suffix(f".{kind}")) for kind in ("csv", "json")}
    return {"report": str(page), **beside}


def ablate(request: dict[str, Any], feedback: Feedback) -> dict[str, Any]:
    """Do the short trainings that are left, and write the page: `report` and `records` (paths).

    Raises:
        InputError: configuration or data are wrong.
    """
    asked = parsed(AblateRequest, request)
    arguments = [asked.config]
    arguments += [] if asked.steps is None else ["--steps", str(asked.steps)]
    arguments += ["--seeds", ",".join(map(str, asked.seeds))] if asked.seeds else []
    arguments += ["--only", ",".join(asked.only)] if asked.only else []
    arguments += [] if asked.device is None else ["--device", asked.device]
    with workplace(asked.folder, feedback):
        folder = Path(asked.output or Path("runs") / "ablation" / load_config(asked.config).model.id)
        run_ablation([*arguments, "--output", str(folder)])
        folder = folder.absolute()
    return {"report": str(folder / PAGE), "records": str(folder / "records.jsonl")}
