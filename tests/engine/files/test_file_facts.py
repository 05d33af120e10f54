"""What tells that files have changed: more than their size and the second."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.files.file_facts import file_facts


@pytest.fixture()
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(range(256)) * 2**13)  # 2 MB
    os.utime(path, ns=(10**18, 10**18 + 5))
    return path


def test_a_time_is_told_to_the_nanosecond(large: Path) -> None:
    facts = file_facts([large])
    assert facts is not None and set(facts) == {"bytes", "modified", "digest"}
    assert (facts["bytes"], facts["modified"]) == (2**21, "2001-09-09T01:46:40.000000005+00:00")


@pytest.mark.parametrize("place", [0, 2**21 - 1], ids=["first", "last"])
def test_a_byte_of_the_same_size_and_time_is_noticed_at_both_ends(large: Path, place: int) -> None:
    before = file_facts([large])
    with large.open("r+b") as file:
        file.seek(place)
        file.write(b"\x99")
    os.utime(large, ns=(10**18, 10**18 + 5))
    after = file_facts([large])
    assert before and after and after["digest"] != before["digest"]
    assert {**after, "digest": ""} == {**before, "digest": ""}


def test_so_is_a_nanosecond(large: Path) -> None:
    before = file_facts([large])
    os.utime(large, ns=(10**18, 10**18 + 6))
    after = file_facts([large])
    assert (
        before and after and after["digest"] != before["digest"] and after["modified"] != before["modified"]
    )


def test_of_many_files_names_sizes_and_times_count(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"{number}").write_bytes(b"1")
        os.utime(tmp_path / f"{number}", ns=(0, 10**18))
    files = sorted(tmp_path.iterdir())
    before = file_facts(files)
    assert before is not None and (before["files"], before["bytes"]) == (40, 40)
    assert file_facts(files[::-1]) == before
    (tmp_path / "7").rename(tmp_path / "70")
    assert file_facts(sorted(tmp_path.iterdir())) != before


def test_what_is_no_file_has_none(tmp_path: Path) -> None:
    assert file_facts([tmp_path]) is None and file_facts([]) is None
    assert file_facts([tmp_path / "gone"]) is None
    os.mkfifo(tmp_path / "pipe")
    assert file_facts([tmp_path / "pipe"]) is None
