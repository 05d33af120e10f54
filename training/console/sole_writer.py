"""One process at a time writes a place: the second one is refused; a crash releases the first one's hold."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from engine.errors import InputError


@contextmanager
def sole_writer(place: Path, doing: str) -> Iterator[None]:
    """Hold a file or folder, which need not exist, against other processes that hold it by this too.

    Args:
        place: what is written.
        doing: what the holder does there, as a sentence says it: "training in".

    Raises:
        InputError: another process holds it.
    """
    place = place.absolute()
    made = [folder for folder in place.parents if not folder.exists()]
    place.parent.mkdir(parents=True, exist_ok=True)
    file = place.with_name(f".{place.name[:200]}.lock")
    lock = FileLock(file)
    while True:
        try:
            lock.acquire(blocking=False)
        except Timeout as error:
            raise InputError(
                f"Another process is {doing} {place}: wait until it has ended, or choose another place."
            ) from error
        except (NotImplementedError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK):
                raise
            yield  # a file system without locks
            return
        if file.exists():
            break
        lock.release()  # its last holder removed the file in between
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # while it is held, so that nobody else's is removed
            file.unlink()
        lock.release()
        with contextlib.suppress(OSError):  # where nothing was written, no folder for it is left
            for folder in made:
                folder.rmdir()
