"""Model packages: what is written can be read, and each way of damage is named."""

from __future__ import annotations

import copy
import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from engine.errors import InputError, PackageError
from engine.package.folder import check_weights, find_package, installed, load_package, write_package

CARD = {
    "msr_card": 1,
    "id": "tinyrain8",
    "name": "Tiny rain",
    "version": "1.0.0",
    "description": "A stand-in.",
    "factor": 8,
    "resolution": {"coarse": 2.0, "fine": 0.25, "units": "degree"},
    "target": {
        "name": "rainfall",
        "units": "mm/month",
        "transform": "log1p",
        "bounds": [0.0, None],
        "conservation": "multiplicative",
        "range": [0.0, 900.0],
    },
    "sources": [
        {"name": "temperature", "units": "degC", "grid": "coarse", "dynamic": True},
        {
            "name": "elevation",
            "units": "m",
            "grid": "fine",
            "derived": ["slope"],
            "normalisation": {"elevation": {"mean": 300.0, "std": 700.0}},
        },
    ],
    "network": {"season": False},
    "training": {"data": "none", "simulated": True, "period": "months 1-9", "split": "temporal"},
    "metrics": {"tinyrain8": {"rmse": 7.0, "mae": 2.2, "js_distance": 0.006}},
    "licence": "GPL-2.0-or-later",
    "mlm:name": "Tiny rain",
}
WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.zeros(2)}


@pytest.fixture
def package_folder(tmp_path: Path) -> Path:
    raster = tmp_path / "dem.tif"
    raster.write_bytes(b"not read by this test")
    write_package(tmp_path / "models" / "tiny", CARD, WEIGHTS, {"elevation": raster})
    return tmp_path / "models" / "tiny"


def edit(folder: Path, change) -> None:
    path = folder / "card.json"
    card = json.loads(path.read_text())
    change(card)
    path.write_text(json.dumps(card))


def test_round_trip(package_folder: Path) -> None:
    package = load_package(package_folder)
    assert package.card.id == "tinyrain8"
    assert package.card.target.bounds == (0.0, None)
    assert package.card.source("elevation").derived == ("slope",)
    weights = package.weights()
    assert set(weights) == set(WEIGHTS)
    assert torch.equal(weights["a.weight"], WEIGHTS["a.weight"])
    assert package.default_raster("elevation") == package_folder / "elevation.tif"
    assert package.default_raster("temperature") is None
    assert package.default_raster("absent") is None


def test_write_replaces_and_leaves_nothing_else(package_folder: Path) -> None:
    write_package(package_folder, {**CARD, "version": "1.1.0"}, WEIGHTS)
    assert load_package(package_folder).card.version == "1.1.0"
    assert [p.name for p in package_folder.parent.iterdir()] == ["tiny"]
    assert not (package_folder / "elevation.tif").exists()


def test_an_invalid_card_is_not_written(package_folder: Path) -> None:
    with pytest.raises(PackageError, match="factor"):
        write_package(package_folder, {**CARD, "factor": 7}, WEIGHTS)
    assert load_package(package_folder).card.factor == 8
    assert [p.name for p in package_folder.parent.iterdir()] == ["tiny"]


def test_a_source_that_was_the_same_everywhere_in_training_has_a_range_of_one_value(
    package_folder: Path,
) -> None:
    edit(package_folder, put([7.0, 7.0], "sources", 0, "range"))
    assert load_package(package_folder).card.sources[0].range == (7.0, 7.0)


def drop(*path):
    def change(card):
        for key in path[:-1]:
            card = card[key]
        del card[path[-1]]

    return change


def put(value, *path):
    def change(card):
        for key in path[:-1]:
            card = card[key]
        card[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (drop("licence"), "licence is missing"),
        (drop("sources", 1, "units"), r"sources\[1\]\.units is missing"),
        (put(1, "surprise"), "unknown field: surprise"),
        (put(1, "target", "surprise"), "unknown field in target: surprise"),
        (put(2, "msr_card"), "newer MSR"),
        (put(0, "msr_card"), "msr_card"),
        (put(7, "factor"), "factor"),
        (put(101, "factor"), "factor"),
        (put("8", "factor"), "factor"),
        (put("Rain8", "id"), "id"),
        (put("rain-8", "id"), "id"),
        (put("rain8\n", "id"), "id"),
        (put("superresolve", "id"), "keeps for itself"),
        (put("kelvin", "target", "transform"), "target.transform"),
        (put("soft", "target", "conservation"), "target.conservation"),
        (put([None, None], "target", "bounds"), "target.bounds"),
        (put([5, 1], "target", "bounds"), "target.bounds"),
        (put([5, 5], "target", "bounds"), "target.bounds"),
        (put([1, 0], "target", "range"), "target.range"),
        (put(0, "target", "std"), "target.std"),
        (put(1.5, "target", "strength"), "target.strength"),
        (put("texture", "sources", 0, "kind"), r"sources\[0\]\.kind"),
        (put("class", "sources", 0, "kind"), r"sources\[0\]\.classes"),
        (put("climatology", "sources", 0, "kind"), r"sources\[0\]\.grid"),
        (put("elevation", "sources", 0, "name"), "elevation stands twice"),
        (put("../../secret.tif", "sources", 1, "default", "file"), "plain file name"),
        (put("/etc/passwd", "sources", 1, "default", "file"), "plain file name"),
        (put("..\\weights.safetensors", "weights", "file"), "plain file name"),
        (put("other.safetensors", "weights", "file"), "other.safetensors is missing"),
        (put("0" * 64, "weights", "sha256"), "weights.safetensors.*sha256"),
        (put(3, "weights", "bytes"), "weights.safetensors.*not whole"),
        (put("0" * 64, "sources", 1, "default", "sha256"), "elevation.tif.*sha256"),
        (put([], "network"), "network"),
        (put([10**9], "network", "widths"), r"network\.widths\[0\]"),
        (put([0, 10**6], "network", "boxes"), r"network\.boxes\[1\]"),
        (put({"target": 10**9}, "network", "fine"), r"network\.fine\.target"),
        (put({"a": {"rmse": "low"}}, "metrics"), "metrics.a.rmse"),
        (put([], "spread"), "spread"),
        (put([{"sources": ["snow"], "factor": 1.0}], "spread"), r"spread\[0\] names a source.*: snow"),
        (put([{"sources": [], "factor": 0}], "spread"), r"spread\[0\]\.factor"),
    ],
)
def test_a_wrong_field_is_named(package_folder: Path, change, words: str) -> None:
    edit(package_folder, change)
    with pytest.raises(PackageError, match=words) as caught:
        load_package(package_folder)
    assert "\n" not in str(caught.value).strip()
    assert caught.value.kind == "package" and caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "card.json is not valid JSON"),
        (b"", "card.json is not valid JSON"),
        (b"\xff\xfe\x00", "card.json is not valid JSON"),
        (b"[]", "does not hold a JSON object"),
        (b"null", "does not hold a JSON object"),
        (b'{"msr_card": NaN}', "NaN"),
        (b'{"id": "a", "id": "b"}', "id stands twice"),
        (b"[" * 100_000, "card.json is not valid JSON"),
    ],
)
def test_a_card_that_is_no_card(package_folder: Path, content: bytes, words: str) -> None:
    (package_folder / "card.json").write_bytes(content)
    with pytest.raises(PackageError, match=words):
        load_package(package_folder)


def test_missing_files(package_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="not the folder"):
        load_package(tmp_path / "absent")
    (package_folder / "elevation.tif").unlink()
    with pytest.raises(PackageError, match=r"elevation.tif is missing"):
        load_package(package_folder)
    (package_folder / "weights.safetensors").unlink()
    with pytest.raises(PackageError, match=r"weights.safetensors is missing"):
        load_package(package_folder)
    (package_folder / "card.json").unlink()
    with pytest.raises(PackageError, match=r"has no card.json"):
        load_package(package_folder)


def replace_weights(folder: Path, data: bytes) -> None:
    """Put other bytes in place, with a card that agrees with them."""
    import hashlib

    (folder / "weights.safetensors").write_bytes(data)
    edit(folder, put(hashlib.sha256(data).hexdigest(), "weights", "sha256"))
    edit(folder, put(len(data), "weights", "bytes"))


@pytest.mark.parametrize("cut", [4, 20, -3])
def test_truncated_weights(package_folder: Path, cut: int) -> None:
    data = (package_folder / "weights.safetensors").read_bytes()
    (package_folder / "weights.safetensors").write_bytes(data[:cut])
    with pytest.raises(PackageError, match=r"weights.safetensors.*not whole"):
        load_package(package_folder)
    replace_weights(package_folder, data[:cut])
    with pytest.raises(PackageError, match=r"weights.safetensors is not a whole safetensors file"):
        load_package(package_folder).weights()


def test_a_pickle_is_never_read(package_folder: Path) -> None:
    replace_weights(package_folder, b"\x80\x04cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(PackageError, match="not a whole safetensors file"):
        load_package(package_folder).weights()


def test_weights_changed_after_loading(package_folder: Path) -> None:
    package = load_package(package_folder)
    path = package_folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(PackageError, match="sha256"):
        package.weights()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(package_folder: Path, value: float) -> None:
    bad = {**WEIGHTS, "a.bias": torch.tensor([0.0, value])}
    write_package(package_folder, CARD, bad)
    with pytest.raises(PackageError, match=r"a\.bias holds values that are not finite"):
        load_package(package_folder).weights()


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ({"a.weight": (2, 3), "a.bias": (2,), "b": (1,)}, "lacks the tensor b"),
        ({"a.weight": (3, 2), "a.bias": (2,)}, r"a\.weight has the shape \(2, 3\).*needs \(3, 2\)"),
        ({"a.weight": (2, 3)}, r"does not know: a\.bias"),
    ],
)
def test_weights_that_do_not_fit(package_folder: Path, expected, words: str) -> None:
    package = load_package(package_folder)
    with pytest.raises(PackageError, match=words):
        check_weights(package, package.weights(), expected)


def test_fitting_weights_pass(package_folder: Path) -> None:
    package = load_package(package_folder)
    check_weights(package, package.weights(), {n: tuple(t.shape) for n, t in WEIGHTS.items()})


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
@pytest.mark.parametrize("name", ["card.json", "weights.safetensors", "elevation.tif"])
def test_a_link_out_of_the_folder(package_folder: Path, tmp_path: Path, name: str) -> None:
    shutil.move(package_folder / name, tmp_path / "outside")
    (package_folder / name).symlink_to(tmp_path / "outside")
    with pytest.raises(PackageError, match=f"{name} leads out of"):
        load_package(package_folder)


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_loop_of_links_and_a_folder_in_a_files_place(package_folder: Path) -> None:
    path = package_folder / "elevation.tif"
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(PackageError, match=r"elevation\.tif"):
        load_package(package_folder)
    path.unlink()
    path.mkdir()
    with pytest.raises(PackageError, match="is not a file"):
        load_package(package_folder)


def test_sizes_are_bounded(package_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.package.folder.MAX_WEIGHTS_BYTES", 10)
    with pytest.raises(PackageError, match=r"weights\.safetensors is larger"):
        load_package(package_folder)
    monkeypatch.setattr("engine.package.folder.MAX_CARD_BYTES", 10)
    with pytest.raises(PackageError, match=r"card\.json is larger"):
        load_package(package_folder)


def test_find_by_id_by_folder_and_by_environment(
    package_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    models = package_folder.parent
    assert find_package("tinyrain8", [models]).folder == package_folder
    assert find_package(str(package_folder)).folder == package_folder
    with pytest.raises(InputError, match=r"no model tinyrain9.*installed models:.*tinyrain8"):
        find_package("tinyrain9", [models])
    monkeypatch.setenv("MSR_MODELS", f"{tmp_path / 'absent'}{os.pathsep}{models}")
    assert find_package("tinyrain8").folder == package_folder


def test_installed_names_broken_and_duplicate_packages(package_folder: Path, tmp_path: Path) -> None:
    models = package_folder.parent
    shutil.copytree(package_folder, models / "zcopy")
    (models / "broken").mkdir()
    (models / ".tiny.1.new").mkdir()
    found = installed([models])
    mine = [f for f in found if isinstance(f, PackageError) or f.folder.parent == models]
    good = [f.folder.name for f in mine if not isinstance(f, PackageError)]
    bad = sorted(str(f) for f in mine if isinstance(f, PackageError) and str(models) in str(f))
    assert good == ["tiny"]
    assert len(bad) == 2
    assert "broken is no model package" in bad[0]
    assert "zcopy has the id tinyrain8" in bad[1]


def test_the_card_given_is_not_changed(tmp_path: Path) -> None:
    before = copy.deepcopy(CARD)
    write_package(tmp_path / "tiny", CARD, WEIGHTS)
    assert before == CARD
