"""The steps of an installation; the engine before works on until the new one has shown that it does."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

from ..translation import tr
from ..worker.doctor import examine
from ..worker.installed_engine import InstalledEngine, engines_folder, use
from .assembly import Uv, requirement_lines, unpack_python, unpack_uv
from .downloads import Source, downloads_folder, fetch_all
from .one_at_a_time import one_at_a_time
from .plan import InstallPlan, bytes_below, check_place
from .problems import InstallCancelled, InstallProblem, refused_by_system
from .progress import InstallProgress, Watcher, bytes_text
from .removal import sweep

Check = Callable[[Path], "tuple[bool, str]"]
_MOST = 10_000  # engines at once


def install(plan: InstallPlan, source: Source, watcher: Watcher, check: Check = examine) -> InstalledEngine:
    """Make an engine and let it be the one in use.

    Args:
        plan: what to make.
        source: the network or a bundle.
        watcher: who is told.
        check: says of an interpreter whether the engine runs with it, and its report.

    Raises:
        InstallProblem: it failed; the engine before is still in use.
    """
    with one_at_a_time():
        sweep()
        downloads = downloads_folder()
        check_place(plan, bytes_below(downloads))
        watcher.log(
            tr("{} files, {}, for Python {}").format(
                len(plan.files), bytes_text(plan.download), plan.python_version
            )
        )
        files = fetch_all(plan.files, downloads, source, watcher)
        folder = _fresh_folder()
        try:
            engine = _assemble(plan, files, folder, watcher)
            watcher.told(InstallProgress(tr("Testing the engine")))
            fine, report = check(engine.interpreter)
            watcher.log(report)
            if watcher.is_cancelled():
                raise InstallCancelled
            if not fine:
                raise InstallProblem(tr("The new engine does not run, so it was removed:") + f"\n{report}")
            use(engine)
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, OSError):
                raise refused_by_system(folder, error) from error
            raise
        shutil.rmtree(downloads, ignore_errors=True)
        watcher.log(tr("The engine is ready: {}").format(engine.interpreter))
        return engine


def _assemble(
    plan: InstallPlan, files: dict[str, tuple[Path, str]], folder: Path, watcher: Watcher
) -> InstalledEngine:
    cache = folder / "cache"
    program = unpack_uv(files[plan.lock.uv.name][0], folder)
    uv = Uv(program, cache, watcher)
    if plan.python is None:
        base = unpack_python(files[plan.lock.python.name][0], folder, watcher)
    else:
        base = plan.python.path
    watcher.log(tr("Python: {}").format(base))
    watcher.told(InstallProgress(tr("Putting the engine together")))
    python = uv.make_environment(base, folder / "env")
    requirements = folder / "requirements.txt"
    checksums = {name: checksum for name, (_, checksum) in files.items()}
    requirements.write_text(requirement_lines(plan.wheels, checksums), encoding="utf-8")
    uv.install(python, requirements, downloads_folder())
    shutil.rmtree(cache, ignore_errors=True)
    program.unlink()  # the next installation brings its own
    inside = python.relative_to(folder).as_posix()
    return InstalledEngine(folder.name, inside, plan.python_version, plan.variant, plan.sets, plan.digest)


def _fresh_folder() -> Path:
    """Make the next engine's folder; its name is short, as paths on Windows must be."""
    for number in range(1, _MOST):
        folder = engines_folder() / str(number)
        with contextlib.suppress(FileExistsError):
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                raise
            except OSError as error:
                raise refused_by_system(folder, error) from error
            return folder
    raise InstallProblem(tr("{} is full of engines: remove them.").format(engines_folder()))
