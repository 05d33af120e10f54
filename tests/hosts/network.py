"""Network namespaces that stand for hosts: each with its own address, joined by a bridge, on one disk."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from engine.files.root import ROOT

_count = itertools.count(1)


def can_make_hosts() -> bool:
    """Return whether this process may make network namespaces."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"msrtry{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return False
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    return True


class Hosts:
    """Context manager of `count` hosts, 10.x.y.1 and so on; leaving it stops what runs there.

    Args:
        count: how many.
        logs: folder that gets what each program writes.
    """

    def __init__(self, count: int, logs: Path) -> None:
        self.count, self.logs = count, logs
        self._mark = f"{os.getpid() % 100000}{next(_count)}"
        self._net = f"10.{77 + os.getpid() % 100}.{next(_count) % 250}"
        self._programs: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Hosts:
        try:
            self._make()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def address(self, host: int) -> str:
        """Return a host's address."""
        return f"{self._net}.{host + 1}"

    def interface(self, host: int) -> str:
        """Return the name of a host's network card."""
        return f"m{self._mark}i{host}"

    def start(
        self, host: int, arguments: Sequence[str], more: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start a program on a host; its words go to files in the folder of logs."""
        number = len(self._programs)
        out = (self.logs / f"{number}.out").open("w", encoding="utf-8")
        err = (self.logs / f"{number}.err").open("w", encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **(more or {})}
        with out, err:
            program = subprocess.Popen(
                ["ip", "netns", "exec", self._host(host), *arguments],
                cwd=ROOT, env=environment, stdout=out, stderr=err, text=True,
            )  # fmt: skip
        self._programs.append(program)
        return program

    def words(self, program: subprocess.Popen[str]) -> str:
        """Return the end of what a program wrote to standard error."""
        number = self._programs.index(program)
        return (self.logs / f"{number}.err").read_text(encoding="utf-8")[-3000:]

    def cut_off(self, host: int) -> None:
        """Take a host's cable out: no packet comes or goes, and nobody is told."""
        _ip("link", "set", f"m{self._mark}o{host}", "down")

    def _host(self, host: int) -> str:
        return f"msr{self._mark}h{host}"

    def _make(self) -> None:
        bridge = f"m{self._mark}b"
        _ip("link", "add", bridge, "type", "bridge")
        _ip("link", "set", bridge, "up")
        for host in range(self.count):
            name, inside, outside = self._host(host), self.interface(host), f"m{self._mark}o{host}"
            _ip("netns", "add", name)
            _ip("link", "add", outside, "type", "veth", "peer", "name", inside)
            _ip("link", "set", inside, "netns", name)
            _ip("link", "set", outside, "master", bridge)
            _ip("link", "set", outside, "up")
            _ip("-n", name, "addr", "add", f"{self.address(host)}/24", "dev", inside)
            _ip("-n", name, "link", "set", inside, "up")
            _ip("-n", name, "link", "set", "lo", "up")

    def _remove(self) -> None:
        for program in self._programs:
            program.kill()
            program.wait(30)
        for host in range(self.count):
            inside = subprocess.run(
                ["ip", "netns", "pids", self._host(host)], capture_output=True, text=True, check=False
            )
            for pid in inside.stdout.split():  # what the programs themselves have started
                subprocess.run(["kill", "-9", pid], capture_output=True, check=False)
            subprocess.run(["ip", "netns", "del", self._host(host)], capture_output=True, check=False)
            subprocess.run(["ip", "link", "del", f"m{self._mark}o{host}"], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", f"m{self._mark}b"], capture_output=True, check=False)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
