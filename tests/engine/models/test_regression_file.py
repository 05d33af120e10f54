"""The regression of a base in a package: whole after a round trip, refused where it does not fit the card."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.errors import PackageError
from engine.models.loading import load_model
from engine.models.regression_file import read_regression
from engine.package.folder import REGRESSION_FILE, file_sha256, load_package
from tests.engine.models.regressed_package import fitted, package_with


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    return package_with(tmp_path / "model", fitted())


@pytest.mark.parametrize("weights", [True, False])
def test_a_round_trip_keeps_every_number(tmp_path: Path, weights: bool) -> None:
    own = fitted(weights)
    folder = package_with(tmp_path / "model", own)
    read = read_regression(load_package(folder))
    assert read is not None and read.place == own.place and (read.radius, read.working) == (1, False)
    assert torch.equal(read.known, own.known) and not own.known.all()
    pairs = [(read.relation.mean, own.relation.mean), (read.relation.level, own.relation.level)]
    if own.relation.weights is None:
        assert read.relation.weights is None
    else:
        pairs.append((read.relation.weights, own.relation.weights))
    for found, given in pairs:
        assert torch.equal(found[own.known], given[own.known]) and not found[~own.known].any()
    kept = load_file(folder / REGRESSION_FILE)
    assert kept["mean"].shape == (11, 9), "what nothing is known of is not kept"


def test_a_file_with_all_cells_is_read(tmp_path: Path) -> None:
    folder, own = package_with(tmp_path / "model", fitted()), fitted()
    whole = {"mean": own.relation.mean, "level": own.relation.level, "weights": own.relation.weights}
    rewrite(folder, lambda tensors: tensors.update(whole))
    read = read_regression(load_package(folder))
    assert read is not None and torch.equal(read.relation.level, own.relation.level)


def test_a_package_with_it_loads(folder: Path) -> None:
    method = load_model(load_package(folder), torch.device("cpu"), precision="float32")
    assert method.module.base.regression_weight == 0.75
    assert sorted(path.name for path in folder.iterdir()) == [
        "card.json",
        REGRESSION_FILE,
        "weights.safetensors",
    ]


def change(folder: Path, edit) -> None:
    card = json.loads((folder / "card.json").read_text())
    edit(card)
    (folder / "card.json").write_text(json.dumps(card))


def rewrite(folder: Path, edit) -> None:
    """Change the tensors, and let the card know."""
    path = folder / REGRESSION_FILE
    tensors = load_file(path)
    edit(tensors)
    save_file(tensors, path)
    entry = {"sha256": file_sha256(path), "bytes": path.stat().st_size}
    change(folder, lambda card: card["base"]["regression"].update(entry))


def test_a_file_that_was_changed_is_refused(folder: Path) -> None:
    path = folder / REGRESSION_FILE
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(PackageError, match="damaged or was changed"):
        load_package(folder)
    path.unlink()
    with pytest.raises(PackageError, match="missing from the model package"):
        load_package(folder)


@pytest.mark.parametrize(
    "edit, words",
    [
        (lambda t: t.pop("mean"), "lacks the tensor mean"),
        (lambda t: t.update(level=torch.zeros(3, 4, 9)), "the tensor level has the shape"),
        (lambda t: t.update(weights=torch.zeros(3, 4, 25, 4)), "the tensor weights has the shape"),
        (lambda t: t.update(known=torch.zeros(12, dtype=torch.uint8)), "has the shape"),
        (lambda t: t.update(level=torch.full((3, 4, 4), torch.nan)), "not finite"),
    ],
)
def test_tensors_that_do_not_fit_are_named(folder: Path, edit, words: str) -> None:
    rewrite(folder, edit)
    with pytest.raises(PackageError, match=words):
        load_model(load_package(folder), torch.device("cpu"), precision="float32")


@pytest.mark.parametrize(
    "edit, words",
    [
        (lambda c: c["base"].pop("regression"), "neither stands alone"),
        (lambda c: c["base"].update(weights={"bilinear": 1.0}), "neither stands alone"),
        (lambda c: c["base"]["regression"].update(transform=[1, 0, 0, 0, 1, 0]), "north up"),
        (lambda c: c["base"]["regression"].update(radius=0), "at least 1"),
        (lambda c: c["base"]["regression"].update(file="../x"), "plain file name"),
        (lambda c: c["base"]["regression"].pop("sha256"), "base.regression.sha256 is missing"),
        (lambda c: c.update(cascade={"steps": [2], "assumption": "x"}), "the model is a cascade"),
    ],
)
def test_a_card_that_cannot_be_is_refused(folder: Path, edit, words: str) -> None:
    change(folder, edit)
    with pytest.raises(PackageError, match=words):
        load_package(folder)


def test_a_crs_that_is_none_is_refused(folder: Path) -> None:
    change(folder, lambda card: card["base"]["regression"].update(crs="nowhere"))
    with pytest.raises(PackageError, match="crs is no CRS"):
        read_regression(load_package(folder))
