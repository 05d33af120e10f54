"""Installing models, hostile packages included, and showing their cards."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import struct
import threading
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest
from osgeo import gdal
from qgis.core import QgsProcessingException

from msr_plugin.folders import profile_models
from msr_plugin.packages import model_install
from msr_plugin.packages.cards import read_card
from msr_plugin.packages.model_install import InstallError, install


@pytest.fixture
def models(tmp_path) -> Path:
    """An empty folder of installed models."""
    return tmp_path / "profile" / "models"


@pytest.fixture
def zipped(tiny_model, tmp_path):
    """Return a function that zips the tiny model; `change` may edit the list of (name or info, bytes)."""

    def make(change=lambda entries: None, top="tinyrain/") -> Path:
        entries = [(top + p.name, p.read_bytes()) for p in sorted(tiny_model.iterdir())]
        change(entries)
        path = tmp_path / "model.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in entries:
                archive.writestr(name, data)
        return path

    return make


def content(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*")) if folder.exists() else []


@pytest.mark.parametrize("top", ["", "tinyrain/", "any name-1.0/"])
def test_a_zip_is_installed_whole(zipped, models, tiny_model, top):
    path = zipped(lambda entries: entries.append((top + "LICENSE.txt", b"CC0")), top)
    installed = install(path, models)
    assert installed.card.folder == models / "tinyrain"
    assert not installed.replaced
    assert content(models) == ["tinyrain"] + [
        f"tinyrain/{n}" for n in ("LICENSE.txt", "card.json", "weights.safetensors")
    ]
    weights = (models / "tinyrain" / "weights.safetensors").read_bytes()
    assert weights == (tiny_model / "weights.safetensors").read_bytes()


def test_a_folder_or_its_card_is_installed(tiny_model, models):
    assert install(tiny_model, models).card.id == "tinyrain"
    assert install(tiny_model / "card.json", models, replace=True).replaced
    assert content(models) == ["tinyrain", "tinyrain/card.json", "tinyrain/weights.safetensors"]


def test_a_model_is_replaced_only_when_asked(zipped, models):
    install(zipped(), models)
    (models / "tinyrain" / "mark").write_text("the first")
    with pytest.raises(InstallError, match="installed already"):
        install(zipped(), models)
    assert (models / "tinyrain" / "mark").exists()
    assert install(zipped(), models, replace=True).replaced
    assert not (models / "tinyrain" / "mark").exists()


def link(entries):
    info = zipfile.ZipInfo("tinyrain/readme.txt")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    entries.append((info, b"/etc/passwd"))


def device(entries):
    info = zipfile.ZipInfo("tinyrain/readme.txt")
    info.external_attr = (stat.S_IFCHR | 0o666) << 16
    entries.append((info, b""))


def edit_card(entries, **fields):
    name, data = entries[0]
    entries[0] = (name, json.dumps({**json.loads(data), **fields}))


def named(name):
    return lambda entries: entries.append((name, b"x"))


def changed_weights(entries):
    name, data = entries[1]
    entries[1] = (name, data[:-1] + bytes([data[-1] ^ 1]))


HOSTILE = {
    "climbing out": (named("../evil.txt"), "not allowed"),
    "climbing out of a folder": (named("tinyrain/../../evil.txt"), "not allowed"),
    "absolute": (named("/tmp/evil.txt"), "not allowed"),
    "backslashes": (named("tinyrain\\..\\..\\evil.txt"), "not allowed"),
    "drive": (named("C:evil.txt"), "not allowed"),
    "control letters": (named("tinyrain/a\nb"), "not allowed"),
    "link": (link, "link"),
    "device": (device, "link or device"),
    "two cards": (lambda entries: entries.append(("other/card.json", b"{}")), "more than one"),
    "no card": (lambda entries: entries.pop(0), "has no card.json"),
    "same name in two cases": (named("tinyrain/WEIGHTS.safetensors"), "same name"),
    "too many files": (lambda e: e.extend((f"tinyrain/{n}", b"") for n in range(600)), "more than 500"),
    "changed weights": (changed_weights, "sha256"),
    "cut weights": (lambda e: e.__setitem__(1, (e[1][0], e[1][1][:-5])), "bytes"),
    "no weights": (lambda entries: entries.pop(1), "lacks the file"),
    "id with path": (lambda e: edit_card(e, id="../evil"), "the field id"),
    "generic id": (lambda e: edit_card(e, id="installmodel"), "keeps for itself"),
    "weights elsewhere": (
        lambda e: edit_card(e, weights={"file": "../../x", "sha256": "0" * 64, "bytes": 1}),
        "the field file",
    ),
    "card as weights": (
        lambda e: edit_card(e, weights={"file": "card.json", "sha256": "0" * 64, "bytes": 1}),
        "lacks the file",
    ),
    "card too deep": (lambda e: e.append(("a/b/" + e.pop(0)[0], b"{}")), "at the top or in one folder"),
    "huge card": (lambda e: e.__setitem__(0, (e[0][0], b" " * 1_100_000)), "larger than a card"),
    "damaged card": (lambda e: e.__setitem__(0, (e[0][0], b"{")), "not valid JSON"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_zip_is_refused_and_leaves_nothing(zipped, models, tmp_path, kind):
    change, words = HOSTILE[kind]
    path = zipped(change)
    with pytest.raises(InstallError, match=words):
        install(path, models)
    assert content(models) == []
    assert not list(tmp_path.parent.glob("evil*")) and not list(tmp_path.rglob("evil*"))


def test_a_zip_bomb_is_stopped_while_it_unpacks(zipped, models, monkeypatch):
    monkeypatch.setattr(model_install, "MAX_BYTES", 100_000)
    with pytest.raises(InstallError, match="larger than"):
        install(zipped(lambda e: e.append(("tinyrain/README.md", b"0" * 200_000))), models)
    path = zipped(lambda e: e.__setitem__(1, (e[1][0], b"0" * 200_000)))
    data = bytearray(path.read_bytes())
    size = struct.pack("<I", 200_000)
    assert data.count(size) == 2  # in the local and in the central header
    path.write_bytes(bytes(data).replace(size, struct.pack("<I", 10)))  # it claims to be small
    with pytest.raises(InstallError):
        install(path, models)
    assert content(models) == []


def test_damaged_zips_are_refused(zipped, models, tmp_path):
    whole = zipped().read_bytes()
    damaged = tmp_path / "damaged.zip"
    for data in (b"", b"no zip", whole[: len(whole) // 2], whole[:-10]):
        damaged.write_bytes(data)
        with pytest.raises(InstallError):
            install(damaged, models)
    middle = len(whole) // 2
    damaged.write_bytes(whole[:middle] + bytes(64) + whole[middle + 64 :])
    with pytest.raises(InstallError):
        install(damaged, models)
    with pytest.raises(InstallError, match="no file or folder"):
        install(tmp_path / "absent.zip", models)
    assert content(models) == []


def test_a_folder_with_links_is_refused(tiny_model, models, tmp_path):
    folder = tmp_path / "package"
    shutil.copytree(tiny_model, folder)
    (folder / "weights.safetensors").unlink()
    (folder / "weights.safetensors").symlink_to(tiny_model / "weights.safetensors")
    with pytest.raises(InstallError, match="link"):
        install(folder, models)
    assert content(models) == []


def test_cancel_and_a_refusal_of_the_engine_leave_nothing(zipped, models):
    with pytest.raises(InstallError, match="Cancelled"):
        install(zipped(), models, is_cancelled=lambda: True)

    def refuse(folder):
        assert read_card(folder).id == "tinyrain"  # it sees the whole copy
        raise InstallError("The engine does not like it.")

    with pytest.raises(InstallError, match="does not like"):
        install(zipped(), models, inspect=refuse)
    assert content(models) == []


@pytest.fixture
def own_models(qgis_app):
    """The profile's folder of models; removed afterwards."""
    yield profile_models()
    shutil.rmtree(profile_models(), ignore_errors=True)


def test_an_installed_model_shows_at_once(provider, make_model, own_models, tmp_path):
    import processing

    package = make_model(tmp_path, "otherrain")
    archive = shutil.make_archive(str(tmp_path / "otherrain"), "zip", package)
    loaded = []
    provider.algorithmsLoaded.connect(lambda: loaded.append(threading.get_ident()))
    assert provider.algorithm("otherrain") is None
    result = processing.run("msr:installmodel", {"INPUT": archive})
    assert result == {"MODEL": "otherrain", "VERSION": "1.0.0", "FOLDER": str(own_models / "otherrain")}
    assert provider.algorithm("otherrain").displayName() == "Rain with elevation"
    assert loaded == [threading.get_ident()]
    with pytest.raises(QgsProcessingException, match="REPLACE"):
        processing.run("msr:installmodel", {"INPUT": archive})
    processing.run("msr:installmodel", {"INPUT": archive, "REPLACE": True})


def test_a_model_that_corrects_is_installed_with_its_factors(
    provider, make_model, rasters, own_models, tmp_path
):
    import processing

    package = make_model(tmp_path, "mendedrain", "Rain, corrected", "corrected")
    archive = shutil.make_archive(str(tmp_path / "mendedrain"), "zip", package)
    processing.run("msr:installmodel", {"INPUT": archive})
    files = ("bias.safetensors", "card.json", "weights.safetensors")
    assert content(own_models) == ["mendedrain"] + [f"mendedrain/{name}" for name in files]
    output = str(tmp_path / "fine.tif")
    inputs = {"TARGET": rasters["target"], "SOURCE_ELEVATION": rasters["elevation"], "DATE": "2001-01"}
    result = processing.run("msr:mendedrain", {**inputs, "OUTPUT": output})
    fine, coarse = (gdal.Open(path).ReadAsArray().astype(float) for path in (output, rasters["target"]))
    assert fine.reshape(10, 4, 12, 4).mean((1, 3)) == pytest.approx(coarse + 3, rel=1e-4)
    assert result["RESIDUAL"] < 1e-3
    factors = own_models / "mendedrain" / "bias.safetensors"
    factors.write_bytes(factors.read_bytes()[:-4])
    with pytest.raises(QgsProcessingException, match=r"bias\.safetensors"):
        processing.run("msr:mendedrain", {**inputs, "OUTPUT": output})


def test_the_engine_looks_at_a_package_before_it_is_installed(provider, tiny_model, own_models, tmp_path):
    import processing

    folder = tmp_path / "odd"
    shutil.copytree(tiny_model, folder)
    card = json.loads((folder / "card.json").read_text())
    weights = b"\x00" * 100  # the hash fits, but these are no weights
    (folder / "weights.safetensors").write_bytes(weights)
    card["weights"].update(sha256=hashlib.sha256(weights).hexdigest(), bytes=100)
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(QgsProcessingException):
        processing.run("msr:installmodel", {"INPUT": str(folder)})
    assert content(own_models) == []


def test_without_an_engine_a_model_can_be_installed(no_engine, provider, tiny_model, own_models, feedback):
    import processing

    processing.run("msr:installmodel", {"INPUT": str(tiny_model)}, feedback=feedback)
    assert (own_models / "tinyrain" / "card.json").is_file()
    assert any("no engine" in text for text in feedback.said["info"])


class Page(HTMLParser):
    """Collects tags and text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = set(), ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        assert not [name for name, _ in attrs if name not in ("charset",)]

    def handle_data(self, data):
        self.text += data


def test_the_card_is_shown(provider, tmp_path):
    import processing

    path = tmp_path / "card.html"
    result = processing.run("msr:modelinfo", {"MODEL": "tinyrain", "OUTPUT": str(path)})
    assert (result["ID"], result["FACTOR"], result["UNITS"]) == ("tinyrain", 4, "mm")
    assert result["SOURCES"] == "temperature,elevation"
    page = Page(path.read_text(encoding="utf-8"))
    for words in ("Rain with elevation", "Elevation", "CC0-1.0", "1.5", "rmse", "simulated"):
        assert words in page.text


def test_model_information_tells_whether_there_are_ensembles(noisy_provider, tmp_path):
    import processing

    for model, wanted, words in (("noisyrain", True, ">yes<"), ("tinyrain", False, ">no, one estimate<")):
        path = tmp_path / f"{model}.html"
        assert processing.run("msr:modelinfo", {"MODEL": model, "OUTPUT": str(path)})["ENSEMBLE"] is wanted
        page = path.read_text(encoding="utf-8")
        assert words in page[page.index("Ensembles") :][:60]


def test_nothing_of_a_card_is_markup(provider, tiny_model, tmp_path):
    import processing

    evil = "<script>alert('x')</script><img src=x onerror=\"alert(1)\">&amp;"
    folder = tmp_path / "evil"
    shutil.copytree(tiny_model, folder)
    card = json.loads((folder / "card.json").read_text())

    def spoil(value):
        if isinstance(value, dict):
            return {key: spoil(item) for key, item in value.items()} | {evil: evil}
        return [spoil(item) for item in value] if isinstance(value, list) else value

    for key in ("name", "description", "licence"):
        card[key] = evil
    card.update(citation=evil, training=spoil(card["training"]), metrics=spoil(card["metrics"]))
    card["metrics"][evil] = {evil: 1.0}
    card["target"].update(title=evil, units="<b>mm")
    card["sources"][0].update(title=evil, units="<img src=x>")
    card["x-more"] = {evil: [evil]}
    card["resolution"] = evil
    (folder / "card.json").write_text(json.dumps(card))
    path = tmp_path / "card.html"
    processing.run("msr:modelinfo", {"MODEL": str(folder), "OUTPUT": str(path)})
    page = Page(path.read_text(encoding="utf-8"))
    assert not page.tags & {"script", "img", "b"}
    assert page.text.count(evil) >= 8
    from msr_plugin.algorithms.installed_model import ModelAlgorithm

    algorithm = ModelAlgorithm(read_card(folder)).create()
    assert "<script" not in algorithm.shortHelpString()


def test_a_model_that_is_not_there_is_named(provider):
    import processing

    with pytest.raises(QgsProcessingException, match=r"MODEL.*nosuch.*tinyrain"):
        processing.run("msr:modelinfo", {"MODEL": "nosuch", "OUTPUT": "TEMPORARY_OUTPUT"})


def test_a_page_that_cannot_be_written_is_told_in_own_words(provider, tmp_path):
    import processing

    with pytest.raises(QgsProcessingException, match="cannot be written: it is a folder, and a file is"):
        processing.run("msr:modelinfo", {"MODEL": "tinyrain", "OUTPUT": str(tmp_path)})
