"""A stand-in for the engine's worker: speaks the protocol, and misbehaves as it is told.

python fake_worker.py BEHAVIOUR; a run's request may name another one under "do".
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

out = os.fdopen(os.dup(1), "wb", buffering=0)
lock = threading.Lock()
cancelled: set[str] = set()


def send(message: dict) -> None:
    with lock:
        out.write((json.dumps(message) + "\n").encode())


def run(message: dict, behaviour: str) -> None:
    identity, request = message["id"], message.get("request", {})
    behaviour = request.get("do", behaviour)
    send({"type": "progress", "id": identity, "fraction": 0.1, "phase": "Reading"})
    if behaviour in ("slow", "stubborn", "hang"):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if behaviour == "slow" and identity in cancelled:
                send({"type": "error", "id": identity, "kind": "cancelled", "message": "Cancelled."})
                return
            time.sleep(0.02)
    elif behaviour in ("leaves", "lingers"):  # does not heed a cancel, and ends as it says, or does not
        while identity not in cancelled:
            time.sleep(0.02)
        error = {"kind": "cancelled", "message": "Cancelled.", "detail": "", "ends": True}
        send({"type": "error", "id": identity, **error})
        time.sleep(0.5 if behaviour == "leaves" else 60)  # a busy machine takes its time
        os._exit(0)
    elif behaviour == "late":  # ends well although it was asked to stop
        while identity not in cancelled:
            time.sleep(0.02)
        if "output" in request:
            Path(request["output"]).write_text("late")
    elif behaviour == "crash":
        sys.stderr.write("Segmentation fault of the fake\n")
        os._exit(3)
    elif behaviour == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif behaviour == "noise":
        sys.stderr.write("x" * 100 + "\n")
        sys.stderr.write(("y" * 200 + "\n") * 5000)
        out.write(b'a library prints\n\xff\xfe not text\n[1, 2]\n{"type": "nonsense"}\n')
        out.write(b'{"type": "progress", "id": "of nobody"}\n')
    elif behaviour == "fail":
        error = {"kind": "input", "message": "The target has no data.", "detail": "Traceback: fake"}
        send({"type": "error", "id": identity, **error})
        return
    elif behaviour == "bare error":
        send({"type": "error", "id": identity})
        return
    elif behaviour == "odd result":
        send({"type": "result", "id": identity, "result": "text"})
        return
    send({"type": "log", "id": identity, "level": "warning", "message": "3 % outside the range"})
    send({"type": "progress", "id": identity, "fraction": 0.9, "phase": "Writing"})
    send({"type": "result", "id": identity, "result": {"pid": os.getpid(), "echo": request}})


def main() -> None:
    behaviour = sys.argv[1]
    if behaviour == "silent":
        time.sleep(60)
    if behaviour == "dies":
        sys.exit("ModuleNotFoundError: No module named 'torch'")
    if behaviour == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if behaviour == "refuses":
        send({"type": "error", "kind": "version", "message": "Engine 9 refuses plugin 0.1.0."})
        sys.exit(1)
    version = "9.9.9" if behaviour == "other version" else "0.1.0"
    protocol = 7 if behaviour == "other protocol" else 1
    send({"type": "hello", "protocol": protocol, "version": version, "pid": os.getpid(), "devices": []})
    if behaviour == "sleeps early":  # ends as if idle, before it reads anything
        sys.exit(0)
    if behaviour == "malformed":
        out.write(b"{not json\n\n\x00\n")
    for line in sys.stdin:
        message = json.loads(line)
        if message["type"] == "cancel":
            cancelled.add(message["id"])
        elif message["type"] == "shutdown":
            if behaviour != "stubborn":
                os._exit(0)
        elif message["type"] == "run":
            threading.Thread(target=run, args=(message, behaviour), daemon=True).start()
    os._exit(0)


main()
