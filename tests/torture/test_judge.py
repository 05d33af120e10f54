"""The judge sees what is planted: a good outcome passes, and each spoilt one is found out."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from tests.torture.case import Case, FineField, Kill, Outcome
from tests.torture.generators.listing import GENERATORS
from tests.torture.judging.fine_field import check_fine_field
from tests.torture.judging.judge import judge
from tests.torture.judging.sentence import check_sentence
from tests.torture.judging.traces import Traces
from tests.torture.report import CLASSES, class_of, table
from tests.torture.running.peer import Peer
from tests.torture.running.surroundings import Folders

FACTOR = 2
COARSE = np.array([[[1.0, 2.0, 3.0], [4.0, np.nan, 6.0]]])


def fine() -> np.ndarray:
    """A field with the means of COARSE."""
    values = np.kron(COARSE, np.ones((1, FACTOR, FACTOR)))
    values[:, ::2] += 0.25
    values[:, 1::2] -= 0.25
    return values.astype(np.float32)


def write(path: Path, values: np.ndarray, left: float = 10.0, **changes: object) -> None:
    """Write an output as the engine would."""
    profile = {"crs": "EPSG:4326", "nodata": np.nan, "transform": Affine(0.5, 0, left, 0, -0.5, 50)} | changes
    bands, rows, cols = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=bands, height=rows, width=cols, dtype=values.dtype, **profile
    ) as file:
        file.write(values)
        file.units = ("mm",) * bands
        file.update_tags(1, DATE="2001-02-15")


@pytest.fixture
def wanted(tmp_path: Path) -> FineField:
    """A good output and what it must be."""
    write(tmp_path / "fine.tif", fine())
    write(tmp_path / "plain.tif", fine())
    place = (0.5, 0.0, 10.0, 0.0, -0.5, 50.0)
    return FineField(
        str(tmp_path / "fine.tif"), FACTOR, place, (4, 6), "EPSG:4326", COARSE, True, "mm", ("2001-02",),
        str(tmp_path / "plain.tif"),
    )  # fmt: skip


def sorts(wanted: FineField) -> set[str]:
    """Return the sorts of what is found."""
    return {finding.sort for finding in check_fine_field(wanted)}


def test_a_good_field_passes(wanted: FineField) -> None:
    assert check_fine_field(wanted) == []
    write(Path(wanted.path), fine(), left=370.0)  # the same place on the globe
    assert check_fine_field(wanted) == []


def _changed(place: tuple[int, int], value: float) -> np.ndarray:
    values = fine()
    values[0][place] = value
    return values


SPOILT = {
    "one mean": (_changed((0, 0), 2.0), {}, {"means", "values"}),
    "a cell filled": (_changed((2, 2), 4.0), {}, {"mask"}),
    "a cell missing": (_changed((0, 0), np.nan), {}, {"mask"}),
    "a negative": (_changed((0, 0), -0.5), {}, {"range"}),
    "an infinity": (_changed((0, 0), np.inf), {}, {"range"}),
    "turned over": (fine()[:, ::-1], {}, {"mask", "means"}),
    "half a cell off": (fine(), {"left": 10.25}, {"georeference"}),
    "another CRS": (fine(), {"crs": "EPSG:4258"}, {"georeference"}),
    "no CRS": (fine(), {"crs": None}, {"georeference"}),
    "a row too few": (fine()[:, :-1], {}, {"georeference"}),
    "a band too many": (np.repeat(fine(), 2, 0), {}, {"dates"}),
    "doubles": (fine().astype(np.float64), {}, {"outputs"}),
    "another nodata": (np.nan_to_num(fine(), nan=-9999), {"nodata": -9999}, {"outputs"}),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_field_is_found_out(wanted: FineField, name: str) -> None:
    values, changes, expected = SPOILT[name]
    write(Path(wanted.path), np.ascontiguousarray(values), **changes)
    assert expected <= sorts(wanted)


def test_units_dates_and_a_lack_are_found_out(wanted: FineField) -> None:
    wanted.units = "cm"
    wanted.dates = ("2001-03",)
    assert sorts(wanted) == {"units", "dates"}
    Path(wanted.path).unlink()
    assert sorts(wanted) == {"outputs"}


def test_a_globe_may_begin_anywhere(tmp_path: Path) -> None:
    values = np.arange(36.0, dtype=np.float32).reshape(1, 2, 18)
    place = Affine(20, 0, 0, 0, -20, 20)
    write(tmp_path / "fine.tif", np.roll(values, -9, axis=2), transform=place)
    write(tmp_path / "plain.tif", values, transform=Affine(20, 0, -180, 0, -20, 20))
    wanted = FineField(
        str(tmp_path / "fine.tif"), 2, (20, 0, -180, 0, -20, 20), (2, 18), "EPSG:4326",
        plain=str(tmp_path / "plain.tif"),
    )  # fmt: skip
    assert check_fine_field(wanted) == []
    write(tmp_path / "fine.tif", np.roll(values, -8, axis=2), transform=place)
    assert sorts(wanted) == {"values"}


@pytest.mark.parametrize(
    "message",
    [
        "",
        "Something unexpected went wrong (ValueError: x).",
        "The target has no band",
        "First.\nSecond.",
        'Traceback (most recent call last):\n  File "a.py", line 3, in f\nValueError: x',
        "target: 'NoneType' object has no attribute 'crs'.",
        "The grid cannot be read: invalid literal for int() with base 10.",
        "target: a\0b.tif does not exist.",
        "x" * 1000 + ".",
        "The file is wrong.",
    ],
)
def test_an_unclear_sentence_is_found_out(message: str) -> None:
    assert check_sentence(message, ("target", "rain.tif"))


def test_a_clear_sentence_passes() -> None:
    assert (
        check_sentence("target: rain.tif has no CRS: assign one with gdal_edit.py -a_srs.", ("target",)) == []
    )


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """A case's folders with an input and an output that was there before."""
    made = Folders(tmp_path / "case").make()
    (made.inputs / "a.tif").write_bytes(b"input")
    (made.outputs / "old.tif").write_bytes(b"old")
    return made


def judged(folders: Folders, outcome: Outcome, harm: object = None, **settings: object) -> set[str]:
    """Return the sorts of findings of a case in which `harm(folders)` was done."""
    case = Case("a kind", "a case", outputs=("new.tif",), **settings)  # type: ignore[arg-type]  # by name
    traces = Traces(case, folders, Peer(folders.case.parent))
    if harm is not None:
        harm(folders)  # type: ignore[operator]  # a function
    return {f.sort for f in judge(case, outcome, traces, 10.0)}


CLEAR = "target: a.tif is wrong."


def test_what_is_right_passes(folders: Folders) -> None:
    def success(folders: Folders) -> None:
        (folders.outputs / "new.tif").write_bytes(b"new")

    assert judged(folders, Outcome("result", 0), success) == set()
    (folders.outputs / "new.tif").unlink()
    assert judged(folders, Outcome("error", 2, CLEAR), refusal="due", status=(2,)) == set()


HARM = {
    "an input changed": (lambda f: (f.inputs / "a.tif").write_bytes(b"other"), "inputs"),
    "an input gone": (lambda f: (f.inputs / "a.tif").unlink(), "inputs"),
    "a file beside the input": (lambda f: (f.inputs / "a.tif.aux.xml").touch(), "inputs"),
    "a temporary file": (lambda f: (f.temporary / "x").touch(), "leftovers"),
    "an unfinished output": (lambda f: (f.outputs / "new.tif.1.part.tif").touch(), "leftovers"),
    "an output after a failure": (lambda f: (f.outputs / "new.tif").touch(), "leftovers"),
    "an unfinished cache": (lambda f: (f.cache / ".plans.json.3.part").touch(), "leftovers"),
    "litter in the caller's folder": (lambda f: (f.case / "fine.tif").touch(), "leftovers"),
    "an older output changed": (lambda f: (f.outputs / "old.tif").write_bytes(b"x"), "outputs"),
    "an older output gone": (lambda f: (f.outputs / "old.tif").unlink(), "outputs"),
}


@pytest.mark.parametrize("name", HARM)
def test_harm_is_found_out(folders: Folders, name: str) -> None:
    harm, expected = HARM[name]
    assert expected in judged(folders, Outcome("error", 2, CLEAR), harm, refusal="may")


ENDS = {
    "a hang": (Outcome("hung", seconds=15), {"refusal": "due"}, "hang"),
    "a late refusal": (Outcome("error", 2, CLEAR, seconds=11), {"refusal": "due"}, "hang"),
    "no refusal": (Outcome("result", 0), {"refusal": "due"}, "accepted"),
    "a refusal of what is right": (Outcome("error", 2, CLEAR), {}, "refusal"),
    "another status": (Outcome("error", 1, CLEAR), {"refusal": "due", "status": (2,)}, "status"),
    "a crash": (Outcome("died", -11), {"refusal": "may"}, "crash"),
    "a traceback after Ctrl-C": (
        Outcome("error", 130, "Traceback (most recent call last):\nKeyboardInterrupt", killed=True),
        {"kill": Kill(int(signal.SIGINT), 0.1)},
        "sentence",
    ),
    "another status after a signal": (
        Outcome("error", 1, killed=True),
        {"kill": Kill(int(signal.SIGTERM), 0.1)},
        "status",
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_wrong_end_is_found_out(folders: Folders, name: str) -> None:
    outcome, settings, expected = ENDS[name]
    assert expected in judged(folders, outcome, **settings)


def test_every_sort_has_its_class() -> None:
    assert class_of("means") == "wrong rasters" and class_of("hang") == "hangs"
    assert class_of("torture") == "faults of the torture"
    known = {sort for sorts in CLASSES.values() for sort in sorts}
    assert {expected for _, expected in HARM.values()} <= known
    assert {expected for _, _, expected in ENDS.values()} <= known
    assert "0 wrong rasters" in table([])


def test_every_kind_of_case_can_be_drawn() -> None:
    assert len(GENERATORS) >= 10
    assert all(generator.weight > 0 for generator in GENERATORS.values())
