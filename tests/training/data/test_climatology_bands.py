"""Of many training dates a climatology is means by month, bounded in memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch

from training.data.archive import Archive
from training.data.export import export
from training.data.lazy import LazyArray
from training.data.normalisation import source_specs, target_spec
from training.data.patches import View, Window, cut
from training.data.split import split_archive
from training.data.streamed import climatology_bands as bands_module
from training.data.streamed.climatology_bands import MOST_DATES, climatology_bands
from training.evaluation.base_choice import ANALOGUES, choose_base
from training.schema.config import parse_config

DATES = 400


class OneByOne:
    """An array on disk, (T, H, W), that hands out no more than one time at once, and counts them."""

    def __init__(self, values: np.ndarray) -> None:
        self._values, self.shape, self.dtype, self.read = values, values.shape, values.dtype, 0

    def __getitem__(self, key: tuple) -> np.ndarray:
        first = key[0]
        assert not isinstance(first, slice) or len(range(*first.indices(self.shape[0]))) <= 1, "read whole"
        self.read += 1
        return np.array(self._values[key])


def days(make, dates: int = DATES, hours: bool = False) -> tuple[Archive, OneByOne]:
    """Return an archive of so many days, on disk, with a hole in its truth, and its truth's array."""
    small, rng = make(), np.random.default_rng(0)
    when = np.datetime64("2001-01-01") + np.arange(dates)
    months = when.astype("datetime64[M]").astype(int) % 12 + 1
    fine = (small.fine[months - 1] * rng.gamma(5, 0.2, (dates, 1, 1))).astype(np.float32)
    fine[3:200:7, 4:6, 8:10] = np.nan
    fine[:, 20, 30] = np.nan
    held = OneByOne(fine)
    coarse = np.nan_to_num(fine).reshape(dates, 12, 2, 20, 2).mean((2, 4)).astype(np.float32)
    archive = replace(
        small,
        months=months,
        days=np.arange(dates) % 365 + 1,
        dates=tuple(str(day) for day in when),
        hours=np.arange(dates) % 2 * 12.0 if hours else None,
        coarse=coarse,
        fine=LazyArray(held),
        sources={"climatology": small.sources["climatology"]},
    )
    return archive, held


@pytest.fixture
def config(settings):
    """A configuration of the days, but for the base."""

    def of(**changes: object):
        settings.update(data={"name": "small"}, sources=[{"name": "climatology"}], validation={})
        settings.update({"split": {"kind": "auto"}, **changes})
        return parse_config(settings)

    return of


def test_means_are_those_of_the_dates_of_each_month_that_have_a_truth(make):
    archive, held = days(make)
    times = tuple(range(5, 390, 3))
    bands = climatology_bands(archive, times, None, by_month=True)
    assert bands.months == tuple(range(1, 13)) and bands.hours == (None,) * 12
    assert bands.dates == tuple(f"--{month:02d}" for month in range(1, 13))
    for month, field in zip(bands.months, bands.fields):
        own = [t for t in times if archive.months[t] == month]
        some = held._values[own].astype(np.float64)
        count = np.isfinite(some).sum(0)
        expected = np.where(count > 0, np.nansum(some, 0) / count.clip(1), np.nan)
        np.testing.assert_allclose(field, expected, rtol=1e-6)
        assert np.isnan(field[20, 30]) and np.isfinite(field).sum() == field.size - 1
    read = held.read
    assert climatology_bands(archive, times, None, by_month=True) is bands and held.read == read  # made once
    assert climatology_bands(archive, times[1:], None, by_month=True) is not bands


def test_means_by_the_hour_and_without_cells_that_are_hidden(make):
    archive, held = days(make, hours=True)
    cells = np.ones(archive.shape, bool)
    cells[:, 11:] = False
    bands = climatology_bands(archive, tuple(range(DATES)), cells, by_month=True)
    assert len(bands.fields) == 24 and bands.dates[:2] == ("--01T00:00", "--01T12:00")
    field = np.asarray(bands.fields[1])
    assert np.isnan(field[:, 22:]).all() and np.isfinite(field[:, :22]).all()
    own = [t for t in range(DATES) if archive.months[t] == 1 and archive.hours[t] == 12]
    np.testing.assert_allclose(field[0, 0], held._values[own, 0, 0].mean(dtype=np.float64), rtol=1e-6)
    view = View(("climatology",), tuple(range(DATES)), climatology_cells=cells, climatology_by_month=True)
    patch, _ = cut(archive, [Window(40, 2, 3, frozenset({2, 3, 4}))], (4, 4), 1, view)
    assert patch.climatology.shape == (1, 24, 12, 12) and view.band_count(archive) == 24
    for month, hour, distance in zip(bands.months, bands.hours, patch.climatology_distance[0].tolist()):
        gap = abs(month - 2)
        gone = month in (2, 3, 4) or hour != archive.hours[40]
        assert distance == (float("inf") if gone else min(gap, 12 - gap))


def test_means_that_are_many_lie_in_a_file(make, monkeypatch):
    archive, _ = days(make)
    view = View(("climatology",), tuple(range(DATES)), (0, 17), climatology_by_month=True)
    windows = [Window(7, 0, 18), Window(90, 9, 2, flip_horizontal=True, gain=2.0)]
    plain, _ = cut(archive, windows, (3, 3), 2, view)
    monkeypatch.setattr(bands_module, "IN_MEMORY", 0)
    monkeypatch.setattr(bands_module, "_MEANS", bands_module._Means())
    filed, _ = cut(archive, windows, (3, 3), 2, view)
    assert isinstance(view.climatology_bands(archive).fields[0], LazyArray)
    assert torch.equal(plain.climatology.nan_to_num(-1), filed.climatology.nan_to_num(-1))
    assert np.asarray(view.climatology_bands(archive).fields[3][5]).shape == (40,)


@pytest.mark.parametrize("dates", [60, DATES])
def test_statistics_and_the_base_read_a_climatology_date_by_date(make, config, dates):
    """Each date is read a few times, not as often as there are dates."""
    archive, held = days(make, dates)
    settings = config(base="auto")
    split = split_archive(settings, archive)
    many = dates > MOST_DATES
    assert split.training_view.climatology_by_month is split.test_view.climatology_by_month is many
    months = {int(archive.months[time]) for time in split.train.times}
    assert split.training_view.band_count(archive) == len(months if many else split.train.times) > 1
    target = target_spec(settings, archive, split)
    if many:
        held.read = 0
        specs = source_specs(settings, archive, split, target)
        assert held.read < 4 * dates
        choice = choose_base(settings, archive, split, target)
        assert ANALOGUES in choice.rmse and held.read < 60 * dates
        assert specs[0].range[1] < np.nanmax(held._values)  # of means


def test_export_writes_band_by_band(make, tmp_path):
    archive, _ = days(make, 130)
    for by_month in (False, True):
        view = View(("climatology",), tuple(range(10, 130)), (2, 18), climatology_by_month=by_month)
        written = export(archive, tmp_path / str(by_month), 4, view)
        bands = view.climatology_bands(archive)
        with rasterio.open(written["climatology"]) as raster:
            assert raster.count == len(bands.dates) == (5 if by_month else 120)
            assert [raster.tags(band)["DATE"] for band in raster.indexes] == list(bands.dates)
            read = raster.read(raster.count)
        assert np.array_equal(read[:, 4:36], np.asarray(bands.fields[-1])[:, 4:36], equal_nan=True)
        assert np.isnan(read[:, :4]).all() and np.isnan(read[:, 36:]).all()


def test_a_new_data_set_at_the_same_place_in_memory_is_another(make):
    sums = set()
    for number in range(4):
        archive, _ = days(make, 130)
        archive = replace(archive, fine=np.full((130, 24, 40), number, np.float32))
        bands = climatology_bands(archive, tuple(range(130)), None, by_month=True)
        sums.add(float(np.asarray(bands.fields[0])[0, 0]))
        del archive, bands
    assert sums == {0.0, 1.0, 2.0, 3.0}
    assert len(bands_module._MEANS._made) <= bands_module._KEPT
