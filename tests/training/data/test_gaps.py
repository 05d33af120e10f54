"""Methods are right in coarse cells with gaps in their truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.fields.conservation import aggregate
from engine.fields.patch import Patch
from engine.specs import TargetSpec
from training.data.gaps import without_gaps
from training.data.patches import View
from training.data.split import split_archive
from training.evaluation import trees as module
from training.evaluation.cases import model_cases
from training.evaluation.comparison import evaluate_all
from training.evaluation.predict import Strip, predict_field
from training.schema.config import parse_config


def test_a_coarse_value_speaks_of_cells_with_a_truth_where_it_is_their_mean():
    truth = np.array([[1.0, 3.0, 1.0, 3.0], [np.nan, 5.0, np.nan, 5.0]], np.float32)
    told = without_gaps(truth, np.array([[3.0, 2.0]], np.float32))
    assert told.tolist() == [[True, True, True, True], [False, True, True, True]]


@pytest.mark.parametrize("name", ["trees", "bicubic-conservative", "elevationregression-conservative"])
def test_no_baseline_has_a_bias_on_a_field_with_holes(archive, settings, monkeypatch, name):
    """The truth lacks the lowest ground, where least would be: its coarse means are of the rest."""
    monkeypatch.setattr(module, "CELLS", 6000)
    monkeypatch.setattr(module, "WINDOWS", 6)
    low = archive.sources["elevation"].values[0, 0] < 150
    fine = np.where(low, np.nan, archive.fine).astype(np.float32)
    holed = replace(archive, fine=fine, coarse=aggregate(torch.from_numpy(fine), 2).numpy())
    sources = [{"name": "elevation"}]
    target = {"transform": "identity", "conservation": "additive"}
    config = parse_config({**settings, "data": {"name": "small"}, "sources": sources, "target": target})
    evaluation = evaluate_all(config, holed, split_archive(config, holed), samples=20)
    bias = evaluation.score(name).values["bias"]
    assert abs(bias) < 1e-3 * np.nanstd(fine)


def test_a_network_conserves_as_it_learned_whatever_it_is_compared_as(archive):
    """One without a domain: over all cells. What has no such past: over what the coarse value tells."""
    fine = archive.fine.copy()
    fine[:, ::2, ::2] = np.nan
    holed = replace(archive, fine=fine, coarse=aggregate(torch.from_numpy(fine), 2).numpy())
    target = TargetSpec("rain", "mm/month")

    def predict(patch: Patch) -> torch.Tensor:
        rows, columns = (2 * (size - 2 * patch.halo) for size in patch.target.shape[-2:])
        return torch.arange(rows * columns, dtype=torch.float32).reshape(1, rows, columns) ** 0.5

    case = model_cases("m", predict, 1, View(()), (), 1.0)[0]
    own, compared, other = (
        predict_field(one, holed, target, Strip(0, (0, holed.shape[1])))[0]
        for one in (case, replace(case, group="learned"), replace(case, network=False))
    )
    assert torch.equal(own, compared) and not torch.allclose(own, other)
    np.testing.assert_allclose(aggregate(own, 2)[0].numpy(), holed.coarse[0], rtol=1e-4)
    told = torch.where(torch.from_numpy(np.isfinite(fine[0])), other, torch.nan)
    np.testing.assert_allclose(aggregate(told, 2)[0].numpy(), holed.coarse[0], rtol=1e-4)
