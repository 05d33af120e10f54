"""Stores filled by a cluster's workers: the bytes that threads of one process write, whoever is killed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml
from affine import Affine
from distributed import LocalCluster

from engine.errors import InputError
from tests.engine.cluster.conftest import bytes_in
from tests.training.cluster.conftest import killing
from training import prepare as command
from training.preparation import block_task, building

DATES = [f"{2001 + n // 12}-{n % 12 + 1:02d}" for n in range(64)]


@pytest.fixture
def description(tmp_path: Path) -> Path:
    """Some years of months of a truth with holes, a coarse product of its own, and sources of both kinds."""
    random = np.random.default_rng(0)
    truth = random.gamma(2.0, 30, (64, 256, 384)).astype(np.float32)
    truth[:, :9, :30], truth[7] = np.nan, np.nan
    product = np.nan_to_num(truth, nan=60).reshape(64, 64, 4, 96, 4).mean((2, 4)) + 5

    def write(name: str, values: np.ndarray, cell: float, units: str) -> None:
        size = {"count": len(values), "height": values.shape[1], "width": values.shape[2]}
        place = {"crs": "EPSG:3035", "transform": Affine(cell, 0, 4e6, 0, -cell, 2.8e6), "nodata": np.nan}
        with rasterio.open(tmp_path / name, "w", driver="GTiff", dtype="float32", **size, **place) as file:
            file.write(values.astype(np.float32))
            file.units = (units,) * len(values)
            for band, date in enumerate(DATES if len(values) == len(DATES) else (), 1):
                file.update_tags(band, DATE=date)

    write("truth.tif", truth, 500, "mm")
    write("product.tif", product, 2000, "mm")
    write("height.tif", random.gamma(2, 200, (1, 256, 384)), 500, "m")
    write("warmth.tif", random.normal(10, 5, (64, 64, 96)), 2000, "degC")
    settings = {
        **{"name": "rain", "title": "Rain", "citation": "none", "licence": "CC0-1.0", "simulated": True},
        "factor": 4,
        "target": {
            **{"name": "rain", "units": "mm", "valid_range": [0, 200]},
            "fine": {"files": "truth.tif"},
            "coarse": {"files": "product.tif"},
        },
        "sources": [
            {"name": "elevation", "units": "m", "grid": "fine", "files": "height.tif"},
            {"name": "temperature", "grid": "coarse", "dynamic": True, "files": "warmth.tif"},
        ],
    }
    path = tmp_path / "rain.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def aggregated(description: Path) -> None:
    """Let the coarse field be the mean of the truth."""
    settings = yaml.safe_load(description.read_text())
    settings["target"]["coarse"] = "aggregate"
    description.write_text(yaml.safe_dump(settings), encoding="utf-8")


@pytest.mark.parametrize("product", ["aggregate", "independent"])
def test_workers_write_the_bytes_of_one_process_and_a_killed_ones_blocks_are_written_again(
    description: Path, tmp_path: Path, cluster: LocalCluster, product: str, capfd: pytest.CaptureFixture
) -> None:
    if product == "aggregate":
        aggregated(description)
    one, many = tmp_path / "one.zarr", tmp_path / "many.zarr"
    assert command.run([str(description), "--output", str(one), "--workers", "1"]) == 0
    told = capfd.readouterr().out.replace("one.", "many.").splitlines()
    where = ["--cluster", cluster.scheduler_address]
    with killing(cluster, lambda: any(tmp_path.glob("*many*/*/1.*"))) as killed:
        assert command.run([str(description), "--output", str(many), *where]) == 0
    assert killed and bytes_in(many) == bytes_in(one)
    assert many.with_suffix(".html").read_text() == one.with_suffix(".html").read_text()
    lines = capfd.readouterr().out.splitlines()
    assert sum("blocks of dates are aligned" in line for line in lines) >= 4
    kept = [line for line in lines if "blocks of dates" not in line and not line.startswith("Summary")]
    assert kept == [line for line in told if not line.startswith("Summary")]


def test_a_worker_that_sees_other_rasters_is_told(description: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from training.preparation.planning import make_plan
    from training.schema.dataset import load_dataset

    dataset = load_dataset(description)
    plan = make_plan(dataset, description.parent)
    job = block_task.PreparationJob(dataset, description.parent, description.parent, plan.times[1:])
    with pytest.raises(InputError, match=r"sees other rasters in .* a disk that all machines share"):
        job.make(0)
    job = block_task.PreparationJob(dataset, description.parent, description.parent / "no", plan.times)
    with pytest.raises(InputError, match=r"does not see .*no: the store must lie on a disk"):
        job.make(0)
    assert building.block_edges(plan)[0] < len(DATES)  # or the other test shows nothing


def test_what_a_killed_worker_has_half_written_does_not_stay(
    description: Path, tmp_path: Path, cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = block_task.create

    def planted(plan, path: Path, *more) -> None:
        create(plan, path, *more)
        (path / "target_fine" / "1.0.0123.partial").write_bytes(b"half")

    monkeypatch.setattr(block_task, "create", planted)
    words = [
        str(description),
        "--output",
        str(tmp_path / "many.zarr"),
        "--cluster",
        cluster.scheduler_address,
    ]
    assert command.run(words) == 0
    assert not list((tmp_path / "many.zarr").rglob("*.partial"))
