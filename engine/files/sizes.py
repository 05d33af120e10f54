"""Sizes of files and memory as a sentence tells them."""

from __future__ import annotations


def size_text(size: float) -> str:
    """Return a number of bytes in the unit that suits it, such as "640 kB"; decimal units, as disks count."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(size) < 999.5:
            return f"{size:.0f} {unit}" if size >= 9.95 or unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
