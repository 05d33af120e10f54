"""A training killed with SIGKILL goes on as if it had never stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from engine.files.root import ROOT

STEPS = 30


def start(config, runs, *more):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [
        sys.executable,
        "-m",
        "training.train",
        str(config),
        "--runs",
        str(runs),
        "--threads",
        "1",
        "--quiet",
    ]
    return subprocess.Popen(
        [*command, *more],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return Path(out.strip().splitlines()[-1])


def log(runs):
    return [json.loads(line) for line in (runs / "tiny" / "log.jsonl").read_text().splitlines()]


@pytest.fixture
def config(settings, tmp_path):
    settings["steps"] = STEPS
    settings["validation"] = {"every": 10, "held_out": [5]}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def test_kill_and_resume_gives_the_same_losses(config, tmp_path):
    whole = start(config, tmp_path / "whole")
    killed = start(config, tmp_path / "killed")
    checkpoint = tmp_path / "killed" / "tiny" / "checkpoint.safetensors"
    deadline = time.monotonic() + 240
    while not checkpoint.exists() and killed.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "tiny" / "record.json").exists()
    package = finish(start(config, tmp_path / "killed", "--resume"))
    other = finish(whole)
    expected, found = log(tmp_path / "whole"), log(tmp_path / "killed")
    assert [r["step"] for r in found] == list(range(STEPS + 1))
    assert found == expected  # every loss, rate and validation score, to the last digit
    assert any("adversarial" in r for r in found) and any("validation" in r for r in found)
    assert (package / "weights.safetensors").read_bytes() == (other / "weights.safetensors").read_bytes()


def test_wrong_use_ends_with_a_sentence_and_status_2(config, tmp_path):
    process = start(config, tmp_path / "none", "--resume")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "no checkpoint" in err and len(err.strip().splitlines()) == 1
    text = config.read_text().replace("steps:", "stepps:")
    config.write_text(text)
    process = start(config, tmp_path / "none")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2 and "stepps" in err and "Traceback" not in err


def test_another_configuration_is_refused(settings, tmp_path):
    from engine.errors import InputError
    from training.cascade.train import train
    from training.schema.config import parse_config

    settings["steps"] = 3
    train(parse_config(settings), tmp_path, quiet=True)
    with pytest.raises(InputError, match="another configuration \\(steps\\)"):
        train(parse_config({**settings, "steps": 4}), tmp_path, resume=True, quiet=True)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"values": 2.0}, "values of rain"),
        ({"units": "mm/day"}, "units"),
        ({"dates": tuple(f"2001-{m:02d}" for m in range(1, 13))}, "dates"),
        ({"crs": "EPSG:4258"}, "grid"),
    ],
)
def test_another_data_set_under_the_same_name_is_refused(
    settings, make, tmp_path, monkeypatch, change, named
):
    from dataclasses import replace

    from engine.errors import InputError
    from training.data.readers import READERS
    from training.data.split import split_archive
    from training.schema.config import parse_config
    from training.trainer.run import fit

    monkeypatch.setitem(READERS, "small", lambda factor: make())
    settings |= {"steps": 2, "data": {"name": "small", "options": {}}}
    config, archive = parse_config(settings), make()
    fit(config, archive, split_archive(config, archive), tmp_path / "run", quiet=True)
    fit(config, make(), split_archive(config, make()), tmp_path / "run", resume=True, quiet=True)
    times = change.pop("values", 1.0)
    other = replace(make(), fine=archive.fine * times, coarse=archive.coarse * times, **change)
    log = (tmp_path / "run" / "log.jsonl").read_text()
    with pytest.raises(InputError) as refused:
        fit(config, other, split_archive(config, other), tmp_path / "run", resume=True, quiet=True)
    said = str(refused.value)
    assert (
        said.startswith(f"The checkpoint in {tmp_path / 'run'} was made from other data (") and named in said
    )
    assert (tmp_path / "run" / "log.jsonl").read_text() == log
