"""The rasters in resources/sample are what their seed says, and belong together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio

from training.demo.sample_rasters import FACTOR, FOLDER, write


def test_the_shipped_rasters_are_those_of_the_seed(tmp_path: Path) -> None:
    made = write(tmp_path)
    assert sorted(path.name for path in made) == sorted(path.name for path in FOLDER.iterdir())
    for path in made:
        with rasterio.open(path) as new, rasterio.open(FOLDER / path.name) as old:
            assert (new.transform, new.crs, new.units) == (old.transform, old.crs, old.units)
            np.testing.assert_allclose(new.read(), old.read(), atol=0.1)


def test_the_coarse_temperature_is_the_mean_of_the_fine_one() -> None:
    with rasterio.open(FOLDER / "simulated_fine_temperature.tif") as file:
        fine = file.read()
        dates = [file.tags(band)["DATE"] for band in file.indexes]
    with rasterio.open(FOLDER / "simulated_temperature_coarse.tif") as file:
        coarse = file.read()
        assert dates == [file.tags(band)["DATE"] for band in file.indexes]
    bands, rows, columns = coarse.shape
    blocks = fine.reshape(bands, rows, FACTOR, columns, FACTOR)
    np.testing.assert_allclose(blocks.mean((2, 4)), coarse, atol=1e-4)
