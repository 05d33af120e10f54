"""Whole runs on servers that fail: each ends in one sentence, in time, and leaves nothing behind."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

pytest.importorskip("fsspec")
pytest.importorskip("kerchunk")

from engine.commands import cli
from engine.raster.cloud import checked_http, fetch_error, transport
from engine.raster.cloud.fetch_error import LARGE, FetchError
from engine.raster.cloud.transport import Transport, plain_address
from engine.raster.gdal import gdal_environment
from tests.engine.raster.cloud.conftest import Served, serving
from tests.engine.raster.cloud.fields import field, refer, write_netcdf, write_store
from tests.engine.raster.cloud.test_server_facts import write_tif

LOGIN, QUERY = "anna:pa55w0rd", "token=t0k3n"
MODEL = ["--model", "bicubicsmooth", "--factor", "2", "--extent", "20,30,30,40", "--tile", "8"]
CELLS = r"/c/|\.nc|\.tif"  # what holds cells


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    write_store(folder / "rain.zarr", 3)
    write_netcdf(folder / "rain.nc")
    refer(folder / "rain.nc", "rain.nc", folder / "rain.json")
    write_tif(folder / "rain.tif", field()[:1])
    return folder


@pytest.fixture()
def rain(served: Served, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    shutil.copytree(files, served.folder, dirs_exist_ok=True)
    served.user, served.token = LOGIN, "t0k3n"
    monkeypatch.setenv("MSR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(transport, "_READ_SECONDS", 1)
    monkeypatch.setattr(checked_http, "_ASK_SECONDS", 1)
    monkeypatch.setattr(checked_http, "_LOOK_SECONDS", 1)
    for name, value in {"MAX_RETRY": "1", "RETRY_DELAY": "0.1", "LOW_SPEED_TIME": "2"}.items():
        monkeypatch.setitem(gdal_environment._REMOTE, f"GDAL_HTTP_{name}", value)
    return served


FAULTS: dict[str, tuple[dict, str]] = {
    "500": ({"status": {CELLS: 500}}, "does not give it"),
    "503": ({"status": {CELLS: 503}}, "does not give it"),
    "429": ({"status": {CELLS: 429}}, "does not give it"),
    "401": ({"status": {CELLS: 401}}, "refuses access|does not give it"),
    "403": ({"status": {CELLS: 403}}, "refuses access|does not give it"),
    "410": ({"status": {r"\.nc|\.tif": 410, "/c/": 403}}, "not there|refuses access|does not give it"),
    "cut": ({"cut": CELLS}, "breaks off|cannot be reached|does not give it|damaged or not whole"),
    "slow": ({"slow": CELLS}, "next to nothing|cannot be reached|does not give it"),
    "silent": ({"silent": CELLS}, "not answer in time|cannot be reached|does not give it"),
    "round": (
        {"to": {CELLS: "/again.tif/c/"}, "user": "", "token": ""},
        "sends on and on|cannot be reached|does not give it",
    ),
    "away": ({"to": {CELLS: "http://127.0.0.1:9/c/"}}, "cannot be reached|does not give it"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["rain.zarr:tp", "rain.json:tp", "rain.tif"])
def test_a_fault_is_one_sentence_in_time(
    rain: Served, tmp_path: Path, name: str, fault: str, capfd: pytest.CaptureFixture
) -> None:
    change, words = FAULTS[fault]
    for key, value in change.items():
        setattr(rain, key, value)
    out = tmp_path / "out"
    out.mkdir()
    begun = time.monotonic()
    target = rain.url(name, LOGIN, QUERY)
    status = cli.main(["super-resolve", *MODEL, "--target", target, "--output", str(out / "fine.tif")])
    told = capfd.readouterr().err
    assert status == 2 and len(told.strip().splitlines()) == 1, told
    assert any(each in told for each in words.split("|")), told
    assert not any(secret in told for secret in ("anna", "pa55", "t0k3n"))
    assert list(out.iterdir()) == [] and time.monotonic() - begun < 45


def test_another_server_gets_no_login_and_no_token(rain: Served, tmp_path: Path) -> None:
    with serving(tmp_path / "other") as other:
        shutil.copytree(rain.folder, other.folder, dirs_exist_ok=True)
        rain.to = {"rain.nc": other.url("rain.nc")}
        reads = Transport(rain.url("rain.json", LOGIN, QUERY))
        address = plain_address(rain.url("rain.nc"))
        assert reads.fetch(address, 1, 3) == b"HDF" and reads.version(address)
        assert other.given and other.brought == [["", ""]] * len(other.asked)
        assert rain.brought[0] == ["Basic YW5uYTpwYTU1dzByZA==", QUERY]


def test_what_never_ends_is_not_held(rain: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_error, "LARGEST", 1000)
    with pytest.raises(FetchError) as caught:
        Transport(rain.url("rain.json", LOGIN, QUERY)).fetch(plain_address(rain.url("rain.json")))
    assert caught.value.reason == LARGE
