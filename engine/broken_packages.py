"""A Python package that is missing or broken is told by its name, and never passes for another fault.

A package may raise anything while it is imported: a TypeError where it does not fit this Python, a
ValueError where it was built for another numpy. Taken as what it seems to be, that would blame a file.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import EngineError

_OURS = ("engine", "training", "tests", "__main__", "__mp_main__")
# No package's fault: memory, files and threads that the system has not to give.
LIMITS = (errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EAGAIN)
# What MSR asks for itself, by the names of imports, and the list that holds it.
ENGINE = (
    *("torch", "numpy", "rasterio", "pyproj", "affine", "odc", "safetensors", "jsonschema", "pint"),
    *("cftime", "xarray", "cf_xarray", "netCDF4", "zarr", "psutil"),
)
TRAINING = (
    *("pydantic", "yaml", "tensorboard", "tqdm", "scipy", "matplotlib", "itur", "dask", "sklearn"),
    *("filelock", "xsdba"),
)
CLUSTER = ("dask", "distributed", "zarr")
CLOUD = ("fsspec", "aiohttp", "s3fs", "gcsfs", "fastparquet")


def broken_package(error: BaseException) -> str:
    """Return the package during whose import an error was raised, "" where none was being imported.

    One of MSR's own that is missing is named, whichever other package asked for it.
    """
    if isinstance(error, OSError) and error.errno in LIMITS:
        return ""
    if isinstance(error, ModuleNotFoundError):
        missing = (error.name or "").split(".")[0]
        if missing in (*ENGINE, *TRAINING, *CLUSTER, *CLOUD) and missing == error.name:
            return missing
    trace, package = error.__traceback__, ""
    while trace is not None:  # without Python's own steps of the import, but with each module's lines
        frame = trace.tb_frame
        name = str(frame.f_globals.get("__name__", "")).split(".")[0]
        if frame.f_code.co_name == "<module>" and name not in _OURS:
            package = name  # the innermost: what another package fails for
        trace = trace.tb_next
    if not package and isinstance(error, ImportError):
        package = (error.name or "a package").split(".")[0]
    return package


def sentence(package: str, listed: str = "") -> str:
    """Return what is wrong where a package cannot be imported, and what to do.

    Args:
        package: its name.
        listed: the list of what its user needs; "": the one that holds it.
    """
    or_look = ""
    if package in ENGINE:
        listed = listed or "requirements-engine.txt"
    elif package in TRAINING:
        listed = listed or "requirements-training.txt"
    elif package in CLUSTER:
        listed = listed or "requirements-cluster.txt"
    elif package in CLOUD:
        listed = listed or "requirements-cloud.txt"
    if listed in ("", "requirements-engine.txt"):
        listed, or_look = "requirements-engine.txt", ", or look with `python -m engine doctor`"
    return (
        f"The engine's Python, {sys.executable}, cannot load {package}: install what {listed} lists "
        f"there{or_look}."
    )


@contextmanager
def importing(listed: str = "") -> Iterator[None]:
    """Let imports inside fail in one sentence, whatever they raise.

    Args:
        listed: the list of packages that the sentence names; "": the one that holds the package.

    Raises:
        EngineError: names the package.
    """
    try:
        yield
    except EngineError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in LIMITS:
            raise
        raise EngineError(sentence(broken_package(error) or "a package", listed)) from error
