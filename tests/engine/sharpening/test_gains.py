"""What is carried down: laws last, habits fade, what shows no gain carries nothing."""

from __future__ import annotations

import math

import pytest
import torch

from engine.sharpening.gains import MOST, Gain, Measured, factors, faded
from engine.sharpening.levels import Level
from engine.sharpening.relation import BlockSums, Shrinkage, contributions

LAW = Gain(Measured(1.0, 0.01), (Measured(0.97, 0.01), Measured(1.0, 0.03)), 0.95)
HABIT = Gain(Measured(0.9, 0.1), (Measured(0.4, 0.1), Measured(0.3, 0.1)), 0.1)


def level(rows: int = 24, columns: int = 32, dates: int = 2, noise: float = 0.1) -> Level:
    """Return a level whose detail is 0.7 of the first covariate's own and nothing of the second's."""
    drawn = torch.Generator().manual_seed(1)
    values = torch.randn(2, dates, rows, columns, generator=drawn)
    detail = 0.7 * values[0] + noise * torch.randn(dates, rows, columns, generator=drawn)
    known = torch.ones(dates, rows, columns, dtype=torch.bool)
    return Level(values, ("height", "other"), detail, known, known.float(), detail, values, (0, 1))


def test_a_law_lasts_and_a_habit_fades() -> None:
    assert LAW.below(3)[0] > 0.85
    assert HABIT.below(1)[0] < 0.7 and HABIT.below(3)[0] < 0.3
    for gain in (LAW, HABIT):
        carried = [gain.below(octave)[0] for octave in (1, 1.5, 2, 3, 5)]
        assert carried == sorted(carried, reverse=True)
        doubt = [gain.below(octave)[1] / gain.below(octave)[0] for octave in (1, 2, 4)]
        assert doubt == sorted(doubt)
    assert LAW.below(2)[1] < HABIT.below(2)[1]


@pytest.mark.parametrize(
    "gain",
    [
        Gain(Measured(0.4, 0.3), (Measured(0.9, 0.1),), 0.5),  # not on unseen blocks
        Gain(Measured(1.0, 0.1), (Measured(-0.2, 0.1),), 0.5),  # not across levels
        Gain(Measured(-1.0, 0.1), (), 0.5),
        Gain(Measured(1.0, math.inf), (), 0.5),
    ],
)
def test_what_shows_no_gain_carries_nothing(gain: Gain) -> None:
    assert not gain.shown and gain.below(1) == (0.0, 0.0)


def test_a_growing_relation_is_carried_no_farther_than_the_most() -> None:
    growing = Gain(Measured(1.0, 0.01), (Measured(1.6, 0.01), Measured(1.5, 0.01)), 0.9)
    assert max(growing.below(octave)[0] for octave in (1, 2, 3, 4)) <= MOST


def test_factors_are_found_with_their_error() -> None:
    own = level()
    sums = BlockSums(own)
    found = factors(own.values, own.groups, own, sums.folds)
    assert found["height"].factor == pytest.approx(0.7, abs=3 * found["height"].error)
    assert abs(found["other"].factor) < 3 * found["other"].error < 0.05


def test_what_is_held_out_is_what_the_other_blocks_give() -> None:
    own = level()
    sums = BlockSums(own)
    for how in (Shrinkage(0.1), Shrinkage(0.1, 0.3), Shrinkage(0.1, 0.3, 1.2, 0.3)):
        made = sums.held_out(how)
        inside = sums.folds.repeat_interleave(4, 0).repeat_interleave(4, 1) == 3
        alone = contributions(own, sums.fit(how, 3))
        torch.testing.assert_close(made[:, :, inside], alone[:, :, inside])
        blind = level()
        blind.detail[:, inside] = 1e3  # what the fold holds must not matter to its own estimate
        blind.field[:, inside] = 1e3
        told = BlockSums(blind).held_out(how)
        torch.testing.assert_close(told[:, :, inside], made[:, :, inside], rtol=1e-4, atol=1e-4)


def test_what_was_fitted_to_chance_does_not_count_as_fading() -> None:
    own = Measured(0.7, 0.05)  # on unseen blocks of its own level
    assert faded(Measured(0.7, 0.05), own).factor == pytest.approx(1.0)
    assert faded(Measured(0.35, 0.05), own).factor == pytest.approx(0.5)
    assert faded(Measured(0.9, 0.05), own).factor == 1.0  # nor as growing
    assert faded(Measured(0.35, 0.05), own).error > 0.05 / 0.7
    for across, worth in ((Measured(1.2, 0.1), own), (Measured(0.5, 0.1), Measured(1.1, 0.1))):
        assert faded(across, worth) == across


def test_what_two_levels_show_together_counts() -> None:
    """Neither is sure of itself, or one is and the other not at all."""
    weak, sure, chance = Measured(0.7, 0.3), Measured(1.0, 0.22), Measured(0.5, 0.4)
    assert not Gain(weak).shown
    assert Gain(weak, (sure,)).shown
    assert not Gain(weak, (chance,)).shown and not Gain(chance, (sure,)).shown
    assert not Gain(weak, (Measured(-1.0, 0.22),)).shown
