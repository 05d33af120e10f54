"""Makes a bundle: downloads what a plan needs and packs it."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..translation import tr
from .bundle import Manifest, write_bundle
from .downloads import Source, downloads_folder, fetch_all
from .one_at_a_time import one_at_a_time
from .plan import InstallPlan
from .progress import Watcher


def make_bundle(plan: InstallPlan, path: Path, source: Source, watcher: Watcher) -> None:
    """Download all that a plan needs, the standalone Python too, into one archive.

    Raises:
        InstallProblem: a file cannot be had, or the archive not be written.
    """
    with one_at_a_time():
        folder = downloads_folder()
        wanted = [plan.lock.uv, plan.lock.python, *plan.wheels]
        files = fetch_all(wanted, folder, source, watcher)
        manifest = Manifest(
            plan.lock.platform,
            plan.variant,
            plan.sets,
            plan.digest,
            plan.python_version,
            {name: checksum for name, (_, checksum) in files.items()},
        )
        write_bundle(path, manifest, [files[file.name][0] for file in wanted], watcher)
        shutil.rmtree(folder, ignore_errors=True)
        watcher.log(tr("The bundle is ready: {}").format(path))
