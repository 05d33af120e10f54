"""What a cascade's detail is worth further down: fields whose relation lasts, fades, turns or never was."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from affine import Affine

from engine.sharpening.gains import Gain, Measured
from training.cascade.fading import Fading, measurable, measured_fading
from training.cascade.trainer import CascadeLevel
from training.data.archive import Archive, ArchiveSource, block_mean
from training.data.split import split_archive
from training.data.store import one_level_up
from training.defaults.complete import complete
from training.schema.config import Config, parse_config

K, H, W = 4, 32, 48


def octaves(rng: np.random.Generator, shape: tuple[int, int]) -> dict[int, np.ndarray]:
    """Return a field's detail by the edge of its cells: its mean over cells twice as large is zero."""
    parts = {}
    for edge in (1, 2, 4, 8, 16, 32):
        rough = rng.normal(size=(shape[0] // edge, shape[1] // edge))
        rough -= block_mean(rough[None], 2)[0].repeat(2, 0).repeat(2, 1) if edge < 32 else 0
        parts[edge] = rough.repeat(edge, 0).repeat(edge, 1)
    return parts


def make_archive(worth: dict[int, float], noise: float = 0.2) -> tuple[Archive, np.ndarray]:
    """Return a coarse field without a truth, and that truth.

    Args:
        worth: by edge of the relief's cells, the field's change with it.
        noise: deviation of what relief does not explain.
    """
    rng = np.random.default_rng(4)
    relief = octaves(rng, (H * K, W * K))
    other = octaves(rng, (H * K, W * K))
    fine = sum(worth[edge] * relief[edge] + noise * other[edge] for edge in relief)[None].astype(np.float32)
    height = 100 * sum(relief.values())[None, None].astype(np.float32)
    archive = Archive(
        name="made",
        title="Made up",
        citation="none",
        simulated=True,
        factor=K,
        target_name="warmth",
        target_title="Warmth",
        units="degC",
        weights="count",
        months=np.array([7]),
        days=np.array([196.0]),
        dates=("2001-07-15",),
        period="2001-07-15",
        coarse=block_mean(fine, K).astype(np.float32),
        fine=np.full_like(fine, np.nan),
        transform=Affine(4000, 0, 4e6, 0, -4000, 3e6),
        crs="EPSG:3035",
        wrap=False,
        cell_size=np.full((2, H * K), 1000.0, np.float32),
        sources={"elevation": ArchiveSource("elevation", "m", "fine", "Elevation", values=height)},
    )
    return archive, fine


def make_levels(given: Archive) -> list[CascadeLevel]:
    upper = one_level_up(given, 2, False)
    config = complete(make_config(), upper).config
    own = config.model_copy(update={"factor": 2, "cascade": None, "domain": "all", "base": "default"})
    return [CascadeLevel(own, upper, split_archive(own, upper))]


def make_config() -> Config:
    return parse_config(
        {
            "model": {"id": "made4", "name": "M", "version": "1.0.0", "licence": "none", "citation": "none"},
            "data": {"name": "store", "options": {"path": "none"}},
            "factor": K,
            "cascade": {"steps": [2]},
            "target": {"transform": "identity", "bounds": [None, None], "conservation": "additive"},
            "sources": [{"name": "elevation"}],
            "optimiser": {"rate": 0.02, "warmup_steps": 5, "ema": 0.9, "weight_decay": 0.0},
            "sampling": {"size": 12, "batch": 4, "without_sources": 0.0},
            "precision": "float32",
            "layout": "contiguous",
            "steps": 80,
        }
    )


def fading_of(worth: dict[int, float], folder: Path) -> Fading:
    given, _ = make_archive(worth)
    torch.manual_seed(0)
    return measured_fading(given, make_levels(given), (2, 2), folder)


EVERYWHERE = dict.fromkeys((1, 2, 4, 8, 16, 32), 1.0)


def test_a_relation_that_is_the_same_at_every_scale_is_trusted(tmp_path: Path) -> None:
    fading = fading_of(EVERYWHERE, tmp_path)
    assert fading.gain is not None and len(fading.gain.across) == 2
    assert fading.gain.here.factor == pytest.approx(1, abs=0.1)
    assert fading.gain.across[0].factor == pytest.approx(1, abs=0.1)
    assert fading.gain.explained > 0.8
    first, second = fading.shares
    assert 0.75 < second <= first <= 1.05


def test_one_that_fades_from_scale_to_scale_is_trusted_less(tmp_path: Path) -> None:
    lasting = fading_of(EVERYWHERE, tmp_path / "lasting").shares
    fading = fading_of({32: 1.0, 16: 0.9, 8: 0.55, 4: 0.3, 2: 0.15, 1: 0.08}, tmp_path / "fading")
    assert fading.gain is not None
    assert fading.gain.across[0].factor == pytest.approx(0.55, abs=0.15)
    assert 0 < fading.shares[1] < fading.shares[0] < 0.75 * lasting[0]


@pytest.mark.parametrize("here", [0.0, -1.0])
def test_none_is_trusted_that_is_not_there_or_turns(tmp_path: Path, here: float) -> None:
    """At the data's own scale there is none, or one that says the opposite of what larger cells taught."""
    worth = {32: 1.0, 16: 1.0, 8: 1.0, 4: here, 2: here, 1: here}
    if not here:
        worth = dict.fromkeys(worth, 0.0)
    fading = fading_of(worth, tmp_path)
    assert fading.shares == (0, 0)
    assert "adds no detail" in fading.in_words()[-1]
    assert fading.entry()["shares"] == [0, 0]


def test_trainings_that_are_there_are_not_made_again(tmp_path: Path) -> None:
    first = fading_of(EVERYWHERE, tmp_path)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    assert len(kept) == 6, "two halves of three levels"
    assert fading_of(EVERYWHERE, tmp_path) == first
    assert kept == {path: path.stat().st_mtime_ns for path in kept}


def test_networks_see_no_truth_of_the_cells_that_judge_them(tmp_path: Path) -> None:
    """Wrong truth in a half of the blocks changes nothing of the network that is judged there."""
    from training.cascade import fading

    given, _ = make_archive(EVERYWHERE)
    plain = fading._networks(make_levels(given), tmp_path / "plain")
    unseen = plain[0].unseen
    levels = make_levels(given)
    levels[0].archive.fine[:, unseen] += 50
    spoiled = fading._networks(levels, tmp_path / "spoiled")
    assert 0.4 < unseen.mean() < 0.6 and not (unseen & plain[1].unseen).any()
    for name, weight in plain[0].weights.items():
        torch.testing.assert_close(weight, spoiled[0].weights[name])
    assert any(not torch.equal(w, spoiled[1].weights[name]) for name, w in plain[1].weights.items())


def test_a_field_too_small_to_measure_adds_nothing(tmp_path: Path) -> None:
    given, _ = make_archive(EVERYWHERE)
    from training.data.archive import crop

    small = crop(given, (4e6, 3e6 - 4 * 4000, 4e6 + 4 * 4000, 3e6))
    fading = measured_fading(small, make_levels(small), (2, 2), tmp_path)
    assert fading.gain is None and fading.shares == (0, 0)
    assert not measurable(make_levels(small)) and not list(tmp_path.rglob("*.safetensors"))
    assert "cannot be measured" in fading.in_words()[-1] and "adds no detail" in fading.in_words()[-1]
    assert fading.entry() == {"shares": [0, 0]}


def test_detail_in_one_block_of_one_date_is_not_sure(tmp_path: Path) -> None:
    """An island, say: nothing tells how sure its gain is, so it shows none."""
    from training.cascade import fading

    made = torch.zeros(1, 16, 16)
    made[0, 4:8, 4:8] = torch.arange(16.0).reshape(4, 4)
    measured = fading._measured([fading._Detail(made, made)], 2)
    assert measured == Measured(1.0, math.inf)
    fading_of_it = Fading(Gain(measured, (), 1.0), (2, 2))
    assert fading_of_it.shares == (0, 0) and "inf" not in " ".join(fading_of_it.in_words())


def test_shares_follow_the_depth_below_the_data() -> None:
    gain = Gain(Measured(1.0, 0.01), (Measured(0.8, 0.05),), 0.6)
    shares = Fading(gain, (2, 2, 3)).shares
    assert shares[0] == pytest.approx(gain.below(1)[0], abs=1e-4)
    assert shares[1] == pytest.approx(gain.below(2)[0], abs=1e-4)
    assert shares[2] == pytest.approx(gain.below(2.5 + math.log2(3) / 2)[0], abs=1e-4)
    assert Fading(Gain(Measured(0.1, 0.1)), (2,)).shares == (0,), "no gain is shown"


def test_noise_that_the_coarse_means_hide_is_not_carried_down(tmp_path: Path) -> None:
    given, _ = make_archive(EVERYWHERE)
    clean = measured_fading(given, make_levels(given), (2, 2), tmp_path / "clean")
    held = given.sources["elevation"]
    values = held.values + np.random.default_rng(1).normal(0, 600, held.values.shape).astype(np.float32)
    given = replace(given, sources={"elevation": replace(held, values=values)})
    noisy = measured_fading(given, make_levels(given), (2, 2), tmp_path / "noisy")
    assert not clean.noisy and noisy.noisy == "elevation"
    assert noisy.gain is not None and noisy.plausible[4] < 0.8
    assert noisy.shares[1] == pytest.approx(noisy.plausible[4] * noisy.gain.below(2)[0], abs=1e-4)
    assert "as noise would be" in " ".join(noisy.in_words())
