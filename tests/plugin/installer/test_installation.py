"""An engine made from a local index: whole or not at all, whatever goes wrong."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from msr_plugin.installer import downloads
from msr_plugin.installer import plan as plan_module
from msr_plugin.installer.installation import install
from msr_plugin.installer.problems import InstallCancelled, InstallProblem
from msr_plugin.installer.removal import remove, sweep_alone
from msr_plugin.worker import environment
from msr_plugin.worker.installed_engine import engines_folder, installed_engine

ROOT = Path(__file__).resolve().parents[3]


def engines() -> list[str]:
    return sorted(path.name for path in engines_folder().glob("*"))


def test_it_is_made_and_is_the_one_in_use(plan, network, watcher, fine, profile, monkeypatch) -> None:
    engine = install(plan, network, watcher.watcher, fine)
    assert installed_engine() == engine and engines() == [engine.folder]
    assert fine(engine.interpreter) == (True, "1.0\n")
    monkeypatch.delenv("MSR_ENGINE_PYTHON", raising=False)
    assert environment.find_engine().python == engine.interpreter
    assert not downloads.downloads_folder().exists()
    assert not (engines_folder() / engine.folder / "cache").exists()
    done = [p.done for p in watcher.progress if p.total]
    assert done == sorted(done) and done[-1] > 300_000
    assert any("affine" in line for line in watcher.lines)


def test_a_new_one_takes_the_place_of_the_old(plan, network, watcher, fine, profile) -> None:
    first = install(plan, network, watcher.watcher, fine)
    second = install(plan, network, watcher.watcher, fine)
    assert first.folder != second.folder and installed_engine() == second
    sweep_alone()
    assert engines() == [second.folder]


def test_without_a_fitting_python_the_standalone_one_is_taken(lock, network, watcher, profile) -> None:
    plan = plan_module.make_plan("cpu", lock=lock, standalone=True)
    assert plan.python is None and lock.python in plan.files and plan.python_version == "3.12"
    engine = install(plan, network, watcher.watcher, lambda python: (True, ""))
    unpacked = engines_folder() / engine.folder / "python" / "bin" / "python3"
    assert unpacked.is_file() and f"Python: {unpacked}" in watcher.lines


FAULTS = {
    "cut, three times": (lambda i, n: setattr(i, "cut", _Often(n)), "was cut|closed", True),
    "no such file": (lambda i, n: i.status.update({n: 404}), "HTTP 404", False),
    "refused": (lambda i, n: i.status.update({n: 403}), "HTTP 403", False),
    "trouble": (lambda i, n: i.status.update({n: 503}), "trouble", True),
    "another file": (lambda i, n: (i.folder / n).write_bytes(b"x" * 999), "checksum differs", False),
}


class _Often(dict):
    """Cuts each time."""

    def __init__(self, name: str) -> None:
        super().__init__({name: 20})

    def pop(self, name: str) -> int:
        return self[name]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    "stage", ["uv-0.0.1-py3-none-any.whl", "affine-1.0-py3-none-any.whl", "torch-1.0-py3-none-any.whl"]
)
def test_a_fault_of_the_network_leaves_the_old_engine(
    plan, network, watcher, fine, index, fault, stage
) -> None:
    old = install(plan, network, watcher.watcher, fine)
    make, words, _ = FAULTS[fault]
    original = (index.folder / stage).read_bytes()
    make(index, stage)
    with pytest.raises(InstallProblem, match=words) as problem:
        install(plan, network, watcher.watcher, fine)
    assert "\n" not in str(problem.value)
    assert installed_engine() == old and engines() == [old.folder] and fine(old.interpreter)[0]
    index.cut, index.status = {}, {}
    (index.folder / stage).write_bytes(original)
    asked = len(index.asked)
    assert install(plan, network, watcher.watcher, fine).folder != old.folder
    again = [path.rpartition("/")[2] for path, _ in index.asked[asked:]]
    assert stage in again and ("uv-0.0.1-py3-none-any.whl" in again) == (stage.startswith("uv"))


def test_a_cut_download_goes_on_where_it_was_cut(plan, network, watcher, fine, index) -> None:
    index.cut = {"torch-1.0-py3-none-any.whl": 100_000}
    install(plan, network, watcher.watcher, fine)
    ranges = [wanted for path, wanted in index.asked if "torch" in path]
    assert ranges == [None, "bytes=100000-"]


def test_a_server_without_ranges_begins_anew(plan, network, watcher, fine, index) -> None:
    index.ranges = False
    index.cut = {"torch-1.0-py3-none-any.whl": 100_000}
    assert install(plan, network, watcher.watcher, fine) == installed_engine()


def test_silence_is_a_cut_not_an_end_of_patience(plan, network, watcher, fine, index, monkeypatch) -> None:
    from msr_plugin.installer import network as module

    monkeypatch.setattr(module, "IDLE_SECONDS", 0.5)
    monkeypatch.setattr(module, "ATTEMPTS", 1)
    index.silent = {"torch-1.0-py3-none-any.whl"}
    with pytest.raises(InstallProblem, match="nothing came"):
        install(plan, network, watcher.watcher, fine)


@pytest.mark.parametrize("stage", ["affine-1.0-py3-none-any.whl", "Testing", "together"])
def test_cancelling_stops_it_and_keeps_what_was_downloaded(
    plan, network, watcher, fine, index, stage
) -> None:
    old = install(plan, network, watcher.watcher, fine)

    def look(progress):
        if stage in progress.phase:
            watcher.cancelled = True

    from msr_plugin.installer.progress import Watcher

    with pytest.raises(InstallCancelled):
        install(plan, network, Watcher(look, watcher.lines.append, lambda: watcher.cancelled), fine)
    assert watcher.cancelled
    assert installed_engine() == old and engines() == [old.folder]
    assert (downloads.downloads_folder() / "uv-0.0.1-py3-none-any.whl").is_file()


def test_an_engine_that_does_not_run_is_not_taken(plan, network, watcher, fine) -> None:
    old = install(plan, network, watcher.watcher, fine)
    with pytest.raises(InstallProblem, match=r"does not run.*\n.*no torch"):
        install(plan, network, watcher.watcher, lambda python: (False, "no torch"))
    assert installed_engine() == old and engines() == [old.folder]


def test_a_wheel_that_changes_after_its_check_is_refused_by_uv(
    plan, network, watcher, fine, monkeypatch
) -> None:
    from msr_plugin.installer import installation

    def spoilt(*arguments):
        files = downloads.fetch_all(*arguments)
        files["affine-1.0-py3-none-any.whl"][0].write_bytes(b"not what it was")
        return files

    monkeypatch.setattr(installation, "fetch_all", spoilt)
    with pytest.raises(InstallProblem, match="uv could not"):
        install(plan, network, watcher.watcher, fine)
    assert installed_engine() is None and engines() == []


def test_a_full_disk_is_told_before_and_while(plan, network, watcher, fine, monkeypatch, full_disk) -> None:
    real = shutil.disk_usage
    monkeypatch.setattr(plan_module.shutil, "disk_usage", lambda _: real("/")._replace(free=1000))
    with pytest.raises(InstallProblem, match=r"has 1.0 kB free.*make room"):
        install(plan, network, watcher.watcher, fine)
    monkeypatch.setattr(plan_module.shutil, "disk_usage", real)
    from msr_plugin.installer import assembly

    full_disk(assembly.shutil, "copyfileobj")
    with pytest.raises(InstallProblem, match=r"disk is full|no room|space"):
        install(plan, network, watcher.watcher, fine)
    assert installed_engine() is None and engines() == []


def test_a_read_only_profile_is_told(plan, network, watcher, fine, profile, full_disk, monkeypatch) -> None:
    if os.geteuid() == 0:  # whom no mode stops

        def refuse(*_, **__):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "mkdir", refuse)
    else:
        profile.parent.mkdir()
        profile.parent.chmod(0o555)
    with pytest.raises(InstallProblem, match=r"rights|allow|permission|refused"):
        install(plan, network, watcher.watcher, fine)


HOLDER = """
import sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from msr_plugin.installer import one_at_a_time as lock
lock.profile_folder = lambda: Path({profile!r})
with lock.one_at_a_time():
    print("held", flush=True)
    time.sleep(60)
"""


def test_two_at_once_and_one_that_was_killed(plan, network, watcher, fine, profile) -> None:
    script = textwrap.dedent(HOLDER).format(root=str(ROOT), profile=str(profile))
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InstallProblem, match=f"process {holder.pid} on .*minutes. Wait"):
            install(plan, network, watcher.watcher, fine)
        with pytest.raises(InstallProblem, match="Another QGIS"):
            remove(watcher.watcher)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert install(plan, network, watcher.watcher, fine) == installed_engine()
    finally:
        holder.kill()
        holder.wait()


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from qgis.core import QgsApplication
application = QgsApplication([], False)
application.initQgis()
from msr_plugin.installer import downloads, one_at_a_time, removal
from msr_plugin.worker import installed_engine
for module in (downloads, one_at_a_time, removal, installed_engine):
    module.profile_folder = lambda: Path({profile!r})
from msr_plugin.installer.installation import install
from msr_plugin.installer.lock import read_lock
from msr_plugin.installer.network import QgisNetwork
from msr_plugin.installer.plan import make_plan
from msr_plugin.installer.progress import Watcher
from msr_plugin.installer.python_choice import FittingPython
def die(progress):
    if {phase!r} in progress.phase:
        os.kill(os.getpid(), signal.SIGKILL)
def die_in_the_swap(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if {phase!r} == "swap":
    real = Path.replace
    Path.replace = lambda self, to: (die_in_the_swap if "engine.json" in self.name else real)(self, to)
python = FittingPython(Path(sys.executable), {version!r})
plan = make_plan("cpu", lock=read_lock("testos-x86_64", Path({lock!r})), python=python)
install(plan, QgisNetwork(), Watcher(die), lambda python: (True, ""))
"""


@pytest.mark.parametrize("phase", ["torch", "together", "Testing", "swap"])
def test_a_killed_installation_leaves_the_old_engine(
    plan, network, watcher, fine, profile, tmp_path, phase
) -> None:
    old = install(plan, network, watcher.watcher, fine)
    script = KILLED.format(
        root=str(ROOT),
        profile=str(profile),
        phase=phase,
        version=plan.python_version,
        lock=str(tmp_path / "lock"),
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert installed_engine() == old and fine(old.interpreter)[0]
    assert (profile / "install.lock").exists()
    new = install(plan, network, watcher.watcher, fine)
    assert installed_engine() == new and fine(new.interpreter)[0]
    sweep_alone()
    assert engines() == [new.folder]
    assert sorted(path.name for path in profile.iterdir()) == ["engine.json", "engines"]


def test_what_a_crash_has_left_is_swept(plan, network, watcher, fine, profile) -> None:
    (engines_folder() / "1" / "env").mkdir(parents=True)
    (engines_folder() / "1" / "env" / "half").write_text("x")
    engine = install(plan, network, watcher.watcher, fine)
    assert engines() == [engine.folder]


def test_removing_gives_the_disk_back(plan, network, watcher, fine, profile) -> None:
    install(plan, network, watcher.watcher, fine)
    assert remove(watcher.watcher) > 300_000
    assert installed_engine() is None
    assert sorted(path.name for path in profile.rglob("*")) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"folder": "../..", "python": "x"}', '{"folder": 3}'])
def test_a_damaged_record_is_no_engine(profile, text) -> None:
    profile.mkdir(parents=True)
    (profile / "engine.json").write_text(text)
    assert installed_engine() is None
    assert time.time()
