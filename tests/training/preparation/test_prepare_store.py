"""A store as an archive: in memory or read where it is looked at, cut, and trained on."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch
import yaml
import zarr
from affine import Affine

from engine.errors import InputError
from training.cascade.train import train
from training.cross_validate import folds_of
from training.data import store
from training.data.archive import block_mean
from training.data.lazy import FourAxes, LazyArray
from training.data.patches import View, Window, cut
from training.data.readers import load_archive
from training.data.repeats import repeated
from training.data.split import split_archive
from training.preparation.prepare import prepare
from training.schema.config import parse_config

K, H, W = 2, 12, 16
DATES = [f"{year}-{month:02d}" for year in (2001, 2002) for month in range(1, 13)]


@pytest.fixture(scope="module")
def rasters(tmp_path_factory):
    """Two years of rain that follows elevation, fine, with a hole; what made it; a store of them."""
    folder = tmp_path_factory.mktemp("rasters")
    rng = np.random.default_rng(0)
    elevation = rng.gamma(2, 200, (H * K, W * K)).astype(np.float32)
    season = 1 + 0.5 * np.cos(2 * np.pi * np.arange(24) / 12)
    rain = season[:, None, None] * (20 + elevation / 20) * rng.uniform(0.9, 1.1, (24, H * K, W * K))
    rain = rain.astype(np.float32)
    rain[:, 4:9, 6:11] = np.nan
    transform = Affine(1000, 0, 4_000_000, 0, -1000, 2_800_000)

    def write(name, bands, scale, dates=()):
        size = {"width": bands.shape[2], "height": bands.shape[1], "count": bands.shape[0]}
        place = {"crs": "EPSG:3035", "transform": transform * Affine.scale(scale), "nodata": np.nan}
        with rasterio.open(folder / name, "w", driver="GTiff", dtype="float32", **size, **place) as file:
            file.write(bands.astype(np.float32))
            for band, date in enumerate(dates, 1):
                file.update_tags(band, DATE=date)

    write("rain.tif", rain, 1, DATES)
    write("elevation.tif", elevation[None], 1)
    write("temperature.tif", rng.normal(10, 5, (24, H, W)), K, DATES)
    settings = {
        "name": "small",
        "title": "A small data set",
        "citation": "none",
        "licence": "CC0-1.0",
        "simulated": True,
        "factor": K,
        "target": {"name": "rain", "units": "mm", "fine": {"files": "rain.tif", "file_units": "mm"}},
        "sources": [
            {"name": "elevation", "units": "m", "grid": "fine", "files": "elevation.tif"},
            {"name": "temperature", "grid": "coarse", "dynamic": True, "files": "temperature.tif"},
        ],
    }
    (folder / "fine.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    settings["target"] = {"name": "rain", "units": "mm", "coarse": {"files": "rain.tif", "file_units": "mm"}}
    (folder / "coarse.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.preparation.prepare.write_summary", lambda *_: None)
        for mode in ("fine", "coarse"):
            prepare(folder / f"{mode}.yaml", folder / f"{mode}.zarr")
    return folder, rain, elevation


@pytest.fixture
def configured(settings, rasters):
    """A training configuration over the store."""
    settings["data"] = {"name": "store", "options": {"path": str(rasters[0] / "fine.zarr")}}
    settings["split"] = {
        "kind": "period",
        "train": [["2001-01", "2002-12"]],
        "test": [["2002-07", "2002-12"]],
        "gap_days": 20,
    }
    settings["sampling"] = {"size": 6, "batch": 2, "wet_bias": 0.5}
    settings["sources"][1] = {"name": "elevation", "derived": ["slope", "aspect"]}
    settings["validation"] = {"every": 6, "held_out": [5]}
    return settings


def test_the_archive_holds_what_the_rasters_hold(rasters):
    folder, rain, elevation = rasters
    archive = store.load(K, str(folder / "fine.zarr"))
    np.testing.assert_array_equal(archive.fine, rain)
    np.testing.assert_array_equal(archive.sources["elevation"].values, elevation[None, None])
    whole = np.isfinite(block_mean(rain, K))
    np.testing.assert_allclose(archive.coarse[whole], block_mean(rain, K)[whole], rtol=1e-6)
    assert archive.sources["temperature"].values.shape == (24, 1, H, W) and archive.dates[13] == "2002-02"
    assert archive.simulated and archive.units == "mm" and not archive.wrap
    assert archive.sources["climatology"].kind == "climatology"
    np.testing.assert_array_equal(archive.cell_size, 1000)


def test_what_stays_on_disk_is_cut_alike(rasters):
    path = str(rasters[0] / "fine.zarr")
    memory, disk = store.load(K, path), store.load(K, path, memory_gib=0)
    assert isinstance(disk.fine, LazyArray) and isinstance(disk.sources["temperature"].values, LazyArray)
    view = View(("elevation", "temperature", "climatology"), climatology_times=(0, 5))
    windows = [Window(3, 2, 4, flip_vertical=True), Window(20, 5, 9, flip_horizontal=True)]
    for halo in (0, 2):
        (a, truth), (b, same) = (cut(x, windows, (4, 5), halo, view) for x in (memory, disk))
        assert torch.equal(truth.nan_to_num(-1), same.nan_to_num(-1)) and truth.isnan().any()
        for one, other in (
            (a.target, b.target),
            (a.fine["elevation"], b.fine["elevation"]),
            (a.coarse["temperature"], b.coarse["temperature"]),
            (a.climatology, b.climatology),
        ):
            assert torch.equal(one.nan_to_num(-1), other.nan_to_num(-1))


def test_a_region_is_read_alone(rasters):
    path, bounds = str(rasters[0] / "fine.zarr"), [4_004_000, 2_780_000, 4_012_000, 2_796_000]
    memory, disk = (store.load(K, path, memory_gib=g, region=bounds) for g in (None, 0))
    assert isinstance(disk.fine, LazyArray) and disk.fine.shape == (24, 16, 8)
    np.testing.assert_array_equal(np.asarray(disk.fine), memory.fine)
    np.testing.assert_array_equal(memory.fine, rasters[1][:, 4:20, 4:12])


class Counted:
    """An array that counts the cells that are read."""

    def __init__(self, values):
        self.values, self.shape, self.dtype, self.cells = values, values.shape, values.dtype, 0

    def __getitem__(self, key):
        part = self.values[key]
        self.cells += part.size
        return part


def test_lazy_arrays_index_as_numpy_does():
    values = np.random.default_rng(0).random((5, 2, 8, 9))
    source = Counted(values)
    lazy = LazyArray(source)
    rows, columns = np.array([3, 2, 5])[:, None], np.array([7, 1, 1, 4])
    for key in (
        (2,),
        (-1, Ellipsis, slice(2, 4), slice(1, 9)),
        ([4, 0, 2],),
        ([4, 1], Ellipsis, slice(3, 6)),
        (slice(1, 3), 0),
        (1, 0, rows, columns),
        (Ellipsis, rows, columns),
        (None, 2, slice(None), slice(0, 4)),
        (2, None, 0),
        (slice(None), slice(None), slice(None, None, 2)),
        (slice(0, 0),),
    ):
        np.testing.assert_array_equal(np.asarray(lazy[key]), values[key], err_msg=str(key))
    assert isinstance(lazy[1:3, 0], LazyArray) and lazy.shape == values.shape and len(lazy) == 5
    source.cells = 0
    lazy[1][..., rows, columns]
    assert source.cells == 2 * 4 * 7, "the box round the cells, of one time"
    with pytest.raises(IndexError):
        lazy[5]


def test_axes_that_are_not_there_have_length_one():
    values = np.random.default_rng(0).random((8, 9))
    lazy = LazyArray(FourAxes(values, time=False, channel=False))
    np.testing.assert_array_equal(np.asarray(lazy), values[None, None])
    np.testing.assert_array_equal(np.asarray(lazy[0][..., 2:4, :]), values[None, 2:4])
    stacked = np.random.default_rng(0).random((4, 8, 9))
    lazy = LazyArray(FourAxes(stacked, time=True, channel=False))
    np.testing.assert_array_equal(np.asarray(lazy[[3, 1]]), stacked[[3, 1], None])


def test_without_a_truth_the_archive_is_one_level_up(rasters):
    """The coarse product's 24 × 32 cells become the truth; blocks of 5 × 5 leave edges that are masked."""
    folder, rain, _ = rasters
    archive = store.load(5, str(folder / "coarse.zarr"))
    assert archive.factor == 5 and archive.shape == (5, 7) and archive.fine.shape == (24, 25, 35)
    wanted = rain[:, :20, :30].copy()
    wanted[:, :10, 5:15] = np.nan  # the blocks that the hole touches
    np.testing.assert_array_equal(archive.fine[:, :20, :30], wanted)
    assert np.isnan(archive.fine[:, 20:]).all() and np.isnan(archive.fine[:, :, 30:]).all()
    np.testing.assert_allclose(archive.coarse[:, 4, 6], np.nanmean(rain[:, 20:, 30:], (1, 2)), rtol=1e-5)
    assert np.isfinite(archive.coarse[:, -1]).all(), "partial blocks have the mean of what is there"
    stored = zarr.open_group(str(folder / "coarse.zarr"), mode="r")["elevation"][:]
    averaged = archive.sources["elevation"].values[0, 0, :24, :32]
    np.testing.assert_allclose(averaged, block_mean(stored, K), rtol=1e-6)
    assert archive.sources["temperature"].values.shape == (24, 1, 5, 7)
    assert "one level up" in archive.title


def test_copies_of_a_neighbour_are_no_truth():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(9, 4, 5)).astype(np.float32)
    values[:, 1, 2] = values[:, 1, 1]
    values[:, 3, 0] = values[:, 2, 0]
    values[:, 0, 4] = values[:, 1, 4] = 0.0  # never anything else: no copy
    values[4, 3, 0] = values[4, 2, 0] = np.nan
    wanted = np.zeros((4, 5), bool)
    wanted[1, 1:3] = wanted[2:4, 0] = True
    np.testing.assert_array_equal(repeated(values), wanted)
    assert not repeated(values[:1]).any(), "one time tells nothing"


def test_values_that_rounding_makes_alike_are_no_copies():
    """Whole millimetres of rain: neighbours agree at a few dates by chance, not at many."""
    rng = np.random.default_rng(0)
    smooth = np.cumsum(rng.normal(scale=0.5, size=(40, 20, 30)), 2)
    rain = np.round(np.maximum(smooth, 0)).astype(np.float32)
    rain[:, 7, 12] = rain[:, 7, 11] = np.arange(40) % 5
    few = rain[:3]
    same = ((few[:, :, 1:] == few[:, :, :-1]).all(0) & (few[:, :, 1:] != few[:1, :, 1:]).any(0)).mean()
    assert same > 0.1, "many pairs are alike"
    assert not repeated(few).any()
    copies = repeated(rain)
    assert copies[7, 11:13].all() and copies.sum() == 2


def test_a_split_by_periods_keeps_a_gap(rasters, configured):
    config = parse_config(configured)
    archive = load_archive(config)
    split = split_archive(config, archive)
    assert [archive.dates[t] for t in split.test.times] == DATES[18:]
    trained = {archive.dates[t] for t in (*split.train.times, *split.validation.times)}
    assert trained == set(DATES[:17]), "June 2002 is nearer than 20 days"
    assert {archive.dates[t] for t in split.validation.times} == {"2001-05", "2002-05"}
    configured["split"] |= {"train_columns": [4e6, 4.02e6], "test_columns": [4.02e6, 4.032e6]}
    split = split_archive(parse_config(configured), archive)
    assert split.train.columns == (0, 10) and split.test.columns == (10, 16)
    assert len(split.train.times) + len(split.validation.times) == 24
    del configured["split"]["train_columns"]  # all but those of the test
    beside = split_archive(parse_config(configured), archive)
    assert beside.train.cells[:, :10].all() and not beside.train.cells[:, 10:].any()
    assert beside.train.times == split.train.times and beside.test.columns == (10, 16)
    assert beside.training_view.climatology_cells is beside.train.cells
    assert "all but x from 4.02e+06" in parse_config(configured).split.region
    undated = replace(archive, dates=tuple(f"--{d[-2:]}" for d in archive.dates))
    with pytest.raises(InputError, match="months without years"):
        split_archive(parse_config(configured), undated)


def test_a_period_can_be_held_out_for_validation(rasters, configured):
    years = [["2001", "2001"], ["2002-01", "2002-05"]]
    configured["validation"] = {"every": 5, "periods": years}
    folds = folds_of(parse_config(configured))
    assert folds == [{"held_out_periods": [year]} for year in years]
    configured["validation"] |= folds[1]
    config = parse_config(configured)
    archive = load_archive(config)
    split = split_archive(config, archive)
    assert split.held_out and [archive.dates[t][:4] for t in split.train.times] == ["2001"] * 12
    assert [archive.dates[t] for t in split.validation.times] == DATES[12:17]
    assert set(split.training_view.climatology_times) == set(split.train.times)
    configured["validation"]["held_out_periods"] = [["1999", "1999"]]
    with pytest.raises(InputError, match=r"held_out_periods: there is no training date"):
        split_archive(parse_config(configured), archive)
    configured["validation"]["held_out_periods"] = [["2002", "2001"]]
    with pytest.raises(InputError, match=r"held_out_periods: the period 2002 to 2001 ends before"):
        parse_config(configured)
    configured["validation"]["held_out_periods"] = [["2001", "2001"]]
    configured["split"] = {"kind": "temporal", "train": [1, 2], "test": [3]}
    with pytest.raises(InputError, match=r"held_out_periods goes with split\.kind: period"):
        parse_config(configured)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"train": [["2002-01", "2001-01"]]}, "ends before it begins"),
        ({"train": [["January", "2001-01"]]}, "no date with a year"),
        ({"train_columns": [0, 1]}, "need test_columns"),
        ({"train_columns": [0, 5], "test_columns": [4, 9]}, "overlap"),
    ],
)
def test_wrong_periods_are_named(configured, change, words):
    configured["split"] |= change
    with pytest.raises(InputError, match=words):
        parse_config(configured)


def test_a_model_trains_on_the_store(rasters, configured, tmp_path):
    config = parse_config(configured)
    package = train(config, tmp_path / "runs", quiet=True)
    training = package.card.raw["training"]
    assert training["simulated"] is True and training["split"]["gap_days"] == 20
    assert training["period"] == "2001-01 to 2002-12"
    for name, values in package.card.raw["metrics"].items():
        assert all(np.isfinite(v) for v in values.values()), name


def test_a_model_trains_one_level_up(rasters, configured, tmp_path):
    configured["data"]["options"] = {"path": str(rasters[0] / "coarse.zarr"), "memory_gib": 0}
    configured["factor"] = 3
    configured["sources"] = [{"name": "temperature"}, {"name": "elevation", "derived": ["slope"]}]
    configured["steps"] = 6
    package = train(parse_config(configured), tmp_path / "runs", quiet=True)
    assert "one level up" in package.card.raw["training"]["data"]


def test_what_does_not_fit_is_one_sentence(rasters, tmp_path):
    path = str(rasters[0] / "fine.zarr")
    with pytest.raises(InputError, match="has factor 2, not 4"):
        store.load(4, path)
    with pytest.raises(InputError, match="there is no store"):
        store.load(2, str(tmp_path / "none.zarr"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="cannot be read as a Zarr store"):
        store.load(2, str(tmp_path / "empty"))


def test_a_store_does_not_take_the_place_of_what_it_is_made_of(rasters, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("rain.tif", "elevation.tif", "temperature.tif", "fine.yaml"):
        shutil.copy(rasters[0] / name, folder / name)
    os.link(folder / "fine.yaml", folder / "out.html")  # as the summary page would be named
    for output in (folder, folder / "rain.tif", folder / "out.zarr"):
        with pytest.raises(InputError, match=r"would replace .*, which is read"):
            prepare(folder / "fine.yaml", output, overwrite=True)
    (folder / "out.html").unlink()
    assert prepare(folder / "fine.yaml", folder / "out.zarr").store.is_dir()
