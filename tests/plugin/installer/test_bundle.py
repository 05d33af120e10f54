"""Bundles: made from the local index, taken without it, refused where they do not fit."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from msr_plugin.installer import jobs
from msr_plugin.installer import plan as plan_module
from msr_plugin.installer.bundle import Bundle
from msr_plugin.installer.bundle_maker import make_bundle
from msr_plugin.installer.downloads import fetch_all
from msr_plugin.installer.installation import install
from msr_plugin.installer.problems import InstallCancelled, InstallProblem
from msr_plugin.installer.progress import Watcher
from msr_plugin.installer.python_choice import FittingPython

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def bundle(lock, network, watcher, tmp_path) -> Path:
    path = tmp_path / "engine.msrbundle.zip"
    make_bundle(plan_module.make_plan("cpu", lock=lock, standalone=True), path, network, watcher.watcher)
    return path


def test_it_holds_all_of_an_engine(bundle, lock) -> None:
    with zipfile.ZipFile(bundle) as archive:
        names = set(archive.namelist())
    assert {f"files/{file.name}" for file in (lock.uv, lock.python)} <= names
    assert {"files/affine-1.0-py3-none-any.whl", "files/torch-1.0-py3-none-any.whl"} <= names
    assert not [name for name in names if "cu1" in name or "tqdm" in name]
    assert Bundle(bundle).manifest.platform == "testos-x86_64"


def test_it_installs_without_a_network(bundle, plan, watcher, fine, index) -> None:
    asked = len(index.asked)
    engine = install(plan, Bundle(bundle), watcher.watcher, fine)
    assert fine(engine.interpreter)[0] and len(index.asked) == asked
    assert any(progress.phase.startswith("Copying") for progress in watcher.progress)


def change(path: Path, name: str, content: bytes | None) -> None:
    """Write a bundle anew with one member changed, or left out."""
    with zipfile.ZipFile(path) as archive:
        members = {n: archive.read(n) for n in archive.namelist()}
    members[name] = content if content is not None else b""
    with zipfile.ZipFile(path, "w") as archive:
        for each, data in members.items():
            if content is not None or each != name:
                archive.writestr(each, data)


@pytest.mark.parametrize(("content", "words"), [(b"other", "checksum differs"), (None, "lacks affine")])
def test_the_plugins_lock_decides_not_the_bundle(bundle, plan, watcher, fine, content, words) -> None:
    change(bundle, "files/affine-1.0-py3-none-any.whl", content)
    with pytest.raises(InstallProblem, match=words):
        install(plan, Bundle(bundle), watcher.watcher, fine)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 half"])
def test_what_is_no_bundle_is_refused(tmp_path, content, qgis_app) -> None:
    path = tmp_path / "no.zip"
    path.write_bytes(content)
    with pytest.raises(InstallProblem, match=r"no\.zip is no bundle"):
        Bundle(path)
    with pytest.raises(InstallProblem, match="there is no such file"):
        Bundle(tmp_path / "absent.zip")


AFFINE = "files/affine-1.0-py3-none-any.whl"


def spoilt(path: Path, how: str, name: str) -> None:
    """Write a bundle anew with one member that cannot be read."""
    with zipfile.ZipFile(path) as archive:
        members = {n: archive.read(n) for n in archive.namelist()}
    kind = {"deflated": zipfile.ZIP_DEFLATED, "bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}
    with zipfile.ZipFile(path, "w") as archive:
        for each, data in members.items():
            archive.writestr(each, data, kind.get(how, zipfile.ZIP_STORED) if each == name else None)
        entry = archive.getinfo(name)
    raw = bytearray(path.read_bytes())
    begin, listed = entry.header_offset, raw.rfind(name.encode()) - 46
    if how == "encrypted":
        raw[begin + 6] |= 1
        raw[listed + 8] |= 1
    elif how == "unknown":
        raw[begin + 8] = raw[listed + 10] = 99
    else:
        raw[begin + 40 + len(name) : begin + 80 + len(name)] = b"\xff" * 40
    path.write_bytes(raw)


@pytest.mark.parametrize("how", ["stored", "deflated", "bzip2", "lzma", "encrypted", "unknown"])
def test_what_cannot_be_read_in_it_is_told(bundle, plan, watcher, fine, how) -> None:
    other = bundle.with_name("other.zip")
    shutil.copyfile(bundle, other)
    spoilt(other, how, "msr-bundle.json")
    with pytest.raises(InstallProblem, match=r"no bundle of this plugin, or damaged"):
        Bundle(other)
    spoilt(bundle, how, AFFINE)
    with pytest.raises(InstallProblem, match=r"engine\.msrbundle\.zip is damaged: copy it again"):
        install(plan, Bundle(bundle), watcher.watcher, fine)


def test_a_file_that_swells_does_not_fill_the_disk(bundle, plan, watcher, fine, profile) -> None:
    change(bundle, AFFINE, bytes(9_000_000))
    largest = 0

    def look(*_) -> None:
        nonlocal largest
        largest = max(largest, *(path.stat().st_size for path in (profile / "downloads").glob("affine*")), 0)

    files = [file for file in plan.files if file.name.startswith("affine")]
    with pytest.raises(InstallProblem, match="checksum differs"):
        fetch_all(files, profile / "downloads", Bundle(bundle), Watcher(look, look, lambda: bool(look())))
    assert largest <= 1 << 21 and not list((profile / "downloads").iterdir())


def test_a_bundle_that_is_taken_away_is_named(bundle, plan, watcher, fine) -> None:
    opened = Bundle(bundle)
    bundle.unlink()
    with pytest.raises(InstallProblem, match=r"engine\.msrbundle\.zip: there is no such file"):
        install(plan, opened, watcher.watcher, fine)


def test_where_the_plugin_has_no_checksum_the_bundles_own_is_told(bundle, plan, watcher, fine) -> None:
    wheels = [dataclasses.replace(w, sha256="") if w.name.startswith("torch") else w for w in plan.wheels]
    open_plan = dataclasses.replace(plan, wheels=tuple(wheels))
    install(open_plan, Bundle(bundle), watcher.watcher, fine)
    told = [line for line in watcher.lines if line.endswith("its checksum is the bundle's own")]
    assert [line.split("-")[0] for line in told] == ["torch"]
    change(bundle, "files/torch-1.0-py3-none-any.whl", b"other")
    with pytest.raises(InstallProblem, match="checksum differs"):
        install(open_plan, Bundle(bundle), watcher.watcher, fine)


@pytest.mark.parametrize("key", ["platform", "variant", "sets", "digest", "python", "files"])
def test_a_manifest_says_texts(bundle, key) -> None:
    with zipfile.ZipFile(bundle) as archive:
        manifest = json.loads(archive.read("msr-bundle.json"))
    manifest[key] = {"a": 3} if key == "files" else [["x"]]
    change(bundle, "msr-bundle.json", json.dumps(manifest).encode())
    with pytest.raises(InstallProblem, match="no bundle of this plugin"):
        Bundle(bundle)


@pytest.mark.parametrize("manifest", ["[]", "{}", '{"format": 2}', '{"format": 1, "files": 3}'])
def test_a_manifest_of_another_kind_is_refused(bundle, manifest) -> None:
    change(bundle, "msr-bundle.json", manifest.encode())
    with pytest.raises(InstallProblem, match="no bundle of this plugin"):
        Bundle(bundle)


def test_one_for_another_machine_or_version_is_refused(bundle, lock, monkeypatch) -> None:
    with pytest.raises(InstallProblem, match="was made for testos-x86_64, and this machine is"):
        jobs.plan_of_bundle(Bundle(bundle))
    monkeypatch.setattr(jobs, "platform_name", lambda: "testos-x86_64")
    monkeypatch.setattr(plan_module, "read_lock", lambda platform: lock)
    monkeypatch.setattr(jobs, "fitting_python", lambda versions: FittingPython(Path(sys.executable), "3.12"))
    assert jobs.plan_of_bundle(Bundle(bundle)).variant == "cpu"
    with zipfile.ZipFile(bundle) as archive:
        manifest = json.loads(archive.read("msr-bundle.json"))
    change(bundle, "msr-bundle.json", json.dumps({**manifest, "digest": "0"}).encode())
    with pytest.raises(InstallProblem, match="another version of the plugin"):
        jobs.plan_of_bundle(Bundle(bundle))


def test_a_bundle_that_is_not_finished_leaves_nothing(lock, network, watcher, tmp_path) -> None:
    def look(progress):
        watcher.cancelled = watcher.cancelled or progress.phase.startswith("Writing")

    half = Watcher(look, watcher.lines.append, lambda: watcher.cancelled)
    with pytest.raises(InstallCancelled):
        make_bundle(
            plan_module.make_plan("cpu", lock=lock, standalone=True), tmp_path / "b.zip", network, half
        )
    assert not list(tmp_path.glob("b.zip*"))


def test_dev_makes_the_same(lock, root, tmp_path, index) -> None:
    path = tmp_path / "made.msrbundle.zip"
    command = [sys.executable, "-s", str(root / ".ci" / "bundle.py"), "--lock", str(tmp_path / "lock")]
    done = subprocess.run(
        [*command, "--platform", "linux-x86_64", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "There is no engine for this kind of machine" in done.stderr
    (tmp_path / "lock" / "testos-x86_64.txt").rename(tmp_path / "lock" / "linux-x86_64.txt")
    done = subprocess.run(
        [*command, "--platform", "linux-x86_64", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert Bundle(path).manifest.python == "3.12"
