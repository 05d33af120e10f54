"""Any error becomes one sentence: of the system, of a library, of MSR itself."""

from __future__ import annotations

import errno
import json
import os
import zipfile
import zlib
from pathlib import Path

import pytest
import rasterio
import yaml
from safetensors import SafetensorError

from engine.commands import debug_log, ending
from engine.commands.explain import UNEXPECTED, exit_status, explain, says_all
from engine.commands.sentences import LONGEST, one_sentence, shown
from engine.errors import EngineError, InputError
from engine.files.sizes import size_text
from engine.package.plain_json import read_json
from tests.engine.commands.sentence_wall import check


def system(number: int, name: str | None = "/data/a.tif") -> OSError:
    return OSError(number, os.strerror(number), name) if name else OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (system(errno.ENOSPC), 1, ["/data/a.tif", "disk is full"]),
        (system(errno.EACCES), 1, ["/data/a.tif", "no permission"]),
        (system(errno.EROFS), 1, ["can only be read"]),
        (system(errno.EMFILE), 1, ["too many files are open", "ulimit -n"]),
        (system(errno.ENOENT), 1, ["no such file"]),
        (system(errno.EFBIG, None), 1, ["It would be larger", "ulimit -f"]),
        (system(errno.ENOMEM), 1, ["Memory ran out", "ulimit -v"]),
        (system(errno.EDOM), 1, ["/data/a.tif", "system refused"]),
        (MemoryError(), 1, ["Memory ran out"]),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: not enough memory"),
            1,
            ["Memory"],
        ),
        (RuntimeError("can't start new thread"), 1, ["threads", "ulimit -u"]),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), 1, ["cannot load torch", "doctor"]),
        (rasterio.errors.RasterioIOError("x.tif: No such file or directory"), 2, ["x.tif", "does not exist"]),
        (rasterio.errors.RasterioIOError("Read failed."), 2, ["A raster"]),
        (rasterio.errors.CRSError("The WKT could not be parsed"), 2, ["coordinate reference system"]),
        (yaml.YAMLError("mapping values are not allowed"), 2, ["YAML"]),
        (json.JSONDecodeError("Expecting value", "", 0), 2, ["JSON"]),
        (zipfile.BadZipFile("File is not a zip file"), 2, ["zip file"]),
        (zlib.error("Error -3 while decompressing"), 2, ["compressed"]),
        (SafetensorError("header too large"), 2, ["weights"]),
        (SafetensorError("I/O error: File too large (os error 27)"), 1, ["ulimit -f"]),
        (UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"), 2, ["Unicode"]),
        (RecursionError("maximum recursion depth exceeded"), 2, ["nested too deeply"]),
        (KeyError("x"), 1, ["fault of its own", "report"]),
        (SystemExit(3), 1, ["fault of its own"]),
        (AttributeError("'NoneType' object has no attribute 'x'"), 1, ["fault of its own"]),
        (InputError("The target\nhas no CRS"), 2, ["The target has no CRS."]),
        (EngineError(""), 1, ["without saying why"]),
    ],
)
def test_an_error_in_one_sentence(error: BaseException, status: int, words: list[str]) -> None:
    told = explain(error)
    assert exit_status(told["kind"]) == status
    check(told["message"], *words)


def test_a_cause_is_heard_but_not_what_was_handled_meanwhile() -> None:
    disk = system(errno.ENOSPC)
    wrapped = RuntimeError("wrapped")
    wrapped.__cause__ = disk
    assert "disk is full" in explain(wrapped)["message"]
    other = KeyError("x")
    other.__context__ = system(errno.ENOENT)
    assert explain(other)["message"] == f"{UNEXPECTED}."


def test_a_library_error_that_is_raised_from_the_system_tells_of_the_system() -> None:
    error = rasterio.errors.RasterioIOError("Read failed")
    error.__cause__ = system(errno.EMFILE)
    assert "too many files" in explain(error)["message"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MSR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_an_unknown_fault_is_kept_in_a_log_that_the_sentence_names(cache: Path, capsys) -> None:
    try:
        {}["missing"]
    except KeyError as error:
        assert not says_all(error)
        assert ending.status_of(error) == 1
    told = capsys.readouterr().err
    log = cache / debug_log.FILE
    check(told, str(log), "report")
    text = log.read_text(encoding="utf-8")
    assert "Traceback" in text and "KeyError: 'missing'" in text
    assert says_all(InputError("x")) and says_all(system(errno.ENOSPC))


def test_the_log_does_not_grow_for_ever(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debug_log, "LARGEST", 300)
    for number in range(20):
        debug_log.keep(f"Traceback {number} " + "x" * 50)
    text = (cache / debug_log.FILE).read_text(encoding="utf-8")
    assert "Traceback 19 " in text and len(text) < 1000


def test_without_a_place_for_the_log_there_is_still_a_sentence(tmp_path: Path, monkeypatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("MSR_CACHE", str(blocked / "cache"))
    monkeypatch.setattr(debug_log.tempfile, "gettempdir", lambda: str(blocked))
    assert debug_log.keep("Traceback") is None
    assert debug_log.with_log("It failed.", "Traceback") == "It failed."


def test_long_words_are_shortened_and_controls_dropped() -> None:
    sentence = one_sentence(f"The target /data/{'x' * 3000}/rain.tif\x1b[31m does\u2028not exist")
    assert len(sentence) <= LONGEST + 1 and sentence.endswith("rain.tif [31m does not exist.")
    assert one_sentence(" ".join(["word"] * 900)).count("…") == 1
    assert one_sentence("a\udcffb") == "a?b."
    assert shown(10**5000) == "a number of thousands of digits"
    assert len(shown("y" * 500)) <= 61


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1234, "1.2 kB"),
        (64e6, "64 MB"),
        (3.21e9, "3.2 GB"),
        (5e12, "5.0 TB"),
    ],
)
def test_sizes_have_a_unit_that_suits_them(size: float, text: str) -> None:
    assert size_text(size) == text


def test_why_a_text_is_no_json() -> None:
    for data, words in (
        (b'{"a":\n ]', "line 2"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 5000, "digits"),
        (b"\xff", "not UTF-8"),
    ):
        with pytest.raises(ValueError, match=words):
            read_json(data)
