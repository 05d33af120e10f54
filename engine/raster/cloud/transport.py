"""Fetches the bytes of objects on servers, by fsspec, and of files here; each answer's length is checked."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import threading
import time
from base64 import b64encode
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from engine.broken_packages import importing
from engine.errors import EngineError
from engine.raster.cloud import fetch_error
from engine.raster.cloud.fetch_error import FetchError
from engine.raster.cloud.object_versions import ABSENT, ObjectVersion, version_of
from engine.raster.cloud.told_address import is_address, remember

LISTED = "requirements-cloud.txt"
_TRIES, _PAUSE = 3, 0.5  # of a connection that breaks off, and the seconds after the first
_CONNECT_SECONDS, _READ_SECONDS = 20, 60
_ALIASES = {"s3a": "s3", "gcs": "gs"}


class Transport:
    """Fetches from any server; user, password and query of one address count for its own server alone.

    Safe for several threads.

    Args:
        home: that address.
    """

    def __init__(self, home: str) -> None:
        remember(home)
        self._home = urlsplit(home) if is_address(home) else None
        self._systems: dict[str, Any] = {}
        self._lock = threading.Lock()

    def fetch(self, address: str, start: int | None = None, size: int | None = None) -> bytes | None:
        """Return an object's bytes, None where there is no such object.

        Args:
            address: of the object, without user, password and the query of `home`; or the path of a file.
            start: first byte; below zero: so many at the end; None: the whole object.
            size: how many bytes from `start` on; None: all that follow.

        Raises:
            FetchError: they cannot be had.
            EngineError: a package is missing.
        """
        for left in reversed(range(_TRIES)):
            try:
                body = self._once(address, start, size)
            except FetchError as error:
                if not error.again or not left:
                    raise
                time.sleep(_PAUSE * (_TRIES - left) ** 2)
                continue
            wanted = -start if start is not None and start < 0 else size
            if body is not None and wanted is not None and len(body) != wanted:
                raise FetchError(fetch_error.SHORT)
            return body
        raise FetchError(fetch_error.CUT)

    def version(self, address: str) -> ObjectVersion | None:
        """Return what an object's server tells of its version; None where it does not.

        Raises:
            FetchError: it is another object than that which was read.
            EngineError: a package is missing.
        """
        system = self._system(address)
        try:
            if hasattr(system, "version"):
                told: ObjectVersion | None = system.version(address)
                return told
            system.invalidate_cache()  # of what lies in a folder
            return version_of(system.info(address))
        except FileNotFoundError:
            return ABSENT
        except FetchError:
            raise
        except Exception:  # of any library: whoever asks goes without
            logging.getLogger(__name__).debug("no version is told")
            return None

    def names(self, address: str) -> list[str]:
        """Return the names of what lies directly below an address, none where its server does not list it."""
        if not is_address(address):
            return []
        try:
            listed = self._system(address).ls(address, detail=False)
        except EngineError:
            raise
        except Exception:  # of any library: whoever asks goes without
            logging.getLogger(__name__).debug("not listed")
            return []
        own = address.rstrip("/").rpartition("/")[2]
        names = {str(each).partition("?")[0].rstrip("/").rpartition("/")[2] for each in listed}
        return sorted(names - {own, ""})

    def _once(self, address: str, start: int | None, size: int | None) -> bytes | None:
        if not is_address(address):
            return _from_file(address.removeprefix("file://"), start, size)
        system = self._system(address)
        end = start + size if start is not None and start >= 0 and size is not None else None
        try:
            body: bytes = system.cat_file(address, start=start, end=end)
        except FileNotFoundError:
            return None
        except FetchError:
            raise
        except Exception as error:  # each protocol's library has its own; the words of none may be told
            raise _known(error) from None
        return body

    def _system(self, address: str) -> Any:
        """Return fsspec's file system of an address's server."""
        parts = urlsplit(address)
        scheme = _ALIASES.get(parts.scheme.lower(), parts.scheme.lower())
        key = f"{scheme}://{parts.netloc}" if scheme.startswith("http") else scheme
        with self._lock:
            if key not in self._systems:
                self._systems[key] = self._http(parts) if scheme.startswith("http") else _system(scheme)
            return self._systems[key]

    def _http(self, parts: Any) -> Any:
        with importing(LISTED):
            import aiohttp
            import fsspec

            from engine.raster.cloud.checked_http import CheckedHttp
        told = fsspec.config.conf.get(parts.scheme, {}) or fsspec.config.conf.get("http", {})
        given = told.get("client_kwargs")
        client: dict[str, Any] = {
            "timeout": aiohttp.ClientTimeout(None, sock_connect=_CONNECT_SECONDS, sock_read=_READ_SECONDS),
            "trust_env": True,  # proxies, and ~/.netrc
            **(given if isinstance(given, dict) else {}),
        }
        client["headers"] = {"Accept-Encoding": "identity", **client.get("headers", {})}
        query: dict[str, str] = {}
        home = self._home
        if home is not None and (home.scheme, home.netloc.rpartition("@")[2]) == (parts.scheme, parts.netloc):
            query = dict(parse_qsl(home.query, keep_blank_values=True))
            if home.username:
                login = f"{unquote(home.username)}:{unquote(home.password or '')}"
                client["headers"]["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
        more = {"params": query} if query else {}
        return CheckedHttp(client_kwargs=client, skip_instance_cache=True, **more)


def plain_address(address: str) -> str:
    """Return an address without user, password and query, as `Transport.fetch` takes those of its home."""
    if not is_address(address):
        return address
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _system(scheme: str) -> Any:
    """Return fsspec's file system of a protocol; its options come from the environment alone."""
    try:
        with importing(LISTED):
            import fsspec
        return fsspec.filesystem(scheme, skip_instance_cache=True)
    except (ImportError, ValueError):
        raise EngineError(
            f"{scheme}:// needs a package that is not there: install what {LISTED} lists, or the one that "
            f"fsspec has for {scheme}."
        ) from None


def _from_file(path: str, start: int | None, size: int | None) -> bytes | None:
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise FetchError("it is a pipe or a device: refer to a file")
        if (size is None or size > fetch_error.LARGEST) and status.st_size > fetch_error.LARGEST:
            raise FetchError("it is of more than 1 GB: refer to pieces of it")
        with open(path, "rb") as file:
            if start is not None:
                file.seek(start, os.SEEK_SET if start >= 0 else os.SEEK_END)
            return file.read() if size is None else file.read(size)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
    except PermissionError:
        raise FetchError("you have no permission to read it") from None
    except (OSError, ValueError):
        raise FetchError("it cannot be read: copy or download it again") from None


def _known(error: Exception) -> FetchError:
    """Return what an error of a library means."""
    kind = type(error).__name__
    if isinstance(error, PermissionError) or "Credential" in kind or "Token" in kind:
        return FetchError(fetch_error.NO_ACCESS)
    if isinstance(error, (asyncio.TimeoutError, TimeoutError)) or kind == "FSTimeoutError":
        return FetchError("its server does not answer in time: try again later", again=True)
    if kind == "TooManyRedirects":
        return FetchError("its server sends on and on to other addresses: check the address")
    if kind in (
        "ClientPayloadError",
        "ServerDisconnectedError",
        "IncompleteReadError",
        "ResponseStreamingError",
    ):
        return FetchError(fetch_error.CUT, again=True)
    if isinstance(error, ConnectionResetError):
        return FetchError(fetch_error.CUT, again=True)
    return FetchError(fetch_error.UNREACHABLE, again="onnect" in kind)
