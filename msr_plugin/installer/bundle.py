"""A bundle: one archive with all that an engine is made of, for machines without a network."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

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
                if archive.getinfo(_MANIFEST).file_size > _LARGEST_MANIFEST:
                    raise ValueError
                entry = json.loads(archive.read(_MANIFEST))
            if entry.pop("format") != _FORMAT:
                raise ValueError
            self.manifest = Manifest(**{**entry, "sets": tuple(entry["sets"])})
            self.manifest.files.items()
        except OSError as error:
            raise refused_by_system(path, error) from error
        except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, RuntimeError):
            raise InstallProblem(tr("{} is no bundle of this plugin, or damaged.").format(path)) from None

    def fetch(self, file: LockedFile, part: Path, got: Callable[[int], None], watcher: Watcher) -> str:
        """Write a file of the bundle to `part`; return the checksum that it must have.

        Raises:
            InstallProblem: it is not in the bundle, or the bundle is damaged.
        """
        try:
            with (
                zipfile.ZipFile(self.path) as archive,
                archive.open(_FOLDER + file.name) as entry,
                part.open("wb") as target,
            ):
                while block := entry.read(_BLOCK):
                    target.write(block)
                    got(target.tell())
                    if watcher.is_cancelled():
                        raise InstallCancelled
        except KeyError:
            raise InstallProblem(
                tr("{} lacks {}: it was made by another version of the plugin.").format(self.path, file.name)
            ) from None
        except zipfile.BadZipFile:
            raise InstallProblem(tr("{} is damaged: copy it again.").format(self.path)) from None
        except OSError as error:
            raise refused_by_system(part, error) from error
        return file.sha256 or str(self.manifest.files.get(file.name, ""))


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
