"""What a run tells of its progress: a share for tiles, members, layers and files, and the time left."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.feedback import Silent
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve


class Told(Silent):
    """Keeps what is told: fraction, phase, tiles done, tiles, seconds left."""

    def __init__(self) -> None:
        super().__init__()
        self.news: list[tuple[float, str, int, int, float | None]] = []

    def progress(
        self,
        fraction: float,
        phase: str,
        done: int = 0,
        total: int = 0,
        left: float | None = None,
        *_: object,
    ) -> None:
        self.news.append((fraction, phase, done, total, left))

    def of(self, phase: str) -> list[tuple[float, str, int, int, float | None]]:
        return [each for each in self.news if each[1] == phase]


@pytest.mark.parametrize("ensemble", [True, False])
def test_one_tile_is_told_of_while_it_is_made(drawn_run: SuperResolveRequest, ensemble: bool) -> None:
    request = drawn_run if ensemble else replace(drawn_run, ensemble=None)
    told = Told()
    super_resolve(request, told)
    fractions = [each[0] for each in told.news]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    within = [each for each in told.of("Super-resolving") if each[2:4] == (0, 1)]
    assert len({each[0] for each in within}) > 5
    assert all(each[4] is not None for each in within[1:])


def test_writing_has_a_share_for_each_file_and_the_time_left(drawn_run: SuperResolveRequest) -> None:
    told = Told()
    super_resolve(drawn_run, told)
    writing = told.of("Writing the output")
    assert len(writing) == 2 + len(drawn_run.ensemble.files)  # type: ignore[union-attr]
    assert all(left is not None and left >= 0 for *_, left in writing)
    assert writing[-1][0] == pytest.approx(0.99)
    assert writing[0][0] < writing[-1][0]


def test_the_time_left_counts_the_writing(
    drawn_run: SuperResolveRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.pipeline.pace._PACE", {"cells per second": 10.0})  # minutes of writing
    told = Told()
    super_resolve(replace(drawn_run, tile=5), told)
    last = told.of("Super-resolving")[-1]
    assert last[2] == last[3] > 1
    assert last[0] < 0.5 and last[4] > 100
