"""The bench: cases made, methods run on what they may see, fields scored on what they may not."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.errors import EngineError, InputError
from engine.methods.registry import BASELINES
from training.withheld.engine_methods import REFERENCE, MadeField, run_engine, suits
from training.withheld.oracle import oracle_fields
from training.withheld.peers.registry import PEERS
from training.withheld.peers.run_peer import conserved, run_peer
from training.withheld.problem import HiddenCase
from training.withheld.rasters import write_problem
from training.withheld.scores import CaseScores, filled, root_mean_square, score
from training.withheld.trained_cascade import CASCADE, run_cascade

SHARPEN = "sharpen"
TITLES = {CASCADE: "Cascade, trained on the coarse field"}  # of what is neither the engine's nor a peer
CHEAP = 15.0  # seconds
ENGINE = (REFERENCE, "bilinear", "lapserate", "elevationregression", "elevationregressionlocal", SHARPEN)


@dataclass(frozen=True)
class BenchFolders:
    """`given`: what methods of the engine read; `made`: what they write. No truth lies in either."""

    given: Path
    made: Path


def known_methods() -> dict[str, str]:
    """Return the titles of all methods by id: those of the engine, then the peers."""
    simple = {id: info.title for id, info in BASELINES.items() if not info.needs_climatology}
    return simple | TITLES | {id: peer.title for id, peer in PEERS.items()}


def chosen_methods(names: Sequence[str], judged: str | None = None) -> list[str]:
    """Return the ids of the methods to run, the reference first; without names the usual ones and all peers.

    The one that is `judged` runs in any case.

    Raises:
        InputError: a name that no method has.
    """
    known = known_methods()
    for option, name in [
        *(("--methods", name) for name in names),
        *([("--judge", judged)] if judged else []),
    ]:
        if name not in known:
            raise InputError(f"{option}: there is no method {name}: choose from {', '.join(known)}.")
    usual = [id for id in ENGINE if id in known] + [CASCADE, *PEERS]
    wanted = [*(names or usual), *([judged] if judged else [])]
    return [REFERENCE, *(name for name in dict.fromkeys(wanted) if name != REFERENCE)]


def run_case(
    case: HiddenCase,
    methods: Sequence[str],
    folders: BenchFolders,
    hindsight: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> CaseScores:
    """Run methods on a case, and score them.

    Args:
        case: problem and truth.
        methods: ids, the reference first.
        folders: to work in.
        hindsight: also find the best setting on the truth of each peer that takes less than `CHEAP`.
        say: told what runs.
    """
    problem = case.problem
    rasters = write_problem(problem, folders.given / problem.name)
    folders.made.mkdir(parents=True, exist_ok=True)

    def made_by(id: str) -> MadeField | None:
        """Return a method's field; None where it does not suit the problem."""
        if id in PEERS:
            if PEERS[id].covariates and not problem.covariates:
                return None
            return run_peer(PEERS[id], problem)
        if id == CASCADE:
            own = folders.made / f"{problem.name}_{CASCADE}"
            return run_cascade(problem, rasters, own) if problem.covariates else None
        if not suits(id, problem):
            return None
        return run_engine(id, problem, rasters, folders.made / f"{problem.name}_{id}.tif")

    say(f"{problem.name}: {REFERENCE}")
    first = run_engine(REFERENCE, problem, rasters, folders.made / f"{problem.name}_{REFERENCE}.tif")
    reference = first.values
    error = root_mean_square(reference - case.truth)
    oracle = 1.0
    if problem.covariates:
        oracle = (
            root_mean_square(filled(case, oracle_fields(case, reference), reference)[0] - case.truth) / error
        )
    result = CaseScores(
        problem.name,
        case.title,
        case.origin,
        case.group,
        problem.target.units,
        problem.factor,
        error,
        oracle,
        case.most,
        case.related,
        case.seconds,
    )
    result.methods[REFERENCE] = score(case, first, reference)
    for id in methods:
        if id == REFERENCE:
            continue
        say(f"{problem.name}: {id}")
        try:
            made = made_by(id)
        except (InputError, EngineError) as refused:
            result.failed[id] = str(refused)
            continue
        if made is not None:
            cheap = hindsight and id in PEERS and made.seconds < CHEAP
            best = _best_by_hindsight(id, case, reference) / error if cheap else math.nan
            result.methods[id] = score(case, made, reference, best)
    return result


def _best_by_hindsight(id: str, case: HiddenCase, reference: np.ndarray) -> float:
    """Return the smallest root mean square error of a peer's settings on the truth."""
    peer, problem = PEERS[id], case.problem
    made = (conserved(peer, problem, setting) for setting in peer.settings(problem))
    return min(root_mean_square(filled(case, values, reference)[0] - case.truth) for values in made)
