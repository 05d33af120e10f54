"""A server of files on this machine's loopback that counts what it gives and fails on demand.

It is a process of its own: GDAL opens files without letting other threads of Python go on. What it is to do
lies in `state.json` beside the folder, which it reads for each request; what it was asked for goes into
`asked.jsonl`.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Answers(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    place: Path  # of the folder `served` and the two files

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Answer without a body."""
        self._answer(body=False)

    def do_GET(self) -> None:
        """Answer."""
        self._answer(body=True)

    def _note(self, path: str, size: int) -> None:
        with (self.place / "asked.jsonl").open("a") as log:
            log.write(json.dumps([self.command, path, size]) + "\n")
        with (self.place / "brought.jsonl").open("a") as log:
            brought = self.headers.get("Authorization", ""), urlsplit(self.path).query
            log.write(json.dumps(brought) + "\n")

    def _empty(self, path: str, status: int, to: str = "") -> None:
        self._note(path, 0)
        self.send_response(status)
        if to:
            self.send_header("Location", to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _answer(self, body: bool) -> None:
        state = json.loads((self.place / "state.json").read_text())
        parts = urlsplit(self.path)
        path = parts.path.lstrip("/")
        if not body and not state["head"]:
            return self._empty(path, 405)
        login = "Basic " + base64.b64encode(state["user"].encode()).decode()
        if state["user"] and self.headers.get("Authorization") != login:
            return self._empty(path, 401)
        if state["token"] and parse_qs(parts.query).get("token") != [state["token"]]:
            return self._empty(path, 403)
        status = next((s for pattern, s in state["status"].items() if re.search(pattern, path)), 0)
        to = next((place for pattern, place in state["to"].items() if re.search(pattern, path)), "")
        if to:
            return self._empty(path, 302, to)
        if state["silent"] and re.search(state["silent"], path):
            self._note(path, 0)
            time.sleep(60)
        file = self.place / "served" / path
        if status or not file.is_file():
            return self._empty(path, status or 404)
        held, when = file.read_bytes(), file.stat()
        total, status, start = len(held), 200, 0
        asked = re.match(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if asked and state["ranges"]:
            first, last = asked.groups()
            start = int(first) if first else max(0, total - int(last))
            end = min(total, int(last) + 1) if first and last else total
            if start >= total:
                return self._empty(path, 416)
            held, status = held[start:end], 206
        self._note(path, len(held) if body else 0)
        self.send_response(status)
        self.send_header("Content-Length", str(len(held)))
        if state["ranges"]:
            self.send_header("Accept-Ranges", "bytes")
        if "time" in state["tells"]:
            self.send_header("Last-Modified", formatdate(when.st_mtime, usegmt=True))
        if "tag" in state["tells"]:
            self.send_header("ETag", f'"{when.st_mtime_ns:x}-{when.st_size:x}"')
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{start + len(held) - 1}/{total}")
        self.end_headers()
        if body and state["cut"] and re.search(state["cut"], path):
            self.wfile.write(held[: len(held) // 2])
            self.wfile.flush()
            time.sleep(0.02)
            self.close_connection = True
            self.connection.close()
        elif body and state["slow"] and re.search(state["slow"], path):
            for byte in held:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(0.05)
        elif body:
            self.wfile.write(held)
        return None


class QuietServer(ThreadingHTTPServer):
    """Says nothing of connections that broke off."""

    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Say nothing."""


if __name__ == "__main__":
    Answers.place = Path(sys.argv[1])
    server = QuietServer(("127.0.0.1", 0), Answers)
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()  # until whoever started it is gone
