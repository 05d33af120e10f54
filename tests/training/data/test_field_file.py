"""Inputs for which memory has no room lie in a file, and what a training learns from them is the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from training.data import cached_inputs
from training.data.cached_inputs import Batch
from training.data.split import split_archive
from training.data.streamed import room as rooms
from training.data.streamed.field_file import FieldFile, FieldOnDisk, rows_of
from training.data.streamed.room import bytes_held, room_beside
from training.schema.config import parse_config
from training.trainer import trainer as trainer_module
from training.trainer.trainer import Trainer
from training.trainer.validation import KEPT

GIB = 2**30


@pytest.fixture
def trainer_with(settings, make, tmp_path):
    """The maker of trainers, on archives of the same values, by their `data.options`."""

    def trainer(options: dict | None = None, **changes: object) -> Trainer:
        settings["data"] = {"name": "small", "options": options or {}}
        settings["sampling"] = {"size": 5, "batch": 3, "wet_bias": 0.5}
        settings["network"]["season"] = True
        settings["validation"] = {}
        settings["sources"][1]["derived"] = ["slope", "anomaly", "position", "skyview"]
        config = parse_config(settings)
        archive = replace(make(height=30, width=40), **changes)
        return Trainer(config, archive, split_archive(config, archive), tmp_path)

    return trainer


def equal(one: Batch, other: Batch) -> bool:
    """Return whether two batches are the same to the last bit."""
    pairs = [(one.truth, other.truth), (one.coarse, other.coarse), (one.inputs.base, other.inputs.base)]
    pairs.append((one.inputs.vector, other.inputs.vector))
    for a, b in ((one.inputs.coarse, other.inputs.coarse), (one.inputs.fine, other.inputs.fine)):
        assert set(a) == set(b)
        pairs += [(a[name], b[name]) for name in a]
    return all(torch.equal(a.nan_to_num(-9.0), b.nan_to_num(-9.0)) for a, b in pairs)


@pytest.mark.parametrize("wrap", [True, False])
def test_a_training_learns_the_same_whatever_room_there_is(trainer_with, wrap):
    plenty, none = trainer_with(wrap=wrap), trainer_with({"memory_gib": 0}, wrap=wrap)
    few = trainer_with({"memory_gib": (bytes_held(plenty.whole) + plenty.fields.bytes // 3) / GIB}, wrap=wrap)
    assert plenty.whole_fields and few.whole_fields and none.whole_fields
    assert plenty.scales == few.scales == none.scales
    for step in range(12):
        batch = plenty.batch(step)
        assert equal(batch, none.batch(step)) and equal(batch, few.batch(step))
    losses = [[trainer.step().terms for _ in range(3)] for trainer in (plenty, few, none)]
    assert losses[0] == losses[1] == losses[2]
    assert none.fields.bytes == 0 and 0 < few.fields.bytes <= few.fields.room < plenty.fields.bytes
    held = [field for whole in none.fields.kept.values() for field in (*whole.fine.values(), whole.base)]
    assert len(held) > 20 and all(isinstance(field, FieldOnDisk) for field in held)
    assert not any(isinstance(w.base, FieldOnDisk) for w in plenty.fields.kept.values())


def test_on_a_full_disk_fields_are_made_again(trainer_with, monkeypatch):
    plenty = trainer_with()

    def full(self: FieldFile, field: torch.Tensor) -> FieldOnDisk:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FieldFile, "put", full)
    none = trainer_with({"memory_gib": 0})
    assert none.whole_fields and none.scales == plenty.scales
    assert all(equal(plenty.batch(step), none.batch(step)) for step in range(6))
    assert len(none.fields.kept) == 1


def test_the_room_is_what_the_configuration_allows_beside_the_data(archive, settings, monkeypatch):
    values = [source.values for source in archive.sources.values() if source.values is not None]
    arrays = sum(array.nbytes for array in (archive.fine, *values))
    assert bytes_held(archive) == arrays > 0
    settings["data"] = {"name": "store", "options": {"path": "there.zarr", "memory_gib": 0}}
    assert room_beside(parse_config(settings), archive, 3 * GIB) == 0
    for given, room in ((2, 2 * GIB - arrays), (9, 3 * GIB)):
        settings["data"]["options"]["memory_gib"] = given
        assert room_beside(parse_config(settings), archive, 3 * GIB) == room
    del settings["data"]["options"]["memory_gib"]
    for free, room in ((4 * GIB, int(1.6 * GIB)), (100 * GIB, 3 * GIB)):
        monkeypatch.setattr(rooms, "system_memory", lambda free=free: free)
        assert room_beside(parse_config(settings), archive, 3 * GIB) == room
    monkeypatch.setattr(rooms, "system_memory", lambda: 4 * GIB)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert room_beside(parse_config(settings), archive, 3 * GIB) == int(1.6 * GIB) // 2
    nothing = replace(archive, fine=np.broadcast_to(np.float32(np.nan), archive.fine.shape), sources={})
    assert bytes_held(nothing) == 0


def test_fields_of_which_few_fit_are_neither_kept_nor_written(trainer_with, monkeypatch):
    monkeypatch.setattr(cached_inputs.CachedInputs.__init__, "__defaults__", (GIB, None, None, 100_000))
    written = []
    monkeypatch.setattr(FieldFile, "put", lambda self, field: written.append(field))
    trainer = trainer_with({"memory_gib": 0})
    assert not trainer.whole_fields and not trainer.fields.kept and not trainer.fields.shared
    assert all(field.shape[-3] > 2 for field in written)  # the ground's features, before any date was made


def test_rows_of_a_file_are_those_of_the_field():
    file, rng = FieldFile(), np.random.default_rng(0)
    fields = [torch.from_numpy(rng.normal(size=shape).astype(np.float32)) for shape in ((2, 3, 8, 5), (4, 9))]
    held = [file.put(field[..., ::1]) for field in fields]
    for field, one in zip(fields, held):
        assert one.shape == tuple(field.shape)
        for top, bottom in ((0, field.shape[-2]), (2, 4), (3, 3), (3, 40)):
            assert torch.equal(rows_of(one, top, bottom), field[..., top:bottom, :])
            assert torch.equal(rows_of(field, top, bottom), field[..., top:bottom, :])
    file.close()
    with pytest.raises(OSError, match="closed"):
        held[0].rows(0, 1)
    assert torch.equal(file.put(fields[1]).rows(0, 4), fields[1])  # a new one


def test_what_was_kept_is_given_back_at_the_end(trainer_with):
    trainer = trainer_with()
    assert trainer.fields.bytes > 0
    trainer.run(lambda step, losses, scores: None)
    assert trainer.fields.bytes == 0 and not trainer.fields.kept and not trainer.fields.shared


@pytest.mark.parametrize("gib", [0, 0.5, 2])
def test_fields_between_two_walks_over_the_validation_region_have_the_same_room(
    trainer_with, monkeypatch, gib
):
    given = []
    monkeypatch.setattr(trainer_module, "residual_share", lambda *words: given.append(words[-1]) or 1.0)
    trainer = trainer_with({"memory_gib": gib})
    trainer.best_weights = trainer.model.generator.state_dict()
    trainer.residual_share()
    assert given == [max(0, min(KEPT, int(gib * GIB) - bytes_held(trainer.whole)))]
