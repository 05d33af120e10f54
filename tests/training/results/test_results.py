"""The results: bars and what holds, claims from made-up records, JSON lines, one record repeated."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest
import yaml

from engine.errors import InputError
from engine.files.root import ROOT
from training import ablate
from training.evaluation.bootstrap import Interval
from training.records.record import Record, append, configured, read, record_of, run_id
from training.results import __main__ as results
from training.results import parts as results_parts
from training.results.claims.claim import Bar, Claim, ResultsSection, claimed, claims_table
from training.results.claims.context import ResultsContext
from training.results.claims.learned import (
    deterministic_networks,
    encoded_gan,
    is_unconstrained,
    learned_baselines,
    over_seeds,
    own_case,
    ratio,
)
from training.results.claims.moselle import moselle
from training.results.claims.snow import only_l1, table_of
from training.results.claims.sources import ablations, main_claim
from training.results.rerun import find, rerun, side_by_side

ONE = ("--processes", "1")  # in this process, so that what is made up here is seen
KEYS = ["claim", "value", "low", "high", "few", "bar", "holds", "verdict"]


@pytest.mark.parametrize(
    ("bar", "value", "holds", "text"),
    [
        (Bar(high=0.88), 0.88, True, "<= 0.88"),
        (Bar(high=0.88), 0.8801, False, "<= 0.88"),
        (Bar(high=1, strict=True), 1.0, False, "< 1"),
        (Bar(low=0, strict=True), 1e-9, True, "> 0"),
        (Bar(low=0, strict=True), 0.0, False, "> 0"),
        (Bar(0.9, 1.1), 0.9, True, "0.9 to 1.1"),
        (Bar(0.9, 1.1), 1.11, False, "0.9 to 1.1"),
        (Bar(high=0.5), math.nan, False, "<= 0.5"),
        (Bar(low=0.5), math.inf, False, ">= 0.5"),
    ],
)
def test_a_claim_holds_when_its_value_is_within_the_bar(bar, value, holds, text):
    claim = Claim("something", value, bar=bar)
    assert claim.holds is holds and str(bar) == text
    told = claim.to_json()
    assert list(told) == KEYS and told["holds"] is holds and told["bar"] == text
    json.dumps(told, allow_nan=False)


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict"),
    [
        (0.8, 0.7, 0.9, "yes"),
        (0.8, 0.7, 1.1, "not surely"),
        (1.2, 0.9, 1.5, "no"),
        (0.8, math.nan, math.nan, "yes"),
        (math.nan, 0.7, 0.9, "no"),
    ],
)
def test_a_claim_holds_where_its_whole_interval_does(value, low, high, verdict):
    claim = Claim("something", value, low, high, Bar(high=1))
    assert claim.verdict == verdict and claim.holds is (verdict == "yes")
    assert claim.to_json()["verdict"] == verdict


def test_a_figure_has_no_bar():
    figure = claimed("a figure", Interval(1.0, 0.5, 1.5))
    assert figure.to_json() == dict(
        zip(KEYS, ("a figure", 1.0, 0.5, 1.5, None, None, None, None), strict=True)
    )
    assert "NO" in claims_table([Claim("x", 2.0, bar=Bar(high=1))]) and "yes" not in claims_table([figure])


# ---------------------------------------------------------------------- records


@pytest.fixture
def context(tmp_path, settings):
    """A context whose configurations and records lie in a folder, with three trainings recorded."""
    configs, folder = tmp_path / "configs", tmp_path / "records"
    configs.mkdir()
    folder.mkdir()
    settings.update(data={"name": "small"}, sampling={"size": 4, "batch": 2}, checkpoint_every=10)
    settings["sources"] = [{"name": "temperature", "dropout": 0.3}, {"name": "elevation", "dropout": 0.3}]
    settings["ablation"] = {"steps": 2, "seeds": [0, 1], "constraints": ["conservation"]}
    free = {
        **settings,
        "sources": [],
        "target": {"strength": 0.0},
        "losses": {"conservation": {"weight": 0}},
        "ablation": {},
    }
    plain = {**settings, "losses": {"adversarial": None, "physical": [], "reconstruction": {"kind": "l1"}}}
    elsewhere = {**plain, "split": {"kind": "temporal", "train": [1, 2, 3, 5], "test": [10]}}
    for name, content in {
        "rain_itur": settings,
        "free": free,
        "plain": plain,
        "elsewhere": elsewhere,
    }.items():
        (configs / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    for name, rmses in {"free": (12.0, 10.0), "plain": (9.0, 8.0), "elsewhere": (1.0,)}.items():
        for seed, rmse in enumerate(rmses):
            config = configured(configs / f"{name}.yaml", {}, seed)
            metrics = {
                "bilinear": {"rmse": 99.0},
                "tiny": {"rmse": rmse, "mae": rmse / 2},
                "tiny-without-sources": {"rmse": 50.0},
            }
            made = record_of(
                run_id("tiny", config), "training", config, configs / f"{name}.yaml", "c", metrics
            )
            append(folder / "training.jsonl", made)
    return ResultsContext(lambda text: None, quick=True, folder=folder, configs=configs)


def test_a_record_tells_its_own_models_numbers(context):
    assert own_case(context.records("training")[0])["rmse"] == 12.0


def test_networks_count_that_were_tested_alike(context):
    assert deterministic_networks(context, "rain_itur.yaml") == {"free": 5.0, "plain": 4.0}


def test_ratios_are_paired_by_seed(context):
    held = {name: context.records("training", f"{name}.yaml") for name in ("free", "plain", "elsewhere")}
    found = ratio(held["plain"], held["free"], "rmse")
    assert found.value == pytest.approx((9 / 12 + 8 / 10) / 2)
    half = 12.706 * (8 / 10 - 9 / 12) / 2  # Student's t with one degree of freedom
    assert found.high == pytest.approx(found.value + half, rel=1e-3)
    single = ratio(held["elsewhere"], held["plain"], "rmse")
    assert single.value == pytest.approx(1 / 9) and math.isnan(single.low)
    assert ratio(held["plain"], held["free"], "ssim") is None
    assert over_seeds([2.0]).value == 2.0 and math.isnan(over_seeds([2.0]).low)


def test_a_model_that_is_not_shipped_stands_with_its_record(context, small):
    section = table_of(context, "Rain", "plain.yaml")
    told = {figure.claim: figure.value for figure in section.figures}
    assert told["Rain: rmse of the model"] == 8.5 and not section.missing
    best = min(value for claim, value in told.items() if "rmse of" in claim and "model" not in claim)
    against = [claim for claim in told if "against the strongest baseline" in claim]
    assert told[against[0]] == pytest.approx(8.5 / best)
    assert "plain" in section.text and "not shipped" in section.text
    assert "neither the model" in table_of(context, "Rain", "rain_itur.yaml").missing[0]


def test_configurations_tell_what_a_network_is(context):
    configs = {name: context.config(f"{name}.yaml") for name in ("rain_itur", "free", "plain")}
    assert [name for name, c in configs.items() if is_unconstrained(c)] == ["free"]
    assert [name for name, c in configs.items() if only_l1(c)] == ["plain"]


def test_recorded_trainings_become_a_table(context):
    section = learned_baselines(context)
    assert "free" in section.text and not section.missing
    figure = next(f for f in section.figures if f.claim.endswith("rmse of free"))
    assert figure.value == 11.0


def test_what_is_missing_is_said_in_a_line(context, tmp_path):
    section = moselle(context)
    assert section.missing and not section.figures
    assert "no records" in ablations(context).missing[0]
    empty = ResultsContext(lambda text: None, folder=tmp_path / "nowhere", configs=context.configs)
    assert learned_baselines(empty).missing


def test_the_fourfold_comparison_has_its_table(context):
    assert encoded_gan(context).missing
    for name, rmse in {"x4_ours": 4.0, "x4_published": 6.0}.items():
        config = configured(context.configs / "plain.yaml", {"model": {"id": name.replace("_", "")}})
        metrics = {"bilinear": {"rmse": 9.0}, config.model.id: {"rmse": rmse}}
        made = record_of(
            run_id(config.model.id, config),
            "training",
            config,
            context.configs / f"{name}.yaml",
            "c",
            metrics,
        )
        append(context.folder / "x4.jsonl", made)
    context = ResultsContext(context.tell, folder=context.folder, configs=context.configs)
    section = encoded_gan(context)
    assert [line.split()[:2] for line in section.text.splitlines()[2:]] == [
        ["bilinear", "9"], ["x4_ours", "4"], ["x4_published", "6"],
    ]  # fmt: skip
    assert {f.value for f in section.figures} == {4.0, 6.0}


def test_moselles_records_become_figures(context):
    config = context.config("plain.yaml")
    metrics = {"model": {"rmse": 1.0, "lapse_rate": -5.9}, "bilinear": {"rmse": 2.0}}
    path = context.configs / "moselle_temperature.yaml"
    append(context.folder / "moselle.jsonl", record_of("m", "cascade", config, path, "c", metrics))
    section = moselle(context)
    assert {f.claim: f.value for f in section.figures}["m: lapse_rate of model"] == -5.9
    assert "bilinear" in section.text


@pytest.fixture
def ablated(context, small):
    """The context with a small ablation's records."""
    config = context.configs / "rain_itur.yaml"
    arguments = [str(config), "--records", str(context.folder / "ablation_rain.jsonl"), "--no-page"]
    assert ablate.run([*arguments, "--output", str(context.folder / "out")]) == 0
    return context


def test_ablations_tell_gains_and_the_main_claim(ablated):
    section = ablations(ablated)
    gains = [f for f in section.figures if "average gain of" in f.claim]
    assert len(gains) == 2 and all(math.isfinite(f.low) and f.low <= f.value <= f.high for f in gains)
    claims = main_claim(ablated).claims
    metrics = {
        v: r.metrics["test"] for r in ablated.records("ablation") if r.seed == 0 and "test" in r.metrics
        for v in [r.notes["variant"]]
    }  # fmt: skip
    assert metrics["unconstrained"]["conservation_residual"] > metrics["none"]["conservation_residual"]
    residual = next(c for c in claims if "residual" in c.claim)
    assert residual.holds and str(residual.bar) == "> 0"
    low = [c.value if math.isnan(c.low) else c.low for c in claims]
    assert all(c.holds is (least > 0) for c, least in zip(claims, low, strict=True) if str(c.bar) == "> 0")


def test_json_lines_have_one_shape(ablated, monkeypatch, capsys):
    monkeypatch.setattr(results, "ResultsContext", lambda *a: ablated)
    assert results.run(["--json", "--only", "ablations,main_claim,learned_baselines,moselle,snow", *ONE]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) > 20 and all(list(line) == KEYS for line in lines)
    assert {line["holds"] for line in lines} <= {True, False, None}
    assert results.run(["--only", "ablations,main_claim,moselle", *ONE]) == 0
    text = capsys.readouterr().out
    assert "claims hold." in text and "Missing. Moselle" in text


def test_the_command_shares_its_parts_among_processes_and_tells_what_one_tells():
    parts = ["moselle", "learned_baselines", "encoded_gan"]
    one = results_parts.sections(ResultsContext(print, quick=True), parts)
    command = ["-m", "training.results", "--only", ",".join(parts), "--processes", "2", "--quick"]
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{results.told(one)}\n" and one[0].title in done.stdout
    assert sorted(part for group in results_parts.TOGETHER for part in group) == sorted(results_parts.PARTS)


def test_a_part_that_fails_is_said_and_the_rest_goes_on(context, monkeypatch):
    def fails(context):
        raise InputError("There is no model here.")

    monkeypatch.setitem(results_parts.PARTS, "snow", fails)
    monkeypatch.setitem(
        results_parts.PARTS, "moselle", lambda c: ResultsSection("Moselle", claims=[Claim("x", 1.0)])
    )
    found = results_parts.sections(context, ["snow", "moselle"])
    assert found[0].missing == ["There is no model here."] and found[1].claims
    with pytest.raises(InputError, match="tea"):
        results.run(["--only", "tea"])


# ---------------------------------------------------------------------- one record again


def test_a_record_of_an_ablation_is_reproduced(ablated):
    (record,) = (r for r in ablated.records("ablation") if r.notes["variant"] == "elevation" and r.seed == 1)
    again = rerun(record, print)
    assert again == record.metrics
    text = side_by_side(record, again)
    assert "+0.00%" in text and len(text.splitlines()) > 10


def test_a_training_is_reproduced_from_its_record(context, small, tmp_path):
    path = context.configs / "plain.yaml"
    config = configured(path, {"steps": 2}, 4)
    from training.cascade.train import train

    package = train(config, tmp_path / "runs", quiet=True, further=True)
    made = record_of("again", "training", config, path, "c", package.card.raw["metrics"], {"steps": 2})
    append(tmp_path / "r.jsonl", made)
    assert rerun(find(read(tmp_path / "r.jsonl"), "again"), print) == made.metrics


def test_a_changed_configuration_is_told(context, small):
    record = context.records("training", "plain.yaml")[0]
    told = []
    rerun(record.model_copy(update={"hash": "0" * 64, "overrides": {"steps": 1}}), told.append)
    assert "changed" in told[0]


def test_an_unknown_record_is_named():
    config = {"id": "a-s0-1", "kind": "x", "config": "c", "hash": "0" * 64, "seed": 0, "steps": 1}
    one = Record(**config, command="", metrics={}, finished="")
    assert find([one], "a-s0-1") is one
    with pytest.raises(InputError, match="there are: a-s0-1"):
        find([one], "a-s0")
    with pytest.raises(InputError, match="2 records"):
        find([one, one], "a-s0-1")
    with pytest.raises(InputError, match="another program"):
        rerun_other(one)


def rerun_other(record):
    from training.results.rerun import _command

    return _command(record.model_copy(update={"command": "rm -r x"}), None)
