"""Chances made a date at a time draw the windows that one array of all chances draws, to the last digit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from training.data.archive import Archive
from training.data.known_truth import truth_share
from training.data.patches import PatchSampler
from training.data.streamed import pairwise, window_chances
from training.data.streamed.pairwise import pairwise_sum
from training.schema.config import SamplingSection


def cumulative(
    archive: Archive,
    times: list[int],
    columns: tuple[int, int],
    sampling: SamplingSection,
    cells: np.ndarray | None,
) -> np.ndarray:
    """Return the sums of the chances of all windows, (T·rows·columns), each array of them held whole."""
    h, w = min(sampling.size, archive.shape[0]), min(sampling.size, columns[1] - columns[0])
    round_globe = archive.wrap and columns == (0, archive.shape[1])
    starts = archive.shape[1] if round_globe else columns[1] - columns[0] - w + 1

    def means(fields: np.ndarray) -> np.ndarray:
        seen = (columns[0] + np.arange(starts + w - 1)) % fields.shape[-1]
        total = np.pad(fields[..., seen], ((0, 0), (1, 0), (1, 0))).cumsum(1).cumsum(2)
        total = total[:, h:, w:] - total[:, :-h, w:] - total[:, h:, :-w] + total[:, :-h, :-w]
        return total.clip(0) / (h * w)

    shape = (len(times), archive.shape[0] - h + 1, starts)
    chance = np.full(shape, 1.0 / np.prod(shape))
    if cells is not None:
        chance = chance * means(cells[None].astype(np.float64))
        chance /= chance.sum()
    if sampling.wet_bias:
        coarse = np.abs(np.nan_to_num(archive.coarse[times].astype(np.float64)))
        wet = means(coarse if cells is None else coarse * cells)
        if wet.sum() > 0:
            chance = (1 - sampling.wet_bias) * chance + sampling.wet_bias * wet / wet.sum()
    known = truth_share(archive, times)
    if not (known if cells is None else known[:, cells]).all():
        share = means(known.astype(np.float64))
        weight = np.where(share > 1e-9, np.minimum(share / 0.25, 1.0), 0.0)
        if weight.min() < 1:
            weighted = chance * weight
            chance = weighted / weighted.sum() if weighted.sum() > 0 else weight / weight.sum()
    sums = np.cumsum(chance.ravel())
    return sums / sums[-1]


def sparse(archive: Archive) -> Archive:
    """Truth in one corner of the map at most times, at one time nowhere; a coarse value is missing."""
    fine, coarse = np.full_like(archive.fine, np.nan), archive.coarse.copy()
    fine[:6, 2:9, 20:36] = archive.fine[:6, 2:9, 20:36]
    fine[7:] = archive.fine[7:]
    coarse[2, 3, 12] = np.nan
    return replace(archive, fine=fine, coarse=coarse)


@pytest.mark.parametrize("kept", [1, 2**26])
@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("wet", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("columns", [(0, 20), (3, 18)])
@pytest.mark.parametrize("masked", [False, True])
def test_the_draws_are_those_of_one_array(archive, monkeypatch, kept, gaps, wet, columns, masked):
    monkeypatch.setattr(window_chances, "KEPT", kept)
    monkeypatch.setattr(pairwise, "MOST", 128)
    monkeypatch.setattr(window_chances, "pairwise_sum", lambda piece, count: pairwise_sum(piece, count, 128))
    archive = sparse(archive) if gaps else archive
    cells = None
    if masked:
        cells = np.zeros(archive.shape, bool)
        cells[2:9, 4:17] = True
    sampling = SamplingSection(size=4, batch=1, wet_bias=wet)
    sampler = PatchSampler(archive, range(1, 10), columns, 1, sampling, cells)
    sums = cumulative(archive, list(range(1, 10)), columns, sampling, cells)
    chances = sampler.chances
    between = np.random.default_rng(0).permutation(np.concatenate([sums[:-1], np.nextafter(sums, 0), [0.0]]))
    for number in between.tolist():
        index = min(int(np.searchsorted(sums, number, side="right")), len(sums) - 1)
        assert chances.draw(number) == np.unravel_index(index, chances.shape)


def test_sums_of_pieces_are_those_of_the_whole():
    values = np.random.default_rng(1).gamma(0.3, 1.0, 300_001)
    for count in (1, 7, 127, 128, 129, 1000, 4097, 300_001):
        for most in (128, 1000, 2**17):
            total = pairwise_sum(lambda start, length: values[start : start + length], count, most)
            assert total == values[:count].sum()
    assert float(np.cumsum(values)[-1]) != values.sum()  # another order gives other digits


def test_of_many_dates_only_some_are_kept(archive, monkeypatch):
    monkeypatch.setattr(window_chances, "KEPT", 3 * 8 * 9 * 20)
    sampler = PatchSampler(archive, range(9), (0, 20), 1, SamplingSection(size=4, batch=300, wet_bias=0.5))
    sampler.windows(np.random.default_rng(0))
    held = [v for v in vars(sampler.chances).values() if isinstance(v, np.ndarray)]
    assert len(sampler.chances._kept) == 3
    assert max(each.size for each in held) <= 9 * 20  # no array of all dates' windows
