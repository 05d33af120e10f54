"""Too little memory, too few open files, files that may not grow, a disk that is full."""

from __future__ import annotations

import numpy as np

from tests.torture.case import Case, Limits
from tests.torture.generators.kills import small_target
from tests.torture.generators.shared import Shared
from tests.torture.running.surroundings import Folders


def make(rng: np.random.Generator, folders: Folders, shared: Shared) -> Case:
    """Run something in narrow bounds: it succeeds, or says in one sentence what was lacking."""
    how = str(rng.choice(["memory", "files", "file size", "disk"]))
    if how == "disk" and not shared.small_disk.is_dir():
        how = "file size"
    limits = {
        "memory": Limits(address=int(2 ** rng.uniform(20, 29))),
        "files": Limits(files=int(rng.integers(16, 60))),
        "file size": Limits(file_size=int(2 ** rng.uniform(10, 21))),
        "disk": None,
    }[how]
    what = str(rng.choice(["run", "run", "prepare", "train"])) if how != "disk" else "run"
    out = folders.outputs
    if what == "run":
        target = small_target(rng, folders, int(rng.integers(40, 240)), int(rng.integers(40, 240)))
        if how == "disk":
            out = shared.small_disk / folders.case.name
        argv = ["super-resolve", "--model", "bicubicsmooth", "--factor", "8", "--target", str(target)]
        argv += ["--output", str(out / "fine.tif"), "--device", "cpu", "--json"]
        module = "engine"
    elif what == "prepare":
        argv, module = (
            [str(shared.dataset), "--output", str(out / "small.zarr"), "--workers", "2", "--quiet"],
            "training.prepare",
        )
    else:
        argv = [
            str(shared.training),
            "--runs",
            str(out / "runs"),
            "--output",
            str(out / "package"),
            "--quiet",
        ]
        module = "training.train"
    case = Case(
        kind="limits",
        what=f"{what}, little {how}: {limits or 'a disk of 2 MB'}",
        way="command",
        module=module,
        argv=argv,
        limits=limits,
        refusal="may",
        status=(1, 2),
        outputs=("fine.tif", "small.zarr", "small.html", "runs", "package"),
        seconds=60,
    )
    if how == "disk":
        _on_small_disk(case, folders, shared)
    return case


def _on_small_disk(case: Case, folders: Folders, shared: Shared) -> None:
    """Use the shared small file system alone, and look there for what was left."""
    import fcntl
    import shutil

    from tests.torture.case import Finding

    lock = (shared.folder / "small_disk.guard").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    place = shared.small_disk / folders.case.name
    place.mkdir()

    def left() -> list[Finding]:
        names = [p.name for p in place.iterdir() if p.name != "fine.tif"]
        return [Finding("leftovers", f"on the full disk: {', '.join(names)}")] if names else []

    def leave() -> None:
        shutil.rmtree(place, ignore_errors=True)
        lock.close()

    case.always = left
    case.afterwards.append(leave)
