"""No result of a training command takes the place of what it reads, or of something else that stands."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from engine.errors import InputError
from tests.source_tree import ROOT
from training.cascade.train import train
from training.console.kept_inputs import check_kept, check_replaceable
from training.preparation.new_store import new_store
from training.schema.config import load_config, parse_config

TINY = ROOT / "training/configs/tiny.yaml"


def test_a_result_is_no_input_and_no_folder_around_one(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("a.tif", "b.tif"):
        (tmp_path / "data" / name).write_text("x")
    (tmp_path / "v.vrt").write_text("<V><SourceFilename>data/a.tif</SourceFilename></V>")
    os.link(tmp_path / "data/a.tif", tmp_path / "hard.html")
    for result in ("data/a.tif", "hard.html", "data", "."):
        for name in ("v.vrt", "data/a.tif", "GTIFF_DIR:1:data/a.tif"):
            with pytest.raises(InputError, match=r"would replace .*a\.tif, which is read"):
                check_kept([tmp_path / result], [name], tmp_path)
    check_kept([tmp_path / "data/b.tif", tmp_path / "new"], ["v.vrt"], tmp_path)
    with pytest.raises(InputError, match="would replace"):
        check_kept([tmp_path / "data"], [tmp_path / "data"])


def test_only_its_own_kind_is_replaced(tmp_path: Path) -> None:
    check_replaceable(tmp_path / "new", "card.json", "model package")
    (tmp_path / "empty").mkdir()
    check_replaceable(tmp_path / "empty", "card.json", "model package")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("x")
    for place in (tmp_path / "home", tmp_path / "home" / "thesis.tex"):
        with pytest.raises(InputError, match="is there already and is no model package"):
            check_replaceable(place, "card.json", "model package")
    with pytest.raises(InputError, match="is no store"), new_store(tmp_path / "home", overwrite=True):
        pass
    (tmp_path / "home" / "card.json").write_text("{}")
    check_replaceable(tmp_path / "home", "card.json", "model package")


def test_a_training_spares_other_folders_and_the_model_that_it_starts_from(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no model package"):
        train(load_config(TINY), tmp_path / "runs", output=ROOT / "docs", quiet=True)
    model = tmp_path / "model"
    shutil.copytree(ROOT / "resources/models/rainitur8", model)
    settings = load_config(ROOT / "training/configs/rain_itur.yaml").model_dump(mode="json")
    config = parse_config({**settings, "start_from": str(model)})
    with pytest.raises(InputError, match="would replace"):
        train(config, tmp_path / "runs", output=model, quiet=True)
    assert not (tmp_path / "runs").exists()


def test_an_evaluation_does_not_write_into_the_model(tmp_path: Path) -> None:
    from training.evaluate import run

    model = tmp_path / "model"
    shutil.copytree(ROOT / "resources/models/rainitur8", model)
    before = (model / "card.json").read_bytes()
    with pytest.raises(InputError, match=r"card\.json would replace"):
        run(["--model", str(model), "--report", str(model / "card.html")])
    assert (model / "card.json").read_bytes() == before
