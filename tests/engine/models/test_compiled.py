"""Networks that OpenVINO runs: the same field, chosen for long runs alone, and never instead of a refusal."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.compute.devices import PrecisionPlan
from engine.models import compiled
from engine.models.compiled import CompiledGenerator, settle
from engine.models.loading import load_model
from engine.models.model import ModelMethod
from engine.package.folder import find_package

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
def test_long_run_is_compiled_and_gives_the_same_field(method: ModelMethod) -> None:
    said: list[str] = []
    settle(method, sources(method), LONG_RUN, said.append)
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
