"""A bundle: one archive with all that an engine is made of, for machines without a network."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from ..translation import tr
from .lock import LockedFile
from .problems import InstallCancelled, InstallProblem, refused_by_system
from .progress import InstallProgress, Watcher

SUFFIX = ".msrbundle.zip"
_MANIFEST = "msr-bundle.json"
_FOLDER = "files/"
_FORMAT = 1
_LARGEST_MANIFEST = 1_000_000  # bytes
_BLOCK = 1 << 20
_READ = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # as MSR writes them, and as unpacked and packed again
_ENCRYPTED = 1  # in a member's flags


@dataclass(frozen=True)
class Manifest:
    """What a bundle says of itself."""

    platform: str
    variant: str
    sets: tuple[str, ...]
    digest: str  # of the wheels
    python: str  # version of the standalone Python in it
    files: dict[str, str]  # name → SHA-256


class Bundle:
    """A bundle as a source of files. The lock of the plugin, not the bundle, says what they must be."""

    online = False

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            InstallProblem: it is none, or damaged.
        """
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                about = _member(archive, _MANIFEST)
                if about.file_size > _LARGEST_MANIFEST:
                    raise ValueError
                entry = json.loads(archive.read(about))
            if entry.pop("format") != _FORMAT:
                raise ValueError
            said = self.manifest = Manifest(**{**entry, "sets": tuple(entry["sets"])})
            texts = (said.platform, said.variant, said.digest, said.python, *said.sets, *said.files.values())
            if not all(isinstance(text, str) for text in texts):
                raise ValueError
        except OSError as error:
            raise refused_by_system(path, error) from error
        except (
            *(zipfile.BadZipFile, zlib.error, EOFError),
            *(KeyError, ValueError, TypeError, AttributeError, RuntimeError),
        ):
            raise InstallProblem(tr("{} is no bundle of this plugin, or damaged.").format(path)) from None

    def fetch(self, file: LockedFile, part: Path, got: Callable[[int], None], watcher: Watcher) -> str:
        """Write a file of the bundle to `part`; return the checksum that it must have.

        Raises:
            InstallProblem: it is not in the bundle, or the bundle is damaged.
        """
        try:
            with (
                zipfile.ZipFile(self.path) as archive,
                archive.open(_member(archive, _FOLDER + file.name)) as entry,
            ):
                self._copy(entry, part, got, watcher)
        except KeyError:
            raise InstallProblem(
                tr("{} lacks {}: it was made by another version of the plugin.").format(self.path, file.name)
            ) from None
        except (zipfile.BadZipFile, zlib.error, EOFError):
            raise InstallProblem(tr("{} is damaged: copy it again.").format(self.path)) from None
        except OSError as error:
            raise refused_by_system(self.path, error) from error
        if file.sha256:
            return file.sha256
        watcher.log(tr("{}: its checksum is the bundle's own").format(file.name))
        return self.manifest.files.get(file.name, "")

    def _copy(self, entry: IO[bytes], part: Path, got: Callable[[int], None], watcher: Watcher) -> None:
        try:
            with part.open("wb") as target:
                while block := self._block(entry):
                    target.write(block)
                    got(target.tell())
                    if watcher.is_cancelled():
                        raise InstallCancelled
        except OSError as error:
            raise refused_by_system(part, error) from error

    def _block(self, entry: IO[bytes]) -> bytes:
        """Return the next bytes; where they cannot be read, the bundle is at fault, not what is written."""
        try:
            return entry.read(_BLOCK)
        except OSError as error:
            raise refused_by_system(self.path, error) from error


def _member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """Return a member that can be read.

    Raises:
        KeyError: there is none of this name.
        BadZipFile: it is encrypted, or compressed as no bundle is.
    """
    member = archive.getinfo(name)
    if member.flag_bits & _ENCRYPTED or member.compress_type not in _READ:
        raise zipfile.BadZipFile(name)
    return member


def write_bundle(path: Path, manifest: Manifest, files: Sequence[Path], watcher: Watcher) -> None:
    """Write a bundle under its final name once it is whole.

    Raises:
        InstallProblem: it cannot be written; nothing of it is left.
    """
    part = path.with_name(f"{path.name}.part")
    total = sum(file.stat().st_size for file in files)
    done = 0
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:  # wheels are compressed already
            archive.writestr(_MANIFEST, json.dumps({"format": _FORMAT, **asdict(manifest)}, indent=1))
            for file in files:
                with (
                    file.open("rb") as source,
                    archive.open(_FOLDER + file.name, "w", force_zip64=True) as entry,
                ):
                    while block := source.read(_BLOCK):
                        entry.write(block)
                        done += len(block)
                        watcher.told(InstallProgress(tr("Writing {}").format(path.name), done, total))
                        if watcher.is_cancelled():
                            raise InstallCancelled
        part.replace(path)
    except OSError as error:
        raise refused_by_system(path, error) from error
    finally:
        part.unlink(missing_ok=True)
