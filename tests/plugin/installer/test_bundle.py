"""Bundles: made from the local index, taken without it, refused where they do not fit."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from msr_plugin.installer import jobs
from msr_plugin.installer import plan as plan_module
from msr_plugin.installer.bundle import Bundle
from msr_plugin.installer.bundle_maker import make_bundle
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
