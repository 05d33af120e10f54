"""Installs a model package from a zip file or a folder: checked, then moved into place in one step.

Nothing of a package is ever run. Only the files that its card names are taken, and a few texts.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import uuid
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

from ..contract import MAX_CARD_BYTES
from ..folders import too_long
from ..system_refusals import system_reason
from ..translation import tr
from .cards import CARD_FILE, CardError, CardFile, ModelCard, parse_card

MAX_BYTES = 2 * 2**30  # of all files together, as they lie on disk
MAX_ENTRIES = 500
_TEXTS = frozenset({"license", "license.txt", "licence", "licence.txt", "readme.md", "readme.txt", "notice"})
_MAX_TEXT_BYTES = 1_000_000
_BLOCK = 2**20

Cancelled = Callable[[], bool]
_Item = TypeVar("_Item")


class InstallError(Exception):
    """The package cannot be installed; `str(error)` is one sentence."""


@dataclass(frozen=True)
class Installed:
    """What now stands in the profile."""

    card: ModelCard
    replaced: bool


@dataclass(frozen=True)
class _Entry:
    """A file of the package before it is installed."""

    name: str  # plain, without folder
    size: int
    open: Callable[[], IO[bytes]]


def install(
    source: Path,
    models: Path,
    replace: bool = False,
    is_cancelled: Cancelled = lambda: False,
    inspect: Callable[[Path], None] = lambda folder: None,
) -> Installed:
    """Install the package in a zip file or folder (or beside a card.json) below `models`.

    `inspect` may look at the checked copy before it is moved, and raise InstallError.

    Raises:
        InstallError: it is no sound package, there is one of this id already, or it was cancelled.
    """
    if source.name == CARD_FILE:
        source = source.parent
    with contextlib.ExitStack() as stack:
        entries = _folder_entries(source) if source.is_dir() else _zip_entries(source, stack)
        by_name = {entry.name: entry for entry in entries}
        card_bytes = _read_card(by_name, source)
        try:
            card = parse_card(card_bytes, source)
        except CardError as error:
            raise InstallError(str(error)) from error
        final = models / card.id
        exists = os.path.lexists(final)
        if exists and not replace:
            raise InstallError(
                tr("The model {} is installed already; choose to replace it (REPLACE), or keep it.").format(
                    card.id
                )
            )
        fresh = models / f".{card.id}.{uuid.uuid4().hex}.new"
        for name in (CARD_FILE, *(file.file for file in card.files)):
            if problem := too_long(fresh / name):
                raise InstallError(
                    tr("{} cannot be installed below {}: for {}, {}").format(card.id, models, name, problem)
                )
        try:
            models.mkdir(parents=True, exist_ok=True)
            fresh.mkdir()
            (fresh / CARD_FILE).write_bytes(card_bytes)
            _copy_files(card, by_name, fresh, is_cancelled)
            inspect(fresh)
            _move(fresh, final)
        except OSError as error:
            raise InstallError(tr("{} cannot be written: {}.").format(final, system_reason(error))) from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return Installed(parse_card(card_bytes, final), exists)


def _read_card(entries: dict[str, _Entry], source: Path) -> bytes:
    entry = entries.get(CARD_FILE)
    if entry is None:
        raise InstallError(tr("{} is no model package: it has no {}.").format(source, CARD_FILE))
    with _opened(entry) as stream:
        data = _read(stream, MAX_CARD_BYTES + 1, entry.name)
    if len(data) > MAX_CARD_BYTES:
        raise InstallError(tr("{} is larger than a card may be.").format(CARD_FILE))
    return data


def _copy_files(card: ModelCard, entries: dict[str, _Entry], folder: Path, is_cancelled: Cancelled) -> None:
    """Copy what the card names, checking size and hash while it passes, and a few texts."""
    left = MAX_BYTES
    copied: set[str] = set()
    for file in card.files:
        if file.file in copied:
            continue
        entry = entries.get(file.file)
        if entry is None or file.file == CARD_FILE:
            raise InstallError(tr("The package lacks the file {} that its card names.").format(file.file))
        left -= _copy(entry, folder / file.file, file, left, is_cancelled)
        copied.add(file.file)
    for entry in entries.values():
        if entry.name.lower() in _TEXTS and entry.name not in copied:
            _copy(entry, folder / entry.name, None, _MAX_TEXT_BYTES, is_cancelled)


def _copy(entry: _Entry, path: Path, expected: CardFile | None, limit: int, is_cancelled: Cancelled) -> int:
    digest, size = hashlib.sha256(), 0
    with _opened(entry) as stream, path.open("xb") as out:
        while block := _read(stream, _BLOCK, entry.name):
            size += len(block)
            if size > limit:  # whatever the zip's directory claims
                raise InstallError(tr("The package is larger than {} GB.").format(MAX_BYTES // 2**30))
            if is_cancelled():
                raise InstallError(tr("Cancelled."))
            digest.update(block)
            out.write(block)
    if expected is not None:
        if expected.bytes is not None and size != expected.bytes:
            raise InstallError(
                tr("{} has {} bytes, but the card gives {}.").format(entry.name, size, expected.bytes)
            )
        if digest.hexdigest() != expected.sha256:
            raise InstallError(
                tr("{} does not have the sha256 that the card gives: it is damaged or was changed.").format(
                    entry.name
                )
            )
    return size


def _opened(entry: _Entry) -> IO[bytes]:
    try:
        return entry.open()
    except Exception as error:  # zipfile raises what each way of packing raises, some of it undocumented
        raise InstallError(
            tr(
                "{} cannot be read from the package: it is damaged, or packed in a way that is not "
                "known here; pack it as an ordinary zip."
            ).format(entry.name)
        ) from error


def _read(stream: IO[bytes], most: int, name: str) -> bytes:
    try:
        return stream.read(most)
    except Exception as error:  # as above
        raise InstallError(tr("{} cannot be read from the package: it is damaged.").format(name)) from error


def _move(fresh: Path, final: Path) -> None:
    """Put the new folder in the place of the old one; the old one comes back if that fails."""
    old = final.with_name(fresh.name.replace(".new", ".old"))
    if os.path.lexists(final):
        os.replace(final, old)
    try:
        os.replace(fresh, final)
    except OSError:
        if os.path.lexists(old):
            os.replace(old, final)
        raise
    if old.is_symlink():
        old.unlink()
    shutil.rmtree(old, ignore_errors=True)


def _folder_entries(folder: Path) -> list[_Entry]:
    """List the plain files of a folder.

    Raises:
        InstallError: one is a link or something else, or there are too many.
    """
    entries = []
    for path in _few(folder.iterdir()):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            raise InstallError(tr("The package holds a link, {}; links are not taken.").format(path.name))
        if stat.S_ISREG(mode):
            entries.append(_Entry(path.name, path.stat().st_size, _opener(path)))
    return entries


def _opener(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb")


def _zip_entries(path: Path, stack: contextlib.ExitStack) -> list[_Entry]:
    """List the files of a zip, which stand at its top or in one folder.

    Raises:
        InstallError: no zip, a name that could lead elsewhere, a link, too many or too large.
    """
    if not path.is_file():
        raise InstallError(tr("There is no file or folder {}.").format(path))
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
    except Exception as error:  # what zipfile raises for headers that lie is not documented
        raise InstallError(tr("{} is not a zip file that can be read.").format(path)) from error
    infos = list(_few(archive.infolist()))
    for info in infos:
        _check_name(info)
    files = [info for info in infos if not info.is_dir()]
    if sum(info.file_size for info in files) > MAX_BYTES:
        raise InstallError(tr("The package is larger than {} GB.").format(MAX_BYTES // 2**30))
    cards = [info.filename for info in files if info.filename.split("/")[-1] == CARD_FILE]
    if len(cards) != 1:
        no, several = tr("{} is no model package: it has no {}."), tr("{} holds more than one {}.")
        raise InstallError((several if cards else no).format(path, CARD_FILE))
    top = cards[0][: -len(CARD_FILE)]
    if top.count("/") > 1:
        raise InstallError(tr("{}: {} must stand at the top or in one folder.").format(path, CARD_FILE))
    inside = [
        info for info in files if info.filename.startswith(top) and "/" not in info.filename[len(top) :]
    ]
    names = [info.filename[len(top) :].lower() for info in inside]
    if len(set(names)) < len(names):
        raise InstallError(tr("{} holds two files of the same name.").format(path))
    return [_Entry(info.filename[len(top) :], info.file_size, partial(archive.open, info)) for info in inside]


def _check_name(info: zipfile.ZipInfo) -> None:
    """Refuse names that could lead out of the folder, links, devices and encrypted files."""
    name = info.filename
    parts = name.rstrip("/").split("/")
    if (
        name.startswith("/")
        or "\\" in name
        or ":" in name
        or any(part in ("", ".", "..") for part in parts)
        or any(ord(letter) < 32 for letter in name)
    ):
        raise InstallError(
            tr("The package holds a file with a name that is not allowed: {!r}.").format(name[:80])
        )
    mode = info.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise InstallError(tr("The package holds a link or device, {}; these are not taken.").format(name))
    if info.flag_bits & 1:
        raise InstallError(tr("The file {} in the package is encrypted.").format(name))


def _few(items: Iterable[_Item]) -> Iterator[_Item]:
    for number, item in enumerate(items):
        if number >= MAX_ENTRIES:
            raise InstallError(tr("The package holds more than {} files.").format(MAX_ENTRIES))
        yield item
