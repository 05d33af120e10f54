"""Errors that a user may see: one sentence that says what is wrong and what to do."""

from __future__ import annotations


class EngineError(Exception):
    """Something failed that is not the user's doing. `str(error)` is one sentence for the user."""

    kind = "failure"
    exit_status = 1


class InputError(EngineError):
    """The request or its rasters are wrong; the sentence names the input and what to change."""

    kind = "input"
    exit_status = 2


class PackageError(InputError):
    """A model package is damaged or does not fit this engine."""

    kind = "package"


class OutOfMemoryError(EngineError):
    """Memory ran out although tiles had shrunk to the smallest size."""

    kind = "memory"


class Cancelled(EngineError):
    """The user asked to stop."""

    kind = "cancelled"
