"""Networks that OpenVINO runs: the same field, chosen for long runs alone, and never instead of a refusal."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import rasterio
import torch

from engine.compute.devices import PrecisionPlan
from engine.features.network_inputs import NetworkInputs
from engine.feedback import Silent
from engine.models import compiled
from engine.models.compiled import CompiledGenerator, settle
from engine.models.loading import load_model
from engine.models.model import ModelMethod
from engine.package.folder import find_package
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reference import RasterRef
from training.bench.rasters import make_rasters

pytest.importorskip("openvino")
LONG_RUN = 1e15  # fine cells


@pytest.fixture
def method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelMethod:
    monkeypatch.setenv("MSR_CACHE", str(tmp_path / "cache"))
    plan = PrecisionPlan(torch.float32, channels_last=True)
    loaded = load_model(find_package("rainitur8", ()), torch.device("cpu"), plan)
    assert isinstance(loaded, ModelMethod)
    return loaded


@pytest.fixture
def faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let OpenVINO win, on whatever machine the tests run."""
    monkeypatch.setattr(compiled, "_fastest", lambda *runs: [float(len(runs) - n) for n in range(len(runs))])


def sources(method: ModelMethod) -> set[str]:
    return {source.name for source in method.sources}


@pytest.mark.usefixtures("faster")
def test_long_run_is_compiled_and_gives_the_same_field(
    method: ModelMethod, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    with monkeypatch.context() as without_handlers:  # as in the engine's own process
        without_handlers.setattr(logging.getLogger(), "handlers", [])
        settle(method, sources(method), LONG_RUN, said.append)
        assert not logging.getLogger().handlers
    assert capfd.readouterr().err == ""
    network = method.module.compiled
    assert isinstance(network, CompiledGenerator), said
    assert any("OpenVINO" in line for line in said)
    generator, k = method.module.generator, method.factor
    random = torch.Generator().manual_seed(3)
    for rows, columns in ((3, 5), (8, 2)):  # other windows than the one it was exported with
        size = rows + 2 * generator.halo, columns + 2 * generator.halo
        like = {
            name: torch.randn(1, count, size[0] * scale, size[1] * scale, generator=random)
            for counts, scale in ((generator.spec.coarse, 1), (generator.spec.fine, k))
            for name, count in counts.items()
        }
        coarse = {name: like[name] for name in network.coarse}
        fine = {name: like[name] for name in network.fine}
        assert network.fits(coarse, fine)
        with torch.inference_mode():
            own = generator(coarse, fine, None)
        field = network(coarse, fine, None)
        assert field.shape == own.shape == (1, 1, rows * k, columns * k)
        assert float((field - own).abs().max()) <= compiled.SAME * float(own.max() - own.min())
        fewer = {name: x for name, x in fine.items() if name != "elevation"}
        assert not network.fits(coarse, fewer)
        assert not network.fits({n: torch.cat([x, x]) for n, x in coarse.items()}, fine)
    # Kept: a second run exports nothing.
    said.clear()
    settle(method, sources(method), LONG_RUN, said.append)
    assert method.module.compiled is not None
    assert not any("compiling" in line for line in said)


@pytest.mark.usefixtures("faster")
def test_short_run_stays_with_torch(method: ModelMethod) -> None:
    said: list[str] = []
    settle(method, sources(method), 1.0, said.append)
    assert method.module.compiled is None
    assert not said


@pytest.mark.usefixtures("faster")
def test_other_precision_stays_with_torch(method: ModelMethod) -> None:
    method.use(PrecisionPlan(torch.bfloat16, channels_last=False))
    settle(method, sources(method), LONG_RUN, lambda line: None)
    assert method.module.compiled is None


@pytest.mark.usefixtures("faster")
def test_field_that_differs_is_not_taken(method: ModelMethod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "SAME", -1.0)
    said: list[str] = []
    settle(method, sources(method), LONG_RUN, said.append)
    assert method.module.compiled is None
    assert any("differs" in line for line in said)
    said.clear()
    settle(method, sources(method), LONG_RUN, said.append)  # the verdict is kept
    assert method.module.compiled is None
    assert not said


def test_slower_network_is_not_taken(method: ModelMethod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_fastest", lambda *runs: [1.0] * len(runs))
    said: list[str] = []
    settle(method, sources(method), LONG_RUN, said.append)
    assert method.module.compiled is None
    assert any("1.00 times as fast" in line for line in said)


@pytest.mark.usefixtures("faster")
def test_what_cannot_be_compiled_stays_with_torch(
    method: ModelMethod, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("no such layer")

    monkeypatch.setattr(compiled, "_export", refuse)
    said: list[str] = []
    settle(method, sources(method), LONG_RUN, said.append)
    assert method.module.compiled is None
    assert any("OpenVINO cannot take it (RuntimeError)" in line for line in said)


@pytest.mark.usefixtures("faster")
def test_a_window_that_openvino_fails_on_is_made_by_torch(
    method: ModelMethod, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(method, sources(method), LONG_RUN, lambda line: None)
    assert method.module.compiled is not None

    def fail(*_: object) -> None:
        raise RuntimeError("no memory")

    spec, halo, k = method.module.generator.spec, method.module.generator.halo, method.factor
    edge = 2 * halo + 3
    inputs = NetworkInputs(
        {name: torch.ones(1, count, edge, edge) for name, count in spec.coarse.items()},
        {name: torch.ones(1, count, edge * k, edge * k) for name, count in spec.fine.items()},
        None,
        torch.zeros(1, 3 * k, 3 * k),
    )
    with torch.inference_mode():
        expected = method.module(inputs)
        monkeypatch.setattr(CompiledGenerator, "__call__", fail)
        own = method.module(inputs)
    assert method.module.compiled is None
    torch.testing.assert_close(own, expected, rtol=0, atol=1e-5)


@pytest.mark.usefixtures("faster")
def test_the_output_says_what_ran_its_network(
    method: ModelMethod, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "_LEAST", 1.0)
    monkeypatch.setattr(compiled, "LONG", 0.0)
    package = find_package("rainitur8", ())
    rasters = make_rasters(tmp_path, package.card, 20)
    request = SuperResolveRequest(
        model="rainitur8",
        target=RasterRef(str(rasters["target"])),
        output=str(tmp_path / "fine.tif"),
        sources={"elevation": RasterRef(str(rasters["elevation"]))},
        date="--11",
        precision="float32",
    )
    assert super_resolve(request, Silent()).precision == "float32 by OpenVINO"
    with rasterio.open(tmp_path / "fine.tif") as raster:
        assert raster.tags()["MSR_PRECISION"] == "float32 by OpenVINO"
        assert raster.read(1, masked=True).count() > 0
