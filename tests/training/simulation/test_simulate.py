"""The command that simulates: a store that training reads, called simulated, with pictures beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from engine.errors import InputError
from engine.fields.conservation import aggregate
from training import simulate
from training.data import store
from training.schema.config import load_config
from training.simulation.parameters import Parameters, load_parameters
from training.simulation.reanalysis import Reanalysis

SMALL = {
    "name": "little",
    "title": "A little snow, simulated",
    "regions": [{"name": "a", "base": 900, "steepness": 0.4}, {"name": "b", "base": 600, "steepness": 0.2}],
    "grid": {"factor": 4, "rows": 3, "columns": 3, "blend": 2.0},
    "terrain": {"rounds": 3},
    "period": {"years": 1, "spin_up": 0, "days": 120},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("simulated")
    (folder / "little.yaml").write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    path = folder / "little.zarr"
    assert simulate.run([str(folder / "little.yaml"), "--output", str(path), "--quiet"]) == 0
    return path


def test_training_reads_the_store(made: Path) -> None:
    archive = store.load(4, str(made))
    assert archive.simulated and "imulated" in archive.title
    assert archive.shape == (3, 6) and archive.fine.shape == (120, 12, 24)
    assert archive.dates[0] == "2001-10-01" and archive.dates[-1] == "2002-01-28"
    assert set(archive.sources) == {
        *("longwave", "shortwave", "precipitation", "pressure", "humidity", "temperature", "wind"),
        *("elevation", "ndvi", "climatology"),
    }
    assert archive.sources["elevation"].grid == "fine" and archive.sources["wind"].dynamic
    assert all(np.isfinite(s.values).all() for s in archive.sources.values() if s.values is not None)
    assert float(archive.fine.max()) > 0.1


def test_the_coarse_field_is_the_mean_of_the_truth(made: Path) -> None:
    archive = store.load(4, str(made))
    means = aggregate(torch.from_numpy(archive.fine), 4).numpy()
    np.testing.assert_allclose(archive.coarse, means, atol=1e-6)


def test_pictures_lie_beside_it(made: Path) -> None:
    assert made.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert "simulated" in made.with_suffix(".html").read_text(encoding="utf-8").lower()
    assert sorted(p.name for p in made.parent.iterdir()) == [
        "little.html",
        "little.png",
        "little.yaml",
        "little.zarr",
    ]


def test_some_of_the_dates(made: Path) -> None:
    whole, some = store.load(4, str(made)), store.load(4, str(made), every=7)
    assert some.dates == whole.dates[::7]
    np.testing.assert_array_equal(some.fine, whole.fine[::7])
    np.testing.assert_array_equal(some.sources["wind"].values, whole.sources["wind"].values[::7])
    np.testing.assert_array_equal(some.sources["ndvi"].values, whole.sources["ndvi"].values)
    on_disk = store.load(4, str(made), memory_gib=0.0, every=7)
    np.testing.assert_array_equal(np.asarray(on_disk.fine), some.fine)


def test_a_store_of_other_parameters_is_refused(made: Path) -> None:
    own = load_parameters(made.with_suffix(".yaml")).hash
    assert store.load(4, str(made), sha256=own).factor == 4
    with pytest.raises(InputError, match="simulated with these parameters"):
        store.load(4, str(made), sha256="0" * 64)


def test_a_store_that_is_there_stays(made: Path) -> None:
    with pytest.raises(InputError, match="there already"):
        simulate.simulate(made.with_suffix(".yaml"), made)


@pytest.mark.parametrize("name", ["snow16km", "snow16km_spatial", "snow16km_calendar"])
def test_the_configurations_train_on_the_frozen_parameters(name: str) -> None:
    config = load_config(f"training/configs/{name}.yaml")
    assert config.data.options["sha256"] == load_parameters("training/simulation/snow.yaml").hash
    assert "simulated" in config.model.description


def test_a_reanalysis_has_errors_and_without_one_there_are_none() -> None:
    field = np.full((3, 6), 5.0, np.float32)
    assert Reanalysis(Parameters.model_validate(SMALL)).disturb("wind", field) is field
    wrong = Reanalysis(Parameters.model_validate({**SMALL, "reanalysis": {}}))
    days = np.stack([wrong.disturb("precipitation", field) for _ in range(200)])
    assert (days > 0).all()
    daily = np.log(days / 5).std(0)
    np.testing.assert_allclose(daily, 0.35, atol=0.1)
    biases = np.log(days / 5).mean(0)
    assert 0.01 < np.abs(biases).max() < 0.8
