"""Examines the Python that runs the engine: what is right, what is wrong, and what to do.

Nothing but the standard library is imported before its own check, so that this runs, and says so,
where a package is missing or broken.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from engine.contract import PROTOCOL
from engine.files.root import ROOT
from engine.raster.gdal.gdal_variables import set_aside
from engine.version import VERSION

REQUIREMENTS = ROOT / "requirements-engine.txt"
OLDEST_PYTHON = (3, 10)
LOW_MEMORY = 2**30
INTEL_MAC = (
    "There is no PyTorch of 2.3 or later for Macs with Intel processors: use a Mac with Apple silicon (and a "
    "Python for it), Windows or Linux."
)
_MODULES = {"odc-geo": "odc.geo"}  # where the import's name is not the package's
_VARIABLES = ("PROJ_DATA", "PROJ_LIB", "GDAL_DATA", "GDAL_DRIVER_PATH", "PYTHONHOME")

Json = dict[str, Any]


def examine(model_folders: Iterable[str] = ()) -> Json:
    """Check everything and return what was found.

    The result: `ok` (bool; warnings allowed), `findings` (name, status ok | warning | error,
    message, fix), `engine`, `protocol`, `python`, `executable`, `versions` and `devices`.
    """
    findings = [_python(), *_packages(REQUIREMENTS)]
    devices, finding = _devices()
    findings += [finding, _projections(), *_variables(), *_models(model_folders), _cache(), _memory()]
    packages = [f for f in findings if "version" in f]
    return {
        "ok": all(f["status"] != "error" for f in findings),
        "engine": VERSION,
        "protocol": PROTOCOL,
        "python": platform.python_version(),
        "executable": sys.executable,
        "versions": {f["name"]: f.pop("version") for f in packages},
        "devices": devices,
        "findings": findings,
    }


def as_text(report: Json) -> str:
    """Return the report for a person to read."""
    lines = [f"MSR engine {report['engine']}, Python {report['python']} ({report['executable']})"]
    for finding in report["findings"]:
        lines.append(f"{finding['status']:8}{finding['name']}: {finding['message']}")
        if finding["fix"]:
            lines.append(f"{'':8}→ {finding['fix']}")
    wrong = sum(f["status"] == "error" for f in report["findings"])
    lines.append("All that is needed is there." if report["ok"] else f"{wrong} thing(s) must be put right.")
    return "\n".join(lines)


def _finding(name: str, status: str, message: str, fix: str = "") -> Json:
    return {"name": name, "status": status, "message": message, "fix": fix}


def _python() -> Json:
    version = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        fix = f"Make the environment with Python {oldest} or newer."
        return _finding("python", "error", f"{version} is too old", fix)
    if sys.maxsize < 2**32:
        return _finding("python", "error", f"{version} has 32 bits", "Use a Python of 64 bits.")
    return _finding("python", "ok", version)


def _packages(requirements: Path) -> list[Json]:
    """Check the version of each requirement, and that it can be imported at all."""
    install = f'"{sys.executable}" -m pip install -r "{requirements}"'
    try:
        lines = requirements.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        fix = "Install MSR again; its folder is not whole."
        return [_finding("requirements", "error", f"{requirements} cannot be read: {error}", fix)]
    findings = []
    for line in lines:
        match = re.match(r"([A-Za-z0-9_.-]+)\s*([^#;]*)", line)
        if match is None:
            continue
        name, wanted = match[1], match[2].strip()
        version = None
        try:
            version = importlib.metadata.version(name)
            importlib.import_module(_MODULES.get(name, name.replace("-", "_")))
        except importlib.metadata.PackageNotFoundError:
            fix = INTEL_MAC if name == "torch" and on_intel_mac() else f"Run {install}"
            finding = _finding(name, "error", "is not installed", fix)
        except Exception as error:  # a broken package may raise anything while it is imported
            finding = _finding(name, "error", f"{version} cannot be imported ({error})", f"Run {install}")
        else:
            if satisfies(version, wanted):
                finding = _finding(name, "ok", f"{version} ({wanted})")
            else:
                finding = _finding(name, "error", f"{version} is not {wanted}", f"Run {install}")
        findings.append({**finding, "version": version})
    return findings


def on_intel_mac() -> bool:
    """Return whether this Python is one for Macs with Intel processors."""
    return sys.platform == "darwin" and platform.machine() == "x86_64"


def satisfies(version: str, wanted: str) -> bool:
    """Tell whether a version is within a range such as ">=2.6,<3" (release numbers only)."""
    have = _release(version)
    for part in filter(None, (p.strip() for p in wanted.split(","))):
        match = re.fullmatch(r"(>=|<=|==|!=|<|>)\s*([0-9.]+)", part)
        if match is None:
            raise ValueError(f"not a version range: {part}")
        limit = _release(match[2])
        size = max(len(have), len(limit))
        left, right = (v + (0,) * (size - len(v)) for v in (have, limit))
        holds = {
            ">=": left >= right,
            "<=": left <= right,
            "==": left == right,
            "!=": left != right,
            "<": left < right,
            ">": left > right,
        }
        if not holds[match[1]]:
            return False
    return True


def _release(version: str) -> tuple[int, ...]:
    match = re.match(r"[0-9]+(\.[0-9]+)*", version)
    return tuple(int(n) for n in match[0].split(".")) if match else (0,)


def _devices() -> tuple[list[Json], Json]:
    try:
        from engine.compute.devices import list_devices

        devices = list_devices()
    except Exception as error:  # without torch, or with a broken driver
        return [], _finding("devices", "error", f"cannot be listed ({error})", "See torch above.")
    return devices, _finding("devices", "ok", ", ".join(f"{d['id']} ({d['name']})" for d in devices))


def _projections() -> Json:
    """Let both copies of PROJ (pyproj's and rasterio's) turn a point into Web Mercator."""
    fix = "Unset PROJ_DATA and PROJ_LIB, and install pyproj and rasterio anew."
    try:
        from engine.raster.projections import projection_problem

        problem = projection_problem()
    except Exception as error:  # a library is missing or broken
        return _finding("projections", "error", f"cannot be tried ({error})", fix)
    if problem:
        return _finding("projections", "error", problem, fix)
    return _finding("projections", "ok", "PROJ's database is there")


def _variables() -> list[Json]:
    """Warn of variables that lead the libraries to another program's data, tell of others set aside."""
    fix = "Unset it unless you mean it; QGIS' plugin does so by itself."
    aside = [
        _finding(name, "ok", f"is set to {value}, and set aside: MSR runs without it")
        for name, value in set_aside().items()
    ]
    return aside + [
        _finding(name, "warning", f"is set to {os.environ[name]}", fix)
        for name in _VARIABLES
        if os.environ.get(name)
    ]


def _models(folders: Iterable[str]) -> list[Json]:
    """Check every model to its last tensor; a damaged one does not hinder the others."""
    folders = list(folders)
    try:
        import torch

        from engine.compute.devices import PrecisionPlan
        from engine.errors import EngineError
        from engine.models.loading import load_model
        from engine.package.folder import Package, installed, search_folders

        packages = installed(folders)
        findings = []
        for item in packages:
            try:
                if not isinstance(item, Package):
                    raise item
                load_model(item, torch.device("cpu"), plan=PrecisionPlan())
            except EngineError as error:
                findings.append(_finding("model", "warning", str(error), "Install it anew, or remove it."))
            else:
                card = item.card
                findings.append(_finding(f"model {card.id}", "ok", f"{card.version} in {item.folder}"))
    except Exception as error:  # whatever it is that these need may be missing or broken
        return [_finding("models", "error", f"cannot be read ({error})", "See the packages above.")]
    if not any(f["status"] == "ok" for f in findings):
        where = ", ".join(map(str, search_folders(folders)))
        fix = "Install a model, or name its folder in MSR_MODELS; the simple methods need none."
        findings.append(_finding("models", "warning", f"there is no sound one in {where}", fix))
    return findings


def _cache() -> Json:
    from engine.compute.cache import cache_folder

    try:
        folder = cache_folder()
    except RuntimeError:
        fix = "Name a folder in MSR_CACHE; without one, each start measures the device again."
        return _finding("cache", "warning", "there is no home folder to keep it in", fix)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        fix = "Name a folder in MSR_CACHE; without one, each start measures the device again."
        return _finding("cache", "warning", f"{folder} cannot be written ({error.strerror})", fix)
    return _finding("cache", "ok", str(folder))


def _memory() -> Json:
    try:
        from engine.compute.memory import system_memory

        free = system_memory()
    except Exception as error:  # psutil is compiled, and may be broken
        return _finding("memory", "error", f"cannot be measured ({error})", "See psutil above.")
    status = "ok" if free >= LOW_MEMORY else "warning"
    fix = "" if status == "ok" else "Close other programs: runs will use small tiles and be slow."
    return _finding("memory", status, f"{free / 2**30:.1f} GB free", fix)
