"""Runs on a device that is not the processor: no tensors of two devices meet, and the files are the same."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from engine.compute.copies import COPIERS
from engine.feedback import Silent
from engine.models import loading
from engine.pipeline import method_choice
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from tests.engine.compute.late_copier import LateCopier
from tests.engine.pipeline.noisy_rain import read_all
from tests.training.trainer.other_device import OTHER, Elsewhere, fetched, other_device

# torch says so of every tensor on `meta`; those here do hold what is copied.
pytestmark = pytest.mark.filterwarnings("ignore:for .*copying from a non-meta parameter")


@pytest.mark.parametrize("members", [True, False])
def test_tiles_are_made_on_another_device(
    drawn_run: SuperResolveRequest, members: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = drawn_run if members else replace(drawn_run, ensemble=None)
    run = replace(run, precision="float32", tile=4)  # several tiles, one of them dry, one with a hole
    super_resolve(run, Silent())
    plain = read_all(run) if members else {"mean": band(run)}
    chosen, seen = [], []
    monkeypatch.setattr(LateCopier, "made", [])
    monkeypatch.setitem(COPIERS, OTHER.type, LateCopier)
    monkeypatch.setattr(method_choice, "choose_device", lambda name: chosen.append(name) or OTHER)
    load = loading.load_model

    def loaded(*arguments: object, **named: object) -> object:
        method = load(*arguments, **named)
        seen.extend(type(p.data) for p in method.module.parameters())
        return method

    monkeypatch.setattr(loading, "load_model", loaded)
    with other_device(), fetched() as brought:
        result = super_resolve(run, Silent())
    assert chosen and seen and all(kind is Elsewhere for kind in seen)
    # Of fields nothing but finished tiles comes back; means of coarse cells may.
    assert not [shape for shape in brought if math.prod(shape) > 1000]
    assert any(name == "on_processor" for name, _ in LateCopier.made[0].waited)
    assert result.device == str(OTHER) and result.tiles > 4
    moved = read_all(run) if members else {"mean": band(run)}
    for key, values in plain.items():
        # The layouts that are fastest here and there may differ, and with them the last digit.
        np.testing.assert_allclose(moved[key], values, rtol=1e-4, atol=1e-3)


def band(run: SuperResolveRequest) -> np.ndarray:
    with rasterio.open(run.output) as file:
        return file.read()
