"""What is decided before an installation: lock, machine, Python, place; and what is said of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from qgis.core import QgsSettings

from msr_plugin import folders
from msr_plugin.installer import machine, python_choice
from msr_plugin.installer import plan as plan_module
from msr_plugin.installer.assembly import unpack_python
from msr_plugin.installer.issue_report import report
from msr_plugin.installer.lock import FOLDER, read_lock
from msr_plugin.installer.plan import check_place, make_plan, offered_variants
from msr_plugin.installer.problems import InstallProblem, scrubbed
from msr_plugin.installer.progress import InstallProgress, Pace, Watcher, bytes_text, time_text
from msr_plugin.installer.python_choice import FittingPython, fitting_python

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
PLATFORMS = sorted(path.stem for path in FOLDER.glob("*.txt"))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_shipped_lock_has_an_engine_for_the_standalone_python(platform, qgis_app) -> None:
    lock = read_lock(platform)
    assert lock.variants()[0] == "cpu"
    for variant in lock.variants():
        plan = make_plan(variant, lock=lock, standalone=True)
        assert plan.download > 100e6 and lock.python in plan.files
        names = {file.name.split("-")[0].lower() for file in plan.wheels}
        assert {"torch", "numpy", "rasterio"} <= names
        cards = [name for name in names if name.startswith("nvidia")]
        assert bool(cards) == (variant == "cuda" and platform.startswith("linux"))
    both = make_plan("cpu", ("engine", "training"), lock=lock, standalone=True)
    assert set(make_plan("cpu", lock=lock, standalone=True).wheels) < set(both.wheels)


def test_without_an_nvidia_card_cuda_is_not_offered(monkeypatch, qgis_app) -> None:
    lock = read_lock("windows-x86_64")
    monkeypatch.setattr(plan_module, "has_nvidia", lambda: False)
    assert offered_variants(lock) == ["cpu"]
    monkeypatch.setattr(plan_module, "has_nvidia", lambda: True)
    assert offered_variants(lock) == ["cpu", "cuda"]
    assert offered_variants(read_lock("macos-arm64")) == ["cpu"]


@pytest.mark.parametrize(
    ("system", "processor", "name"),
    [
        ("linux", "x86_64", "linux-x86_64"),
        ("linux", "aarch64", "linux-aarch64"),
        ("win32", "AMD64", "windows-x86_64"),
        ("darwin", "arm64", "macos-arm64"),
        ("darwin", "x86_64", "macos-x86_64"),
    ],
)
def test_machines_have_the_locks_names(monkeypatch, system, processor, name) -> None:
    monkeypatch.setattr(machine.sys, "platform", system)
    monkeypatch.setattr(machine.platform, "machine", lambda: processor)
    assert machine.platform_name() == name


@pytest.mark.parametrize(
    ("platform", "words"), [("macos-x86_64", "Intel"), ("plan9-mips", r"no engine for .*plan9-mips")]
)
def test_a_machine_without_an_engine_is_told_why(platform, words, qgis_app) -> None:
    with pytest.raises(InstallProblem, match=words):
        read_lock(platform)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "uv 1 a b c",
        "engine any 3.11 xyz 10 https://x/a-1-py3-none-any.whl",
        "uv 1 - - https://x/uv-1.whl\npython 3.12.0 - - https://x/p\nengine any 3.11 - - https://x/a-1.whl",
    ],
)
def test_a_damaged_lock_is_refused(tmp_path, text, qgis_app) -> None:
    (tmp_path / "x-y.txt").write_text(text + "\n")
    with pytest.raises(InstallProblem, match="damaged: install the plugin again"):
        read_lock("x-y", tmp_path)


def program(path: Path, answer: str) -> Path:
    path.write_text(f"#!/bin/sh\ncat <<'E'\n{answer}\nE\n")
    path.chmod(0o755)
    return path


def test_only_a_python_that_fits_is_taken(tmp_path) -> None:
    box = os.uname().machine
    answers = {
        "pypy": f'["PyPy", "{HERE}", 8, false, "final", "glibc", "{box}", "/x"]',
        "old": f'["CPython", "3.8", 8, false, "final", "glibc", "{box}", "/x"]',
        "short": f'["CPython", "{HERE}", 4, false, "final", "glibc", "{box}", "/x"]',
        "free": f'["CPython", "{HERE}", 8, true, "final", "glibc", "{box}", "/x"]',
        "early": f'["CPython", "{HERE}", 8, false, "beta", "glibc", "{box}", "/x"]',
        "musl": f'["CPython", "{HERE}", 8, false, "final", "musl", "{box}", "/x"]',
        "foreign": f'["CPython", "{HERE}", 8, false, "final", "glibc", "sparc", "/x"]',
        "mute": "",
        "loud": "Welcome!",
    }
    unfit = [program(tmp_path / name, answer) for name, answer in answers.items()]
    unfit.append(tmp_path / "absent")
    assert fitting_python({HERE}, unfit) is None
    real = fitting_python({HERE}, [*unfit, Path(sys.executable)])
    assert real is not None and real.version == HERE and real.path.is_file()
    assert fitting_python({"3.99"}, [Path(sys.executable)]) is None


def test_this_machines_pythons_are_looked_for(qgis_app) -> None:
    paths = list(python_choice._candidates())
    assert any(path.name.startswith("python3") for path in paths)


def test_a_python_archive_that_leads_out_is_refused(tmp_path, qgis_app) -> None:
    import io
    import tarfile

    for number, (name, target) in enumerate(
        [("../x", ""), ("/x", ""), ("python/a", "../../x"), ("python/a", "/etc"), ("C:/x", "")]
    ):
        archive = tmp_path / f"{number}.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            entry = tarfile.TarInfo(name)
            if target:
                entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry, io.BytesIO())
        with pytest.raises(InstallProblem, match="is damaged"):
            unpack_python(archive, tmp_path / "out", Watcher())
    assert not (tmp_path / "x").exists()


def test_a_path_too_long_for_windows_is_told(plan, monkeypatch) -> None:
    monkeypatch.setattr(folders, "LIMITED", True)
    monkeypatch.setattr(folders, "LONGEST", 60)
    monkeypatch.setattr(folders, "_long_paths_are_allowed", lambda: False)
    with pytest.raises(InstallProblem, match="allow long paths"):
        check_place(plan)


def test_the_time_left_is_of_the_last_seconds() -> None:
    pace = Pace()
    assert pace.left(InstallProgress("", 0, 1000), 0.0) is None
    assert pace.left(InstallProgress("", 100, 1000), 10.0) == pytest.approx(90.0)
    assert pace.left(InstallProgress("", 900, 1000), 40.0) is None  # the points before are too old
    assert time_text(None) == "" and time_text(45) == "45 s left" and time_text(600) == "10 min left"
    assert bytes_text(314_000_000) == "314 MB" and bytes_text(1_540_000_000) == "1.5 GB"


def test_a_report_tells_much_and_no_password(profile, plan, monkeypatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://ada:sesame@proxy.example:3128")
    settings = QgsSettings()
    for key, value in {
        "Enabled": True,
        "Type": "HttpProxy",
        "Host": "p.example",
        "User": "ada",
        "Password": "sesame",
    }.items():
        settings.setValue(f"proxy/proxy{key}", value)
    try:
        text = report(["one", "https://ada:sesame@index.example/simple", "Authorization: Basic sesame"])
    finally:
        settings.remove("proxy")
    assert "sesame" not in text and "ada" not in text
    assert "p.example" in text and "proxy.example:3128" in text and "index.example" in text
    assert text.startswith("### MSR") and "| QGIS |" in text and "```\none\n" in text


def test_credentials_are_scrubbed() -> None:
    assert scrubbed("GET https://u:p@h/x") == "GET https://…@h/x"
    assert scrubbed("Proxy-Authorization: Basic abc\nnext") == "Proxy-Authorization: …\nnext"


def test_a_plan_tells_when_the_plugin_asks_for_others(lock, monkeypatch, profile) -> None:
    from msr_plugin.worker.installed_engine import InstalledEngine

    monkeypatch.setattr(plan_module, "read_lock", lambda _: lock)
    plan = make_plan("cpu", lock=lock, python=FittingPython(Path("/x"), "3.12"))
    engine = InstalledEngine("1", "env/bin/python", "3.12", "cpu", ("engine",), plan.digest)
    assert not plan_module.is_outdated(engine)
    older = InstalledEngine("1", "env/bin/python", "3.12", "cpu", ("engine",), "0")
    assert plan_module.is_outdated(older)
