"""Records of runs: whole lines, honest hashes, clear words about what is no record."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
import yaml

from engine.errors import InputError
from engine.package.folder import load_package
from training import train
from training.records.record import (
    append,
    committed,
    config_hash,
    configured,
    merged,
    read,
    record_of,
    run_id,
)
from training.schema.config import parse_config


@pytest.fixture
def record(settings):
    config = parse_config(settings)
    return record_of("one", "training", config, "c.yaml", "python -m x", {"m": {"rmse": 1.5}}, {"steps": 3})


def test_a_record_comes_back_as_it_was(tmp_path, record):
    path = tmp_path / "deep" / "runs.jsonl"
    append(path, record)
    append(path, record.model_copy(update={"id": "two", "kind": "ablation"}))
    assert read(path)[0] == record
    assert [r.id for r in read(path)] == ["one", "two"]
    assert [r.id for r in read(path, "ablation")] == ["two"]
    assert read(tmp_path / "none.jsonl") == []


def test_a_number_that_is_not_finite_becomes_null(tmp_path, settings):
    config = parse_config(settings)
    metrics = {"m": {"rmse": float("nan"), "bias": None, "mae": 2.0}}
    append(tmp_path / "a.jsonl", record_of("one", "training", config, "c.yaml", "", metrics))
    assert read(tmp_path / "a.jsonl")[0].metrics == {"m": {"rmse": None, "bias": None, "mae": 2.0}}


def test_a_killed_writers_rest_is_no_record_and_goes(tmp_path, record):
    path = tmp_path / "runs.jsonl"
    append(path, record)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])
    assert len(read(path)) == 1
    append(path, record)
    assert path.read_bytes() == whole + whole


def _append_many(path, record):
    for _ in range(25):
        append(path, record)


def test_writers_at_the_same_time_mix_no_lines(tmp_path, record):
    path = tmp_path / "runs.jsonl"
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        for done in [pool.submit(_append_many, path, record) for _ in range(2)]:
            done.result()
    assert read(path) == [record] * 50


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{broken", ["line 2: no JSON: look at its quotes and brackets."]),
        ("[]", ["line 2: no record: must be keys with values."]),
        ('{"id": "x"}', ["line 2: no record: the key kind is missing."]),
        ("colour", ["line 2: no JSON: look at its quotes and brackets."]),
        ('{"id": 7}', ["line 2: no record: id: must be text; put it in quotes (it is 7)."]),
        ('{"id": 1e999}', ["line 2: no JSON"]),
    ],
)
def test_a_line_that_is_no_record_is_named(tmp_path, record, line, words):
    path = tmp_path / "runs.jsonl"
    append(path, record)
    with open(path, "a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(InputError) as caught:
        read(path)
    for word in ["runs.jsonl", *words]:
        assert word in str(caught.value)


def test_an_unknown_key_is_named(tmp_path, record):
    path = tmp_path / "runs.jsonl"
    path.write_text(json.dumps({**record.model_dump(), "colour": 1}) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"line 1.*colour"):
        read(path)


def test_the_hash_is_of_what_numbers_depend_on(settings):
    plain = config_hash(parse_config(settings))
    assert config_hash(parse_config({**settings, "steps": settings["steps"] + 1})) != plain
    assert config_hash(parse_config({**settings, "seed": settings["seed"] + 1})) != plain
    renamed = {**settings, "model": {**settings["model"], "name": "Another name"}}
    assert config_hash(parse_config(renamed)) == plain
    spelled = {**settings, "losses": {**settings["losses"], "conservation": {"weight": 0.1}}}
    assert config_hash(parse_config(spelled)) == plain  # the default, written out


def test_overrides_merge_by_key():
    settings = {"a": {"b": 1, "c": 2}, "d": [1, 2], "e": 3}
    assert merged(settings, {"a": {"b": None}, "d": [3]}) == {"a": {"b": None, "c": 2}, "d": [3], "e": 3}
    assert settings["a"] == {"b": 1, "c": 2}


def test_a_configuration_is_read_with_overrides_and_seed(tmp_path, settings):
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    config = configured(path, {"network": {"boxes": [0, 0]}}, 7)
    assert (config.seed, config.network["boxes"], config.network["widths"]) == (7, [0, 0], [8, 8])
    assert run_id("x", config) == f"x-s7-{config_hash(config)[:8]}"
    with pytest.raises(InputError, match="colour"):
        configured(path, {"colour": 1})


def test_training_adds_its_record(tmp_path, settings, small, capsys):
    settings.update(data={"name": "small"}, sampling={"size": 4, "batch": 2}, steps=2)
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    file = tmp_path / "runs.jsonl"
    arguments = [str(path), "--runs", str(tmp_path / "runs"), "--quiet", "--record", str(file)]
    assert train.run(arguments) == 0
    (made,) = read(file, "training")
    package = load_package(tmp_path / "runs" / "tiny" / "package")
    assert made.metrics == package.card.raw["metrics"]
    assert (made.seed, made.steps) == (3, 2) and made.id.startswith("tiny-s3-")
    assert made.hash == config_hash(configured(made.config, made.overrides, made.seed))


def test_committed_records_are_records():
    assert all(r.kind and r.metrics for r in committed())
