"""One process of the torture: makes cases, runs and judges them, keeps those that failed."""

from __future__ import annotations

import json
import os
import shutil
import traceback
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tests.torture.case import Case, Finding, Judged, Outcome
from tests.torture.generators.listing import GENERATORS
from tests.torture.generators.shared import Shared
from tests.torture.judging.judge import judge
from tests.torture.judging.traces import Traces
from tests.torture.running.peer import Peer
from tests.torture.running.processes import Fresh, Nursery, run_command, run_killed_worker
from tests.torture.running.surroundings import Folders

REFUSAL_SECONDS = 10.0  # within which a refusal must come
_MOST_KEPT = 32 * 2**20  # bytes of a kept case


class Lane:
    """Runs cases one after another."""

    def __init__(self, scratch: Path, keep: Path, shared: Shared) -> None:
        self.scratch, self.keep, self.shared = scratch, keep, shared
        scratch.mkdir(parents=True, exist_ok=True)
        self.peer, self.nursery = Peer(scratch), Nursery(scratch)

    def close(self) -> None:
        """End its processes."""
        self.peer.close()
        self.nursery.close()

    def case(self, seed: int, number: int, kinds: tuple[str, ...]) -> tuple[Case, Folders]:
        """Make the case of a seed and number; the same every time."""
        rng = np.random.default_rng([seed, number])
        names = [*GENERATORS]
        weights = np.array([GENERATORS[name].weight for name in names], float)
        kind = str(rng.choice(names, p=weights / weights.sum()))
        if kinds and kind not in kinds:
            kind = kinds[number % len(kinds)]
        folder = self.scratch / f"{seed}-{number}"
        shutil.rmtree(folder, ignore_errors=True)
        folders = Folders(folder).make()
        return GENERATORS[kind].make(rng, folders, self.shared), folders

    def run(self, seed: int, number: int, kinds: tuple[str, ...] = (), keep_all: bool = False) -> Judged:
        """Make, run and judge one case."""
        try:
            case, folders = self.case(seed, number, kinds)
        except Exception:  # the torture's own fault: to be seen, not to end the campaign
            fault = Finding("torture", traceback.format_exc(limit=-4))
            return Judged(seed, number, "torture", "a case that could not be made", "-", 0.0, [fault])
        outcome, findings = self._outcome(case, folders)
        if any(f.sort == "hang" for f in findings):  # a busy machine is no hang: once more
            case, folders = self.case(seed, number, kinds)
            outcome, findings = self._outcome(case, folders)
        judged = Judged(seed, number, case.kind, case.what, outcome.ended, outcome.seconds, findings)
        judged.kills, judged.message = int(outcome.killed), outcome.message
        if findings or keep_all:
            judged.kept = self._keep(judged, case, outcome, folders)
        shutil.rmtree(folders.case, ignore_errors=True)
        return judged

    def _outcome(self, case: Case, folders: Folders) -> tuple[Outcome, list[Finding]]:
        try:
            findings = self._plain(case)
            traces = Traces(case, folders, self.peer)
            outcome = self._perform(case, folders)
            findings += judge(case, outcome, traces, REFUSAL_SECONDS)
            if case.again and outcome.killed:
                findings += self._again(case, folders)
        except Exception:
            outcome = Outcome("torture")
            findings = [Finding("torture", traceback.format_exc(limit=-4))]
        finally:
            for done in case.afterwards:
                done()
        return outcome, findings

    def _plain(self, case: Case) -> list[Finding]:
        """Run the request of the same meaning first."""
        if case.plain is None:
            return []
        outcome = self.peer.run("super_resolve", case.plain, case.seconds)
        if outcome.succeeded:
            return []
        return [Finding("plain", f"the plain form was refused: {outcome.ended} {outcome.message}")]

    def _perform(self, case: Case, folders: Folders) -> Outcome:
        seconds = case.seconds if case.refusal != "due" else REFUSAL_SECONDS * 1.5
        if case.way == "worker":
            return self.peer.run(case.job, case.request, seconds)
        if case.way == "lines":
            return self.peer.lines(case.lines, seconds)
        if case.way == "killed worker":
            return run_killed_worker(case, folders, self.nursery)
        return run_command(case, folders, self.nursery if case.way == "command" else Fresh())

    def _again(self, case: Case, folders: Folders) -> list[Finding]:
        """Ask once more after a kill: it must succeed and clear away what was left."""
        case.kill, case.refusal = None, "never"
        if case.again_with is not None:
            case.argv = [*case.argv, *case.again_with()]
        if case.way == "killed worker":
            case.way = "worker"
        outcome = self._perform(case, folders)
        found = judge(case, outcome, Traces(case, folders, self.peer, again=True), REFUSAL_SECONDS)
        return [Finding(f.sort, f"after the kill: {f.text}") for f in found]

    def _keep(self, judged: Judged, case: Case, outcome: Outcome, folders: Folders) -> Path:
        place = self.keep / f"{judged.seed}-{judged.number}-{case.kind.replace(' ', '_')}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        told = {
            "rerun": f"./dev torture --seed {judged.seed} --only {judged.number}",
            "what": case.what,
            "findings": [str(f) for f in judged.findings],
            "way": case.way,
            "request": case.request,
            "plain": case.plain,
            "module": case.module,
            "argv": case.argv,
            "environment": case.environment,
            "kill": asdict(case.kill) if case.kill else None,
            "limits": asdict(case.limits) if case.limits else None,
            "outcome": asdict(outcome),
        }
        text = json.dumps(told, indent=1, ensure_ascii=True, default=repr)
        (place / "case.json").write_text(text, "utf-8")
        files = [p for p in folders.case.rglob("*") if p.is_file() and not p.is_symlink()]
        if sum(p.stat().st_blocks * 512 for p in files) < _MOST_KEPT:
            shutil.copytree(folders.case, place / "files", symlinks=True, ignore=_special, dirs_exist_ok=True)
        return place


_lane: Lane | None = None  # of this process of a campaign


def begin(scratch: Path, keep: Path, shared: Shared) -> None:
    """Make this process a lane."""
    global _lane  # noqa: PLW0603
    _lane = Lane(scratch / f"lane{os.getpid()}", keep, shared)


def run_case(seed: int, number: int, kinds: tuple[str, ...]) -> Judged:
    """Run one case in this process's lane."""
    assert _lane
    return _lane.run(seed, number, kinds)


def _special(folder: str, names: list[str]) -> list[str]:
    """Leave out what cannot be copied: pipes, devices, sparse giants."""
    found = []
    for name in names:
        path = Path(folder) / name
        if path.is_symlink() or path.is_dir():
            continue
        if not path.is_file() or path.stat().st_size > _MOST_KEPT:
            found.append(name)
    return found
