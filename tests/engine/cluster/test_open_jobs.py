"""The runs that a process has open: the last few, and never one closed whose step is being made."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from engine.cluster import step_job


class Opened:
    """Stands in for an open run whose target is the field of another one, which its step asks for."""

    closed: list[str]
    jobs: step_job.OpenJobs

    def __init__(self, job: Any, models: object) -> None:
        self.job = job

    def make(self, tile: int, date: int) -> str:
        if self.job.target is not None:
            self.jobs.make(self.job.target, tile, date)
        if self.job.token in self.closed:
            raise ValueError("closed while it was used")
        return str(self.job.token)

    def close(self) -> None:
        self.closed.append(self.job.token)


@pytest.fixture()
def jobs(monkeypatch: pytest.MonkeyPatch) -> step_job.OpenJobs:
    made = step_job.OpenJobs()
    monkeypatch.setattr(Opened, "closed", [], raising=False)
    monkeypatch.setattr(Opened, "jobs", made, raising=False)
    monkeypatch.setattr(step_job, "OpenJob", Opened)
    return made


def chain(length: int) -> Any:
    job = None
    for number in range(length):
        job = SimpleNamespace(token=str(number), target=job)
    return job


def test_a_run_is_not_closed_while_those_below_it_are_opened(jobs: step_job.OpenJobs) -> None:
    assert jobs.make(chain(step_job._KEPT + 2), 0, 0) == str(step_job._KEPT + 1)
    assert Opened.closed == []


def test_those_that_were_used_last_stay_open(jobs: step_job.OpenJobs) -> None:
    several: list[Any] = [SimpleNamespace(token=str(n), target=None) for n in range(step_job._KEPT + 2)]
    for job in several:
        jobs.make(job, 0, 0)
    assert Opened.closed == ["0", "1"]
    for _ in range(3):
        for job in several[2:]:
            jobs.make(job, 0, 0)
    assert jobs.opened == len(several)
