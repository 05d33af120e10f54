"""References to pieces of NetCDF files, by kerchunk: their values, where they may lead, and every fault."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rasterio.windows import Window

pytest.importorskip("fsspec")
pytest.importorskip("kerchunk")

from engine.errors import InputError
from engine.raster.cloud.allowed_places import VARIABLE
from engine.raster.cloud.references import JsonReferences, Piece
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef
from tests.engine.raster.cloud.conftest import Served
from tests.engine.raster.cloud.fields import field, refer, write_netcdf

CORNER = Window(10, 50, 20, 20)  # of one chunk


def cells(name: str, band: int = 5) -> np.ndarray:
    raster = Raster(RasterRef.parse(name), "target")
    try:
        return raster.values([band], CORNER)[0]
    finally:
        raster.close()


def refused(name: str) -> str:
    with pytest.raises(InputError) as caught:
        cells(name)
    return str(caught.value)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NetCDF files and references to them, by relative names: they may lie anywhere."""
    folder = tmp_path_factory.mktemp("made")
    for name, packed in (("rain.nc", False), ("packed.nc", True)):
        write_netcdf(folder / name, packed)
    refer(folder / "rain.nc", "rain.nc", folder / "rain.json")
    refer(folder / "rain.nc", "rain.nc", folder / "rain.parq")
    refer(folder / "packed.nc", "packed.nc", folder / "packed.json")
    return folder


@pytest.fixture()
def here(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "here"))


@pytest.fixture()
def there(made: Path, served: Served) -> Served:
    shutil.copytree(made, served.folder, dirs_exist_ok=True)
    return served


@pytest.mark.parametrize("name", ["rain.json", "rain.json:tp", "rain.parq", "rain.parq:tp"])
def test_files_here(here: Path, name: str) -> None:
    np.testing.assert_array_equal(cells(str(here / name)), field()[4, 50:70, 10:30])


def test_packed_numbers_are_unpacked_as_those_of_the_file(here: Path) -> None:
    np.testing.assert_array_equal(cells(str(here / "packed.json")), cells(str(here / "packed.nc")))
    assert np.abs(cells(str(here / "packed.json")) - field()[4, 50:70, 10:30]).max() <= 0.0101


@pytest.mark.parametrize("name", ["rain.json:tp", "rain.parq:tp"])
def test_a_window_of_a_file_on_a_server_fetches_its_pieces_alone(there: Served, name: str) -> None:
    there.user, there.token = "anna:pa55w0rd", "t0k3n"
    raster = Raster(RasterRef.parse(there.url(name, "anna:pa55w0rd", "token=t0k3n")), "target")
    there.forget()
    np.testing.assert_array_equal(raster.values([5], CORNER)[0], field()[4, 50:70, 10:30])
    pieces = [size for _, path, size in there.asked if path == "rain.nc"]
    assert len(pieces) == 1 and pieces[0] < (there.folder / "rain.nc").stat().st_size / 40
    assert raster.files == () and raster.elsewhere
    raster.close()


def test_a_file_here_may_refer_to_a_server_that_the_user_names(
    there: Served, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refer(here / "rain.nc", there.url("rain.nc"), here / "away.json")
    assert refused(str(here / "away.json")) == (
        f"target: {here / 'away.json'} refers to {there.url('rain.nc')}, outside of where it lies: if you "
        f"trust that place, name it in the environment's variable {VARIABLE}."
    )
    assert there.asked == []
    for place in (there.url("rain"), f"http://127.0.0.1:{there.port}1/", "http://127.0.0.1", "/"):
        monkeypatch.setenv(VARIABLE, place)
        assert "outside of where it lies" in refused(str(here / "away.json")), place
    monkeypatch.setenv(VARIABLE, f"s3://bucket {there.url('')}")
    np.testing.assert_array_equal(cells(str(here / "away.json")), field()[4, 50:70, 10:30])


def test_the_login_goes_to_its_own_server_alone(
    there: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = there.url("rain.nc").replace("127.0.0.1", "localhost")
    refer(there.folder / "rain.nc", heard, there.folder / "away.json")
    monkeypatch.setenv(VARIABLE, heard)
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    there.user, there.token = "anna:pa55w0rd", "t0k3n"
    sentence = refused(there.url("away.json", "anna:pa55w0rd", "token=t0k3n"))
    assert f"{heard}: its server refuses access" in sentence


@pytest.mark.parametrize("place", ["/etc/hostname", "../rain.nc", "file:///etc/hostname", "link.nc"])
def test_none_leads_to_other_files_here(here: Path, there: Served, place: str) -> None:
    (here / "link.nc").symlink_to("/etc/hostname")
    for path in (here / "rain.json", there.folder / "rain.json"):
        held = json.loads(path.read_text())
        held["refs"]["tp/4.1.0"] = [place, 0, 3]
        path.write_text(json.dumps(held))
    assert "outside of where it lies" in refused(str(here / "rain.json"))
    sentence = refused(there.url("rain.json"))
    assert "outside of where it lies" in sentence or "which is not there" in sentence


def test_a_folder_here_that_the_user_names(here: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refer(made / "rain.nc", str(made / "rain.nc"), here / "rain.json")
    assert "outside of where it lies" in refused(str(here / "rain.json"))
    monkeypatch.setenv(VARIABLE, str(made))
    np.testing.assert_array_equal(cells(str(here / "rain.json")), field()[4, 50:70, 10:30])
    raster = Raster(RasterRef(str(here / "rain.json")), "target")
    assert set(raster.files) == {str(here / "rain.json"), str(made / "rain.nc")} and not raster.elsewhere
    raster.close()


def test_a_file_that_is_not_there_is_no_empty_chunk(here: Path, there: Served) -> None:
    (here / "rain.nc").unlink()
    (there.folder / "rain.nc").unlink()
    for name, at in (
        (str(here / "rain.json"), here / "rain.nc"),
        (there.url("rain.parq"), there.url("rain.nc")),
    ):
        sentence = refused(name)
        assert sentence.startswith(f"target: {name}, ")
        assert (
            f"it refers to {at}, which is not there: put it there, or write the references anew." in sentence
        )


def test_a_file_that_has_changed_is_noticed(here: Path, there: Served) -> None:
    for path in (here / "rain.nc", there.folder / "rain.nc"):
        path.write_bytes(path.read_bytes()[:20_000])
    assert "it ends before what is asked of it" in refused(str(here / "rain.json"))
    assert "it ends before what is asked of it" in refused(there.url("rain.json"))


def test_a_server_that_gives_no_pieces_is_refused(there: Served) -> None:
    there.ranges = False
    assert "gives no pieces of objects (range requests)" in refused(there.url("rain.json"))


def test_faults_of_a_server(there: Served) -> None:
    there.status = {"rain.nc": 403}
    assert f"{there.url('rain.nc')}: its server refuses access" in refused(there.url("rain.json"))
    there.status, there.cut = {}, "rain.nc"
    assert "the connection to its server breaks off" in refused(there.url("rain.json"))
    there.cut, there.status = "", {"refs.0.parq": 500}
    assert "does not give it now (500)" in refused(there.url("rain.parq"))
    assert refused(there.url("gone.json")).endswith("gone.json: there is no such file: check the address.")
    assert "holds no references" in refused(there.url("gone.parq"))


def references(held: object) -> JsonReferences:
    return JsonReferences(json.dumps(held).encode(), "target: a.json")


def test_what_references_may_say() -> None:
    held = references(
        {
            "version": 1,
            "templates": {"u": "https://host/data", "f": "x.nc"},
            "refs": {
                "a/0": ["{{u}}/{{f}}", 3, 4],
                "a/1": ["{{u}}/whole.bin"],
                "a/2": "base64:AAEC",
                "a/3": "plain",
                ".zgroup": {"zarr_format": 2},
            },
        }
    )
    assert held.get("a/0") == Piece("https://host/data/x.nc", 3, 4)
    assert held.get("a/1") == Piece("https://host/data/whole.bin")
    assert (held.get("a/2"), held.get("a/3"), held.get("a/9")) == (b"\0\1\2", b"plain", None)
    assert held.get(".zgroup") == b'{"zarr_format": 2}'
    assert held.addresses() == {"https://host/data/x.nc", "https://host/data/whole.bin"}
    assert references({"a/0": ["b.nc", 0, 1]}).get("a/0") == Piece("b.nc", 0, 1)  # version 0


@pytest.mark.parametrize(
    ("held", "sentence"),
    [
        ([], "holds no references"),
        ({"version": 2, "refs": {"a": "b"}}, "holds no references"),
        ({"version": 1, "refs": {}}, "holds no references"),
        ({"version": 1, "refs": {"a": "b"}, "gen": [{"key": "{{i}}"}]}, "generated"),
    ],
)
def test_what_they_may_not(held: object, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        references(held)


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (["{{f(i=1)}}", 0, 1], "only a program of it could make"),
        (["a.nc", -1, 4], "means nothing"),
        (["a.nc", 1], "means nothing"),
        ([None, 1, 2], "means nothing"),
        (7, "means nothing"),
        ("base64:%%%", "means nothing"),
    ],
)
def test_no_template_is_run_and_nonsense_refused(entry: object, sentence: str) -> None:
    made = references({"version": 1, "templates": {"f": "{{i}}.nc"}, "refs": {"a/0": entry}})
    with pytest.raises(InputError, match=sentence):
        made.get("a/0")


def test_a_damaged_file_of_references(here: Path) -> None:
    (here / "rain.json").write_text((here / "rain.json").read_text()[:-9])
    assert refused(str(here / "rain.json")).endswith("is no JSON: it is damaged, or of another kind.")
    for table in (here / "rain.parq/tp").iterdir():
        table.write_bytes(b"PAR1" + table.read_bytes()[60:])
    assert ".parq cannot be read: copy or download it again" in refused(str(here / "rain.parq"))


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.iloc[:3],
        lambda table: table.assign(offset=-5),
        lambda table: table.assign(size=-5),
        lambda table: table.assign(offset=np.nan),
    ],
)
def test_a_damaged_table_is_one_sentence(here: Path, change: Callable) -> None:
    import fastparquet

    for path in (here / "rain.parq/tp").glob("*.parq"):
        fastparquet.write(str(path), change(fastparquet.ParquetFile(str(path)).to_pandas()))
    sentence = refused(str(here / "rain.parq:tp"))
    assert "its table tp/refs." in sentence and "cannot be read: copy or download it again" in sentence


@pytest.mark.parametrize("place", ["a\0b", "http://[::1/rain.nc"])
def test_a_place_that_is_none_is_one_sentence(here: Path, place: str) -> None:
    held = json.loads((here / "rain.json").read_text())
    held["refs"]["tp/4.1.0"] = [place, 0, 3]
    (here / "rain.json").write_text(json.dumps(held))
    assert "has a reference that means nothing: write it anew" in refused(str(here / "rain.json"))


def test_a_pipe_is_not_waited_for(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(here / "pipe")
    held = json.loads((here / "rain.json").read_text())
    for entry, words in ((["pipe"], "it is a pipe or a device"), (["rain.nc"], "it is of more than 1 GB")):
        held["refs"]["tp/4.1.0"] = entry
        (here / "rain.json").write_text(json.dumps(held))
        with monkeypatch.context() as context:
            context.setattr("engine.raster.cloud.fetch_error.LARGEST", 200_000)
            assert words in refused(str(here / "rain.json"))
