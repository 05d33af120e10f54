"""What a peer is: a published method that takes a problem and a setting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.withheld.problem import Problem

Setting = Mapping[str, Any]


@dataclass(frozen=True)
class Peer:
    """A method of others.

    Attributes:
        title: in tables.
        source: the paper that it follows.
        settings: what it is tried with on a problem; the best is taken by a check that sees no truth.
        make: from problem and setting to (T, h·k, w·k), not yet conserved.
        covariates: whether it needs at least one.
    """

    title: str
    source: str
    settings: Callable[[Problem], list[Setting]]
    make: Callable[[Problem, Setting], np.ndarray]
    covariates: bool = True
