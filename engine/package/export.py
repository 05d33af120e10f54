"""A model package to hand on: one zip file, and an Item that a STAC catalogue can hold."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InputError
from engine.files.atomic import new_file, write_text
from engine.package.folder import CARD_FILE, Package, file_sha256
from engine.package.stac_item import stac_item

TEXTS = frozenset({"license", "license.txt", "licence", "licence.txt", "readme.md", "readme.txt", "notice"})
_TIME = (2020, 1, 1, 0, 0, 0)  # the same package gives the same bytes


@dataclass(frozen=True)
class Exported:
    """What was written; None: it was not asked for."""

    zip: Path | None
    stac: Path | None


def export_package(
    package: Package,
    output: Path | None,
    stac: Path | None,
    overwrite: bool = True,
    check_cancelled: Callable[[], None] = lambda: None,
) -> Exported:
    """Write a package as a zip file, and as an Item of a STAC catalogue that leads to it.

    Args:
        package: whole and checked.
        output: the zip to write; None: none, and the item leads to the package's weights.
        stac: the JSON file to write; None: none.
        overwrite: replace files that are there.
        check_cancelled: raises where the user wants no more of it.

    Raises:
        InputError: neither is asked for, both are one file, or a file is there and must not be replaced.
    """
    if output is None and stac is None:
        raise InputError("Nothing is to be written: name the zip file, the STAC item or both.")
    for path, ending in ((output, ".zip"), (stac, ".json")):
        if path is None:
            continue
        if path.suffix.lower() != ending:
            raise InputError(f"{path} must end in {ending}.")
        if path.exists() and not overwrite:
            raise InputError(f"{path} is there already: choose another name.")
        if path.resolve().is_relative_to(package.folder.resolve()):
            raise InputError(f"{path} lies in the package itself: choose another folder.")
    if output is not None:
        _write_zip(package, output, check_cancelled)
    if stac is not None:
        if output is None:
            weights = package.folder / package.card.raw["weights"]["file"]
            item = stac_item(package, _href(weights, stac))
        else:
            item = stac_item(package, _href(output, stac), output.stat().st_size, file_sha256(output))
        write_text(stac, json.dumps(item, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    return Exported(output, stac)


def files_of(package: Package) -> list[str]:
    """Return the names of a package's files: its card, what that names, and texts beside it."""
    raw = package.card.raw
    entries = [raw["weights"], raw.get("bias"), package.card.regression, raw.get("domain")]
    entries += [source.get("default") for source in raw["sources"]]
    names = [entry["file"] for entry in entries if entry is not None and "file" in entry]
    texts = sorted(path.name for path in package.folder.iterdir() if path.name.lower() in TEXTS)
    return [CARD_FILE, *dict.fromkeys(names), *texts]


def _write_zip(package: Package, output: Path, check_cancelled: Callable[[], None]) -> None:
    with (
        new_file(output) as fresh,
        zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive,
    ):
        for name in files_of(package):
            entry = zipfile.ZipInfo(f"{package.card.id}/{name}", _TIME)
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            with (
                (package.folder / name).open("rb") as source,
                archive.open(entry, "w", force_zip64=True) as copy,
            ):
                while block := source.read(2**20):
                    check_cancelled()
                    copy.write(block)


def _href(file: Path, item: Path) -> str:
    """Return a file's address as seen from the item, absolute where it lies on another drive."""
    try:
        relative = os.path.relpath(file.absolute(), item.absolute().parent)
    except ValueError:
        return file.absolute().as_uri()
    address = Path(relative).as_posix()
    return address if address.startswith(".") else f"./{address}"
