"""Copies to and from a device: who waits for them, and that tiles are right where they come late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch

from engine.compute.copies import COPIERS, THERE, CudaCopier, PlainCopier, copier_for
from engine.feedback import Silent
from engine.fields.patch import Patch, moved, rebuilt, tensors_of
from engine.pipeline import tile_loop
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reference import RasterRef
from tests.engine.compute.late_copier import LateCopier
from tests.engine.pipeline.noisy_rain import read_all

CPU = torch.device("cpu")


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> type[LateCopier]:
    monkeypatch.setattr(LateCopier, "made", [])
    monkeypatch.setitem(COPIERS, "cpu", LateCopier)
    return LateCopier


def test_each_kind_of_device_has_its_copier() -> None:
    assert isinstance(copier_for(CPU), PlainCopier) and COPIERS["cuda"] is CudaCopier
    field = torch.rand(2, 3)
    for copy in (copier_for(CPU).up, copier_for(CPU).down):
        (same,), arrival = copy([field])
        assert same is field and arrival is THERE


def test_a_run_waits_for_what_it_uses(drawn_run: SuperResolveRequest, late: type[LateCopier]) -> None:
    run = replace(drawn_run, tile=4)
    tiles = super_resolve(run, Silent()).tiles
    (copier,) = late.made
    late_fields = read_all(run)
    COPIERS.pop("cpu")
    super_resolve(run, Silent())
    for key, values in read_all(run).items():
        assert values.tobytes() == late_fields[key].tobytes()
    waits = [name for name, _ in copier.waited]
    assert waits.count("on_device") == waits.count("on_processor") == tiles > 4
    assert all(thread.startswith("write") for name, thread in copier.waited if name == "on_processor")


def test_static_sources_go_up_once_for_a_tile(
    drawn_run: SuperResolveRequest, late: type[LateCopier], write_raster, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    up = LateCopier.up

    def watched(self: LateCopier, tensors: Sequence[torch.Tensor]) -> object:
        sent.extend(x.numel() for x in tensors if x.dim() == 4)  # sources
        return up(self, tensors)

    monkeypatch.setattr(LateCopier, "up", watched)
    rain = np.random.default_rng(3).gamma(2.0, 30, (3, 9, 14)).astype(np.float32)
    dates = ["2001-01", "2001-02", "2001-03"]
    target = write_raster("rain3.tif", rain, 2.0, 11, 40, units="mm", dates=dates)
    run = replace(drawn_run, target=RasterRef(target), all_dates=True, tile=4, ensemble=None)
    steps = super_resolve(run, Silent()).tiles
    assert steps == 3 * len(sent)
    with rasterio.open(run.output) as file:
        in_time = file.read()
    COPIERS.pop("cpu")
    super_resolve(run, Silent())
    with rasterio.open(run.output) as file:
        assert file.read().tobytes() == in_time.tobytes()


def test_memory_is_given_back_before_smaller_tiles(
    drawn_run: SuperResolveRequest, late: type[LateCopier], monkeypatch: pytest.MonkeyPatch
) -> None:
    compute, failed = tile_loop.TileJob._compute, []

    def once(self, *arguments):
        if not failed:
            failed.append(1)
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return compute(self, *arguments)

    monkeypatch.setattr(tile_loop.TileJob, "_compute", once)
    super_resolve(drawn_run, Silent())
    assert [copier.forgot for copier in late.made] == [1]


def test_where_a_patch_lies_stays_on_the_processor() -> None:
    patch = Patch(
        2, 0, torch.rand(1, 3, 3), fine={"a": torch.rand(1, 1, 6, 6)}, origin=torch.tensor([[1, 2]])
    )
    patch.domain = torch.ones(1, 6, 6, dtype=torch.bool)
    assert len(tensors_of(patch)) == 3
    other = rebuilt(patch, [2 * x for x in tensors_of(patch)])
    assert torch.equal(other.target, 2 * patch.target) and torch.equal(other.fine["a"], 2 * patch.fine["a"])
    assert moved(patch, torch.device("meta")).origin is patch.origin
    assert moved(patch, torch.device("meta")).fine["a"].is_meta


def test_tiles_are_cut_by_the_memory_of_both_sides(
    drawn_run: SuperResolveRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.feedback import Silent as Quiet
    from engine.models.model import ModelMethod
    from engine.pipeline.method_choice import ModelCache
    from engine.pipeline.run_plan import prepare
    from engine.pipeline.steps.step_maker import StepMaker

    with prepare(drawn_run) as plan:
        method = ModelCache().method(plan.choice, drawn_run, Quiet())
        assert isinstance(method, ModelMethod)
        maker = StepMaker(plan, method)
        method.device = torch.device("cuda", 1)
        free = {"cuda": 2**40, "cpu": 2**40}
        monkeypatch.setattr(tile_loop, "free_memory", lambda place: free[torch.device(place).type])
        asked, edge = [], tile_loop.edge

        def told(*shape, **named):
            asked.append((shape[3], named.get("tile")))
            return edge(*shape, **named)

        monkeypatch.setattr(tile_loop, "edge", told)
        whole = tile_loop.tile_edge(maker, Quiet())
        assert asked[0] == (2**40 * tile_loop._MEMORY_SHARE, 3072)
        for short in free:
            free.update(dict.fromkeys(free, 2**40), **{short: 2**25})
            assert tile_loop.tile_edge(maker, Quiet()) < whole


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_copies_of_a_gpu_are_what_was_copied() -> None:
    device = torch.device("cuda", 0)
    copier = copier_for(device)
    fields = [torch.rand(500, 500), torch.ones(3, 3, dtype=torch.bool)]
    up, arrival = copier.up(fields)
    arrival.on_device(up)
    twice = [x.float() * 2 for x in up]
    down, arrival = copier.down(twice)
    arrival.on_processor()
    copier.forget()
    for field, copy in zip(fields, down, strict=True):
        assert copy.is_pinned() and torch.equal(copy, field.float() * 2)
