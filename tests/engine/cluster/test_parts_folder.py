"""The folder of a run's parts: of another version, half removed, in two hands, on a disk that fills up."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("zarr", "3.0.8")

from engine.cluster import makers, part_task, parts_run
from engine.cluster.part_task import PartDone, make_part
from engine.cluster.parts_folder import PartsFolder
from engine.commands.explain import explain
from engine.errors import EngineError, InputError
from engine.feedback import Silent
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.steps.step_account import StepAccount
from engine.pipeline.super_resolve import super_resolve
from engine.raster.written import raster_writer
from tests.engine.cluster.conftest import bytes_in, in_parts

RunOf = Callable[..., SuperResolveRequest]
Plain = Callable[[SuperResolveRequest], dict[str, bytes]]
Leave = Callable[..., tuple[SuperResolveRequest, Path]]


@pytest.fixture()
def stopped(run_of: RunOf, monkeypatch: pytest.MonkeyPatch) -> Leave:
    """Return a function that leaves the parts of a stopped run; gives its request and their folder."""

    def leave(name: str = "fine.tif", after: int = 20, **wanted: object) -> tuple[SuperResolveRequest, Path]:
        request, made = run_of(name), []

        def make(job, number):
            if len(made) == after:
                raise EngineError("It stops.")
            made.append(number)
            return make_part(job, number)

        with monkeypatch.context() as context, pytest.raises(EngineError, match="It stops"):
            context.setattr(makers, "make_part", make)
            in_parts(request, **wanted)
        return request, Path(f"{request.output}.parts")

    return leave


@pytest.mark.parametrize("resume", [True, False])
def test_parts_of_another_version_are_left_alone(stopped: Leave, resume: bool) -> None:
    request, folder = stopped()
    run = folder / "run.json"
    run.write_text(json.dumps({**json.loads(run.read_text()), "format": 99}))
    before = bytes_in(folder)
    with pytest.raises(InputError) as caught:
        in_parts(request, resume=resume, zarr_format=3)
    assert str(caught.value) == (
        f"{folder} holds the parts of another version of MSR: go on with that, or remove it to begin again."
    )
    assert bytes_in(folder) == before


@pytest.mark.parametrize(
    "gone",
    ["output.zarr", "output.zarr/zarr.json", "output.zarr/*/zarr.json", "run.json", "done.jsonl"],
)
@pytest.mark.parametrize("name", ["fine.tif", "fine.zarr"])
def test_a_folder_that_is_half_removed_is_filled_again(
    stopped: Leave, plain: Plain, name: str, gone: str
) -> None:
    request, folder = stopped(name)
    expected = plain(request)
    for path in list(folder.glob(gone)):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    told = Silent()
    in_parts(request, told)
    assert bytes_in(Path(request.output).parent) == expected
    store = gone.startswith("output.zarr")
    assert (f"{folder} is not whole: all parts are made again." in told.warnings) == store


def test_stores_that_a_kill_has_left_before_the_run_are_no_ones(stopped: Leave, plain: Plain) -> None:
    request, folder = stopped()
    (folder / "run.json").unlink()
    chunk = next(path for path in folder.rglob("c/*/*/*") if path.is_file())
    chunk.write_bytes(b"of another run")
    expected = plain(request)
    in_parts(request)
    assert bytes_in(Path(request.output).parent) == expected


def test_what_is_left_of_a_folder_goes_with_the_finished_run(
    run_of: RunOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = run_of("fine.tif")
    with monkeypatch.context() as context:  # killed while it removed them
        context.setattr("engine.cluster.parts_folder.remove", lambda path: None)
        in_parts(request)
    folder = Path(f"{request.output}.parts")
    assert folder.is_dir() and not (folder / "run.json").exists()
    assert in_parts(request).finished and not folder.exists()


def test_two_runs_at_once_are_one(
    run_of: RunOf, plain: Plain, monkeypatch: pytest.MonkeyPatch, stopped: Leave
) -> None:
    request, _ = stopped()
    expected = plain(request)
    refused = []

    def make(job, number):
        if not refused:
            with pytest.raises(InputError, match=r"Another process \(\d+\) writes into .*: let it end first"):
                in_parts(request)
            refused.append(number)
        return make_part(job, number)

    monkeypatch.setattr(makers, "make_part", make)
    in_parts(request)
    assert refused and bytes_in(Path(request.output).parent) == expected


def test_parts_that_another_run_has_taken_up_meanwhile(
    stopped: Leave, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, folder = stopped()
    room = parts_run.PartsRun._check_room

    def slow(run, facts) -> None:
        room(run, facts)
        shutil.rmtree(folder)  # another one has finished

    monkeypatch.setattr(parts_run.PartsRun, "_check_room", slow)
    with pytest.raises(InputError, match=r"Another process was at work in .* just now: repeat the command"):
        in_parts(request)
    assert not Path(request.output).exists()


@pytest.mark.parametrize("line", [b"[]\n", b'{"part": 1}\n', b'{"part":1,"account":{},"chunks":[]}\n', b"{"])
def test_lines_that_are_none_are_not_taken(stopped: Leave, plain: Plain, line: bytes) -> None:
    request, folder = stopped()
    expected = plain(request)
    with (folder / "done.jsonl").open("ab") as file:
        file.write(line)
    in_parts(request)
    assert bytes_in(Path(request.output).parent) == expected


@pytest.fixture()
def disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Return a function that gives a disk of so many kilobytes; called again, it takes another size."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = []

    def sized(kilobytes: int) -> Path:
        words = ["mount", "-t", "tmpfs", "-o", f"{'remount,' if mounted else ''}size={kilobytes}k"]
        done = subprocess.run([*words, "tmpfs", str(place)], check=False, capture_output=True)
        if done.returncode:
            pytest.skip("no disk can be mounted here")
        mounted.append(kilobytes)
        return place

    yield sized
    if mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("name", ["fine.tif", "fine.nc", "fine.zarr"])
def test_a_disk_that_fills_up_at_any_write_is_told_and_loses_nothing(
    run_of: RunOf, disk: Callable[[int], Path], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {"zarr_format": 3} if name.endswith(".zarr") else {}
    whole = run_of(name)
    if not wanted:
        super_resolve(whole, Silent())
    else:
        in_parts(whole, **wanted)
    expected = bytes_in(Path(whole.output).parent)
    monkeypatch.setattr(part_task, "free_bytes", lambda folder: 2**30)
    for module in (parts_run, raster_writer):
        monkeypatch.setattr(module, "check_free", lambda *_: None)
    place, size, ends = disk(8), 8, []
    request = replace(whole, output=str(place / name))
    while size < 4096:
        disk(size)
        try:
            in_parts(request, **wanted)
            break
        except (EngineError, OSError) as error:
            told = explain(error)
            ends.append(told["message"])
            assert told["kind"] == "failure" and "full" in told["message"], told
            assert not (place / name).exists()
        size = size * 5 // 4
    assert bytes_in(place) == expected
    assert len(ends) > 5 and any("parts are kept in" in end for end in ends)


def test_a_line_that_a_full_disk_cuts_is_taken_back(disk: Callable[[int], Path]) -> None:
    place = disk(64)
    folder, account = PartsFolder(place / "fine.tif"), StepAccount()
    with folder.owned():
        folder.take_up()
        for number in range(10_000):
            try:
                folder.add(PartDone(number, account))
            except OSError:
                break
        assert folder.done == set(range(number)) and number > 20
    assert [path.name for path in folder.path.iterdir()] == ["done.jsonl"]  # closed while it is full still
    again = PartsFolder(place / "fine.tif")
    disk(256)
    with again.owned():
        assert again.take_up() == 0
        again.add(PartDone(number, account))
        assert [part.number for part in again.parts()] == list(range(number + 1))
