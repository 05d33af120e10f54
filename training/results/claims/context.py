"""What claims are computed from: evaluations of shipped models, made once, and committed records."""

from __future__ import annotations

import subprocess  # nosec B404: makes a store by its own command; argument list, no shell
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import EngineError, InputError
from engine.files.root import ROOT
from engine.package.folder import Package, find_package
from training.data.readers import load_archive
from training.data.split import split_archive
from training.evaluation.comparison import MEMBERS, Evaluation, evaluate_all
from training.records.record import FOLDER, Record, committed
from training.schema.config import Config, load_config

CONFIGS = ROOT / "training" / "configs"


@dataclass
class ResultsContext:
    """How the results are computed.

    Args:
        tell: called with what is being done.
        members: of ensembles.
        quick: without boosted trees and further metrics, for a first look and for tests.
        folder: of the records.
        configs: of the configurations.
        simulate: make a simulated store that is missing.
    """

    tell: Callable[[str], None]
    members: int = MEMBERS
    quick: bool = False
    folder: Path = FOLDER
    configs: Path = CONFIGS
    simulate: bool = True
    _evaluations: dict[str, Evaluation] = field(default_factory=dict)
    _records: list[Record] | None = None

    def config(self, name: str) -> Config:
        """Return a configuration by its file's name.

        Raises:
            InputError: there is none, or it is wrong.
        """
        return load_config(self.configs / name)

    def evaluation(
        self, name: str, model: str | None = None, require: bool = True, most: int | None = None
    ) -> Evaluation:
        """Return the evaluation of a configuration and the shipped model of its id.

        Args:
            name: of the configuration's file.
            model: another model's id.
            require: whether the model must be there.
            most: members at most, where many fields would take too long.

        Raises:
            InputError: no such model or data set.
        """
        key = f"{name} {model}"
        if key not in self._evaluations:
            config = self.config(name)
            package = self.shipped(model or config.model.id, require)
            self.tell(f"Evaluating {name} ({package.card.id if package else 'no model'})")
            archive = load_archive(config)
            self._evaluations[key] = evaluate_all(
                config,
                archive,
                split_archive(config, archive),
                package,
                trees=not self.quick,
                further=not self.quick,
                members=self.members if most is None else min(self.members, most),
            )
        return self._evaluations[key]

    def shipped(self, id: str, require: bool = False) -> Package | None:
        """Return the package of a shipped model; None where there is none.

        Raises:
            InputError: it is required and not there.
        """
        try:
            return find_package(id)
        except InputError:
            if require:
                raise
            return None

    def records(self, kind: str | None = None, config: str | None = None) -> list[Record]:
        """Return committed records, of one kind and of one configuration's file name.

        Raises:
            InputError: a line is no record.
        """
        if self._records is None:
            self._records = committed(folder=self.folder)
        return [
            r
            for r in self._records
            if kind in (None, r.kind) and (config is None or Path(r.config).name == config)
        ]

    def store(self, path: Path, command: Sequence[str], seconds: float) -> None:
        """Make a simulated store that is missing.

        Args:
            path: of the store.
            command: module and arguments that make it.
            seconds: after which it is given up.

        Raises:
            InputError: it is missing and could not be made in that time.
        """
        if path.is_dir():
            return
        told = f"python -m {' '.join(command)}"
        if not self.simulate:
            raise InputError(f"The store {path} is not there: make it with {told}.")
        self.tell(f"Making {path} with {told}")
        try:
            words = [sys.executable, "-m", *command]
            subprocess.run(words, check=True, timeout=seconds, cwd=ROOT)  # nosec B603: no shell; this interpreter
        except subprocess.TimeoutExpired as error:
            raise InputError(
                f"The store {path} was not made in {seconds:.0f} s: run {told} first."
            ) from error
        except subprocess.CalledProcessError as error:
            raise EngineError(f"{told} failed with exit status {error.returncode}.") from error
