"""What a new thing of the training asks for: a stand-in of each kind, registered in one place, comes out."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from affine import Affine

from engine.errors import InputError
from engine.files.root import ROOT
from engine.source_kinds import KINDS, SourceKind
from engine.specs import TargetSpec
from engine.transforms import TRANSFORMS, Transform
from training import evaluate, hidden_truth
from training.cascade.train import train
from training.data.patches import View, Window, cut
from training.data.readers import READERS
from training.data.region import Region
from training.evaluation.cases import baseline_cases
from training.evaluation.scores import Scoring, plan_scores, score_together
from training.evaluation.tables import ensemble_table, further_table
from training.metrics.metric import EnsembleMetric
from training.metrics.pointwise.base import MeanOf
from training.metrics.registry import ENSEMBLE_METRICS, FURTHER_METRICS, of_members, plain
from training.metrics.shown import Shown
from training.schema.config import parse_config
from training.schema.dataset import DatasetSource
from training.withheld.cases.registry import CASES, CaseEntry
from training.withheld.peers.peer import Peer
from training.withheld.peers.registry import PEERS
from training.withheld.problem import Covariate, hidden_case

TARGET = TargetSpec("rain", "mm/month", "log1p", 1.0, (0.0, None), "multiplicative")


@pytest.fixture
def quick(settings: dict) -> dict:
    """Settings of a training of one step."""
    return {**settings, "steps": 1, "sampling": {"size": 4, "batch": 1}, "validation": {"every": 1}}


def test_a_reader(monkeypatch, make_small, quick, tmp_path, capsys) -> None:
    quick["data"] = {"name": "standin", "options": {"seed": 5}}
    config = parse_config(quick)
    with pytest.raises(InputError, match="no data set standin"):
        train(config, tmp_path / "runs", quiet=True)
    monkeypatch.setitem(READERS, "standin", lambda factor, seed: make_small(seed))
    package = train(config, tmp_path / "runs", quiet=True)
    assert "A small archive" in package.card.raw["training"]["data"]
    file = tmp_path / "standin.yaml"
    file.write_text(yaml.safe_dump(quick), encoding="utf-8")
    words = [str(file), "--model", str(package.folder), "--json", "--no-trees"]
    assert evaluate.run(words) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["data"] == "small" and np.isfinite(told["methods"]["tiny"]["rmse"])


class Hits(MeanOf):
    """The share of cells that are within 1 of the truth."""

    SHOWN = Shown("within 1", "{:.1f}", 1)

    def of_error(self, error: np.ndarray) -> np.ndarray:
        """See `MeanOf.of_error`."""
        return (np.abs(error) < 1).astype(np.float64)


class Width(EnsembleMetric):
    """The mean range of the members."""

    SHOWN = Shown("width", "{:.2f}", None, "target")

    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def update(self, members, truth) -> None:
        """See `EnsembleMetric.update`."""
        self.total += float(np.ptp(np.asarray(members), 0).sum())
        self.count += np.asarray(truth).size

    def merge(self, other) -> None:
        """See `EnsembleMetric.merge`."""
        self.total, self.count = self.total + other.total, self.count + other.count

    def compute(self) -> float:
        """See `EnsembleMetric.compute`."""
        return self.total / self.count


def test_a_metric(monkeypatch, archive) -> None:
    monkeypatch.setitem(FURTHER_METRICS, "hits", plain(Hits))
    monkeypatch.setitem(ENSEMBLE_METRICS, "width", of_members(Width, lambda scale: Width()))
    cases = baseline_cases(2, TARGET, View(("elevation",), ()), archive.sources)
    exact, rough = (next(c for c in cases if c.name == name) for name in ("bicubic-conservative", "bilinear"))
    drawn = replace(exact, name="drawn", member=lambda patch, seed, m: exact.predict(patch) + 2.0 * m)
    region = Region((9, 10), (0, archive.shape[1]))
    scoring = Scoring(plan_scores(archive, region, further=True), members=3)
    methods = [(case, TARGET) for case in (exact, rough, drawn)]
    scores = [scored[0] for scored in score_together(methods, archive, region, scoring)]
    best = max(s.values["hits"] for s in scores)
    assert 0 < best < 1
    head, _, *rows = further_table(scores, "mm/month").splitlines()
    assert head.rstrip().endswith("within 1")
    assert rows[0].rstrip().endswith(f"{best:.1f}*")
    head, _, row, *_ = ensemble_table(scores, "mm/month").splitlines()
    width = scores[2].ensemble["width"].compute()
    assert head.rstrip().endswith("width") and row.rstrip().endswith(f"{width:.2f}")
    assert width > 0.1


SPLIT = '''
import json, sys
from typing import Literal
from training.schema import split


class EveryOther(split.SplitSection):
    """Train on every other month, and test on the rest."""

    kind: Literal["everyother"]
    first: int

    @property
    def train_months(self):
        return tuple(range(self.first, 13, 2))

    @property
    def test_months(self):
        return tuple(m for m in range(1, 13) if m not in self.train_months)

    @property
    def region(self):
        return f"every other month from {self.first}"


split.SPLITS["everyother"] = EveryOther
from pathlib import Path
from training.cascade.train import train
from training.data.readers import READERS
from training.data.split import split_archive
from training.schema.config import load_config

sys.path.insert(0, "tests/training")
from conftest import make_archive

READERS["small"] = lambda factor: make_archive()
config = load_config(sys.argv[1])
parts = split_archive(config, make_archive())
package = train(config, Path(sys.argv[2]), quiet=True)
words = package.card.raw["training"]["region"]["columns"]
print(json.dumps([list(parts.train.times), list(parts.test.times), words]))
'''


def test_a_split(quick, tmp_path) -> None:
    quick |= {"data": {"name": "small"}, "split": {"kind": "everyother", "first": 2}}
    quick["validation"] = {"every": 1, "where": "training"}
    with pytest.raises(InputError, match="everyother"):
        parse_config(quick)
    file = tmp_path / "c.yaml"
    file.write_text(yaml.safe_dump(quick), encoding="utf-8")
    command = [sys.executable, "-c", SPLIT, str(file), str(tmp_path / "runs")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    trained, tested, words = json.loads(done.stdout.splitlines()[-1])
    assert trained == [1, 3, 5, 7, 9, 11] and tested == [0, 2, 4, 6, 8, 10]
    assert words == "every other month from 2"


def test_a_transform(monkeypatch, small, quick, tmp_path) -> None:
    quick |= {"data": {"name": "small"}}
    quick["target"] = {"transform": "root", "bounds": [0, None], "conservation": "multiplicative"}
    with pytest.raises(InputError, match=r"target\.transform: must be .*log1p.* or "):
        parse_config(quick)
    root = Transform(lambda x: x.clamp_min(0).sqrt(), lambda values: values.square(), from_zero=True)
    monkeypatch.setitem(TRANSFORMS, "root", root)
    with pytest.raises(InputError, match="transform root is for values from 0 on"):
        parse_config({**quick, "target": {"transform": "root"}})
    from engine.package import card_check

    card_check._validator.cache_clear()
    try:
        package = train(parse_config(quick), tmp_path / "runs", quiet=True)
    finally:
        card_check._validator.cache_clear()
    target = package.card.target
    roots = np.sqrt(READERS["small"](factor=2).fine[:9])
    assert target.transform == "root" and target.mean == pytest.approx(float(roots.mean()), rel=0.05)


def test_a_source_kind(monkeypatch, archive) -> None:
    described = {"name": "flow", "grid": "fine", "kind": "eastward", "files": "flow.tif"}
    with pytest.raises(ValueError, match=r"must be .*angle.* or "):
        DatasetSource.model_validate(described)
    kind = SourceKind(
        lambda classes: ("east",),
        lambda values, classes: values,
        lambda values, left, top: -values if left else values,
        scalar=True,
    )
    monkeypatch.setitem(KINDS, "eastward", kind)
    assert DatasetSource.model_validate(described).kind == "eastward"
    source = replace(archive.sources["elevation"], name="flow", kind="eastward")
    archive = replace(archive, sources={**archive.sources, "flow": source})
    view, size = View(("flow", "elevation"), ()), (3, 4)
    plain_one, _ = cut(archive, [Window(0, 2, 3)], size, 0, view)
    turned, _ = cut(archive, [replace(Window(0, 2, 3), flip_horizontal=True)], size, 0, view)
    torch.testing.assert_close(turned.fine["flow"], -plain_one.fine["flow"].flip(-1))
    torch.testing.assert_close(turned.fine["elevation"], plain_one.fine["elevation"].flip(-1))


def _standin_case(place):
    truth = np.random.default_rng(3).normal(size=(1, 24, 24)).astype(np.float32)
    return hidden_case(
        "standin",
        truth,
        2,
        replace(TARGET, transform="identity", bounds=(None, None), conservation="additive"),
        ["2001-01-15"],
        [Covariate("told", "1", truth)],
        Affine(1000, 0, 4e6, 0, -1000, 2.8e6),
        "EPSG:3035",
        title="A stand-in",
        origin="synthetic",
    )


def test_a_hidden_truth_case_and_a_published_method(monkeypatch, tmp_path, capsys) -> None:
    told = Peer("Told", "none", lambda problem: [{}], lambda problem, setting: problem.covariates[0].values)
    monkeypatch.setitem(CASES, "standin", CaseEntry("standins", _standin_case))
    monkeypatch.setitem(PEERS, "told", told)
    arguments = ["--set", "standins", "--methods", "told", "--output", str(tmp_path), "--json"]
    assert hidden_truth.run(arguments) == 0
    case = json.loads(capsys.readouterr().out)["cases"]["standin"]
    assert case["title"] == "A stand-in" and case["reference"] > 0.5
    assert case["methods"]["told"]["ratio"][0] < 1e-3
