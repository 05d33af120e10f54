"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import time
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


@pytest.fixture()
def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_dead_processes_left_is_removed_by_the_next_writer(tmp_path: Path, dead: int) -> None:
    here, parent = f"{atomic.HOST}-{dead}", f"{atomic.HOST}-{os.getppid()}"
    (tmp_path / f".store.{here}-1.part").mkdir()
    (tmp_path / f".store.{here}-2.part.png").write_text("half")
    (tmp_path / "store").mkdir()
    (tmp_path / f".store.old.{here}-3.part").mkdir()
    stay = [f".other.{here}-4.part", f".store.{parent}-5.part", f".store.00000000-{dead}-6.part", "store"]
    for name in stay[:-1]:
        (tmp_path / name).mkdir()
    with atomic.new_folder(tmp_path / "store") as fresh:
        fresh.mkdir()
        assert names(tmp_path) == sorted([*stay, fresh.name])
    assert names(tmp_path) == sorted(stay)


def test_a_folder_that_a_dead_process_had_moved_aside_comes_back(tmp_path: Path, dead: int) -> None:
    """Killed between its two renames."""
    for name, text in (
        (f".store.old.{atomic.HOST}-{dead}-1.part", "old"),
        (f".store.{atomic.HOST}-{dead}-2.part", "new"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / text).write_text(text)
    atomic.discard_stale(tmp_path / "store")
    assert names(tmp_path) == ["store"] and names(tmp_path / "store") == ["old"]


def test_another_process_under_a_dead_ones_number_does_not_keep_its_file(tmp_path: Path) -> None:
    """The number is a live process's, which began after the file was written."""
    path = tmp_path / "half"
    path.write_text("x")
    time.sleep(2.2)  # a second that is let pass, and one by which the system's start is rounded
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as young:
        assert not atomic.writer_alive(young.pid, path)
        path.write_text("y")
        assert atomic.writer_alive(young.pid, path)


def test_all_of_a_process_is_discarded_at_once(tmp_path: Path) -> None:
    with atomic.new_folder(tmp_path / "store") as fresh, atomic.scratch_file(tmp_path / "a") as path:
        fresh.mkdir()
        (fresh / "x").write_text("x")
        path.write_text("x")
        atomic.discard_own()
        assert names(tmp_path) == []
        fresh.mkdir()
    assert names(tmp_path) == ["store"]


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    final = tmp_path / "a.txt"
    with atomic.new_file(final) as one, atomic.new_file(final) as other:
        one.write_text("one")
        other.write_text("other")
    assert names(tmp_path) == ["a.txt"] and final.read_text() == "one"
