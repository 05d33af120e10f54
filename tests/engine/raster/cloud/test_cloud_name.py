"""Which names mean stores and references, and the variable in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.raster.cloud.cloud_name import CloudName, cloud_name


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("https://host/a.zarr", ("store", "https://host/a.zarr", None)),
        ("https://host/a.zarr/:tp", ("store", "https://host/a.zarr", "tp")),
        ("s3://bucket/a.zarr:grid/tp", ("store", "s3://bucket/a.zarr", "grid/tp")),
        ("gs://bucket/a.zarr-v3:tp", ("store", "gs://bucket/a.zarr-v3", "tp")),
        ("https://u:p:q@host:80/a.zarr:tp?t=x:y", ("store", "https://u:p:q@host:80/a.zarr?t=x:y", "tp")),
        ('ZARR:"https://host/any?t=1":/tp', ("store", "https://host/any?t=1", "tp")),
        ("https://host/refs.json:tp", ("json", "https://host/refs.json", "tp")),
        ("s3://bucket/refs.parq/", ("parquet", "s3://bucket/refs.parq", None)),
        ("https://host/refs.parquet:tp?s=1", ("parquet", "https://host/refs.parquet?s=1", "tp")),
        ("https://host:80/a.tif", None),
        ("https://host/a.nc?file=a.zarr", None),
        ("/vsicurl/https://host/a.zarr", None),
        ("https://[::1/a.zarr?t=1", None),
        ("a.zarr:tp", None),
        ("gone.json", None),
    ],
)
def test_addresses(name: str, meant: tuple | None) -> None:
    assert cloud_name(name) == (None if meant is None else CloudName(*meant))


def test_files_here(tmp_path: Path) -> None:
    refs, other = tmp_path / "refs.json", tmp_path / "other.json"
    refs.write_text(json.dumps({"version": 1, "refs": {}}))
    other.write_text(json.dumps({"type": "FeatureCollection"}))
    tables, store = tmp_path / "refs.parq", tmp_path / "plain.zarr"
    for folder, told in ((tables, {"metadata": {}, "record_size": 9}), (store, {"metadata": {}})):
        folder.mkdir()
        (folder / ".zmetadata").write_text(json.dumps(told))
    assert cloud_name(str(refs)) == CloudName("json", str(refs), None)
    assert cloud_name(f"{refs}:tp") == CloudName("json", str(refs), "tp")
    assert cloud_name(f"{tables}:a/tp") == CloudName("parquet", str(tables), "a/tp")
    assert cloud_name(str(other)) is None and cloud_name(str(store)) is None
