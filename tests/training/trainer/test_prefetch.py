"""Batches made ahead are the same, in turn, one at a time, and made while the step works."""

from __future__ import annotations

import json
import threading

import pytest

from engine.compute.prefetch import Prefetcher
from training.data.split import split_archive
from training.schema.config import parse_config
from training.trainer.trainer import Trainer


class Maker:
    def __init__(self):
        self.made, self.threads, self.busy = [], [], threading.Lock()

    def __call__(self, step):
        assert self.busy.acquire(blocking=False)
        try:
            self.made.append(step)
            self.threads.append(threading.current_thread().name)
            if step == 7:
                raise ValueError("step 7")
            return step * 10
        finally:
            self.busy.release()


def test_batches_come_in_turn_each_made_once_and_none_beyond_the_end():
    make = Maker()
    with Prefetcher(make, 5) as take:
        assert [take(step) for step in range(5)] == [0, 10, 20, 30, 40]
    assert make.made == [0, 1, 2, 3, 4]
    assert make.threads[0] == threading.current_thread().name
    assert all(name.startswith("batches") for name in make.threads[1:])
    assert take.waited >= 0
    assert take(3) == 30  # afterwards without a thread


def test_the_next_batch_is_made_while_the_step_works():
    begun = threading.Event()

    def make(step):
        if step == 1:
            begun.set()
        return step

    with Prefetcher(make, 3) as take:
        take(0)
        assert begun.wait(10)  # without anybody asking for it


def test_a_step_out_of_turn_is_made_anew():
    make = Maker()
    with Prefetcher(make, 100) as take:
        assert [take(step) for step in (3, 9, 10)] == [30, 90, 100]
    assert make.made[:4] == [3, 4, 9, 10]


def test_errors_arrive_where_the_batch_is_wanted():
    with Prefetcher(Maker(), 100) as take:
        assert take(6) == 60
        with pytest.raises(ValueError, match="step 7"):
            take(7)


def test_a_run_is_what_single_steps_are(settings, small, archive, tmp_path):
    settings.update(data={"name": "small"}, steps=4, checkpoint_every=4)
    settings["sampling"].update(size=4)
    config = parse_config(settings)
    split = split_archive(config, archive)
    stepped, run = (Trainer(config, archive, split, tmp_path / name) for name in ("a", "b"))
    losses = [stepped.step().terms for _ in range(4)]
    run.run(lambda *_: None)
    log = [json.loads(line) for line in (tmp_path / "b" / "log.jsonl").read_text().splitlines()]
    assert [{name: line[name] for name in losses[0]} for line in log[1:]] == losses
