"""Fields of an archive are made where there are coarse values, and nowhere else."""

from __future__ import annotations

import numpy as np
import torch

from engine.specs import TargetSpec
from training.data.patches import View
from training.evaluation.predict import Case, Strip, patches_of, predict_field

TARGET = TargetSpec("rain", "mm/month", "log1p", 1.0, (0.0, None), "multiplicative")


def test_tiles_reach_as_far_as_values_do_and_change_no_field(make):
    archive = make()
    archive.coarse[3] = np.where(np.arange(12)[:, None] % 12 < 2, archive.coarse[3], np.nan)
    archive.coarse[3][:, 6:17] = np.nan
    strip = Strip(3, (0, 20), tile=4)
    seen = [(w.row, w.column, *p.target.shape[-2:]) for _, w, p in patches_of(archive, strip, 0, View(()))]
    assert seen == [(0, 0, 2, 4), (0, 4, 2, 2), (0, 17, 2, 3)]

    def repeated(patch):
        halo = patch.halo
        inner = patch.target[:, halo : patch.target.shape[-2] - halo, halo : patch.target.shape[-1] - halo]
        return inner.repeat_interleave(2, -1).repeat_interleave(2, -2)

    case = Case("repeated", "Repeated", repeated, 1, View(()), 1.0)
    fine, means = predict_field(case, archive, TARGET, strip)
    coarse = torch.from_numpy(archive.coarse[3])[None]
    assert torch.allclose(means, coarse, rtol=1e-5, equal_nan=True)
    assert torch.equal(torch.isnan(fine[:, ::2, ::2]), torch.isnan(coarse))
    other, _ = predict_field(case, archive, TARGET, Strip(3, (0, 20), tile=7))
    assert torch.equal(torch.nan_to_num(fine), torch.nan_to_num(other))


def test_without_any_coarse_value_nothing_is_predicted(make):
    archive = make()
    archive.coarse[:] = np.nan

    def never(patch):
        raise AssertionError("nothing is to be predicted")

    case = Case("x", "x", never, 2, View(()), 1.0)
    assert torch.isnan(predict_field(case, archive, TARGET, Strip(0, (0, 20)))[0]).all()
