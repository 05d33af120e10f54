"""Why bytes cannot be fetched, as the end of a sentence that says what to do."""

from __future__ import annotations

LARGEST = 2**30  # bytes of one object that are held at once
NO_PIECES = (
    "its server gives no pieces of objects (range requests), so that each look would fetch the whole: "
    "download it first"
)
CUT = "the connection to its server breaks off: try again, or download it first"
UNREACHABLE = "its server cannot be reached: check the address and the network, or download it first"
NO_ACCESS = "its server refuses access: check user, password, token or keys, and whether they are still valid"
SHORT = "it ends before what is asked of it: it is not whole, or has changed"
CHANGED = "it has become another one while it was read: begin again once nobody writes it any more"
LARGE = "its server sends more than 1 GB for one object: check the address, or download it first"
SLOW = "its server sends next to nothing: try again later, or download it first"


class FetchError(Exception):
    """Bytes cannot be fetched.

    Args:
        reason: the end of a sentence.
        again: whether another try may help.
    """

    def __init__(self, reason: str, again: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.again = reason, again


def status_error(status: int) -> FetchError:
    """Return what a status of HTTP means."""
    if status in (401, 403, 407):
        return FetchError(f"{NO_ACCESS} ({status})")
    if status == 416:
        return FetchError(f"{SHORT} ({status})")
    if status == 429 or status >= 500:
        return FetchError(f"its server does not give it now ({status}): try again later", again=True)
    return FetchError(f"its server does not give it ({status}): check the address, or download it first")
