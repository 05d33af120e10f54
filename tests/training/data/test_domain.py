"""The fine cells that count: learned from the truth, told by a raster or a source, kept by the package."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine

from engine.errors import InputError
from engine.fields.conservation import aggregate
from training.cascade.train import train
from training.data.cached_inputs import from_patch
from training.data.patches import Window, cut
from training.data.split import split_archive
from training.evaluation.comparison import evaluate_all
from training.schema.config import parse_config
from training.trainer.trainer import Trainer

BLOCKS = {"kind": "temporal", "train": [1, 2, 3, 4], "test": [5, 6], "blocks": {"size": 3, "test": 0.3}}


def land(archive) -> np.ndarray:
    """A ragged coast, and one coarse cell without any land."""
    inside = archive.sources["elevation"].values[0, 0] > 120
    inside[:2, 4:6] = False
    return inside


@pytest.fixture
def coast(archive):
    """The small archive over land alone: coarse values are means of it, and the elevation ends there."""
    inside = land(archive)
    fine = np.where(inside, archive.fine, np.nan).astype(np.float32)
    fine[3, ~inside] = 7  # once there was a truth everywhere
    coarse = aggregate(torch.from_numpy(np.where(inside, fine, np.nan)), 2).numpy()
    coarse[:, 0, 2] = 5  # of another origin: the sea has values too
    ground = replace(
        archive.sources["elevation"],
        values=np.where(inside, archive.sources["elevation"].values, np.nan).astype(np.float32),
    )
    return replace(archive, fine=fine, coarse=coarse, sources={**archive.sources, "elevation": ground})


def configured(settings, **changes):
    sources = [{"name": "elevation"}, {"name": "climatology"}]
    return parse_config({**settings, "data": {"name": "small"}, "sources": sources, **changes})


def test_cells_that_hardly_have_a_truth_do_not_count(settings, coast, archive):
    config = configured(settings)
    few = replace(coast, fine=coast.fine.repeat(3, 0), coarse=coast.coarse.repeat(3, 0))
    times = {name: np.tile(getattr(archive, name), 3) for name in ("months", "days")}
    few = replace(few, dates=archive.dates * 3, **times)
    few.fine[12:, ~land(archive)] = np.nan  # one date of 24
    split = split_archive(config, few)
    assert np.array_equal(split.domain.cells, land(archive))
    assert "of the fine cells count (truth on at least 5% of the training dates)" in split.domain.told
    for view in (split.training_view, split.test_view):
        assert view.domain is split.domain.cells
    assert split_archive(configured(settings, domain="all"), few).domain is None
    assert split_archive(config, coast).domain is None, "one date of eight is enough"
    assert split_archive(config, archive).domain is None


def test_dates_without_any_truth_do_not_count(settings, coast):
    fine = coast.fine.copy()
    fine[1:] = np.nan  # of the training's dates one alone has a truth
    fine[0, ~land(coast)] = np.nan
    split = split_archive(configured(settings), replace(coast, fine=fine))
    assert np.array_equal(split.domain.cells, np.isfinite(fine[0]))


def test_a_product_of_another_origin_speaks_of_every_cell_until_it_is_corrected(settings, coast):
    truth = np.where(coast.fine != 7, coast.fine, np.nan)
    other = replace(coast, fine=truth, coarse=coast.coarse + np.float32(3))
    assert split_archive(configured(settings), other).domain is None
    corrected = configured(settings, bias={"method": "ratio"})
    assert np.array_equal(split_archive(corrected, other).domain.cells, land(coast))


@pytest.mark.parametrize("tells", (True, False))
def test_where_truth_is_held_out_a_source_tells_or_every_cell_counts(settings, coast, archive, tells):
    fine = np.where(np.isfinite(coast.fine) & (coast.fine != 7), coast.fine, np.nan)
    given = replace(coast, fine=fine)
    if not tells:
        given = replace(given, sources=archive.sources)
    split = split_archive(configured(settings, split=BLOCKS, validation={"every": 6}), given)
    hidden = ~split.train.cells.repeat(2, 0).repeat(2, 1)
    expected = land(coast) if tells else land(coast) | hidden
    assert hidden.any() and np.array_equal(split.domain.cells, expected)
    where = "those with elevation" if tells else "all"
    assert f"where none was to be seen, {where}" in split.domain.told


def test_a_source_or_a_raster_may_say_which_cells_count(settings, coast, archive, tmp_path):
    inside = land(archive)
    split = split_archive(configured(settings, domain="elevation"), coast)
    assert np.array_equal(split.domain.cells, inside) and split.domain.source == "elevation"
    with pytest.raises(InputError, match="domain: climatology cannot tell"):
        split_archive(configured(settings, domain="climatology"), coast)

    def write(name, cells, transform=archive.fine_transform):
        shape = {"height": cells.shape[0], "width": cells.shape[1], "count": 1, "dtype": "uint8"}
        with rasterio.open(
            tmp_path / name, "w", driver="GTiff", crs="EPSG:4326", transform=transform, **shape
        ) as file:
            file.write(cells.astype(np.uint8), 1)
        return str(tmp_path / name)

    own = split_archive(configured(settings, domain=write("mask.tif", inside)), archive).domain
    assert np.array_equal(own.cells, inside) and "mask.tif" in own.told and not own.source
    far = write("far.tif", inside, Affine(1, 0, 0, 0, -1, -60))
    for path in (far, write("none.tif", 0 * inside)):
        with pytest.raises(InputError, match="marks no fine cell of the data set small"):
            split_archive(configured(settings, domain=path), archive)
    with pytest.raises(InputError, match="absent"):
        split_archive(configured(settings, domain="absent.tif"), archive)
    with pytest.raises(InputError, match="domain sea is neither auto, all, a source"):
        configured(settings, domain="sea")


def test_batches_and_flips_keep_to_the_domain(settings, coast, tmp_path):
    config = configured(settings, losses={"adversarial": None})
    trainer = Trainer(config, coast, split_archive(config, coast), tmp_path)
    view = replace(trainer.split.training_view, domain=land(coast))
    window, size = Window(4, 2, 15, frozenset({5}), flip_horizontal=True, flip_vertical=True), (6, 8)
    patch, truth = cut(coast, [window], size, 0, view)
    columns = np.arange(30, 46) % 40
    expected = land(coast)[4:16][::-1, columns[::-1]]
    assert np.array_equal(patch.domain[0], expected) and np.array_equal(torch.isfinite(truth[0]), expected)
    plain = replace(window, flip_horizontal=False, flip_vertical=False)
    one = from_patch(trainer.model, coast, [plain], size, view)
    trainer.fields.view, trainer.fields.kept = view, type(trainer.fields.kept)()
    two = trainer.fields.batch([plain], size, view)
    for batch in (one, two):
        assert np.array_equal(torch.isfinite(batch.inputs.base[0]), land(coast)[4:16][:, columns])
    assert torch.allclose(one.inputs.base.nan_to_num(), two.inputs.base.nan_to_num(), atol=1e-4)


def test_a_trained_package_carries_the_domain_and_conserves_over_it(settings, coast, small, tmp_path):
    from training.data.readers import READERS

    truth = np.where(coast.fine != 7, coast.fine, np.nan)
    given = replace(coast, fine=truth)
    READERS["small"] = lambda factor: given  # undone by the fixture
    quick = {"losses": {"adversarial": None}, "sampling": {"size": 4, "batch": 4}, "base": "blend"}
    config = configured(settings, **quick)
    package = train(config, tmp_path, quiet=True)
    assert package.card.domain.file
    with rasterio.open(package.domain_raster) as file:
        assert np.array_equal(file.read(1) > 0, land(coast)) and file.transform == coast.fine_transform
        assert "of the fine cells count" in file.tags()["told"]
    split = split_archive(config, given)
    evaluation = evaluate_all(config, given, split, package, trees=False, samples=20)
    for name in ("tiny", "bicubic-conservative", "climatologyratio-conservative"):
        score = evaluation.score(name)
        assert score.values["conservation_residual"] < 1e-3, name
        assert np.isfinite(score.values["rmse"])
    rule = train(configured(settings, **quick, domain="elevation"), tmp_path / "rule", quiet=True)
    assert rule.card.raw["domain"] == {"source": "elevation"}
