"""Whether the packages of a cluster are there, looked at before long work."""

from __future__ import annotations

import importlib.util

from engine.errors import EngineError


def check_packages() -> None:
    """Refuse a cluster where its packages are not there.

    Raises:
        EngineError: names what to install.
    """
    missing = [name for name in ("dask", "distributed") if importlib.util.find_spec(name) is None]
    if missing:
        raise EngineError(
            f"--cluster needs {' and '.join(missing)}: install what requirements-cluster.txt lists (pip "
            "install -r requirements-cluster.txt), or leave it out."
        )
