"""How a run is made in parts: by whom, on how many threads, and whether it goes on with an earlier one."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import asdict, dataclass
from typing import Any

from engine.errors import EngineError, InputError

WAIT_SECONDS = 300.0
_LOCAL = re.compile(r"local(?::(\d{1,4}))?")
_MEANT = re.compile(r"local(:.*)?", re.IGNORECASE)
_MOST = 1024  # processes on this machine


@dataclass(frozen=True)
class PartsRequest:
    """What is asked beside the run itself.

    Attributes:
        cluster: `local`, `local:N`, a scheduler's address or file; None: this process alone.
        resume: go on with the parts that an earlier run has left.
        threads: of the processor for each process; None: as many as torch takes here.
        zarr_format: of a .zarr output, 2 or 3; None: 2.
        wait: seconds without any worker before the run is given up.
    """

    cluster: str | None = None
    resume: bool = False
    threads: int | None = None
    zarr_format: int | None = None
    wait: float = WAIT_SECONDS

    @property
    def in_parts(self) -> bool:
        """Whether anything asks for parts: without, the run is that of one process."""
        return self.cluster is not None or self.resume or self.zarr_format == 3

    @property
    def format(self) -> int:
        """Format of a .zarr output."""
        return self.zarr_format or 2

    @property
    def local(self) -> int | None:
        """Workers of a cluster on this machine, 0: as many as fit; None: the cluster is another one.

        Raises:
            InputError: it would have no worker, or is no name of a cluster.
        """
        where = self.cluster or ""
        if self.cluster is not None and not where.strip():
            raise InputError(
                "--cluster names no cluster: give local, local:N, or a scheduler's address or file."
            )
        match = _LOCAL.fullmatch(where)
        if match is not None and (match[1] is None or 1 <= int(match[1]) <= _MOST):
            return int(match[1] or 0)
        if match is not None or _MEANT.fullmatch(where):
            raise InputError(f"--cluster {where}: write local, or local:N with N from 1 to {_MOST}.")
        return None

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> PartsRequest:
        """Build a request from plain data."""
        return cls(**data)

    def to_json(self) -> dict[str, Any]:
        """Return the plain data that `from_json` reads."""
        return asdict(self)


def check_packages() -> None:
    """Refuse a cluster where its packages are not there, before long work.

    Raises:
        EngineError: names what to install.
    """
    missing = [name for name in ("dask", "distributed") if importlib.util.find_spec(name) is None]
    if missing:
        raise EngineError(
            f"--cluster needs {' and '.join(missing)}: install what requirements-cluster.txt lists (pip "
            "install -r requirements-cluster.txt), or leave it out."
        )
