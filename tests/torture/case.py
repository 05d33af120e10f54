"""One case: what is asked of the project, what a right outcome is, and what came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Json = dict[str, Any]


@dataclass
class FineField:
    """What a right output is.

    `coarse` (bands, rows, columns) are the means that its cells must have, NaN where it must be missing;
    None: not known. The output of the request `plain` (of the same meaning) must have the same values,
    times `scale` plus `offset`.
    """

    path: str
    factor: int
    transform: tuple[float, float, float, float, float, float]  # of the fine grid; rasterio's order
    shape: tuple[int, int]  # of the fine grid
    crs: str
    coarse: NDArray[np.float64] | None = None
    nonnegative: bool = False
    units: str | None = None
    dates: tuple[str, ...] = ()  # how the bands' dates begin
    plain: str | None = None  # the output of the request of the same meaning
    scale: float = 1.0
    offset: float = 0.0
    tolerance: float = 1e-5  # of the span of values


@dataclass
class Kill:
    """A signal, sent some time after the process was seen to work."""

    signal: int
    after: float  # seconds


@dataclass
class Limits:
    """What a process may use, above what it uses when it starts."""

    address: int | None = None  # bytes
    files: int | None = None  # open ones
    file_size: int | None = None  # bytes of one file


@dataclass
class Case:
    """What is asked, in which surroundings, and what is right.

    `way`: worker (request of `job`), lines (raw lines to a worker), command (`module` with `argv`, forked
    from a process that has imported it all), process (the same, from nothing) or killed worker (one of its
    own, which gets the request and then the signal, or the message that `streams` names as goodbye).
    """

    kind: str
    what: str
    way: str = "worker"
    job: str = "super_resolve"
    request: Json | None = None
    lines: list[bytes] = field(default_factory=list)
    module: str = "engine"
    argv: list[str] = field(default_factory=list)
    environment: dict[str, str | None] = field(default_factory=dict)
    cwd: str | None = None
    streams: Json = field(default_factory=dict)  # stdin, stdout, stderr of a process: "closed", "full", …
    limits: Limits | None = None
    kill: Kill | None = None
    plain: Json | None = None  # a request of the same meaning, run first
    again: bool = False  # after a kill the same is asked once more and must succeed
    again_with: Callable[[], list[str]] | None = None  # then with these words besides
    refusal: str = "never"  # never, due, may; any: nothing is asked of its words
    status: tuple[int, ...] = (0, 1, 2)  # exit statuses that are right
    names: tuple[str, ...] = ()  # a refusal says one of these words
    good: FineField | None = None
    further: Callable[[Outcome], list[Finding]] | None = None  # for what `good` cannot say of a success
    outputs: tuple[str, ...] = ()  # files or folders that a success may leave
    seconds: float = 60.0  # for a run that succeeds
    always: Callable[[], list[Finding]] | None = None  # for what must hold however it ends
    afterwards: list[Callable[[], None]] = field(default_factory=list)  # what ends with the case


@dataclass
class Outcome:
    """What came."""

    ended: str  # result, error, died, hung
    status: int | None = None  # a process's exit status, negative for a signal
    message: str = ""
    detail: str = ""
    result: Json = field(default_factory=dict)
    seconds: float = 0.0
    killed: bool = False  # by the case's own signal

    @property
    def succeeded(self) -> bool:
        """Whether the caller was told that all went well."""
        return self.ended == "result"


@dataclass
class Finding:
    """One thing that is wrong with an outcome."""

    sort: str  # georeference, means, mask, range, units, dates, values, refusal, sentence, …
    text: str

    def __str__(self) -> str:
        return f"{self.sort}: {self.text}"


@dataclass
class Judged:
    """A case with its findings."""

    seed: int
    number: int
    kind: str
    what: str
    ended: str
    seconds: float
    findings: list[Finding]
    kills: int = 0
    message: str = ""
    kept: Path | None = None
