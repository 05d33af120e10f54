"""The ablation: which runs it is made of, that a stopped one goes on, what its numbers mean."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml
from filelock import FileLock

from engine.errors import InputError
from training import ablate
from training.ablation.blocks import MOST_PLACES, RunBlockErrors, SquaredErrorBlocks
from training.ablation.gather import gather
from training.ablation.importance import Results, agreement, estimate, shapley
from training.ablation.plan import groups_of, subset_name, subsets, variants
from training.ablation.runs import finished, runs_of
from training.ablation.withheld import withheld_results
from training.data.normalisation import target_spec
from training.data.split import split_archive
from training.evaluation.predict import Case
from training.records.record import configured, read
from training.schema.config import parse_config


@pytest.fixture
def tiny(settings):
    """An ablation of the small archive whose runs take a second."""
    settings.update(data={"name": "small"}, sampling={"size": 4, "batch": 2}, checkpoint_every=1)
    settings["sources"] = [{"name": "temperature", "dropout": 0.3}, {"name": "elevation", "dropout": 0.3}]
    settings["network"] = {"widths": [4, 4], "boxes": [1, 0]}
    settings["ablation"] = {"steps": 2, "seeds": [0, 1], "constraints": ["conservation", "adversarial"]}
    return settings


@pytest.fixture
def path(tiny, tmp_path, small):
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(tiny), encoding="utf-8")
    return path


def by_name(config):
    return {v.name: v for v in variants(config)}


def test_up_to_four_groups_have_every_subset():
    assert [len(subsets("abcd"[:n])) for n in (1, 2, 3, 4)] == [2, 4, 8, 16]
    more = subsets("abcde")
    assert [len(s) for s in more] == [0, 1, 1, 1, 1, 1, 4, 4, 4, 4, 4, 5]
    assert subset_name({"c", "a"}, "abc") == "a+c" and subset_name((), "abc") == "none"


def test_runs_see_their_groups_alone_and_without_dropout(tiny):
    config = parse_config(tiny)
    found = by_name(config)
    assert list(found) == [
        "none", "temperature", "elevation", "temperature+elevation",
        "without-conservation", "without-adversarial", "unconstrained", "dropout",
    ]  # fmt: skip
    runs = {run.variant.name: run.config for run in runs_of(config, list(found.values()), (5,))}
    assert [s.name for s in runs["elevation"].sources] == ["elevation"] and not runs["none"].sources
    assert {s.dropout for s in runs["temperature+elevation"].sources} == {0.0}
    assert {s.dropout for s in runs["dropout"].sources} == {0.3}
    assert runs["none"].sampling.without_sources == 0 and runs["dropout"].sampling.without_sources > 0
    assert all(c.seed == 5 and c.steps == 2 and c.precision == "float32" for c in runs.values())
    assert runs["without-conservation"].target.strength == 0
    assert runs["without-conservation"].losses.conservation.weight == 0
    assert runs["without-adversarial"].losses.adversarial is None
    free = runs["unconstrained"]
    assert not free.sources and free.target.strength == 0 and free.target.bounds == (None, None)
    assert free.losses.adversarial is not None
    assert runs["none"].losses.adversarial.start == 1  # 4 of 12 steps, of 2


def test_every_constraint_can_be_switched_off(tiny):
    tiny["ablation"]["constraints"] = ["bounds", "attention", "inception"]
    tiny["ablation"]["reference"] = ["elevation"]
    config = parse_config(tiny)
    found = {r.variant.name: r.config for r in runs_of(config, variants(config), (0,))}
    assert found["without-bounds"].target.bounds == (None, None)
    assert found["without-bounds"].target.conservation == "additive"  # a ratio would bound at zero
    assert found["without-bounds"].target.transform == "cuberoot"  # and so would log1p
    assert found["without-attention"].network["attention"] is False
    assert found["without-inception"].network["inception"] is False
    assert all(len(found[f"without-{c}"].sources) == 1 for c in config.ablation.constraints)
    tiny["losses"]["adversarial"] = None
    tiny["ablation"]["constraints"] = ["adversarial"]
    assert "without-adversarial" not in by_name(parse_config(tiny))  # off already


def test_groups_gather_sources(tiny):
    tiny["sources"].append({"name": "climatology"})
    tiny["ablation"]["groups"] = {"terrain": ["elevation"], "weather": ["temperature"]}
    config = parse_config(tiny)
    runs = {r.variant.name: r.config for r in runs_of(config, variants(config), (0,))}
    assert list(groups_of(config)) == ["terrain", "weather"]
    assert [s.name for s in runs["none"].sources] == ["climatology"]  # in no group: always there


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"groups": {"a": ["snow"]}}, ["ablation.groups.a", "snow"]),
        ({"groups": {"a": ["elevation"], "b": ["elevation"]}}, ["elevation", "a and b"]),
        ({"reference": ["weather"]}, ["ablation.reference", "weather"]),
        ({"overrides": {"steps": 4}}, ["overrides.steps"]),
        ({"overrides": {"colour": 4}}, ["colour"]),
        ({"constraints": ["beauty"]}, ["ablation.constraints"]),
    ],
)
def test_what_is_wrong_is_named_before_any_run(tiny, section, words):
    tiny["ablation"] |= section
    with pytest.raises(InputError) as caught:
        config = parse_config(tiny)
        runs_of(config, variants(config), (0,))
    for word in words:
        assert word in str(caught.value)


def test_an_ablation_writes_records_and_a_page_and_does_nothing_twice(path, tmp_path, capsys):
    output = tmp_path / "out"
    assert ablate.run([str(path), "--output", str(output), "--only", "subset", "--seeds", "0"]) == 0
    assert len(read(output / "records.jsonl")) == 4
    assert ablate.run([str(path), "--output", str(output)]) == 0
    lines = (output / "records.jsonl").read_text().splitlines()
    records = read(output / "records.jsonl", "ablation")
    assert len(lines) == len({r.id for r in records}) == 16
    for record in records:
        assert record.hash and record.metrics and record.notes["seconds"] > 0
        again = configured(record.config, record.overrides, record.seed)
        assert again.steps == record.steps == 2
        for case, values in record.metrics.items():
            blocks = SquaredErrorBlocks.from_json(record.notes["blocks"][case])
            assert blocks.rmse == pytest.approx(values["rmse"], rel=1e-4)
    page = (output / "ablation.html").read_text()
    assert "Ablation of Tiny rain model" in page and "withheld" in page and page.count("<svg") == 0
    assert page.count("data:image") == 3
    told = json.loads((output / "ablation.json").read_text())
    assert set(told["gains"]) == {"temperature", "elevation"} and told["missing"] == []
    whole = np.mean(told["variants"]["none"]["rmse"]) - np.mean(
        told["variants"]["temperature+elevation"]["rmse"]
    )
    assert sum(g["average"]["value"] for g in told["gains"].values()) == pytest.approx(whole)
    rows = (output / "ablation.csv").read_text().splitlines()
    assert rows[0] == "variant,seed,given,metric,value,id" and len(rows) > 16 * 10
    capsys.readouterr()
    assert ablate.run([str(path), "--output", str(output), "--no-page"]) == 0
    assert (output / "records.jsonl").read_text().splitlines() == lines
    assert capsys.readouterr().out == ""


def test_the_same_run_gives_the_same_numbers(path, tmp_path):
    for name in ("a", "b"):
        assert ablate.run([str(path), "--output", str(tmp_path / name), "--only", "elevation", "--seeds", "1",
                           "--no-page"]) == 0  # fmt: skip
    (a,), (b,) = (read(tmp_path / name / "records.jsonl") for name in ("a", "b"))
    assert a.metrics == b.metrics and a.id == b.id and a.hash == b.hash


def test_a_run_that_another_process_is_at_is_left_to_it(path, tmp_path, capsys):
    output = tmp_path / "out"
    config = configured(path, {})
    (run,) = (r for r in runs_of(config, variants(config), (0,)) if r.variant.name == "elevation")
    output.mkdir()
    with FileLock(output / f"{run.id}.lock"):
        assert ablate.run([str(path), "--output", str(output), "--only", "elevation", "--no-page",
                           "--seeds", "0"]) == 0  # fmt: skip
    assert "another process" in capsys.readouterr().out
    assert not finished(output / "records.jsonl", [run])


def test_a_killed_ablation_goes_on_from_its_checkpoint(tiny, tmp_path):
    # On the real maps, in a process of its own, which is killed inside a run.
    tiny.update(data={"name": "itur", "options": {"region": [-20, 40, 4, 64]}})
    tiny["ablation"] |= {"seeds": [0], "steps": 12, "constraints": []}
    path, output = tmp_path / "c.yaml", tmp_path / "out"
    path.write_text(yaml.safe_dump(tiny), encoding="utf-8")
    arguments = [str(path), "--output", str(output), "--only", "elevation", "--no-page"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-m", "training.ablate", *arguments], env=environment)
    while not list(output.glob("*/checkpoint.safetensors")) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(output.glob("*/checkpoint.safetensors")) and not (output / "records.jsonl").exists()
    assert ablate.run(arguments) == 0
    assert ablate.run([*arguments[:2], str(tmp_path / "whole"), *arguments[3:]]) == 0
    (stopped,), (whole,) = (read(folder / "records.jsonl") for folder in (output, tmp_path / "whole"))
    assert stopped.metrics == whole.metrics
    assert not list(output.glob("*/checkpoint.safetensors"))


def test_a_round_that_is_not_whole_is_no_result(path, tmp_path):
    output = tmp_path / "out"
    with pytest.raises(InputError, match="no whole round"):
        ablate.run([str(path), "--output", str(output), "--only", "elevation", "--seeds", "0"])
    config = configured(path, {})
    with pytest.raises(InputError, match="1 of 16"):
        gather(config, output / "records.jsonl")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--only", "tea"], "tea"), (["--seeds", "a"], "--seeds"), (["--seeds", "9" * 5000], "--seeds")],
)
def test_wrong_arguments_are_said(path, arguments, words):
    with pytest.raises(InputError, match=words):
        ablate.run([str(path), *arguments])


def test_a_number_that_is_none_is_said(path, capsys):
    with pytest.raises(SystemExit) as caught:
        ablate.run([str(path), "--steps", "0"])
    assert caught.value.code == 2
    assert "--steps must be a whole number from 1 on, not 0" in capsys.readouterr().err


# ---------------------------------------------------------------------- arithmetic


def made(errors, seeds=(0, 1, 2), wobble=0.0):
    """Results whose variants have these RMSEs in every block, seeds apart by `wobble`."""
    count = np.full((3, 20), 100.0)
    metrics, blocks = {}, {}
    for name, rmse in errors.items():
        values = {s: rmse + wobble * (i - 1) for i, s in enumerate(seeds)}
        metrics[name] = {s: {"rmse": v} for s, v in values.items()}
        blocks[name] = {s: SquaredErrorBlocks(count, count * v**2) for s, v in values.items()}
    return Results(tuple(seeds), metrics, blocks)


def test_the_average_gain_is_the_shapley_value():
    errors = {"none": 12.0, "a": 9.0, "b": 11.0, "a+b": 6.0}
    weights = shapley(["a", "b"])
    # a: first 3, second 5; b: first 1, second 3.
    values = {g: estimate(made(errors), weights[g]).value for g in "ab"}
    assert values == {"a": pytest.approx(4.0), "b": pytest.approx(2.0)}
    three = ["a", "b", "c"]
    names = [subset_name(s, three) for s in subsets(three)]
    rng = np.random.default_rng(0)
    errors = dict(zip(names, rng.uniform(5, 12, 8), strict=True))
    total = sum(estimate(made(errors), w).value for w in shapley(three).values())
    assert total == pytest.approx(errors["none"] - errors["a+b+c"])


def test_beyond_four_groups_first_and_last_gain_are_averaged():
    names = [subset_name(s, "abcde") for s in subsets("abcde")]
    errors = {name: 20.0 - len(name) for name in names} | {"none": 20.0, "a+b+c+d+e": 5.0, "b+c+d+e": 9.0}
    assert estimate(made(errors), shapley("abcde")["a"]).value == pytest.approx((1 + 4) / 2)


def test_intervals_hold_blocks_seeds_and_both():
    errors = {"none": 12.0, "a": 9.0}
    same = estimate(made(errors), shapley(["a"])["a"])
    assert same.blocks.low == pytest.approx(3) and same.seeds.high == pytest.approx(3)
    apart = made(errors)
    shifted = {s: {"rmse": v["rmse"] + d} for (s, v), d in zip(apart.metrics["a"].items(), (-1, 0, 1))}
    blocks = {
        s: SquaredErrorBlocks(np.ones((3, 20)), np.full((3, 20), v["rmse"] ** 2)) for s, v in shifted.items()
    }
    mixed = Results(apart.seeds, {**apart.metrics, "a": shifted}, {**apart.blocks, "a": blocks})
    found = estimate(mixed, {"none": 1.0, "a": -1.0})
    half = 4.3027 / math.sqrt(3)  # Student's t with two degrees of freedom
    assert found.seeds.low == pytest.approx(3 - half, rel=1e-3)
    assert found.both.low <= found.seeds.low + 1e-9
    rng = np.random.default_rng(1)
    uneven = SquaredErrorBlocks(np.full((6, 30), 100.0), rng.gamma(2, 500, (6, 30)))
    results = Results((0,), {"none": {0: {"rmse": uneven.rmse}}}, {"none": {0: uneven}})
    found = estimate(results, {"none": 1.0})
    assert found.blocks.low < uneven.rmse < found.blocks.high
    assert math.isnan(found.seeds.low) and found.both == found.blocks


def test_agreement_compares_every_gain():
    retrained = made({"none": 12.0, "a": 9.0, "b": 11.0, "a+b": 6.0})
    withheld = made({"none": 13.0, "a": 11.0, "b": 12.5, "a+b": 8.0})
    found = agreement(retrained, withheld, ["a", "b"])
    assert dict(zip(found.names, zip(found.retrained, found.withheld))) == {
        "a first": pytest.approx((3, 2)), "b first": pytest.approx((1, 0.5)),
        "b after a": pytest.approx((3, 3)), "a after b": pytest.approx((5, 4.5)),
    }  # fmt: skip
    assert found.difference == pytest.approx(0.5)
    assert 0.8 < found.rank_correlation <= 1


def test_block_errors_are_the_fields_own():
    rng = np.random.default_rng(2)
    truth = rng.normal(size=(10, 36, 60)).astype(np.float32)
    field = truth + rng.normal(size=truth.shape).astype(np.float32)
    field[0, :5] = np.nan
    sums = RunBlockErrors(len(truth), 2)
    for number, (made, true) in enumerate(zip(field, truth, strict=True)):
        sums.update(number, made, true)
    found = sums.blocks()
    assert found.count.sum() == np.isfinite(field).sum()
    assert found.rmse == pytest.approx(np.sqrt(np.nanmean((field - truth) ** 2)), rel=1e-5)
    assert found.count.shape[0] == 8 and found.count.shape[1] <= MOST_PLACES
    again = SquaredErrorBlocks.from_json(json.loads(json.dumps(found.to_json())))
    assert again.rmse == pytest.approx(found.rmse, rel=1e-4)
    with pytest.raises(ValueError, match="one shape"):
        SquaredErrorBlocks.from_json({"count": [[1]], "squared": [1]})


def test_sources_are_withheld_from_a_trained_model(tiny, archive):
    tiny["data"] = {"name": "small"}
    config = parse_config(tiny)
    split = split_archive(config, archive)
    target = target_spec(config, archive, split)

    def predict(patch):  # rain grows with height, as in the small archive
        coarse = patch.target[:, 1:-1, 1:-1]
        flat = coarse.repeat_interleave(2, -1).repeat_interleave(2, -2)
        return flat * (20 + patch.fine["elevation"][:, 0, 2:-2, 2:-2] / 20) if patch.fine else flat

    case = Case("m", "m", predict, 1, split.test_view, 1.0)
    found = withheld_results(config, case, {"temperature", "elevation"}, archive, split.test, target)
    assert set(found.metrics) == {"none", "temperature", "elevation", "temperature+elevation"}
    weights = shapley(list(groups_of(config)))
    gains = {group: estimate(found, weights[group]) for group in weights}
    assert gains["temperature"].value == pytest.approx(0, abs=1e-6)
    assert gains["elevation"].both.low > 0
    for name, by_seed in found.blocks.items():
        assert by_seed[3].rmse == pytest.approx(found.mean(name, "rmse"), rel=1e-4)
    fixed = withheld_results(config, case, {"temperature"}, archive, split.test, target)
    assert set(fixed.metrics) == {"elevation", "temperature+elevation"}  # elevation is required
