"""A report for a bug tracker, as Markdown: versions, machine, settings of the network, the log's end."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Sequence

from qgis.core import Qgis, QgsSettings
from qgis.PyQt.QtCore import QT_VERSION_STR

from ..folders import profile_folder
from ..metadata import plugin_version
from ..system_refusals import system_reason
from ..worker.environment import SETTING, find_engine
from ..worker.installed_engine import installed_engine
from .machine import has_nvidia, platform_name
from .plan import is_outdated
from .problems import scrubbed
from .progress import bytes_text

_LINES = 200  # of the log
_PROXY = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "SSL_CERT_FILE", "MSR_ENGINE_PYTHON")


def report(log: Sequence[str]) -> str:
    """Return the report; names and passwords in addresses are left out, the home folder is “~”."""
    settings = QgsSettings()
    engine = find_engine()
    installed = installed_engine()
    rows = {
        "MSR": plugin_version(),
        "QGIS": f"{Qgis.QGIS_VERSION}, Qt {QT_VERSION_STR}, Python {sys.version.split()[0]}",
        "System": f"{platform.platform()} ({platform_name()}), NVIDIA: {_yes(has_nvidia())}",
        "Engine": f"{engine.python} (from {engine.origin})",
        "Engine's problem": engine.problem or "none",
        "Installed": "no" if installed is None else f"{installed}, outdated: {_yes(is_outdated(installed))}",
        "Setting": str(settings.value(SETTING, "") or "empty"),
        "Proxy": _proxy(settings),
        "Environment": ", ".join(f"{n}={os.environ[n]}" for n in _PROXY if os.environ.get(n))
        or "none of these",
        "Disk": _free(),
    }
    table = "\n".join(f"| {name} | {_cell(text)} |" for name, text in rows.items())
    lines = "\n".join(list(log)[-_LINES:]).replace("```", "'''")
    text = f"### MSR: installing the engine\n\n| | |\n|---|---|\n{table}\n\n```\n{lines}\n```\n"
    home = os.path.expanduser("~")
    return scrubbed(text.replace(home, "~") if len(home) > 1 else text)


def _proxy(settings: QgsSettings) -> str:
    if str(settings.value("proxy/proxyEnabled", "false")).lower() != "true":
        return "not enabled in QGIS"
    kind, host = settings.value("proxy/proxyType", ""), settings.value("proxy/proxyHost", "")
    named = (
        "with" if settings.value("proxy/proxyUser", "") or settings.value("proxy/authcfg", "") else "without"
    )
    return f"{kind} {host}:{settings.value('proxy/proxyPort', '')}, {named} a name and password"


def _free() -> str:
    folder = profile_folder()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        return f"{bytes_text(shutil.disk_usage(folder).free)} free in {profile_folder()}"
    except OSError as error:
        return f"{profile_folder()}: {system_reason(error)}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
