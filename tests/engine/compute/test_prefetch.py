"""Reading ahead and writing behind: in turn, one at a time, with errors where they belong."""

from __future__ import annotations

import threading

import pytest

from engine.compute.prefetch import Prefetcher
from engine.compute.write_behind import WriteBehind


def test_so_many_steps_are_made_ahead_and_none_more() -> None:
    made: list[int] = []
    third, fourth = threading.Event(), threading.Event()

    def make(step: int) -> int:
        made.append(step)
        (third if step == 2 else threading.Event()).set()
        (fourth if step == 3 else threading.Event()).set()
        return step

    with Prefetcher(make, 100, ahead=2) as take:
        assert take(0) == 0
        assert third.wait(10) and not fourth.wait(0.1)
        assert take(1) == 1 and fourth.wait(10)
    assert made == [0, 1, 2, 3]


def test_steps_may_change_their_meaning() -> None:
    meaning = "old"
    begun, go = threading.Event(), threading.Event()

    def make(step: int) -> str:
        if meaning == "old" and step == 1:
            begun.set()
            go.wait(10)
            raise ValueError("nobody asks for this any more")
        return f"{meaning} {step}"

    with Prefetcher(make, 2) as take:
        assert take(0) == "old 0"
        assert begun.wait(10)
        go.set()
        take.forget()
        meaning, take.end = "new", 4
        assert [take(step) for step in range(4)] == [f"new {step}" for step in range(4)]


def test_all_is_written_in_turn_before_the_end() -> None:
    written: list[int] = []
    with WriteBehind(written.append, 2) as write:
        for item in range(20):
            write(item)
    assert written == list(range(20))


def test_no_more_than_so_many_wait() -> None:
    go = threading.Event()
    counts: list[int] = []

    def slow(item: int) -> None:
        go.wait(10)
        counts.append(item)

    with WriteBehind(slow, 2) as write:
        write(0)
        write(1)
        threading.Timer(0.1, go.set).start()
        write(2)  # waits for the first
        assert counts[0] == 0


def test_the_first_error_is_raised_and_ends_the_writing() -> None:
    written: list[int] = []

    def refuse(item: int) -> None:
        if item == 1:
            raise OSError("full")
        written.append(item)

    with pytest.raises(OSError, match="full"), WriteBehind(refuse, 1) as write:
        for item in range(100):
            write(item)
    assert written[0] == 0 and len(written) < 10


def test_an_error_of_the_last_item_is_raised_too() -> None:
    def refuse(item: int) -> None:
        raise OSError("full")

    with pytest.raises(OSError, match="full"), WriteBehind(refuse, 5) as write:
        write(0)


def test_after_another_error_nothing_waits() -> None:
    go, written = threading.Event(), []

    def slow(item: int) -> None:
        go.wait(10)
        written.append(item)

    with pytest.raises(KeyError), WriteBehind(slow, 9) as write:
        for item in range(5):
            write(item)
        threading.Timer(0.1, go.set).start()
        raise KeyError
    assert written in ([], [0])
