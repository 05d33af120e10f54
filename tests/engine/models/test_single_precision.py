"""What runs on a device runs on Apple's too, which has neither doubles nor whole numbers of 64 bits."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from engine.compute import exact
from engine.disaggregation import elevation_regression
from engine.fields.conservation import aggregate
from engine.fields.ensemble import MemberMoments, quantiles
from engine.nets import noise
from tests.engine.models.test_model_method import TARGETS, make_method, make_patch

LACKING = (torch.float64, torch.complex64, torch.complex128)
ARITHMETIC = (
    "add",
    "sub",
    "mul",
    "div",
    "pow",
    "remainder",
    "bitwise",
    "shift",
    "cumsum",
    "sum",
    "mean",
    "xor",
)


class AppleDevice(TorchDispatchMode):
    """Refuses what Apple's device cannot do; `away` while the work is done on the processor."""

    def __init__(self) -> None:
        super().__init__()
        self.away = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not self.away:
            fields = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, torch.Tensor)]
            name = func.name().split("::")[1].split(".")[0]
            for field in fields:
                assert field.dtype not in LACKING, f"{name} works on {field.dtype}"
                counts = field.dtype == torch.int64 and field.ndim and any(w in name for w in ARITHMETIC)
                assert not counts, f"{name} counts with {field.dtype}"
        return result


@pytest.fixture
def apple(monkeypatch: pytest.MonkeyPatch) -> AppleDevice:
    """The device; functions that go to the processor for exact arithmetic are let go there."""
    mode = AppleDevice()

    def on_the_processor(function: Any) -> Any:
        def run(*arguments: Any, **named: Any) -> Any:
            mode.away += 1
            try:
                result = function(*arguments, **named)
            finally:
                mode.away -= 1
            assert result.dtype == torch.float32
            return result

        return run

    for module, name in ((noise, "level_noise"), (elevation_regression, "slopes")):
        monkeypatch.setattr(module, name, on_the_processor(getattr(module, name)))
    return mode


def test_the_device_refuses(apple: AppleDevice) -> None:
    with apple, pytest.raises(AssertionError, match="float64"):
        torch.ones(3).double() * 2
    with apple, pytest.raises(AssertionError, match="int64"):
        torch.arange(3) * 2
    with apple:
        assert float((torch.ones(3) * 2).sum()) == 6


def test_exact_arithmetic_goes_to_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    assert exact.exact_device("mps") == torch.device("cpu")
    assert exact.exact_device("cuda:1") == torch.device("cuda:1")
    asked: list[Any] = []
    for module in (noise, elevation_regression):
        monkeypatch.setattr(module, "exact_device", lambda d: asked.append(d) or torch.device("cpu"))
    noise.level_noise(1, 1, 0, 1, range(2), range(2), 1, "cpu")
    elevation_regression.slopes(torch.rand(1, 9, 9), torch.rand(1, 9, 9))
    assert len(asked) == 2


@pytest.mark.parametrize("name", TARGETS)
def test_networks_and_conservation(apple: AppleDevice, name: str) -> None:
    method = make_method(TARGETS[name], 2)
    patch = make_patch(name, method, holes=True)
    expected = method.predict(patch)
    with apple:
        fine = method.predict(patch)
        held = aggregate(fine, 2)
    torch.testing.assert_close(fine, expected, equal_nan=True)
    assert held.dtype == torch.float32


def test_members_and_their_statistics(apple: AppleDevice) -> None:
    generator = torch.Generator().manual_seed(0)
    members = torch.rand(4, 1, 6, 6, generator=generator)
    with apple:
        moments = MemberMoments()
        for member in members:
            moments.add(member[0])
        mean, spread = moments.mean, moments.variance
        middle = quantiles([member[0] for member in members], (0.5,))[0]
        drawn = noise.level_noise(1, 2, 0, 1, range(3), range(3), 2)
    torch.testing.assert_close(mean, members.mean(0)[0])
    torch.testing.assert_close(spread, members.var(0)[0])
    assert middle.shape == (6, 6) and drawn.shape == (2, 3, 3)


def test_elevation_regression(apple: AppleDevice) -> None:
    values, elevation = torch.rand(1, 16, 16), torch.rand(1, 32, 32) * 1000
    expected = elevation_regression.regressed(values, elevation, 2, elevation_regression.HALO)
    with apple:
        fine = elevation_regression.regressed(values, elevation, 2, elevation_regression.HALO)
    torch.testing.assert_close(fine, expected)
