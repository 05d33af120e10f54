"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.files import atomic


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_file_takes_its_name_in_the_end(tmp_path: Path) -> None:
    final = tmp_path / "new" / "a.png"
    with atomic.new_file(final, ".png") as path:
        path.write_text("whole", encoding="utf-8")
        assert not final.exists() and path.parent == final.parent and path.suffix == ".png"
    assert names(final.parent) == ["a.png"] and final.read_text(encoding="utf-8") == "whole"


def test_after_an_error_the_old_file_stands(tmp_path: Path) -> None:
    final = tmp_path / "a.txt"
    atomic.write_text(final, "old")
    with pytest.raises(KeyboardInterrupt), atomic.new_file(final) as path:
        path.write_text("half", encoding="utf-8")
        raise KeyboardInterrupt
    assert names(tmp_path) == ["a.txt"] and final.read_text(encoding="utf-8") == "old"


def test_a_scratch_file_goes(tmp_path: Path) -> None:
    with atomic.scratch_file(tmp_path / "a.tif", ".plain.tif") as path:
        path.write_text("x", encoding="utf-8")
        assert path.name.endswith(".plain.tif")
    assert names(tmp_path) == []


def test_a_long_name_stays_within_what_file_systems_take(tmp_path: Path) -> None:
    final = tmp_path / ("é" * 120 + ".txt")
    atomic.write_text(final, "x")
    assert names(tmp_path) == [final.name]


def test_a_folder_replaces_another(tmp_path: Path) -> None:
    final = tmp_path / "store"
    for text in ("old", "new"):
        with atomic.new_folder(final) as fresh:
            fresh.mkdir()
            (fresh / text).write_text(text, encoding="utf-8")
    assert names(tmp_path) == ["store"] and names(final) == ["new"]


def test_after_an_error_the_old_folder_stands(tmp_path: Path) -> None:
    final = tmp_path / "store"
    final.mkdir()
    with pytest.raises(OSError), atomic.new_folder(final):
        pass  # nothing was made that could take its place
    with pytest.raises(KeyError), atomic.new_folder(final) as fresh:
        fresh.mkdir()
        raise KeyError
    assert names(tmp_path) == ["store"]


def test_stale_folders_are_those_of_dead_processes(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / f".store.{dead.pid}.part").mkdir()
    (tmp_path / f".store.old.{dead.pid}.part").mkdir()
    (tmp_path / f".other.{dead.pid}.part").mkdir()
    (tmp_path / f".store.{os.getppid()}.part").mkdir()
    atomic.discard_stale_folders(tmp_path / "store")
    assert names(tmp_path) == sorted([f".other.{dead.pid}.part", f".store.{os.getppid()}.part"])
