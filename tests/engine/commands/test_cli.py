"""The command line: requests that it makes, exit statuses, sentences, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from engine.commands import cli, jobs
from engine.commands.arguments import build, join_negative
from engine.commands.explain import MEMORY
from engine.errors import Cancelled, EngineError, InputError, OutOfMemoryError, PackageError
from engine.files import partial_files
from engine.files.root import ROOT
from engine.pipeline.request import EnsembleRequest, SuperResolveRequest

BASIC = ["super-resolve", "--model", "bilinear", "--target", "t.tif", "--output", "o.tif"]
RESULT = {
    "output": "/tmp/o.tif",
    "residual": None,
    "residual_original": 0.0,
    "outside_range": 0.0,
    "covered": 0.5,
    "tiles": 1,
    "seconds": 0.1,
    "precision": "float32",
    "device": "cpu",
    "width": 16,
    "height": 8,
    "sources": [
        {
            "name": "target",
            "path": "t.tif",
            "grid": "2 × 1",
            "resampling": "none",
            "covered": 1.0,
            "outside_range": 0,
        }
    ],
    "warnings": [],
}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """Requests that reached the job, which a stand-in replaces."""
    requests: list[dict] = []

    def stand_in(request: dict, feedback: object, state: object) -> dict:
        requests.append(request)
        feedback.progress(0.5, "Working", 1, 2, 3.0)
        feedback.log("look here", "warning")
        return RESULT

    monkeypatch.setitem(jobs.JOBS, "super_resolve", stand_in)
    return requests


def test_all_options_reach_the_request(seen: list[dict]) -> None:
    words = "super-resolve --model rainitur8 --target rain.nc#3 --source elevation=dem.tif"
    words += " --source temperature=a=b.tif#2 --crs EPSG:4326 --resolution 0.25,0.5 --extent -10 40.5 -1e0 60"
    words += " --date --11 --conservation 0.5 --device cpu --precision float32 --tile 16 --seed 7"
    words += " --models m1 --models m2 --no-overwrite --output o.tif"
    assert cli.main(words.split()) == 0
    request = SuperResolveRequest.from_json(seen[0])
    assert (request.model, request.output) == ("rainitur8", "o.tif")
    assert (request.target.path, request.target.band) == ("rain.nc", 3)
    assert request.sources["elevation"].path == "dem.tif" and request.sources["elevation"].band is None
    assert (request.sources["temperature"].path, request.sources["temperature"].band) == ("a=b.tif", 2)
    assert request.grid.crs == "EPSG:4326" and request.grid.resolution == (0.25, 0.5)
    assert request.grid.extent == (-10.0, 40.5, -1.0, 60.0)
    assert (request.date, request.all_dates, request.conservation) == ("--11", False, 0.5)
    assert (request.device, request.precision, request.tile, request.seed) == ("cpu", "float32", 16, 7)
    assert request.models == ("m1", "m2") and not request.overwrite


def test_an_ensemble_reaches_the_request(seen: list[dict], capsys: pytest.CaptureFixture[str]) -> None:
    words = "--members 20 --seed 3 --spread s.tif --quantiles 0.05,.5,0.95 --quantiles-output q.tif"
    words += " --members-output m.tif --support share.tif"
    assert cli.main([*BASIC, *words.split()]) == 0
    request = SuperResolveRequest.from_json(seen[0])
    assert request.seed == 3
    assert request.ensemble == EnsembleRequest(20, "s.tif", "q.tif", (0.05, 0.5, 0.95), "m.tif", "share.tif")
    assert cli.main([*BASIC, "--members", "5", "--quantiles-output", "q.tif"]) == 0
    assert SuperResolveRequest.from_json(seen[1]).ensemble.levels == (0.1, 0.5, 0.9)
    assert cli.main([*BASIC, "--members", "0"]) == 0
    assert SuperResolveRequest.from_json(seen[2]).ensemble is None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--spread s.tif", "--spread needs an ensemble: give --members"),
        ("--support s.tif", "What sharpen supports is --supported-share"),
        ("--quantiles-output s.tif", "--quantiles-output needs an ensemble"),
        ("--members-output s.tif --members 0", "--members-output needs an ensemble"),
        ("--members 4 --quantiles 0.5", "give --quantiles-output"),
        ("--members 4 --quantiles-output q.tif --quantiles half", "must be at least 1 number"),
    ],
)
def test_an_ensemble_that_is_half_asked_for(
    seen: list[dict], capsys: pytest.CaptureFixture[str], words: str, sentence: str
) -> None:
    assert cli.main([*BASIC, *words.split()]) == 2
    assert sentence in capsys.readouterr().err and seen == []


def test_an_ensembles_files_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {**RESULT, "members": 20, "outputs": {"spread": "/tmp/s.tif"}}
    monkeypatch.setitem(jobs.JOBS, "super_resolve", lambda *_: told)
    assert cli.main(BASIC) == 0
    words = capsys.readouterr().out
    assert "Drew 20 members" in words and "Wrote /tmp/o.tif, /tmp/s.tif" in words


def test_defaults_leave_the_choice_to_the_model(seen: list[dict]) -> None:
    assert cli.main([*BASIC, "--factor", "8", "--quantity", "signed", "--all"]) == 0
    request = SuperResolveRequest.from_json(seen[0])
    assert (request.grid, request.conservation, request.date) == (None, None, None)
    assert (request.factor, request.quantity, request.all_dates) == (8, "signed", True)
    assert request.overwrite
    assert cli.main([*BASIC, "--like", "dem.tif"]) == 0
    assert SuperResolveRequest.from_json(seen[1]).grid.like == "dem.tif"


@pytest.mark.parametrize(
    ("words", "joined"),
    [
        ("--extent -10,40,10,60 --crs X", "--extent=-10,40,10,60 --crs X"),
        ("--extent -10, 40, 10, 60", "--extent=-10,40,10,60"),
        ("--extent=-1,2,3,4 --date 2020-01", "--extent=-1,2,3,4 --date 2020-01"),
        ("--resolution .5 --output 1.tif", "--resolution=.5 --output 1.tif"),
        ("--date --all", "--date --all"),
    ],
)
def test_values_with_a_minus_sign(words: str, joined: str) -> None:
    assert join_negative(words.split()) == joined.split()


def test_json_is_the_last_line(seen: list[dict], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*BASIC, "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out.splitlines()[-1]) == RESULT
    assert told.err == "Warning: look here\n"


def test_the_result_in_words(seen: list[dict], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(BASIC) == 0
    assert "Wrote /tmp/o.tif" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (InputError("The target has no CRS."), 2, "The target has no CRS."),
        (PackageError("card.json is missing."), 2, "card.json is missing."),
        (EngineError("The disk became full."), 1, "The disk became full."),
        (OutOfMemoryError("Too little memory."), 1, "Too little memory."),
        (Cancelled("The run was cancelled."), 130, "The run was cancelled."),
        (MemoryError(), 1, MEMORY),
    ],
)
def test_errors(monkeypatch, capsys, error: BaseException, status: int, sentence: str) -> None:
    def fail(request: dict, feedback: object, state: object) -> dict:
        raise error

    monkeypatch.setitem(jobs.JOBS, "super_resolve", fail)
    assert cli.main(BASIC) == status
    told = capsys.readouterr()
    assert told.err == sentence + "\n" and told.out == ""
    assert cli.main([*BASIC, "--debug"]) == status
    assert "Traceback" in capsys.readouterr().err


def test_a_missing_package_is_named(monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "engine.pipeline.method_choice", None)
    monkeypatch.setitem(sys.modules, "engine.pipeline.super_resolve", None)
    assert cli.main(BASIC) == 1
    told = capsys.readouterr().err
    assert sys.executable in told and "requirements-engine.txt" in told


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--source", "dem.tif"], "NAME=RASTER"),
        (["--source", "=dem.tif"], "NAME=RASTER"),
        (["--source", "a=1.tif", "--source", "a=2.tif"], "a is given twice"),
        (["--target", "t.tif#0"], "Band 0 of t.tif"),
        (["--extent", "1,2,3"], "--extent 1,2,3 must be 4"),
        (["--resolution", "x"], "--resolution x"),
        (["--like", "a.tif", "--crs", "EPSG:4326"], "--like gives the whole grid"),
    ],
)
def test_values_that_cannot_be_read(seen: list[dict], capsys, more: list[str], words: str) -> None:
    assert cli.main([*BASIC, *more]) == 2
    assert words in capsys.readouterr().err
    assert seen == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "COMMAND"),
        (["dance"], "dance"),
        (["super-resolve"], "--model"),
        ([*BASIC, "--conservation", "1.5"], "--conservation must be a number from 0 to 1, not 1.5"),
        ([*BASIC, "--conservation", "much"], "much"),
        ([*BASIC, "--precision", "float8"], "float8"),
        ([*BASIC, "--date", "11", "--all"], "not allowed with"),
        ([*BASIC, "--surprise"], "--surprise"),
        ([*BASIC, "--tile", "x"], "--tile"),
    ],
)
def test_wrong_usage(seen: list[dict], capsys, arguments: list[str], words: str) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    told = capsys.readouterr().err
    assert words in told and len(told.splitlines()) == 1


def test_every_option_has_help() -> None:
    commands = next(a for a in build()._actions if a.dest == "command").choices
    assert set(commands) == {"super-resolve", "compare-methods", "models", "doctor", "export", "worker"}
    for command in commands.values():
        assert command.description
        assert [a.dest for a in command._actions if not a.help] == []


def test_help_has_examples(capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["super-resolve", "--help"])
    assert caught.value.code == 0
    told = capsys.readouterr().out
    assert "examples:" in told and "python -m engine super-resolve --model" in told


def test_models_lists_baselines(capsys, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    assert cli.main(["models", "--models", str(tmp_path), "--json"]) == 0
    listing = json.loads(capsys.readouterr().out)
    needs = {b["id"]: b["needs"] for b in listing["baselines"]}
    assert needs["bilinear"] == [] and needs["climatologyratio"] == ["climatology"]
    assert needs["elevationregression"] == ["elevation"]
    assert any(str(tmp_path / "broken") in sentence for sentence in listing["broken"])
    assert cli.main(["models", "--models", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "bilinear: Bilinear" in told and "broken: " in told


def engine(*arguments: str, **more: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "engine", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False, **more)


def test_a_whole_run(tmp_path: Path, capsys) -> None:
    coarse = np.arange(48, dtype=np.float32).reshape(6, 8) + 1
    target, output = tmp_path / "t.tif", tmp_path / "o.tif"
    with rasterio.open(
        target,
        "w",
        driver="GTiff",
        width=8,
        height=6,
        count=1,
        dtype="float32",
        crs="EPSG:4326",
        transform=Affine(2, 0, 0, 0, -2, 50),
    ) as data:
        data.write(coarse, 1)
    names = ["--model", "bilinear", "--factor", "4", "--target", str(target), "--output", str(output)]
    done = engine("super-resolve", *names, "--conservation", "1", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["width"], result["height"]) == (32, 24)
    with rasterio.open(output) as data:
        fine = data.read(1)
    np.testing.assert_allclose(fine.reshape(6, 4, 8, 4).mean((1, 3)), coarse, rtol=1e-5)
    assert cli.main(["super-resolve", *names, "--no-overwrite"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert cli.main(["super-resolve", *names, "--target", str(tmp_path / "absent.tif")]) == 2
    told = capsys.readouterr().err
    assert "absent.tif" in told and len(told.splitlines()) == 1


CTRL_C = """
import signal, sys, threading, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in a shell's background ignores it
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and so does what nohup runs
from engine.commands import cli, jobs, signals
from engine.files import partial_files
signals.heed_signals(partial_files.discard_all)
def job(request, feedback, state):
    path = partial_files.partial_path(Path(request["output"]))
    path.write_bytes(b"x")
    print("ready", flush=True)
    while True:
        time.sleep(0.01)
        if sys.argv[1] == "heeds":
            try:
                feedback.check_cancelled()
            finally:
                if feedback.cancelled.is_set():
                    partial_files.discard(path)
jobs.JOBS["super_resolve"] = job
start = threading.Thread.start
def slow_start(thread):
    start(thread)
    if sys.argv[1] == "starting":  # so the signal comes before the thread is known to run
        time.sleep(5)
threading.Thread.start = slow_start
sys.exit(cli.main(["super-resolve", "--model", "m", "--target", "t", "--output", sys.argv[2]]))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no such signal to one process")
@pytest.mark.parametrize("how", ["heeds", "deaf", "starting"])
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_a_run_and_leaves_nothing(tmp_path: Path, how: str, name: str, status: int) -> None:
    command = [sys.executable, "-c", CTRL_C, how, str(tmp_path / "o.tif")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(getattr(signal, name))
        _, told = process.communicate(timeout=60)
    assert process.returncode == status
    assert told == "The run was cancelled.\n"
    assert os.listdir(tmp_path) == []


def test_progress_line(capsys) -> None:
    terminal = cli.Terminal(interactive=True)
    terminal.progress(0.25, "Computing tiles", 1, 4, 12.3)
    terminal.progress(0.26, "not shown: too soon")
    time.sleep(0.12)
    terminal.progress(0.5, "Writing")
    terminal.clear()
    told = capsys.readouterr().err
    assert " 25 % Computing tiles, tile 1 of 4, 12 s left" in told
    assert " 50 % Writing" in told and "too soon" not in told
    assert told.endswith("\r")


def test_help_is_quick_because_nothing_heavy_is_imported() -> None:
    imports = "import sys; from engine.commands import arguments, cli"
    code = f"{imports}; arguments.build(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_partial_files_of_this_process_do_not_stay() -> None:
    assert partial_files._own == set()
