"""What a case may not do to files: change inputs, leave temporary ones, write half of an output."""

from __future__ import annotations

import hashlib
import re
import signal
import stat
from pathlib import Path

from tests.torture.case import Case, Finding, Outcome
from tests.torture.running.peer import Peer
from tests.torture.running.surroundings import Folders

_LARGEST = 64 * 2**20  # bytes of a file whose content is looked at
UNFINISHED = re.compile(r"\.part\b|\.tmp\b|^tmp|\.old\.\d+")
_LIBRARIES = "torchinductor_"  # torch keeps a cache of this name for each user of a machine
_OWN = {"in", "out", "tmp", "cache", "stdout", "stderr", "stdin.pipe", "stdout.pipe", ".cache"}

Print = tuple[str, int, int, str]


def prints(folder: Path) -> dict[str, Print]:
    """Return kind, size, time and content's hash of everything below a folder."""
    found: dict[str, Print] = {}
    for path in sorted(folder.rglob("*")):
        info = path.lstat()
        sort = {stat.S_IFREG: "file", stat.S_IFLNK: "link", stat.S_IFDIR: "folder"}.get(
            stat.S_IFMT(info.st_mode), "other"
        )
        content = ""
        if sort == "file" and info.st_size <= _LARGEST:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        elif sort == "link":
            content = str(path.readlink())
        size, when = (info.st_size, info.st_mtime_ns) if sort == "file" else (0, 0)
        found[path.relative_to(folder).as_posix()] = (sort, size, when, content)
    return found


class Traces:
    """The files of a case before it ran; `check` compares with what is there after it."""

    def __init__(self, case: Case, folders: Folders, peer: Peer, again: bool = False) -> None:
        self.case, self.folders, self.peer = case, folders, peer
        self.inputs = prints(folders.inputs)
        self.outputs = {} if again else prints(folders.outputs)
        self.top = {p.name for p in folders.case.iterdir()} | _OWN

    def check(self, outcome: Outcome) -> list[Finding]:
        """Return what was changed or left, for this way of ending."""
        found = self._inputs() + self._outputs(outcome)
        crashed = outcome.killed and self.case.kill is not None and self.case.kill.signal == signal.SIGKILL
        if crashed:
            return found
        folders = [("TMPDIR", self.folders.temporary)]
        if self.case.way in ("worker", "lines"):
            folders.append(("the worker's TMPDIR", self.peer.temporary))
        for name, folder in folders:
            left = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))
            left = [place for place in left if not place.startswith(_LIBRARIES)]
            if left:
                found.append(Finding("leftovers", f"in {name}: {', '.join(left[:5])}"))
                if folder == self.peer.temporary:  # told once
                    for path in folder.iterdir():
                        path.unlink() if path.is_file() else None
        for folder in (self.folders.cache, self.peer.cache):
            left = sorted(p.name for p in folder.rglob("*") if UNFINISHED.search(p.name))
            if left:
                found.append(Finding("leftovers", f"in the cache: {', '.join(left[:5])}"))
        litter = sorted({p.name for p in self.folders.case.iterdir()} - self.top)
        if litter:
            found.append(Finding("leftovers", f"in the caller's folder: {', '.join(litter[:5])}"))
        return found

    def _inputs(self) -> list[Finding]:
        now = prints(self.folders.inputs)
        found = [Finding("inputs", f"{name} is gone") for name in self.inputs if name not in now]
        found += [
            Finding("inputs", f"{name} is new beside the inputs") for name in now if name not in self.inputs
        ]
        return found + [
            Finding("inputs", f"{name} was changed")
            for name, was in self.inputs.items()
            if name in now and now[name] != was
        ]

    def _outputs(self, outcome: Outcome) -> list[Finding]:
        now = prints(self.folders.outputs)
        allowed = set(self.case.outputs)
        crashed = outcome.killed and self.case.kill is not None and self.case.kill.signal == signal.SIGKILL
        whole = outcome.succeeded or outcome.killed or self.case.refusal == "any"
        # A training that failed or met a limit can go on from its folder; one that was refused has none.
        runs = outcome.status == 1 or self.case.limits is not None
        found = []
        for name, is_now in now.items():
            within = any(name == a or name.startswith(f"{a}/") or a.startswith(f"{name}/") for a in allowed)
            was = self.outputs.get(name)
            if was is not None:
                if was != is_now and not (within and whole) and is_now[0] != "folder":
                    found.append(
                        Finding("outputs", f"{name}, which was there before, was changed by a failure")
                    )
                continue
            crashed = (
                outcome.killed and self.case.kill is not None and self.case.kill.signal == signal.SIGKILL
            )
            if crashed and name.endswith(".lock"):  # nobody holds it any more
                continue
            unfinished = any(UNFINISHED.search(part) for part in Path(name).parts)
            if unfinished:
                killed = (
                    outcome.killed and self.case.kill is not None and self.case.kill.signal == signal.SIGKILL
                )
                if not killed:
                    found.append(Finding("leftovers", f"beside the outputs: {name}"))
            elif not within:
                found.append(Finding("leftovers", f"beside the outputs: {name}"))
            elif not whole and not (runs and name.startswith("runs")):
                found.append(Finding("leftovers", f"{name} stands there after a failure"))
        found += [
            Finding("outputs", f"{name}, which was there before, is gone")
            for name in self.outputs
            if name not in now and not (name in allowed and whole)
        ]
        return found
