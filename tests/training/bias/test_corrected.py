"""An archive corrected in training is what the engine makes of a run's target."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from engine.errors import InputError
from engine.feedback import Silent
from engine.package.folder import load_package
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reference import RasterRef
from training import evaluate
from training.bias.corrected import corrected_archive
from training.data import readers
from training.data.archive import Archive
from training.data.split import split_archive
from training.records.record import read
from training.schema.config import Config, parse_config
from training.trainer.run import train_network

DAYS = [f"{2000 + i // 56}-{1 + i % 56 // 28:02d}-{1 + i % 28:02d}" for i in range(280)]
SETTINGS = {
    "model": {"id": "corrected", "name": "M", "version": "0.1.0", "licence": "x", "citation": "x"},
    "data": {"name": "daily"},
    "factor": 2,
    "target": {"transform": "identity", "conservation": "additive", "strength": "auto"},
    "bias": {"method": "quantile_delta_mapping", "quantiles": 20},
    "split": {
        "kind": "period",
        "train": [["2000-01-01", "2003-12-31"]],
        "test": [["2004-01-01", "2004-12-31"]],
    },
    "network": {"widths": [8, 8], "boxes": [0, 0]},
    "losses": {"adversarial": None},
    "sampling": {"size": 8, "batch": 2, "withheld_months": 1},
    "validation": {"every": 4, "held_out_periods": [["2003-01-01", "2003-12-31"]]},
    "precision": "float32",
    "layout": "contiguous",
    "device": "cpu",
    "steps": 4,
}


@pytest.fixture
def daily(make, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """Five Januaries and Februaries whose coarse product is too warm, too flat, and errs."""
    rng = np.random.default_rng(7)
    small = make(height=6, width=8, wrap=False)
    level = rng.normal(0, 4, (280, 1, 1)) + rng.normal(0, 2, (280, 6, 8))
    fine = level.repeat(2, 1).repeat(2, 2) + rng.normal(0, 1, (280, 12, 16))
    truth = fine.reshape(280, 6, 2, 8, 2).mean((2, 4))
    coarse = 3 + 0.6 * truth + rng.normal(0, 0.5, truth.shape)
    made = replace(
        small,
        units="degC",
        coarse=coarse.astype(np.float32),
        fine=fine.astype(np.float32),
        months=np.array([int(d[5:7]) for d in DAYS]),
        days=np.array([31 * (int(d[5:7]) - 1) + int(d[8:]) for d in DAYS]),
        dates=tuple(DAYS),
        transform=type(small.transform)(2, 0, 10, 0, -2, 50),
        sources={},
    )
    monkeypatch.setitem(readers.READERS, "daily", lambda factor: made)
    return made


def config(**changes: object) -> Config:
    return parse_config({**SETTINGS, **changes})


def test_correcting_brings_the_product_nearer_to_the_truth_of_test_dates(daily: Archive) -> None:
    settings = config()
    split = split_archive(settings, daily)
    archive, correction = corrected_archive(settings, daily, split)
    assert correction.rmse[1] < 0.6 * correction.rmse[0]
    assert abs(correction.bias[1]) < 0.2 < abs(correction.bias[0])
    assert correction.dates == 168 and correction.period == "2000-01-01 to 2002-02-28"
    assert archive.fine is daily.fine and archive.coarse.shape == daily.coarse.shape
    whole, none = corrected_archive(config(bias=None), daily, split)
    assert whole is daily and none is None


def test_factors_know_nothing_of_validation_and_test(daily: Archive) -> None:
    settings = config()
    split = split_archive(settings, daily)
    coarse, fine = daily.coarse.copy(), daily.fine.copy()
    hidden = [*split.validation.times, *split.test.times]
    coarse[hidden], fine[hidden] = 1e3, -1e3
    other = replace(daily, coarse=coarse, fine=fine)
    one, two = (corrected_archive(settings, a, split)[1].factors for a in (daily, other))
    np.testing.assert_array_equal(one.factors, two.factors)
    np.testing.assert_array_equal(one.source, two.source)


def test_a_package_corrects_as_its_training_did(daily: Archive, tmp_path: Path) -> None:
    settings = config()
    package = train_network(settings, tmp_path, quiet=True)
    entry = package.card.raw["bias"]
    assert (entry["method"], entry["group"], entry["months"]) == ("quantile_delta_mapping", "month", [1, 2])
    assert 0 <= package.card.target.strength < 1
    split = split_archive(settings, daily)
    fitted, _ = corrected_archive(settings, daily, split)
    held, _ = corrected_archive(config(bias=None), daily, split, load_package(package.folder))
    np.testing.assert_allclose(held.coarse, fitted.coarse, atol=1e-5)
    test = list(split.test.times)
    profile = {"driver": "GTiff", "width": 8, "height": 6, "count": len(test), "dtype": "float32"}
    with rasterio.open(tmp_path / "t.tif", "w", crs=daily.crs, transform=daily.transform, **profile) as file:
        file.write(daily.coarse[test])
        file.units = ("degC",) * len(test)
        for band, time in enumerate(test, start=1):
            file.update_tags(band, DATE=daily.dates[time])
    request = SuperResolveRequest(
        str(package.folder),
        RasterRef(str(tmp_path / "t.tif")),
        str(tmp_path / "out.tif"),
        all_dates=True,
        conservation=1.0,
        precision="float32",
    )
    super_resolve(request, Silent())
    with rasterio.open(tmp_path / "out.tif") as file:
        means = file.read().reshape(len(test), 6, 2, 8, 2).mean((2, 4))
    np.testing.assert_allclose(means, fitted.coarse[test], atol=1e-4)


def test_an_evaluation_tells_correction_and_change(
    daily: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "corrected.yaml"
    path.write_text(json.dumps(SETTINGS), encoding="utf-8")  # YAML too
    page, arguments = tmp_path / "page.html", [str(path), "--runs", str(tmp_path), "--no-trees"]
    evaluate.run(
        [
            *arguments,
            "--change",
            "2000-01-01",
            "2001-12-31",
            "--report",
            str(page),
            "--record",
            str(tmp_path / "r.jsonl"),
        ]
    )
    (record,) = read(tmp_path / "r.jsonl", "evaluation")
    assert record.metrics["bilinear-conservative"]["change_coarse_gap"] < 1e-3
    assert record.command.endswith("--change 2000-01-01 2001-02-28") and record.notes["bias"]["dates"] == 168
    printed = capsys.readouterr()
    assert "corrected by quantile delta mapping (additive, by month), fitted on 168 dates" in printed.err
    assert "change from 2000-01-01 to 2001-02-28 (112 dates)" in printed.out
    told = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    assert told["bias"]["coarse_rmse"][1] < told["bias"]["coarse_rmse"][0]
    change = told["change"]
    assert change["earlier"] == ["2000-01-01", "2001-02-28", 112]
    conserved = change["methods"]["bilinear-conservative"]
    assert conserved["coarse_gap"] < 1e-3 < change["methods"]["bilinear"]["coarse_gap"]
    text = page.read_text(encoding="utf-8")
    assert "Change signal" in text and "Coarse product" in text
    for wrong, message in (
        (["2000-01-01"], "give the first and the last date"),
        (["2001-01-01", "2000-01-01"], "ends before it begins"),
        (["soon", "2000-01-01"], "soon is no date with a year"),
    ):
        with pytest.raises(InputError, match=message):
            evaluate.run([*arguments, "--change", *wrong])


def test_sections_that_cannot_go_together_are_refused() -> None:
    with pytest.raises(InputError, match=r"bias.method: ratio is not for target.conservation additive"):
        config(bias={"method": "ratio"})
    rain = {"transform": "identity", "conservation": "multiplicative", "bounds": [0, None]}
    with pytest.raises(InputError, match=r"mean is not for target.conservation multiplicative: choose ratio"):
        config(target=rain, bias={"method": "mean"})
    with pytest.raises(InputError, match="a cascade has no fine truth to fit bias"):
        config(cascade={"steps": [2]})
    with pytest.raises(InputError, match=r"bias.quantiles"):
        config(bias={"method": "quantile_mapping", "quantiles": 2})
