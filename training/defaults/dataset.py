"""A training from the description of a data set alone: its store is made, all else is chosen."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from engine.errors import InputError
from engine.methods.interface import ELEVATION
from engine.raster.cf.store_contents import check_store
from training.console.needed import load
from training.data.whole_store import whole_store
from training.preparation.prepare import inputs_of, prepare
from training.schema.cascade import MOST_STEPS, order_of_steps
from training.schema.config import Config, load_config, parse_config
from training.schema.dataset import Dataset, DatasetSource, is_description, load_dataset
from training.schema.yaml_file import read_yaml

# Of elevation.
DERIVED = ("slope", "aspect", "anomaly", "position", "relief", "exposure", "standardised")
# Of a coarse product of another origin: dates that a correction needs at least, and dates for each quantile.
FEWEST_CORRECTED, DATES_EACH, MOST_QUANTILES = 60, 6, 50


def open_config(
    path: Path, stores: Path, say: Callable[[str], None] | None, workers: int | None = None
) -> Config:
    """Return the configuration in a file; of a data set's description, one that leaves all else open.

    The data set's store is made where there is none. A store by itself says all that its description did.

    Args:
        path: of the YAML file, or of a store that is made.
        stores: folder of the store.
        say: is told what preparing tells; None: quiet.
        workers: threads that prepare; None: one for each processor.

    Raises:
        InputError: the file is neither; or the store is of another description, or older than its rasters.
    """
    if path.is_dir():
        return _told_config(_dataset_of(path), path, say)
    if not describes_data(path):
        return load_config(path)
    dataset = load_dataset(path)
    store = stores / f"{dataset.name}.zarr"
    config_of(dataset, store)  # refused before the long work
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not store.exists():
        raise InputError(f"{path}: several processes cannot prepare one store: run training.prepare before.")
    _store_of(dataset, path, store, say, workers or os.cpu_count() or 1)
    return _told_config(dataset, store, say)


def _told_config(dataset: Dataset, store: Path, say: Callable[[str], None] | None) -> Config:
    """Return the configuration of a data set whose store is made; tell how its coarse field is treated."""
    if dataset.target.mode == "coarse" and say is not None:
        say("There is no fine truth: a cascade is learned from the coarse field itself.")
    if dataset.target.mode != "independent":
        return config_of(dataset, store)
    config = config_of(dataset, store, _dates(store))
    if say is not None:
        say(_correction_in_words(config))
    return config


def describes_data(path: Path) -> bool:
    """Return whether a YAML file is the description of a data set, and no configuration.

    Raises:
        InputError: as `training.schema.yaml_file.read_yaml`.
    """
    return path.is_dir() or is_description(read_yaml(path))


def config_of(dataset: Dataset, store: Path, dates: int = 0) -> Config:
    """Return the configuration of a data set: data, factor and sources, all else left open.

    Args:
        dataset: the data set.
        store: where it is prepared.
        dates: of an independent coarse product, which is corrected if they are enough.
    """
    id = f"{dataset.name.replace('_', '')}{dataset.factor}"
    title = dataset.target.title or dataset.title
    settings: dict[str, Any] = {
        "model": {
            "id": id,
            "name": f"{title} (×{dataset.factor})",
            "description": f"{dataset.title}, {dataset.factor} times finer, learned with MSR's defaults.",
            "version": "1.0.0",
            "licence": dataset.licence,
            "citation": f"Trained on: {dataset.citation}",
        },
        "data": {"name": "store", "options": {"path": store.as_posix()}},
        "factor": dataset.factor,
        "sources": [_source(source) for source in dataset.sources],
    }
    if dataset.target.mode == "coarse":
        settings["cascade"] = {"steps": _steps(dataset)}
        settings["sources"] = [{k: v for k, v in s.items() if k != "derived"} for s in settings["sources"]]
    if dataset.target.mode == "independent":
        settings["target"] = {"strength": "auto"}
        if dates >= FEWEST_CORRECTED:
            quantiles = min(MOST_QUANTILES, max(5, dates // DATES_EACH))
            settings["bias"] = {"method": "quantile_mapping", "quantiles": quantiles}
    return parse_config(settings, f"the data set {dataset.name}")


def _steps(dataset: Dataset) -> list[int]:
    """Return the small steps that make up the factor.

    Raises:
        InputError: it is no product of 2, 3 and 5, or of too many of them.
    """
    steps = [step for step in (2, 3, 5) if dataset.factor % step == 0]
    try:
        order_of_steps(dataset.factor, tuple(steps))
    except ValueError as error:
        raise InputError(
            f"factor: {dataset.factor} cannot be learned in small steps, as it must where there is no fine "
            f"truth: take a product of at most {MOST_STEPS} factors 2, 3 and 5."
        ) from error
    return steps


def _dataset_of(store: Path) -> Dataset:
    """Return the description that a store was made of.

    Raises:
        InputError: it is no store of training.prepare, or of an older version.
    """
    if not (store / ".zattrs").is_file():
        raise InputError(
            f"{store} is a folder, but no store: give a store (NAME.zarr), a description or a configuration."
        )
    dataset = _described(store)
    if dataset is None:
        raise InputError(f"The store {store} is of another version of MSR: make it again.")
    return dataset


def _source(source: DatasetSource) -> dict[str, Any]:
    """Return a source as a configuration names it; what does not change is shipped with the model."""
    ships = not source.dynamic and source.kind == "continuous"
    derived = DERIVED if source.name == ELEVATION and source.grid == "fine" else ()
    return {"name": source.name, "default": ships, "derived": list(derived)}


def _store_of(
    dataset: Dataset, path: Path, store: Path, say: Callable[[str], None] | None, workers: int
) -> None:
    """Make the store, or see that the one that is there is of this description and of these rasters."""
    if not store.exists():
        load("dask.array", "xarray", "zarr", "matplotlib")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # the blocks are what runs in parallel
        try:
            prepare(path, store, workers, say=say)
        finally:
            torch.set_num_threads(threads)
        return
    again = f"make it again with python -m training.prepare {path} --overwrite"
    if _described(store) != dataset:
        raise InputError(f"The store {store} was made of another description than {path}: {again}.")
    made = (store / ".zattrs").stat().st_mtime
    for name in inputs_of(dataset, path.resolve().parent):
        file = path.resolve().parent / name
        if file.is_file() and file.stat().st_mtime > made:
            raise InputError(f"The store {store} is older than {file}: {again}.")
    if say is not None:
        say(f"The data are read from {store}, which is there already.")


def _correction_in_words(config: Config) -> str:
    """Say how a coarse product of another origin is treated."""
    begun = "The coarse product is of another origin than the truth"
    kept = "conserved as strongly as is best on dates held out"
    if config.bias is None:
        return f"{begun}: it is {kept}, and not corrected, since its dates are too few."
    how = f"quantile mapping at {config.bias.quantiles} quantiles"
    return f"{begun}: it is corrected first, by {how}, and {kept}."


def _dates(store: Path) -> int:
    """Return how many dates a store has."""
    import zarr

    with whole_store(str(store)):
        group: Any = zarr.open_group(str(store), mode="r")
        return int(group["date"].shape[0])


def _described(store: Path) -> Dataset | None:
    """Return the description that a store was made of; None where it is none that is understood now."""
    import zarr

    with whole_store(str(store)):
        check_store(str(store), str(store))
        told = json.loads(str(zarr.open_group(str(store), mode="r").attrs["dataset"]))
    try:
        return Dataset.model_validate(told)
    except ValidationError:
        return None
