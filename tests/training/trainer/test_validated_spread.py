"""The CRPS that judges weights is that of the spread which members get in the end."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from engine.specs import TargetSpec
from training.data.split import split_archive
from training.metrics.ensemble.crps import crps_cells
from training.schema.config import parse_config
from training.trainer import validation


@pytest.mark.parametrize(("wide", "fitted"), [(2.0, 0.5), (0.5, 2.0), (1.0, 1.0)])
def test_members_too_wide_or_narrow_are_judged_as_they_will_be_shipped(
    archive, settings, monkeypatch, wide, fitted
):
    rng = np.random.default_rng(0)
    config = parse_config({**settings, "data": {"name": "small"}})
    split = replace(split_archive(config, archive), held_out=True)
    estimate = archive.fine + rng.normal(size=archive.fine.shape)
    members = estimate[:, None] + wide * rng.normal(size=(len(estimate), 12, *estimate.shape[1:]))
    fields = np.concatenate([estimate[:, None], members], 1)
    whole = (slice(None), slice(None))

    def tiles(cases, _, target, strip, drawn):
        yield whole, [torch.from_numpy(fields[strip.time])]

    monkeypatch.setattr(validation, "predicted_tiles", tiles)
    monkeypatch.setattr(validation, "model_cases", lambda *_: [SimpleNamespace(given="all")])
    monkeypatch.setattr(validation, "Draws", lambda model: model)
    model = SimpleNamespace(target=TargetSpec("rain", "mm/month"), halo=0, sources=())

    def crps(held_out: bool) -> float:
        own = replace(split, held_out=held_out)
        return validation.validate(model, archive, own, 1, members=12)["crps"]

    times = list(split.validation.times)
    first, last = split.validation.columns
    columns = slice(first * archive.factor, last * archive.factor)
    assert (first, last) == (0, archive.shape[1]), "the strip is the whole field"

    def of_spread(factor: float) -> float:
        drawn = estimate[:, None] + factor * (members - estimate[:, None])
        cells = [crps_cells(drawn[t][..., columns], archive.fine[t][..., columns], True) for t in times]
        return float(np.mean(cells))

    assert crps(True) == pytest.approx(of_spread(fitted), rel=1e-4)
    assert crps(False) == pytest.approx(of_spread(1.0), rel=1e-4)
