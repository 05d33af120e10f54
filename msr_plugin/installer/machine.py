"""What machine this is, in the words of the lock."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path

_SYSTEMS = {"linux": "linux", "win32": "windows", "darwin": "macos"}
_ARM = {"linux": "aarch64", "windows": "arm64", "macos": "arm64"}


def platform_name() -> str:
    """Return system and processor, such as linux-x86_64, as the lock names them."""
    system = _SYSTEMS.get(sys.platform, sys.platform)
    machine = platform.machine().lower()
    if machine in ("arm64", "aarch64"):
        return f"{system}-{_ARM.get(system, machine)}"
    return f"{system}-{'x86_64' if machine in ('x86_64', 'amd64') else machine}"


def has_nvidia() -> bool:
    """Return whether an NVIDIA driver is installed; never on macOS."""
    if sys.platform == "darwin":
        return False
    if shutil.which("nvidia-smi"):
        return True
    if sys.platform == "win32":
        return Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "nvcuda.dll").is_file()
    return Path("/proc/driver/nvidia/version").is_file()
