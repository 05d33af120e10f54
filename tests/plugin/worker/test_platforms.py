"""What differs by platform: commands, the Store's Python, how a process ends; others are simulated."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from msr_plugin.worker import debug_log, engine_process, environment


def test_powershell_gets_commands_that_it_runs(monkeypatch, qgis_app) -> None:
    monkeypatch.setattr(environment, "engine_folder", lambda: Path("C:/Users/Zoë O'Neil/msr/engine"))
    first, second = environment.commands(windows=True)
    assert first == "py -3 -m venv 'C:/Users/Zoë O''Neil/msr/engine'"
    assert second.startswith("& 'C:/Users/Zoë O''Neil/msr/engine/Scripts/python.exe' -m pip install -r '")


def test_a_shell_gets_quoted_paths(monkeypatch, qgis_app, tmp_path) -> None:
    folder = tmp_path / "a $HOME 'b"
    folder.mkdir()
    monkeypatch.setattr(environment, "engine_folder", lambda: folder)
    second = environment.commands(windows=False)[1]
    told = subprocess.run(
        ["sh", "-c", f"printf %s {second.split(' -m ')[0]}"], capture_output=True, text=True, check=True
    )
    assert told.stdout == str(folder / "bin" / "python")


def test_the_stores_stand_in_is_recognised(tmp_path) -> None:
    stub = tmp_path / "Microsoft" / "WindowsApps" / "python.exe"
    stub.parent.mkdir(parents=True)
    stub.write_bytes(b"")
    problem = environment.Engine(stub, "the plugin's setting").problem
    assert "python.org" in problem and str(stub) in problem
    stub.write_bytes(b"MZ a real one")
    assert not environment.is_store_stand_in(stub)
    assert not environment.is_store_stand_in(Path("/usr/bin/python3"))


def test_the_stores_python_puts_folders_elsewhere(tmp_path, monkeypatch) -> None:
    roaming, local = tmp_path / "Roaming", tmp_path / "Local"
    package = local / "Packages" / "PythonSoftwareFoundation.Python.3.11_qbz5n2kfra8p0"
    package.mkdir(parents=True)
    monkeypatch.setenv("APPDATA", str(roaming))
    monkeypatch.setenv("LOCALAPPDATA", str(local))
    folder = roaming / "QGIS" / "msr" / "engine"
    assert environment.store_folders(folder) == [
        package / "LocalCache" / "Roaming" / "QGIS" / "msr" / "engine"
    ]
    assert environment.store_folders(tmp_path / "elsewhere") == []


def test_where_terminating_kills_the_worker_is_asked_first(start_fake, monkeypatch) -> None:
    monkeypatch.setattr(engine_process, "_TERMINATE_IS_GENTLE", False)
    process = start_fake("normal")
    process.wait_for_hello()
    sent: list[dict] = []
    send = process.send
    monkeypatch.setattr(process, "send", lambda message: sent.append(message) or send(message))
    process.stop()
    assert sent == [{"type": "shutdown"}] and not process.alive


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0xC0000017, "memory ran out"),
        (0xC0000005, "crashed (exit status 0xc0000005)"),
        (-9, "was killed (signal 9)"),
        (3, "stopped unexpectedly (exit status 3)"),
    ],
)
def test_how_a_worker_ended(start_fake, monkeypatch, status: int, words: str) -> None:
    process = start_fake("normal")
    process.wait_for_hello()
    process.stop()
    monkeypatch.setattr(process._process, "poll", lambda: status)
    monkeypatch.setattr(process, "_wait", lambda seconds: None)
    assert words in str(process._died(started=True))


def test_details_go_into_the_profiles_log(qgis_app, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(debug_log, "profile_folder", lambda: tmp_path / "Größe")
    told = debug_log.with_log("It failed.", "Traceback: x")
    path = tmp_path / "Größe" / "errors.log"
    assert told == f"It failed (details in {path})."
    assert "Traceback: x" in path.read_text(encoding="utf-8")
    assert debug_log.with_log("It failed.", " ") == "It failed."
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(debug_log, "profile_folder", lambda: tmp_path / "file")
    assert debug_log.with_log("It failed.", "x") == "It failed."


def test_an_intel_mac_is_told_that_there_is_no_torch(monkeypatch, qgis_app) -> None:
    monkeypatch.setattr(environment.sys, "platform", "darwin")
    monkeypatch.setattr(environment.platform, "machine", lambda: "x86_64")
    assert "Apple silicon" in environment.explain_missing("There is no engine.")
    monkeypatch.setattr(environment.platform, "machine", lambda: "arm64")
    assert "Apple silicon" not in environment.explain_missing("There is no engine.")
