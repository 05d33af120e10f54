"""Build the zip for QGIS's "Install from ZIP": build/msr-VERSION.zip, with one folder `msr`.

Standard library only. The same files give the same bytes: sorted names, one fixed time. The versions of
CHANGELOG.md stand in metadata.txt too; `--metadata` writes them there.
"""

from __future__ import annotations

import argparse
import configparser
import os
import re
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
FOLDER = "msr"  # inside the zip: QGIS imports the plugin under this name
FILES = (
    "metadata.txt",
    "__init__.py",
    "LICENSE",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "requirements-engine.txt",
    "requirements-training.txt",
    "requirements-cloud.txt",
    "requirements-cluster.txt",
    ".flake8",
    ".secrets.baseline",
)
FOLDERS = ("msr_plugin", "engine", "training", "resources")
PAGES = ("docs", (".md", ".svg", ".png"))  # folder and endings: what README.md and the help button lead to
LEFT_OUT = re.compile(
    r"(^|/)(__pycache__|\..*|.*\.(pyc|pyo|part|tmp|bak|orig)|.*\.part\..*|.*~)(/|$)"
    r"|^training/records/.*\.jsonl$"  # of the results in docs/, for a checkout
)
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
        files = (p.relative_to(root).as_posix() for p in (root / folder).rglob("*") if p.is_file())
        names += [name for name in files if not LEFT_OUT.search(name)]
    folder, endings = PAGES
    pages = (p for p in (root / folder).rglob("*") if p.suffix in endings)
    yield from sorted([*names, *(page.relative_to(root).as_posix() for page in pages)])


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


def release_notes(changelog: str) -> str:
    """Return the released versions of a changelog in plain lines, newest first.

    A version's head is "## [1.2.3] - 2026-01-31"; links lose their targets, entries their line breaks.
    """
    lines: list[str] = []
    released = False
    for line in changelog.splitlines():
        head = re.match(r"## \[(.+?)\](?: - (\S+))?", line)
        if head:
            released = head[2] is not None
            if released:
                lines.append(f"{head[1]} ({head[2]})")
        elif re.match(r"\[.+\]: ", line):  # the targets of links, at the end
            released = False
        elif released and line.startswith("  ") and lines:
            lines[-1] += f" {line.strip()}"
        elif released and line.strip() and not line.startswith("#"):
            lines.append(line.strip())
    return "\n".join(re.sub(r"\[(.+?)\]\(.+?\)|`(.+?)`", r"\1\2", line) for line in lines)


def metadata(root: Path) -> str:
    """Return metadata.txt with the changelog's versions as its last key.

    Raises:
        ValueError: a line holds what QGIS's reader of the file takes for a variable.
    """
    text = (root / "metadata.txt").read_text(encoding="utf-8")
    kept = re.sub(r"^changelog=.*\n(?:[ \t].*\n)*", "", text.rstrip("\n") + "\n", flags=re.M)
    notes = release_notes((root / "CHANGELOG.md").read_text(encoding="utf-8"))
    if "%" in notes:
        raise ValueError("CHANGELOG.md: write 'percent', QGIS reads a % in metadata.txt as a variable.")
    if not notes:
        return kept
    return kept + "changelog=" + notes.replace("\n", "\n    ") + "\n"


def build(root: Path = ROOT, folder: Path | None = None) -> Path:
    """Write the zip into `folder` (default: build/) under its final name once it is complete.

    Raises:
        FileNotFoundError, ValueError: see `members`, `version` and `metadata`; or the zip is too large.
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
                made = name == "metadata.txt"
                content = metadata(root).encode("utf-8") if made else (root / name).read_bytes()
                archive.writestr(entry, content, compresslevel=9)
        size = temporary.stat().st_size
        if size >= MOST_BYTES:
            raise ValueError(f"The zip has {size / 1e6:.1f} MB; the plugin repository takes less than 25.")
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)
    return output


def main(arguments: Sequence[str] | None = None) -> int:
    """Build and say where the zip is, or write metadata.txt; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument(
        "--metadata",
        action="store_true",
        help="write CHANGELOG.md's versions into metadata.txt, build nothing",
    )
    options = parser.parse_args(arguments)
    try:
        if options.metadata:
            (ROOT / "metadata.txt").write_text(metadata(ROOT), encoding="utf-8", newline="\n")
            print(ROOT / "metadata.txt")
            return 0
        output = build()
    except (OSError, ValueError) as error:
        print(f"package: {error}", file=sys.stderr)
        return 1
    print(f"{output} ({output.stat().st_size / 1e6:.1f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
