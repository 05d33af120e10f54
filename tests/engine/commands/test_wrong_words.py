"""A command line that is wrong ends with status 2 and one sentence that names the option."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.commands import cli, jobs
from tests.engine.commands.sentence_wall import check

BASIC = ["super-resolve", "--model", "bilinear", "--factor", "2", "--target", "t.tif", "--output", "o.tif"]
MANY = "9" * 5000


@pytest.fixture(autouse=True)
def never_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> dict:
        raise AssertionError("the job was started")

    monkeypatch.setitem(jobs.JOBS, "super_resolve", refuse)


def ended(arguments: list[str]) -> int:
    try:
        return cli.main(arguments)
    except SystemExit as end:
        return int(end.code or 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["COMMAND", "missing"]),
        (["dance"], ["no command dance", "super-resolve"]),
        (["super-resolv"], ["no command super-resolv", "nearest is super-resolve"]),
        (["super-resolve"], ["--model", "--target", "missing"]),
        (BASIC[:-2], ["--output OUT.tif", "--check"]),
        ([*BASIC, "--factor", "x"], ["--factor", "whole number from 2 to 100", "x"]),
        ([*BASIC, "--factor", "1"], ["--factor", "not 1"]),
        ([*BASIC, "--factor", "2.5"], ["--factor", "2.5"]),
        ([*BASIC, "--factor", MANY], ["--factor", "9999"]),
        ([*BASIC, "--factor"], ["--factor", "needs a value"]),
        ([*BASIC, "--seed", "1" + "0" * 30], ["--seed", "1000"]),
        ([*BASIC, "--seed=-1"], ["--seed", "-1"]),
        ([*BASIC, "--tile=-5"], ["--tile", "-5"]),
        ([*BASIC, "--tile", "1e3"], ["--tile", "1e3"]),
        ([*BASIC, "--members", "100000"], ["--members"]),
        ([*BASIC, "--conservation", "nan"], ["--conservation", "nan"]),
        ([*BASIC, "--conservation", "inf"], ["--conservation", "inf"]),
        ([*BASIC, "--conservation", "2"], ["--conservation", "0 to 1"]),
        ([*BASIC, "--extent", "nan,0,1,1"], ["--extent", "nan"]),
        ([*BASIC, "--extent", "0,0,inf,1"], ["--extent"]),
        ([*BASIC, "--extent", "1,2"], ["--extent", "4 number"]),
        ([*BASIC, "--extent", MANY], ["--extent"]),
        ([*BASIC, "--resolution", "much"], ["--resolution", "much"]),
        ([*BASIC, "--quantiles", "half", "--members", "4", "--quantiles-output", "q.tif"], ["--quantiles"]),
        ([*BASIC, "--source", "dem.tif"], ["--source", "NAME=RASTER"]),
        ([*BASIC, "--source", "=" + "x" * 3000], ["--source"]),
        ([*BASIC, "--target", "t.tif#0"], ["Band 0"]),
        ([*BASIC, "--date", "11", "--all"], ["--all", "--date"]),
        ([*BASIC, "--al"], ["--al", "no option"]),
        ([*BASIC, "--conservaton", "1"], ["--conservaton", "nearest is --conservation"]),
        ([*BASIC, "surprise"], ["surprise"]),
        ([*BASIC, "--precision", "float8"], ["--precision", "float8", "bfloat16"]),
        ([*BASIC, "--quantity", "positive"], ["--quantity", "nonnegative"]),
        ([*BASIC, "--no-overwrite=yes"], ["--no-overwrite", "no value"]),
        (["worker", "--idle-seconds", "soon"], ["--idle-seconds", "soon"]),
        (["models", "--bogus"], ["--bogus"]),
    ],
)
def test_the_option_is_named(
    arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    check(told.err, *words)


def test_a_band_of_many_digits_is_part_of_the_name(capsys, monkeypatch) -> None:
    seen: list[dict] = []
    monkeypatch.setitem(jobs.JOBS, "super_resolve", lambda request, *_: seen.append(request) or {})
    monkeypatch.setitem(cli._TEXT, "super_resolve", str)
    assert ended([*BASIC, "--target", f"t.tif#{MANY}"]) == 0
    assert seen[0]["target"]["band"] is None and seen[0]["target"]["path"].endswith("9")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
def test_standard_output_that_cannot_be_written(tmp_path: Path) -> None:
    import subprocess
    import sys

    from engine.files.root import ROOT

    with open("/dev/full", "w") as full:
        command = [sys.executable, "-s", "-m", "engine", "models"]
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    check(done.stderr, "The disk is full")
