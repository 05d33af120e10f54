"""Which of several graphics cards a worker takes; none is needed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from engine.cluster import dask_workers
from engine.cluster.dask_workers import JobPlugin
from engine.compute.cards import shared_device


@pytest.mark.parametrize(
    ("asked", "settled", "given"),
    [
        ("auto", "cuda:0", "cuda"),
        ("cuda", "cuda:1", "cuda"),
        ("cuda:1", "cuda:1", "cuda:1"),
        ("auto", "cpu", "cpu"),
        ("auto", "mps", "mps"),
    ],
)
def test_parts_are_for_any_card_unless_one_was_asked_for(asked: str, settled: str, given: str) -> None:
    assert shared_device(asked, settled) == given


@pytest.mark.parametrize(
    ("share", "name", "taken"), [(True, 3, [3]), (False, 3, []), (True, "tcp://a:1", [])]
)
def test_local_workers_take_their_number(monkeypatch, share: bool, name: object, taken: list[int]) -> None:
    cards: list[int] = []
    monkeypatch.setattr(dask_workers, "take_card", cards.append)
    job = SimpleNamespace(token="t", forget=lambda: None)
    plugin = JobPlugin(job, share=share)
    plugin.setup(SimpleNamespace(name=name))
    plugin.teardown(SimpleNamespace(name=name))
    assert cards == taken and "t" not in dask_workers._JOBS
