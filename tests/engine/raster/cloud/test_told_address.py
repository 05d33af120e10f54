"""What of an address is told: enough to know it again, nothing that opens it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.commands.debug_log import keep
from engine.commands.explain import explain
from engine.errors import InputError
from engine.pipeline.request import SuperResolveRequest
from engine.raster.cloud.cloud_name import CloudName
from engine.raster.cloud.told_address import redacted, remember, scrubbed, told
from engine.raster.reference import GridRequest, RasterRef

SECRETS = ("anna", "pa55w0rd", "t0k3n", "s1gn4tur3")


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("rain.nc:tp", "rain.nc:tp"),
        ("a?b.tif", "a?b.tif"),
        ("https://host/a.tif", "https://host/a.tif"),
        ("https://[::1/a.tif?t0k3n", "https://[::1/a.tif?…"),
        ("https://host/mail@x/a.tif", "https://host/mail@x/a.tif"),
        ("https://anna:pa55w0rd@host:8080/a.tif", "https://host:8080/a.tif"),
        ("https://t0k3n@host/a.tif", "https://host/a.tif"),
        ("https://anna:pa55w0rd/t0k3n@host/a.tif", "https://host/a.tif"),
        ("https://anna:pa55w0rd@s1gn4tur3@host/a.tif", "https://host/a.tif"),
        ("https://host/a.tif?sig=t0k3n pa55w0rd", "https://host/a.tif?…"),
        ("https://host/a.zarr:tp?token=t0k3n", "https://host/a.zarr:tp?…"),
        ("https://host/a.tif#access_token=t0k3n", "https://host/a.tif#…"),
        ("HTTPS://anna:pa55w0rd@HOST/a.tif", "HTTPS://HOST/a.tif"),
        ("s3://anna:pa55w0rd@bucket/a.zarr", "s3://bucket/a.zarr"),
        ("/vsicurl/https://anna:pa55w0rd@host/a.tif?t0k3n", "/vsicurl/https://host/a.tif?…"),
        ("/vsicurl?header.X=t0k3n", "/vsicurl?…"),
        (
            "/vsicurl?header.X=t0k3n&url=https%3A%2F%2Fanna:pa55w0rd@host%2Fa.tif%3Ft0k3n&x=s1gn4tur3",
            "/vsicurl?…url=https://host/a.tif?…",
        ),
        ("vrt://https://anna:pa55w0rd@host/a.tif?bands=2", "vrt://https://host/a.tif?bands=2"),
        ("vrt://https://host/a.tif?token=t0k3n?bands=2", "vrt://https://host/a.tif?…?bands=2"),
        ("vrt://https://host/a.tif?token=t0k3n", "vrt://https://host/a.tif?…"),
        ('NETCDF:"https://anna:pa55w0rd@host/a.nc?t0k3n":tas', 'NETCDF:"https://host/a.nc?…":tas'),
        ("sftp://anna:pa55w0rd@host/a.tif", "sftp://host/a.tif"),
        ("webdavs://anna:pa@55w0rd@host/a.zarr:tp", "webdavs://host/a.zarr:tp"),
        ("PG:host=h user=anna password='pa55 w0rd' mode=2", "PG:host=h user=… password=… mode=2"),
        ("MSSQL:server=h;uid=anna;pwd=pa55w0rd;driver=x", "MSSQL:server=h;uid=…;pwd=…;driver=x"),
        ("a_password=3.tif", "a_password=3.tif"),
        ("vrt://https://host/a.tif?b=https://anna:pa55w0rd@host", "vrt://https://host/a.tif?…"),
        (
            "<VRTDataset><SourceFilename>https://anna:pa55w0rd@host/a.tif</SourceFilename>",
            "<VRTDataset><SourceFilename>https://host/a.tif</SourceFilename>",
        ),
    ],
)
def test_a_name_is_told_without_what_opens_it(name: str, short: str) -> None:
    assert told(name) == short == told(short)
    ref = RasterRef.parse(f"{name}#3")
    assert (ref.path, ref.address, ref.band, ref.secret) == (short, name, 3, short != name)
    assert not any(secret in repr(ref) for secret in SECRETS)
    assert replace(ref, band=2).address == name and replace(ref, path="b.tif").address == "b.tif"


def test_a_text_is_told_without_what_opens_its_addresses() -> None:
    text = "See https://anna:pa55w0rd@host/a.tif?sig=s1gn4tur3, (s3://t0k3n@b/c), tcp://anna:pa55@h:1: no."
    assert redacted(text) == "See https://host/a.tif?…, (s3://b/c), tcp://h:1: no."


def test_a_request_keeps_its_addresses_as_a_message_alone() -> None:
    address = "https://anna:pa55w0rd@host/a.tif?token=t0k3n"
    grid = GridRequest(like=address)
    made = SuperResolveRequest("m", RasterRef(address), "o.tif", {"s": RasterRef(address, 2)}, grid)
    message = made.to_json()
    assert message["target"]["path"] == address and "address" not in message["target"]
    assert SuperResolveRequest.from_json(message) == made
    assert not any(secret in repr(made) for secret in SECRETS)


def test_tracebacks_hold_none(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr("engine.raster.cloud.told_address._known", set())  # of other tests
    remember("https://anna:pa55w0rd@host/a.tif?X-Sig=s1gn4tur3%2Fq")
    monkeypatch.setenv("FSSPEC_S3_SECRET", "k3pt-s3cr3t")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws-s3cr3t")
    headers = '{"client_kwargs": {"headers": {"Authorization": "Bearer b34r3r-t0ken"}}}'
    monkeypatch.setenv("FSSPEC_HTTP", headers)
    account = "AccountName=public;AccountKey=4cc0untk3y12==;EndpointSuffix=core.windows.net"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", account)
    monkeypatch.setenv("https_proxy", "http://prox:pr0xypass@proxy:3128")
    monkeypatch.setenv("GDAL_HTTP_COOKIE", "session=c00k1ec00k1e")
    monkeypatch.setattr("engine.commands.debug_log._folders", lambda: [tmp_path])
    monkeypatch.setattr("sys.argv", ["engine", "--target", "https://anna:pa55w0rd@host/a.tif"])
    words = "BasicAuth('anna', 'pa55w0rd') {'X-Sig': 's1gn4tur3/q'} k3pt-s3cr3t aws-s3cr3t"
    words += " Bearer b34r3r-t0ken 4cc0untk3y12== prox:pr0xypass pr0xypass c00k1ec00k1e Authorization"
    try:
        raise ValueError(f"404 url='https://anna:pa55w0rd@host/a.tif?X-Sig=s1gn4tur3%2Fq' {words}")
    except ValueError as error:
        shown = explain(error)
    path = keep("".join([words, " https://host/a.tif?X-Sig=other"]))
    assert path is not None
    for text in (shown["detail"], path.read_text(), scrubbed(words)):
        assert not any(secret in text for secret in (*SECRETS[:2], "s1gn4tur3", "k3pt", "aws-s3", "other"))
        assert not any(part in text for part in ("b34r3r", "4cc0unt", "pr0xy", "c00k1e"))
        assert "Authorization" in text
    assert "404 url='https://host/a.tif?…" in shown["detail"] and "ValueError" in shown["detail"]
    sentence = explain(InputError("See https://anna:pa55w0rd@host/a.tif: no."))["message"]
    assert sentence == "See https://host/a.tif: no."


def test_what_opens_a_store_stands_in_no_representation() -> None:
    address = "https://anna:pa55w0rd@host/a.zarr?token=t0k3n"
    for made in (CloudName("store", address, "tp"), GridRequest(like=address), RasterRef(address)):
        assert not any(secret in repr(made) for secret in SECRETS)
