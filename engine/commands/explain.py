"""From any error to a kind and one sentence for the user; nothing of a library's words reaches them.

What a user can cause is caught where it happens, with the name of the input. This is the last net: it
knows the families of errors and says what they mean; what it does not know is a fault of MSR's own, whose
traceback goes into the log.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Any

from engine.broken_packages import LIMITS, broken_package, sentence
from engine.commands.sentences import one_sentence
from engine.compute.memory import is_out_of_memory
from engine.errors import EngineError
from engine.files.system_errors import is_no_memory, system_error, system_sentence
from engine.raster.cloud.told_address import scrubbed

EXIT_STATUS = {"input": 2, "package": 2, "version": 2, "cancelled": 130}  # any other kind: 1
MEMORY = (
    "Memory ran out: choose a smaller tile size or extent, close other programs, or raise the limit on "
    "memory (ulimit -v)."
)
UNEXPECTED = "MSR met a fault of its own and stopped: please report it"
_LOOK = "check the input files"
# Families of libraries whose errors mean that a file's content is not what it should be.
_FILE_LIBRARIES = {
    "netCDF4": "A NetCDF file cannot be read",
    "h5py": "An HDF5 file cannot be read",
    "h5netcdf": "A NetCDF file cannot be read",
    "zarr": "A Zarr store cannot be read",
    "numcodecs": "A Zarr store cannot be read",
    "xarray": "A NetCDF file or Zarr store cannot be read",
    "cfgrib": "A GRIB file cannot be read",
    "safetensors": "A file of weights cannot be read",
    "zipfile": "A zip file cannot be read",
    "zlib": "A compressed file cannot be read",
    "lzma": "A compressed file cannot be read",
    "yaml": "A YAML file cannot be read",
    "json": "A JSON file cannot be read",
}
_THREADS = ("can't start new thread", "thread creation failed", "resource temporarily unavailable")


def explain(error: BaseException) -> dict[str, str]:
    """Return the kind, one sentence for the user, and the traceback of an error."""
    kind, message = _kind_and_sentence(error)
    detail = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return {"kind": kind, "message": one_sentence(message), "detail": scrubbed(detail)}


def says_all(error: BaseException) -> bool:
    """Return whether the sentence says all that a user needs; else they are told where the details are."""
    sentence = _kind_and_sentence(error)[1]
    return sentence != UNEXPECTED and not sentence.endswith(_LOOK)


def exit_status(kind: str) -> int:
    """Return the process's exit status for a kind of error."""
    return EXIT_STATUS.get(kind, 1)


def _kind_and_sentence(error: BaseException) -> tuple[str, str]:
    if isinstance(error, EngineError):
        return "failure" if _at_a_limit(error) else error.kind, str(error)
    if isinstance(error, KeyboardInterrupt):
        return "cancelled", "The run was cancelled."
    if is_out_of_memory(error) or is_no_memory(error):
        return "memory", MEMORY
    if package := broken_package(error):
        return "failure", sentence(package)
    if isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _THREADS):
        return "failure", (
            "The system has no threads left to give: close other programs, or raise the limit (ulimit -u)."
        )
    for each in _chain(error):
        if isinstance(each, OSError) and each.errno and not _library(each):
            return "failure", system_sentence(each)
        if refused := system_error(each):
            return "failure", system_sentence(refused)
    if isinstance(error, RecursionError):
        return "input", "The input is nested too deeply to be read: make it flatter."
    if isinstance(error, UnicodeError):
        return "input", (
            "A name or text holds signs that are no Unicode text: give files and parameters plain names."
        )
    if _library(error) == "pyproj" or type(error).__name__ == "CRSError":
        return _projection()
    family = next(filter(None, map(_library, _chain(error))), "")
    if family == "rasterio":
        from engine.raster.gdal_reasons import gdal_reason

        return "input", f"A raster cannot be read or written: {gdal_reason(error, '', _LOOK)}."
    if family in _FILE_LIBRARIES:
        return "input", (
            f"{_FILE_LIBRARIES[family]}: it is damaged, not whole, or of a kind that MSR does not know; "
            f"{_LOOK}"
        )
    return "failure", UNEXPECTED


def _at_a_limit(error: BaseException) -> bool:
    """Return whether an error comes of a limit of the system, though a file was named as wrong."""
    return any(
        (isinstance(each, OSError) and each.errno in LIMITS) or "too many open files" in str(each).lower()
        for each in _chain(error)
        if not isinstance(each, EngineError)
    )


def _projection() -> tuple[str, str]:
    from engine.raster.projections import projection_problem

    if problem := projection_problem():
        return "failure", problem
    return "input", "A coordinate reference system cannot be used: give another one, such as EPSG:4326."


def _library(error: BaseException) -> str:
    """Return the library that an error's class is of, "" for Python's own and for unknown ones."""
    family = type(error).__module__.split(".")[0].removeprefix("_").removesuffix("_rust")
    return family if family in _FILE_LIBRARIES or family in ("pyproj", "rasterio") else ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    each: Any = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__  # not what was being handled meanwhile: that is another matter
