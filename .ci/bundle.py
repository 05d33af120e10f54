"""Makes a bundle of an engine for machines without a network, of any platform: bundle.py [OPTIONS] [FILE].

Run by `./dev bundle` with the Python that can import qgis, which downloads with its proxy and certificates.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="./dev bundle", description=__doc__.split(":", maxsplit=1)[0])
    platforms = sorted(path.stem for path in (ROOT / "resources" / "lock").glob("*.txt"))
    parser.add_argument("--platform", choices=platforms, help="default: this machine's")
    parser.add_argument("--variant", choices=("cpu", "cuda"), default="cpu", help="default: cpu")
    parser.add_argument("--training", action="store_true", help="with what training needs")
    parser.add_argument("--lock", type=Path, help=argparse.SUPPRESS)  # of tests
    parser.add_argument("file", nargs="?", type=Path, help="default: build/msr-engine-PLATFORM-VARIANT…")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Make it; return the exit status."""
    options = parsed(arguments)
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    sys.path.insert(0, str(ROOT))
    from qgis.core import QgsApplication

    application = QgsApplication([], False)
    with tempfile.TemporaryDirectory() as own:
        os.environ["QGIS_CUSTOM_CONFIG_PATH"] = own
        application.initQgis()
        try:
            return make(options)
        finally:
            application.exitQgis()


def make(options: argparse.Namespace) -> int:
    """Make it with QGIS started; return the exit status."""
    from msr_plugin.installer.bundle import SUFFIX
    from msr_plugin.installer.bundle_maker import make_bundle
    from msr_plugin.installer.lock import FOLDER, read_lock
    from msr_plugin.installer.machine import platform_name
    from msr_plugin.installer.network import QgisNetwork
    from msr_plugin.installer.plan import make_plan
    from msr_plugin.installer.problems import InstallProblem
    from msr_plugin.installer.progress import Watcher, bytes_text

    platform = options.platform or platform_name()
    sets = ("engine", "training") if options.training else ("engine",)
    file = options.file or ROOT / "build" / f"msr-engine-{platform}-{options.variant}{SUFFIX}"
    try:
        plan = make_plan(options.variant, sets, read_lock(platform, options.lock or FOLDER), standalone=True)
        print(f"bundle: {len(plan.files)} files, about {bytes_text(plan.download)}", flush=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        make_bundle(plan, file, QgisNetwork(), Watcher(log=lambda line: print(f"bundle: {line}", flush=True)))
    except (InstallProblem, OSError) as problem:
        print(f"bundle: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
