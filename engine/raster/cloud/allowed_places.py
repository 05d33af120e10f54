"""Where references may lead: a file of references names others, and its user may never have seen them."""

from __future__ import annotations

import os
import posixpath
from urllib.parse import unquote, urlsplit

from engine.errors import InputError
from engine.raster.cloud.told_address import is_address, told

VARIABLE = "MSR_REFERENCES_FROM"  # of the environment: places besides, with blanks between them
_LONGEST = 200


class AllowedPlaces:
    """The folder or server of a file of references, and what the user names besides.

    Args:
        home: the address or path of the file, or of the folder of tables.
        called: how sentences call it.
    """

    def __init__(self, home: str, called: str) -> None:
        self._called, self._remote = called, is_address(home)
        if self._remote:
            parts = urlsplit(home)
            host = parts.netloc.rpartition("@")[2]
            self._folder = f"{parts.scheme}://{host}{posixpath.dirname(parts.path).rstrip('/')}"
            # A bucket is a place of its own; so is a server.
            self._own = [f"{parts.scheme}://{host}/"]
        else:
            self._folder = os.path.dirname(os.path.realpath(home))
            self._own = [os.path.join(self._folder, "")]
        self._more = os.environ.get(VARIABLE, "").split()

    def whole(self, address: str) -> str:
        """Return a reference's address or path from the root; relative ones begin at the file of references.

        Raises:
            InputError: it leads to where it may not, or nowhere.
        """
        try:
            return self._whole(address)
        except (ValueError, OSError):  # signs that no path has, or an IPv6 host that is none
            raise InputError(f"{self._called} has a reference that means nothing: write it anew.") from None

    def _whole(self, address: str) -> str:
        if is_address(address):
            place = address
            steps = unquote(urlsplit(address).path).split("/")
            allowed = ".." not in steps and any(_below(place, each) for each in [*self._own, *self._more])
        elif self._remote and "://" not in address and not address.startswith("/"):
            place = f"{self._folder}/{address}"
            allowed = ".." not in unquote(address).split("/")
        else:
            path = address.removeprefix("file://")
            place = os.path.join("" if self._remote else self._folder, path)
            real = os.path.realpath(place)
            own = [] if self._remote else self._own
            more = [
                os.path.join(os.path.realpath(each.removeprefix("file://")), "") for each in self._local()
            ]
            allowed = "://" not in path and any(real.startswith(each) for each in [*own, *more])
        if not allowed:
            shown = told(address)
            shown = shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
            raise InputError(
                f"{self._called} refers to {shown}, outside of where it lies: if you trust that place, name "
                f"it in the environment's variable {VARIABLE}."
            )
        return place

    def _local(self) -> list[str]:
        return [each for each in self._more if not is_address(each)]


def _below(address: str, place: str) -> bool:
    """Return whether an address lies at or below a place; the place's scheme and server must be whole."""
    if not is_address(place):
        return False
    folder = place if place.endswith("/") else f"{place}/"
    return address == place or address.startswith(folder)
