"""Build the zip for QGIS's "Install from ZIP": build/msr-VERSION.zip, with one folder `msr`.

Standard library only. The same files give the same bytes: sorted names, one fixed time.
"""

from __future__ import annotations

import configparser
import os
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent
FOLDER = "msr"  # inside the zip: QGIS imports the plugin under this name
FILES = (
    "metadata.txt",
    "__init__.py",
    "LICENSE",
    "README.md",
    "requirements-engine.txt",
    "requirements-training.txt",
    ".bandit",
)
FOLDERS = ("msr_plugin", "engine", "training", "resources")
LEFT_OUT = re.compile(r"(^|/)(__pycache__|\..*|.*\.(pyc|pyo|part|tmp|bak|orig)|.*\.part\..*|.*~)(/|$)")
MOST_BYTES = 25 * 1000 * 1000  # the plugin repository's limit
TIME = (2020, 1, 1, 0, 0, 0)


def members(root: Path) -> Iterator[str]:
    """Yield the paths to pack, relative to `root`, sorted.

    Raises:
        FileNotFoundError: one of the named files or folders is missing.
    """
    names = []
    for file in FILES:
        if not (root / file).is_file():
            raise FileNotFoundError(f"{root / file} is missing.")
        names.append(file)
    for folder in FOLDERS:
        if not (root / folder).is_dir():
            raise FileNotFoundError(f"{root / folder} is missing.")
        found = (p.relative_to(root).as_posix() for p in (root / folder).rglob("*") if p.is_file())
        names += [name for name in found if not LEFT_OUT.search(name)]
    yield from sorted(names)


def version(root: Path) -> str:
    """Return the version in metadata.txt.

    Raises:
        ValueError: engine/version.py has another one.
    """
    metadata = configparser.ConfigParser(interpolation=None)
    metadata.read_string((root / "metadata.txt").read_text(encoding="utf-8"))
    ours = metadata["general"]["version"]
    engine = re.search(r'^VERSION = "(.+)"', (root / "engine/version.py").read_text(encoding="utf-8"), re.M)
    if engine is None or engine[1] != ours:
        raise ValueError(f"metadata.txt has version {ours}, engine/version.py {engine and engine[1]}.")
    return ours


def build(root: Path = ROOT, folder: Path | None = None) -> Path:
    """Write the zip into `folder` (default: build/) under its final name once it is complete.

    Raises:
        FileNotFoundError, ValueError: see `members` and `version`; or the zip is too large.
    """
    output = (folder or root / "build") / f"msr-{version(root)}.zip"
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_name(f"{output.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name in members(root):
                entry = zipfile.ZipInfo(f"{FOLDER}/{name}", TIME)
                entry.external_attr = 0o100644 << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, (root / name).read_bytes(), compresslevel=9)
        size = temporary.stat().st_size
        if size >= MOST_BYTES:
            raise ValueError(f"The zip has {size / 1e6:.1f} MB; the plugin repository takes less than 25.")
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)
    return output


def main() -> int:
    """Build and say where the zip is; return the exit status."""
    try:
        output = build()
    except (OSError, ValueError) as error:
        print(f"package: {error}", file=sys.stderr)
        return 1
    print(f"{output} ({output.stat().st_size / 1e6:.1f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
