"""The folder beside an output that holds a run's finished parts, and the list of them, until all are made."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from engine.cluster.part_store import is_whole
from engine.cluster.part_task import PartDone
from engine.compute.devices import PRECISIONS, PrecisionPlan
from engine.errors import InputError
from engine.files.atomic import remove, write_text
from engine.files.sole_owner import MARK, sole_owner

ENDING = ".parts"
_RUN, _DONE = "run.json", "done.jsonl"
_FORMAT = 2


@dataclass(frozen=True)
class RunFacts:
    """What was settled when a run began, and holds whenever it goes on.

    Attributes:
        identity: of the run: request, inputs, model, engine; other facts make another run.
        edge: of a tile, coarse cells.
        threads: of each process.
        device: that the parts are made on.
        plan: precision and layout of the network, None of a method without one.
        tags: of the output files.
        total: how many parts there are.
    """

    identity: Mapping[str, Any]
    edge: int
    threads: int
    device: str
    plan: PrecisionPlan | None
    tags: Mapping[str, str]
    total: int

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        plan = self.plan
        told = None if plan is None else [plan.precision, plan.channels_last]
        return {**vars(self), "plan": told, "format": _FORMAT}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunFacts:
        """Return what `to_json` told."""
        known = {name: data[name] for name in cls.__dataclass_fields__}
        plan = data["plan"]
        return cls(**{**known, "plan": None if plan is None else PrecisionPlan(PRECISIONS[plan[0]], plan[1])})


class PartsFolder:
    """The folder of an output.

    Args:
        output: the run's main output.

    Attributes:
        path: of the folder.
        done: numbers of the finished parts.
    """

    def __init__(self, output: Path) -> None:
        self.path = output.with_name(output.name + ENDING)
        self._places: dict[int, int] = {}  # where the line of each part begins in the list
        self._list: FileIO | None = None

    @property
    def done(self) -> set[int]:
        """Numbers of the finished parts."""
        return set(self._places)

    def facts(self) -> RunFacts | None:
        """Return those of the run that has left its parts here, None where there is none to go on with.

        Raises:
            InputError: the folder is none of ours, or of another version of MSR.
        """
        if not self.path.exists():
            return None
        try:
            data = json.loads((self.path / _RUN).read_text(encoding="utf-8"))
            if data["format"] == _FORMAT:
                return RunFacts.from_json(data)
        except FileNotFoundError:
            if not all(_is_ours(entry) for entry in self.path.iterdir()):
                raise InputError(
                    f"{self.path} is in the way, and no folder of an earlier run: choose another output, or "
                    "move it."
                ) from None
            return None
        except (ValueError, KeyError, TypeError, NotADirectoryError) as error:
            raise InputError(
                f"{self.path} cannot be read as the parts of an earlier run: remove it to begin again."
            ) from error
        raise InputError(
            f"{self.path} holds the parts of another version of MSR: go on with that, or remove it to begin "
            "again."
        )

    def begin(self, facts: RunFacts) -> None:
        """Write a new run's facts; the stores must be there."""
        (self.path / _DONE).unlink(missing_ok=True)
        write_text(self.path / _RUN, json.dumps(facts.to_json(), ensure_ascii=False, indent=1))

    def store(self, key: str) -> Path:
        """Return the store of an output file."""
        return self.path / f"{key}.zarr"

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Keep other processes from writing here, and the list of parts open.

        Raises:
            InputError: another process does.
        """
        self.path.mkdir(exist_ok=True)
        with sole_owner(self.path):
            try:
                yield
            finally:
                if self._list is not None:
                    self._list.close()
                    self._list = None

    def take_up(self) -> int:
        """Open the list of parts, and count those as done whose chunks are as they were written.

        Returns the number of parts that are to be made again.
        """
        path, lost = self.path / _DONE, 0
        self._list = FileIO(path, "ab")  # no buffer, which would try again what a full disk has refused
        end = 0
        with path.open("rb") as held:
            while line := held.readline():
                part = _read(line)
                if part is None:  # cut off where the process was killed: nothing comes after it
                    break
                if self._is_whole(part):
                    self._places[part.number] = end
                else:
                    lost += 1
                    self._places.pop(part.number, None)
                end += len(line)
        self._list.truncate(end)
        return lost

    def add(self, part: PartDone) -> None:
        """Put a part on the list.

        Raises:
            OSError: the system refuses.
        """
        if self._list is None:
            raise ValueError("the list is not open")
        line = json.dumps(part.to_json(), separators=(",", ":")).encode() + b"\n"
        place, rest = self._list.seek(0, os.SEEK_END), line
        try:
            while rest:  # the last bytes of a disk take a piece of it
                rest = rest[self._list.write(rest) :]
        except OSError:
            self._list.truncate(place)
            raise
        self._places[part.number] = place

    def parts(self) -> Iterator[PartDone]:
        """Yield the finished parts in their order, one in memory at a time."""
        with (self.path / _DONE).open("rb") as held:
            for number in sorted(self._places):
                held.seek(self._places[number])
                part = _read(held.readline())
                if part is not None:
                    yield part

    def size(self) -> int:
        """Return the bytes that it holds."""
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())

    def remove(self) -> None:
        """Remove it with all that is in it, first what makes it one to go on with."""
        (self.path / _RUN).unlink(missing_ok=True)
        remove(self.path)

    def remove_leftover(self) -> None:
        """Remove what a run has left that was killed in its last instant.

        Raises:
            InputError: another process is at it.
        """
        if self.path.is_dir() and all(_is_ours(entry) for entry in self.path.iterdir()):
            with self.owned():
                self.remove()

    def _is_whole(self, part: PartDone) -> bool:
        return all(
            is_whole(self.store(key), chunk) for key, chunks in part.chunks.items() for chunk in chunks
        )


def _is_ours(entry: Path) -> bool:
    """Return whether it may have been left by a run that was killed while it began."""
    own = entry.name in (_RUN, _DONE) or entry.name.startswith(MARK)
    return own or entry.suffix in (".zarr", ".part")


def _read(line: bytes) -> PartDone | None:
    try:
        return PartDone.from_json(json.loads(line)) if line.endswith(b"\n") else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
