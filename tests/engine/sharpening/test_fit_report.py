"""What a fit says of its covariates, in sentences that name the cells of the result."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from engine.sharpening.fit_report import sentences
from engine.sharpening.gains import Gain, Measured
from engine.sharpening.plausible import DetailShares

HEIGHT = Gain(Measured(1.0, 0.01), (Measured(0.9, 0.02),), 0.9)
CHANCE = Gain(Measured(0.1, 0.3), (), 0.0)


@pytest.mark.parametrize(
    ("factor", "sizes", "octaves"),
    [(2, "1/2", (1,)), (6, "1/2, 1/4, 1/6", (1, 2, 2.585)), (16, "1/2, 1/4, 1/8, 1/16", (1, 2, 3, 4))],
)
def test_each_factor_stands_beside_its_cells(factor: int, sizes: str, octaves: tuple[float, ...]) -> None:
    fitted: Any = SimpleNamespace(levels=2, gains={"height": HEIGHT, "chance": CHANCE}, details={})
    height, chance, flat = sentences(fitted, factor, ("height", "chance", "flat"))
    kept = ", ".join(f"{HEIGHT.below(octave)[0]:.2g}" for octave in octaves)
    assert height.startswith(f"height: carries {kept} of its detail down to cells of {sizes} of the size (")
    assert "it was 0.9 ± 0.02" in height
    assert "no gain shown" in chance and "no detail of its own" in flat


def test_detail_that_is_taken_for_noise_is_told() -> None:
    details = {"height": DetailShares({2: 1.0, 4: 0.25})}
    fitted: Any = SimpleNamespace(levels=2, gains={"height": HEIGHT}, details=details)
    _, noise = sentences(fitted, 4, ("height",))
    assert noise.startswith("height: has more detail below") and "0.25 at ×4 of it is used" in noise
