"""The report of an evaluation: every section, its numbers in three forms, nothing from outside."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread

from engine.errors import InputError
from training import evaluate
from training.cascade.train import train
from training.data.readers import load_archive
from training.data.region import Region
from training.data.split import split_archive
from training.evaluation.comparison import evaluate_all
from training.evaluation.spread_bins import SpreadBins
from training.html.style import drawing
from training.metrics.distribution.quantile_bias import QuantileBias
from training.report import dates, ensembles, maps, quantiles, taylor
from training.report.context import context_of, date_words
from training.report.evaluation_page import SECTIONS, write_report
from training.report.grids import columns_for, error_scale, value_scale
from training.schema.config import parse_config


@pytest.fixture(scope="module")
def settings_of(make_small):
    """Return the settings of a small noisy model; the small archive is a data set meanwhile."""
    from training.data.readers import READERS

    def settings():
        return {
            "model": {
                "id": "small2",
                "name": "Small",
                "version": "1.0.0",
                "licence": "none",
                "citation": "-",
            },
            "data": {"name": "small"},
            "factor": 2,
            "target": {"transform": "log1p", "bounds": [0, None], "conservation": "multiplicative"},
            "sources": [{"name": "temperature"}, {"name": "elevation"}, {"name": "climatology"}],
            "split": {"kind": "temporal", "train": [1, 2, 3, 4, 5, 6, 7, 8], "test": [9, 10, 11, 12]},
            "network": {"widths": [8, 8], "boxes": [1, 0], "noise": 2},
            "losses": {"adversarial": None},
            "ensemble": {"members": 2},
            "sampling": {"size": 8, "batch": 2},
            "validation": {"every": 4, "held_out": [5]},
            "steps": 4,
            "precision": "float32",
            "layout": "contiguous",
        }

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(READERS, "small", lambda factor: make_small())
        yield settings


@pytest.fixture(scope="module")
def reported(tmp_path_factory, settings_of):
    """A noisy model of the small archive, trained for a moment, evaluated and reported."""
    folder = tmp_path_factory.mktemp("reported")
    config = parse_config(settings_of())
    package = train(config, folder / "runs", folder / "package", quiet=True)
    archive = load_archive(config)
    split = split_archive(config, archive)
    evaluation = evaluate_all(config, archive, split, package, trees=False, members=3, samples=200)
    files = write_report(evaluation, folder / "report" / "small.html")
    return config, package, evaluation, files


def test_a_page_has_every_section_and_stands_alone(reported):
    files = reported[3]
    assert [f.name for f in files] == ["small.html", "small.csv", "small.json"]
    page = files[0].read_text(encoding="utf-8")
    assert re.findall(r"<h2 [^>]*>([^<]*)</h2>", page) == [
        section.TITLE for section in SECTIONS if section.TITLE != "Change signal"
    ]  # where it was asked for alone
    links = re.findall(r"""(?:src|href)\s*=\s*["']?([^"'>]*)""", page)
    assert links and all(link.startswith(("data:", "#")) for link in links)
    images = re.findall(r'<img [^>]*src="data:(image/[\w+]+);base64,([^"]+)"', page)
    assert len(images) >= 12
    for kind, data in images:
        content = base64.b64decode(data)
        if "svg" in kind:
            assert content.count(b"<path") > 10
        else:
            image = imread(io.BytesIO(content), kind[len("image/") :])[..., :3]
            assert image.std() > 0.02 * image.max()
    assert page.count("<figure>") == len(images) == len(re.findall(r"<b>Figure \d+\.</b>", page))
    assert "simulated data" in page and page.count("Simulated data: A small archive") >= len(images)
    assert "mm/month" in page and "September to December" in page
    assert list(files[0].parent.glob(".*")) == []


def test_table_csv_and_json_agree(reported):
    _, _, evaluation, files = reported
    page = files[0].read_text(encoding="utf-8")
    numbers = json.loads(files[2].read_text(encoding="utf-8"))
    rows = list(csv.DictReader(io.StringIO(files[1].read_text(encoding="utf-8"))))
    whole = {(r["method"], r["measure"]): float(r["value"]) for r in rows if r["of"] == "" and r["value"]}
    for name, values in numbers["methods"].items():
        for measure, value in values.items():
            if value is not None:
                assert whole[name, measure] == value == evaluation.score(name).values[measure]
        cells = re.search(rf"<td>{re.escape(numbers['titles'][name])}</td>(.*?)</tr>", page)[1]
        assert f">{values['rmse']:.3f}<" in cells and f">{values['mae']:.3f}<" in cells
    best = min(evaluation.scores, key=lambda s: s.values["rmse"])
    assert f'<td class="n best">{best.values["rmse"]:.3f}</td>' in page
    by_date = {r["of"]: float(r["value"]) for r in rows if r["method"] == "small2" and r["measure"] == "rmse"}
    assert by_date["date --09"] == numbers["by_date"]["small2"]["--09"]["rmse"]
    bands = numbers["by_elevation"]["small2"]
    assert len(bands) > 2 and sum(band["count"] for band in bands) == 4 * 24 * 40
    assert by_date[f"elevation < {bands[0]['high']:g}"] == bands[0]["rmse"]
    ensemble = numbers["ensembles"]["small2"]
    assert ensemble["members"] == 3 and ensemble["crps"] > 0
    assert {r["measure"] for r in rows if r["of"] == "ensemble"} >= {"crps", "spread_skill"}


def test_intervals_hold_their_values(reported):
    evaluation = reported[2]
    found = {(c["method"], c["reference"], c["measure"]): c for c in evaluation.to_json()["comparisons"]}
    reference = evaluation.reference
    simple = [s for s in evaluation.scores if s.case.group == "simple"]
    assert evaluation.score(reference).values["rmse"] == min(s.values["rmse"] for s in simple)
    for score in evaluation.scores:
        name = score.case.name
        if name == reference:
            continue
        for statistic, value in (
            ("difference", score.values["rmse"] - evaluation.score(reference).values["rmse"]),
            ("ratio", score.values["rmse"] / evaluation.score(reference).values["rmse"]),
        ):
            interval = found[name, reference, "rmse"][statistic]
            assert interval["value"] == pytest.approx(value, rel=1e-5, abs=1e-6)
            assert interval["low"] <= interval["value"] <= interval["high"]
    for measure in ("js_distance", "ralsd"):
        own, other = (evaluation.score(name).values[measure] for name in ("small2", reference))
        interval = found["small2", reference, measure]["ratio"]
        assert interval["value"] == pytest.approx(own / other, rel=1e-6)
        assert interval["low"] < interval["value"] < interval["high"]
    crps = found["small2", reference, "crps"]
    ensemble = evaluation.score("small2").ensemble
    expected = ensemble["crps"].compute() / evaluation.score(reference).values["mae"]
    assert crps["against"] == "mae" and crps["ratio"]["value"] == pytest.approx(expected, rel=1e-4)
    calibration = found["small2", "small2-mean", "spread"]["ratio"]["value"]
    assert calibration == pytest.approx(ensemble["spread_skill"].compute(), rel=1e-4)
    assert ("small2", "small2-without-climatology", "rmse") in found


def test_the_command_writes_the_report_and_compares_packages(reported, tmp_path, capsys):
    _, package, evaluation, _ = reported
    other = tmp_path / "other"
    other.mkdir()
    for file in package.folder.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    card = json.loads((other / "card.json").read_text())
    card["id"] = "small2other"
    (other / "card.json").write_text(json.dumps(card))
    path = tmp_path / "page.html"
    command = ["--model", str(package.folder), "--compare", str(other), "--no-trees", "--members", "2"]
    assert evaluate.run([*command, "--report", str(path)]) == 0
    out = capsys.readouterr().out
    assert str(path) in out and "fair CRPS" in out and "against" in out
    numbers = json.loads(path.with_suffix(".json").read_text())
    assert numbers["methods"]["small2other"]["rmse"] == evaluation.score("small2").values["rmse"]
    assert "Learned baselines" in path.read_text(encoding="utf-8")
    with pytest.raises(InputError, match="small2"):
        evaluate.run([*command[:2], "--compare", str(package.folder), "--no-trees"])
    with pytest.raises(SystemExit, match="2"):
        evaluate.run([*command[:2], "--members", "1", "--no-trees"])
    assert "--members must be a whole number from 2 to 1000, not 1" in capsys.readouterr().err


def test_a_report_without_a_model_elevation_or_a_second_date(reported, tmp_path):
    config, archive = reported[0], reported[2].archive
    config = config.model_copy(update={"sources": config.sources[:1]})
    archive = replace(archive, sources={"temperature": archive.sources["temperature"]}, simulated=False)
    split = split_archive(config, archive)
    split = replace(split, test=Region((10,), (3, 17)))
    evaluation = evaluate_all(config, archive, split, trees=False, samples=50)
    page, _, numbers = write_report(evaluation, tmp_path / "plain.html")
    text = page.read_text(encoding="utf-8")
    missing = {"Where and when", "Error against elevation", "Ensembles", "Change signal"}
    titles = re.findall(r"<h2 [^>]*>([^<]*)</h2>", text)
    assert titles == [section.TITLE for section in SECTIONS if section.TITLE not in missing]
    assert "imulated" not in text and "1 test date, November" in text
    found = json.loads(numbers.read_text(encoding="utf-8"))
    assert found["model"] is None and found["by_elevation"] == {} and found["dates"] == ["--11"]
    assert evaluation.reference in found["methods"]


def test_close_ups_lie_where_the_truth_varies_within_coarse_cells():
    truth = np.zeros((96, 192), np.float32)
    rough = np.random.default_rng(0).random((96, 192)).astype(np.float32)
    truth[8:24, 16:40], truth[64:80, 150:176] = 3 * rough[8:24, 16:40], rough[64:80, 150:176]
    truth[40:60, 80:100] += np.repeat(np.repeat(10 * rough[:5, :5], 4, 0), 4, 1)  # none within coarse cells
    (rows, columns), (other, across) = maps.close_ups(truth, 4)
    assert (rows.start < 24 and rows.stop > 8) and (columns.start < 40 and columns.stop > 16)
    assert other.stop > 64 and across.stop > 150 and across.start > columns.stop
    truth[:] = 1.0
    assert maps.close_ups(truth, 4) == []
    truth[:] = np.nan
    assert maps.close_ups(truth, 4) == []


def test_quantiles_from_the_histogram_are_those_of_the_cells():
    rng = np.random.default_rng(1)
    truth, predicted = rng.gamma(2, 10, (2, 200, 200))
    metric = QuantileBias(0.99, float(truth.min()), float(truth.max()))
    metric.update(predicted, truth)
    levels = np.array([0.05, 0.5, 0.99, 0.999])
    found = quantiles.quantiles_of(metric, levels)
    for one, values in zip(found, (predicted, truth)):
        low, high = np.quantile(values, levels - 2e-4), np.quantile(values, levels + 2e-4)
        assert np.all(one > low - 0.02) and np.all(one < high + 0.02)  # a bin's width


def test_spread_bins_join_to_equal_classes_and_find_calibration():
    rng = np.random.default_rng(2)
    scale = rng.uniform(0.5, 5, 40_000)
    members, truth = rng.normal(0, scale, (8, scale.size)), rng.normal(0, scale)
    whole, first, second = SpreadBins(50.0), SpreadBins(50.0), SpreadBins(50.0)
    whole.update(members, truth)
    first.update(members[:, :7000], truth[:7000])
    second.update(members[:, 7000:], truth[7000:])
    first.merge(second)
    assert np.allclose(first.sums, whole.sums)
    points = whole.points(8)
    assert points[:, 2].sum() == scale.size and len(points) == 8 and points[:, 2].max() < 0.2 * scale.size
    assert np.all(np.diff(points[:, 0]) > 0)
    assert (points[2:, 1] / points[2:, 0]).mean() == pytest.approx(1.0, abs=0.1)
    assert SpreadBins(1.0).points().shape == (0, 3)
    with pytest.raises(ValueError, match="classes"):
        whole.merge(SpreadBins(1.0))


def test_the_taylor_point_and_the_skill_map_are_what_they_say(reported):
    _, _, evaluation, _ = reported
    score, reference = evaluation.score("small2"), evaluation.score(evaluation.reference)
    sigma, correlation = taylor.point(score)
    assert correlation == pytest.approx(score.values["pearson"])
    moments = score.measured.metrics["pearson"].moments()
    centred = moments.mean_square_error - (moments.mean_p - moments.mean_t) ** 2
    assert sigma**2 + 1 - 2 * sigma * correlation == pytest.approx(centred / moments.variance_t)
    skill = dates.skill_map(score, reference)
    assert skill.ndim == 2 and np.isfinite(skill).all() and skill.size > 10
    assert np.array_equal(dates.skill_map(score, score), np.zeros_like(skill))


def test_dates_methods_and_fields_are_chosen(reported):
    _, _, evaluation, _ = reported
    with drawing() as pyplot:
        context = context_of(evaluation, pyplot)
        both = [evaluation.score(name) for name in ("small2", "small2-mean")]
        shown = min(
            both, key=lambda score: score.values["rmse"]
        ).case.name  # which one, training's threads tell
        assert context.main.case.name == "small2" and context.main_field.case.name == shown
        assert len({s.case.name for s in context.charted}) == len(context.charted) <= 7
        own = evaluation.score(shown).measured.dates
        other = evaluation.score(evaluation.reference).measured.dates
        ratio = {t: own[t]["rmse"] / other[t]["rmse"] for t in own}
        assert context.dates["best"] == min(ratio, key=ratio.get)
        assert context.dates["worst"] == max(ratio, key=ratio.get)
        drawn = context.drawn(context.dates["best"])
        assert context.drawn(context.dates["best"]) is drawn
        error = drawn.fields[shown] - drawn.truth
        rmse = float(np.sqrt(np.mean(error.astype(np.float64) ** 2)))
        assert rmse == pytest.approx(own[context.dates["best"]]["rmse"], rel=1e-4)
        assert np.isfinite(drawn.spread).all() and float(np.nanmax(drawn.support)) <= 1
        assert context_of(evaluation, pyplot, 9).dates["typical"] == 9
        assert list(ensembles.parts(context))
    assert date_words("--11") == "November" and date_words("2001-03-04") == "2001-03-04"


def test_scales_fit_amounts_and_others():
    rng = np.random.default_rng(0)
    amounts, degrees = rng.gamma(1, 10, (30, 30)), rng.normal(280, 5, (30, 30))
    assert value_scale([amounts], "mm").norm.vmin == 0 and value_scale([degrees], "K").norm.vmin > 200
    scale = error_scale([amounts - 10, np.full((2, 2), math.nan)], "mm")
    assert scale.norm.vmin == -scale.norm.vmax
    assert [columns_for(shape, 6) for shape in ((10, 60), (10, 24), (10, 10), (30, 10))] == [1, 2, 3, 4]


@pytest.mark.parametrize("better", ["central", "mean"])
def test_maps_show_the_better_of_single_estimate_and_mean(reported, better):
    evaluation = reported[2]
    scores = [
        replace(s, values={**s.values, "rmse": 0.5 if s.kind == better else 0.6})
        if s.case.name in ("small2", "small2-mean")
        else s
        for s in evaluation.scores
    ]
    with drawing() as pyplot:
        context = context_of(replace(evaluation, scores=scores), pyplot)
    shown = {s.case.name for s in context.mapped} & {"small2", "small2-mean"}
    assert shown == {"small2" if better == "central" else "small2-mean"}
    assert {context.main_field.case.name} == shown
    titles = {context.shown_as(s) for s in context.mapped}
    assert ("small2, all sources, single estimate" in titles) == (better == "central")
    assert ("small2, all sources, mean of 3 members" in titles) == (better == "mean")
