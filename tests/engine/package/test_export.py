"""Packages handed on: the zip that can be installed, and the Item of a STAC catalogue."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from engine.commands.cli import main
from engine.errors import Cancelled, InputError
from engine.package.export import export_package, files_of
from engine.package.folder import SHIPPED, load_package
from engine.package.stac_item import EVER, MLM, stac_item

SHIPPED_IDS = sorted(folder.name for folder in SHIPPED.iterdir())


@pytest.mark.parametrize("id", SHIPPED_IDS)
def test_the_zip_holds_the_whole_package(id, tmp_path):
    package = load_package(SHIPPED / id)
    export_package(package, tmp_path / "model.zip", None)
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        archive.extractall(tmp_path)
    again = load_package(tmp_path / id)
    assert again.card.raw == package.card.raw and files_of(again) == files_of(package)
    first = (tmp_path / "model.zip").read_bytes()
    export_package(package, tmp_path / "model.zip", None)
    assert (tmp_path / "model.zip").read_bytes() == first


@pytest.mark.parametrize("id", SHIPPED_IDS)
def test_the_item_says_what_the_card_says(id, tmp_path):
    package = load_package(SHIPPED / id)
    export_package(package, tmp_path / "models" / "model.zip", tmp_path / "item.json")
    item = json.loads((tmp_path / "item.json").read_text())
    card, told = package.card, item["properties"]
    assert MLM in item["stac_extensions"] and (item["type"], item["stac_version"]) == ("Feature", "1.1.0")
    assert {"mlm:name", "mlm:architecture", "mlm:tasks", "mlm:input", "mlm:output"} <= set(told)
    names = [card.target.name, *(source.name for source in card.sources)]
    assert [each["name"] for each in told["mlm:input"]] == names
    assert set(told["cube:variables"]) == set(names)
    for each in told["mlm:input"]:
        assert len(each["input"]["shape"]) == len(each["input"]["dim_order"])
    west, south, east, north = item["bbox"]
    assert -180 <= west < east <= 180 and -90 <= south < north <= 90
    asset = item["assets"]["model"]
    file = tmp_path / asset["href"]
    assert "mlm:model" in asset["roles"] and asset["mlm:artifact_type"] and file.is_file()
    assert asset["file:size"] == file.stat().st_size
    assert asset["file:checksum"] == "1220" + hashlib.sha256(file.read_bytes()).hexdigest()
    assert told["license"] == card.raw["licence"] and told["version"] == card.version


def test_times_place_and_licence_where_a_card_tells_less(tmp_path):
    package = load_package(SHIPPED / "snow16km")
    told = stac_item(package, "./w")["properties"]
    assert (told["start_datetime"], told["end_datetime"]) == ("2001-10-01T00:00:00Z", "2004-09-23T23:59:59Z")
    raw = package.card.raw
    for period, expected in (
        ("long-term monthly means", EVER),
        (None, EVER),
        ("2001-02 to 2003-02", ("2001-02-01T00:00:00Z", "2003-02-28T23:59:59Z")),
        ("2001 to 2003", ("2001-01-01T00:00:00Z", "2003-12-31T23:59:59Z")),
        ("2001-13 to 2003-14", EVER),
    ):
        raw["training"]["period"] = period
        told = stac_item(package, "./w")["properties"]
        assert (told["start_datetime"], told["end_datetime"]) == expected
    raw["licence"] = "not stated"
    for region in (
        None,
        {"crs": "EPSG:nowhere", "bounds": [0, 0, 1, 1]},
        {"crs": "EPSG:4326", "bounds": [1]},
    ):
        raw["training"]["region"] = region
        item = stac_item(package, "./w")
        assert item["geometry"] is None and "bbox" not in item
    assert item["properties"]["license"] == "other"
    assert item["assets"]["model"]["file:checksum"] == "1220" + raw["weights"]["sha256"]


def test_what_cannot_be_written_is_refused(tmp_path):
    package = load_package(shutil.copytree(SHIPPED / "rainitur8", tmp_path / "rainitur8"))
    (tmp_path / "there.zip").write_text("x")
    for output, stac, words in (
        (None, None, "Nothing is to be written"),
        (tmp_path / "m.tif", None, r"must end in \.zip"),
        (None, tmp_path / "m.txt", r"must end in \.json"),
        (None, package.folder / "card.json", "lies in the package itself"),
    ):
        with pytest.raises(InputError, match=words):
            export_package(package, output, stac)
    with pytest.raises(InputError, match="there already"):
        export_package(package, tmp_path / "there.zip", None, overwrite=False)

    def stop() -> None:
        raise Cancelled("The run was cancelled.")

    with pytest.raises(Cancelled):
        export_package(package, tmp_path / "new.zip", None, check_cancelled=stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rainitur8", "there.zip"]


def test_the_command_line_exports(tmp_path, capsys):
    files = [str(tmp_path / name) for name in ("m.zip", "m.json")]
    assert main(["export", "--model", "rainitur8", "--output", files[0], "--stac", files[1]]) == 0
    assert "rainitur8" in capsys.readouterr().out and all(Path(file).is_file() for file in files)
    assert main(["export", "--model", "rainitur8", "--json", "--stac", files[1]]) == 0
    assert json.loads(capsys.readouterr().out)["stac"] == files[1]
    assert main(["export", "--model", "rainitur8"]) == 2
    assert "--output OUT.zip, --stac OUT.json" in capsys.readouterr().err
    assert main(["export", "--model", "nothing", "--stac", files[1]]) == 2
    assert main(["export", "--model", "rainitur8", "--stac", files[1], "--no-overwrite"]) == 2
