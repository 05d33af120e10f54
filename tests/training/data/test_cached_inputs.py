"""Whole fields made once give the same batches as patches made one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.transforms import normalised
from training.data.cached_inputs import CachedInputs, Extent, from_patch
from training.data.patches import Window
from training.data.split import split_archive
from training.schema.config import parse_config
from training.trainer.base_error import BaseError, measured_scales
from training.trainer.objective import GeneratedFields
from training.trainer.trainer import Trainer


@pytest.fixture
def trainer(settings, make, tmp_path):
    archive = make(height=30, width=40)
    settings["data"] = {"name": "small"}
    settings["sampling"] = {"size": 5, "batch": 3}
    settings["network"]["season"] = True
    settings["validation"] = {}
    config = parse_config(settings)
    return Trainer(config, archive, split_archive(config, archive), tmp_path)


WINDOWS = [
    Window(3, 4, 7, frozenset({3, 4, 5})),
    Window(0, 0, 38, frozenset({12, 1, 2})),  # across the date line, at the upper edge
    Window(8, 25, 0, frozenset({9, 10, 11})),
]


@pytest.mark.parametrize("gone", [(), ("climatology",), ("elevation", "temperature")])
def test_both_ways_agree(trainer, gone):
    view = trainer.split.training_view.without(gone)
    one = from_patch(trainer.model, trainer.archive, WINDOWS, (5, 5), view)
    other = trainer.fields.batch(WINDOWS, (5, 5), view)
    assert one.climatology == other.climatology == ("climatology" not in gone)
    for a, b in ((one.inputs.coarse, other.inputs.coarse), (one.inputs.fine, other.inputs.fine)):
        assert set(a) == set(b) and not set(gone) & set(a)
        for name in a:
            assert torch.allclose(a[name], b[name], atol=1e-3), name
    assert torch.allclose(one.inputs.base, other.inputs.base, atol=1e-3)
    assert torch.equal(one.inputs.vector, other.inputs.vector)
    assert torch.equal(one.truth, other.truth) and torch.equal(one.coarse, other.coarse)


def test_fields_are_made_once_and_the_oldest_dropped(trainer, monkeypatch):
    made = []
    prepare = trainer.model.prepare
    monkeypatch.setattr(trainer.model, "prepare", lambda patch: made.append(1) or prepare(patch))
    view = trainer.split.training_view
    fields = CachedInputs(trainer.model, trainer.archive, view)
    for _ in range(3):
        fields.batch(WINDOWS, (5, 5), view)
    assert len(made) == 3
    # Withheld months that no climatology holds make no difference.
    fields.field(Window(8, 0, 0, frozenset({9, 10, 11, 12})), True)
    assert len(made) == 3
    tight = CachedInputs(trainer.model, trainer.archive, view, room=1)
    for _ in range(2):
        tight.batch(WINDOWS, (5, 5), view)
    assert len(tight.kept) == 1 and len(made) == 9


def test_losses_are_measured_by_the_base(trainer):
    """The untrained network returns its base: its squared error is about one in units of the base's."""
    assert trainer.scales[True].rmse < trainer.scales[False].rmse
    batch = trainer.batch(0)
    with torch.no_grad():
        values = []
        for step in range(12):
            batch = trainer.batch(step)
            drawn = trainer.generate(batch, trainer.plan)
            values.append(float(trainer.reconstruction(drawn, batch)["physical"]))
    assert 0.5 < np.mean(values) < 2


def test_base_error_against_numpy(trainer):
    target = trainer.target
    rng = np.random.default_rng(0)
    truth, base = (torch.from_numpy(rng.gamma(2, 30, (2, 8, 8)).astype(np.float32)) for _ in range(2))
    error = BaseError(target, 1.0)
    for index in range(2):
        error.update(normalised(base[index : index + 1], target), truth[index : index + 1])
    scale = error.scale()
    difference = (base - truth).numpy()
    assert scale.mae == pytest.approx(np.abs(difference).mean(), rel=1e-4)
    assert scale.rmse == pytest.approx(np.sqrt((difference**2).mean()), rel=1e-4)
    seen = (normalised(base, target) - normalised(truth, target)).numpy()
    assert scale.rmse_seen == pytest.approx(np.sqrt((seen**2).mean()), rel=1e-4)


def test_errors_of_a_jittered_patch_count_relative_to_its_gain(trainer):
    view = trainer.split.training_view.without(("climatology",))
    terms = []
    for gain in (1.0, 3.0):
        window = Window(3, 4, 7, frozenset({3, 4, 5}), gain=gain)
        batch = from_patch(trainer.model, trainer.archive, [window], (5, 5), view)
        fine = 1.1 * batch.truth
        terms.append(float(trainer.reconstruction(GeneratedFields(fine, fine, None), batch)["physical"]))
    assert terms[0] > 0 and terms[1] == pytest.approx(terms[0], rel=1e-4)


def test_fields_that_cannot_all_be_kept_are_not_made_whole(archive, settings, small, tmp_path, monkeypatch):
    settings.update(data={"name": "small"})
    settings["sampling"].update(size=4)
    config = parse_config(settings)
    split = split_archive(config, archive)
    keeping = Trainer(config, archive, split, tmp_path)
    assert keeping.whole_fields and keeping.fields.fit(50) and not keeping.fields.fit(10**7)
    defaults = (keeping.fields.bytes // 4, None, None, keeping.fields.bytes // 4)
    monkeypatch.setattr(CachedInputs.__init__, "__defaults__", defaults)
    cutting = Trainer(config, archive, split, tmp_path)
    assert not cutting.whole_fields
    assert not cutting.fields.kept and not cutting.fields.bytes
    for step in range(3):
        one, other = keeping.batch(step), cutting.batch(step)
        torch.testing.assert_close(one.truth, other.truth)
        torch.testing.assert_close(one.inputs.base, other.inputs.base)
    assert not cutting.fields.kept


def test_fields_are_made_around_the_truth_where_it_is_little(settings, make, tmp_path):
    archive = make(height=30, width=40)
    fine = np.full_like(archive.fine, np.nan)
    fine[:, 8:16, 10:22] = archive.fine[:, 8:16, 10:22]  # coarse rows 4 to 7, columns 5 to 10
    archive = replace(archive, fine=fine, wrap=False)
    settings["data"] = {"name": "small"}
    settings["sampling"] = {"size": 3, "batch": 4}
    settings["validation"] = {}
    config = parse_config(settings)
    trainer = Trainer(config, archive, split_archive(config, archive), tmp_path)
    assert trainer.fields.extent(3) == Extent(2, 10, 3, 13)
    whole = CachedInputs(trainer.model, trainer.archive, trainer.split.training_view)
    assert whole.extent(3) == Extent(0, 30, 0, 40)
    windows = [*trainer.sampler.windows(np.random.default_rng(0)), Window(0, 2, 3), Window(2, 7, 10)]
    view = trainer.split.training_view
    one, other = (fields.batch(windows, (3, 3), view) for fields in (trainer.fields, whole))
    for a, b in ((one.inputs.coarse, other.inputs.coarse), (one.inputs.fine, other.inputs.fine)):
        for name in a:
            torch.testing.assert_close(a[name], b[name], atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(one.inputs.base, other.inputs.base, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(one.truth, other.truth, equal_nan=True)
    with pytest.raises(ValueError, match="beyond"):
        trainer.fields.batch([Window(0, 0, 0)], (3, 3), view)
    unmeasured = BaseError(trainer.target, trainer.spread)
    by_all = measured_scales(whole, trainer.split.train, unmeasured, config.sampling.withheld_months)[True]
    assert trainer.scales[True].rmse == pytest.approx(by_all.rmse, rel=1e-3)
