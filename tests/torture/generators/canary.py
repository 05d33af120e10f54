"""A server that must never hear of a package."""

from __future__ import annotations

import socket
import threading

from tests.torture.case import Finding


class Canary:
    """A server on this machine that should never be asked for anything."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                caller, _ = self._socket.accept()
            except OSError:
                return
            with caller:
                caller.settimeout(2)
                try:
                    self.calls.append(caller.recv(300))
                    caller.sendall(b"HTTP/1.0 404 Not Found\r\n\r\n")
                except OSError:
                    continue

    def close(self) -> None:
        """End it."""
        self._socket.close()

    def findings(self) -> list[Finding]:
        """Return what was asked of it."""
        return [Finding("let in", f"a server was asked: {call[:120]!r}") for call in self.calls[:2]]
