"""What the buttons begin: install, install from a bundle, make a bundle, remove."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from qgis.core import QgsSettings

from ..translation import tr
from ..worker.engine_service import SERVICE
from ..worker.environment import SETTING, VARIABLE
from ..worker.installed_engine import engines_folder
from ..worker.training_service import TRAINING
from .bundle import Bundle
from .bundle_maker import make_bundle
from .downloads import Source
from .install_task import background_work
from .installation import install
from .machine import platform_name
from .network import QgisNetwork
from .plan import InstallPlan, make_plan
from .problems import InstallProblem
from .progress import Watcher, bytes_text
from .python_choice import fitting_python
from .removal import remove, sweep_alone


def begin_install(plan: InstallPlan, source: Source | None = None) -> None:
    """Install in the background, from the network where no other source is given."""

    def work(watcher: Watcher) -> str:
        install(plan, source or QgisNetwork(), watcher)
        if isinstance(source, Bundle) and plan.unknown_checksums:
            names = ", ".join(file.name.split("-")[0] for file in plan.unknown_checksums)
            return tr(
                "The engine is ready. The plugin has no checksum of {}: that of the bundle was taken, so it "
                "is as good as who made the bundle."
            ).format(names)
        if os.environ.get(VARIABLE, "").strip():
            return tr("The engine is ready, but the variable {} names another, which is used.").format(
                VARIABLE
            )
        return tr("The engine is ready.")

    background_work().start(tr("Installing the engine"), work, _use_installed)


def begin_install_from_bundle(path: Path) -> None:
    """Install from a bundle, without a network.

    Raises:
        InstallProblem: it is no bundle for this machine and this version of the plugin.
    """
    bundle = Bundle(path)
    begin_install(plan_of_bundle(bundle), bundle)


def plan_of_bundle(bundle: Bundle) -> InstallPlan:
    """Return what a bundle is to be installed as.

    Raises:
        InstallProblem: it was made for another machine or by another version of the plugin.
    """
    manifest = bundle.manifest
    here = platform_name()
    if manifest.platform != here:
        raise InstallProblem(
            tr("{} was made for {}, and this machine is {}: make one for this.").format(
                bundle.path, manifest.platform, here
            )
        )
    python = fitting_python({manifest.python})
    plan = make_plan(manifest.variant, manifest.sets, python=python, standalone=python is None)
    if plan.digest != manifest.digest:
        raise InstallProblem(
            tr("{} was made by another version of the plugin: make one with this.").format(bundle.path)
        )
    return plan


def begin_bundle(path: Path, variant: str, sets: Sequence[str]) -> None:
    """Make a bundle for machines like this one, in the background.

    Raises:
        InstallProblem: there is no engine for such machines.
    """
    plan = make_plan(variant, sets, standalone=True)

    def work(watcher: Watcher) -> str:
        make_bundle(plan, path, QgisNetwork(), watcher)
        return tr("The bundle is ready: {}").format(path)

    background_work().start(tr("Making a bundle"), work)


def begin_remove() -> None:
    """Remove the engine in the background.

    Raises:
        InstallProblem: a run needs it.
    """
    if not _released():
        raise InstallProblem(tr("A run is under way in the engine: wait until it has ended, or cancel it."))

    def work(watcher: Watcher) -> str:
        return tr("The engine was removed: {} are free again.").format(bytes_text(remove(watcher)))

    background_work().start(tr("Removing the engine"), work)


def _use_installed() -> None:
    """Let a setting that names another Python not hide the new engine; end a worker of the old one."""
    named = str(QgsSettings().value(SETTING, "") or "").strip()
    if named and not Path(named).is_relative_to(engines_folder()):
        QgsSettings().remove(SETTING)
    if _released():
        sweep_alone()


def _released() -> bool:
    """End idle workers; return whether none is at work."""
    return all([SERVICE.release(), TRAINING.release()])
