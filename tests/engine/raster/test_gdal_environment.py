"""What a raster's file may lead GDAL to: its own cells, and nothing that the user has not named."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.errors import RasterioIOError
from rasterio.transform import from_origin
from rasterio.windows import Window

from engine.errors import InputError, PackageError
from engine.raster.gdal.gdal_environment import environment, open_by_gdal
from engine.raster.gdal.gdal_variables import SERVICES, scrub
from engine.raster.opening import open_raster
from engine.raster.reference import RasterRef


class Listener:
    """A server in a process of its own (GDAL holds Python's lock), which notes what it was asked."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "asked.log"
        with self._log.open("w") as log:
            command = [
                sys.executable,
                "-u",
                "-m",
                "http.server",
                "0",
                "--bind",
                "127.0.0.1",
                "-d",
                str(folder),
            ]
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        port = re.search(r"port (\d+)", self.process.stdout.readline())
        assert port is not None
        self.address = f"http://127.0.0.1:{port[1]}"

    @property
    def asked(self) -> str:
        return self._log.read_text()


def raster(path: Path, value: float = 7.0, **more: object) -> Path:
    profile = {
        "driver": "GTiff",
        "width": 4,
        "height": 4,
        "count": 1,
        "dtype": "float32",
        "crs": "EPSG:32632",
    }
    profile |= {"transform": from_origin(0, 40, 10, 10), **more}
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.full((1, 4, 4), value, "float32"))
    return path


def vrt(source: str, more: str = "") -> str:
    return (
        '<VRTDataset rasterXSize="4" rasterYSize="4"><SRS>EPSG:32632</SRS>'
        "<GeoTransform>0, 10, 0, 40, 0, -10</GeoTransform>"
        f'<VRTRasterBand dataType="Float32" band="1">{more}<SimpleSource>'
        f'<SourceFilename relativeToVRT="1">{source}</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )


@pytest.fixture
def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "*")  # a proxy that is not there stops nothing
    (tmp_path / "served").mkdir()
    raster(tmp_path / "served" / "served.tif")
    listener = Listener(tmp_path / "served")
    yield listener
    listener.process.kill()
    listener.process.wait()


def references(address: str) -> dict[str, str]:
    wms = f'<GDAL_WMS><Service name="TMS"><ServerUrl>{address}/${{z}}</ServerUrl></Service></GDAL_WMS>'
    stac = '{"stac_version": "1.0.0", "type": "Feature", "assets": {"a": {"href": "ADDRESS/a.tif"}}}'
    return {
        "vrt": vrt(f"/vsicurl/{address}/a.tif"),
        "upper": vrt(f"/VSICURL/{address}/a.tif"),
        "options": vrt(f"/vsicurl?use_head=no&amp;url={address}/a.tif"),
        "streamed": vrt(f"/vsicurl_streaming/{address}/a.tif"),
        "entities": vrt(f"&#47;vsicurl&#47;{address}/a.tif"),
        "plain address": vrt(f"{address}/a.tif"),
        "archive": vrt(f"/vsizip//vsicurl/{address}/a.zip/a.tif"),
        "inner text": vrt(vrt(f"/vsicurl/{address}/a.tif").replace("<", "&lt;").replace(">", "&gt;")),
        "service in it": vrt(wms.replace("<", "&lt;").replace(">", "&gt;")),
        "prefix": vrt(f"WCS:{address}"),
        "overviews": vrt(
            "a.tif", f"<Overview><SourceFilename>/vsicurl/{address}/o.tif</SourceFilename></Overview>"
        ),
        "warped": f'<VRTDataset rasterXSize="4" rasterYSize="4" subClass="VRTWarpedDataset"><GDALWarpOptions>'
        f'<SourceDataset relativeToVRT="0">/vsis3/{address}</SourceDataset></GDALWarpOptions></VRTDataset>',
        "wms": wms,
        "wcs": f"<WCS_GDAL><ServiceURL>{address}/wcs?</ServiceURL><CoverageName>a</CoverageName></WCS_GDAL>",
        "index": f"<GDALTileIndexDataset><IndexDataset>{address}/i</IndexDataset></GDALTileIndexDataset>",
        "stac": stac.replace("ADDRESS", address),
        "copy": f"<MRF_META><CachedSource><Source>{address}/a.tif</Source></CachedSource></MRF_META>",
    }


@pytest.mark.parametrize("kind", references(""))
def test_a_file_that_leads_to_a_server_is_refused_by_what_it_refers_to(
    tmp_path: Path, listener: Listener, kind: str
) -> None:
    path = tmp_path / "elevation.tif"
    path.write_text(references(listener.address)[kind], encoding="utf-8")
    raster(tmp_path / "a.tif")
    with pytest.raises(
        InputError, match=r"^elevation: .*elevation.tif.* refers to .*127\.0\.0\.1"
    ) as refusal:
        open_by_gdal(str(path), "elevation")
    assert str(refusal.value).count(". ") == 0
    assert listener.asked == ""


def test_a_raster_by_way_of_others_is_refused_too(tmp_path: Path, listener: Listener) -> None:
    (tmp_path / "c.vrt").write_text(vrt(f"/vsicurl/{listener.address}/a.tif"), encoding="utf-8")
    (tmp_path / "b.vrt").write_text(vrt("c.vrt"), encoding="utf-8")
    (tmp_path / "a.tif").write_text(vrt("b.vrt"), encoding="utf-8")
    with pytest.raises(InputError, match=r"c\.vrt refers to /vsicurl/http"):
        open_by_gdal(f"{tmp_path / 'a.tif'}", "target")
    assert listener.asked == ""


def test_a_vrt_in_an_archive_is_refused_too(tmp_path: Path, listener: Listener) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.vrt", vrt(f"/vsicurl/{listener.address}/a.tif"))
    with pytest.raises(InputError, match="refers to /vsicurl/http"):
        open_by_gdal(f"/vsizip/{tmp_path / 'a.zip'}/a.vrt", "target")
    assert listener.asked == ""


def test_sidecars_lead_to_no_server(tmp_path: Path, listener: Listener) -> None:
    path = raster(tmp_path / "a.tif")
    domain = f'<MDI key="OVERVIEW_FILE">/vsicurl/{listener.address}/o.tif</MDI>'
    domain = f'<Metadata domain="OVERVIEWS">{domain}</Metadata>'
    (tmp_path / "a.tif.aux.xml").write_text(f"<PAMDataset>{domain}</PAMDataset>", encoding="utf-8")
    (tmp_path / "a.tif.msk").write_text(vrt(f"/vsicurl/{listener.address}/m.tif"), encoding="utf-8")
    with open_by_gdal(str(path), "target") as file, environment(str(path)):
        assert file.read(1, out_shape=(2, 2)).tolist() == [[7, 7], [7, 7]]
        file.dataset_mask()
    assert listener.asked == ""


def others(address: str) -> dict[str, tuple[str, str]]:
    """Name and text of files of further kinds that name a raster elsewhere."""
    away = f"/vsicurl/{address}/a.tif"
    cube = (
        "Object = IsisCube\n  Object = Core\n    ^Core = {}\n    Format = GeoTIFF\n    Group = Dimensions\n"
    )
    cube += "      Samples = 4\n      Lines = 4\n      Bands = 1\n    End_Group\n    Group = Pixels\n"
    cube += "      Type = Real\n      ByteOrder = Lsb\n    End_Group\n  End_Object\nEnd_Object\nEnd\n"
    mrf = '<MRF_META><Raster><Size x="4" y="4"/><DataFile>{0}</DataFile><IndexFile>{0}</IndexFile></Raster>'
    ers = 'DatasetHeader Begin\nDataFile = "{}"\nRasterInfo Begin\nCellType = IEEE4ByteReal\nNrOfLines = 4\n'
    ers += "NrOfCellsPerLine = 4\nNrOfBands = 1\nRasterInfo End\nDatasetHeader End\n"
    pds = '<Product_Observational xmlns="http://pds.nasa.gov/pds4/pds/v1"><File_Area_Observational><File>'
    pds += "<file_name>{}</file_name></File></File_Area_Observational></Product_Observational>"
    chunk = json.dumps({"version": 1, "refs": {"a/0.0": [f"{address}/a.bin", 0, 64], ".zgroup": "{}"}})
    return {
        "ncml": ("a.ncml", f'<netcdf xmlns="http://x/ncml-2.2" location="{address}/a.nc"/>'),
        "link": ("a.url", f"[InternetShortcut]\nURL={address}/a.tif\n"),
        "isis": ("a.lbl", cube.format(away)),
        "mrf": ("a.mrf", mrf.format(away) + "</MRF_META>"),
        "ers": ("a.ers", ers.format(away)),
        "pds4": ("a.xml", pds.format(away)),
        "chunk references": ("a.json", chunk),
        "chunk references in a store": ("a.zarr/.zmetadata", chunk),
        "tiles": ("a.gti", f"<GDALTileIndexDataset><IndexDataset>{address}/i</IndexDataset>"),
        "items": ("a.json", f'{{"type": "FeatureCollection", "features": [], "links": ["{address}/next"]}}'),
        "geojson": ("a.geojson", f'{{"type": "Topology", "url": "{address}/a.tif"}}'),
        "web map": ("a.xml", f"<WMS_Capabilities><Service>{address}/wms</Service></WMS_Capabilities>"),
        "overviews": ("b.tif.aux.xml", f'<PAMDataset><MDI key="OVERVIEW_FILE">{away}</MDI></PAMDataset>'),
    }


@pytest.mark.parametrize("kind", others(""))
def test_no_kind_of_file_makes_a_connection(tmp_path: Path, listener: Listener, kind: str) -> None:
    name, text = others(listener.address)[kind]
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    names = [str(path if path.parent == tmp_path else path.parent)]
    names += [f"ZARR:{names[0]}", f"NETCDF:{names[0]}", f"vrt://{names[0]}", f"file://{names[0]}"]
    for each in names:
        with (
            contextlib.suppress(InputError, RasterioIOError),
            open_by_gdal(each, "target") as file,
            environment(each),
        ):
            file.read()
        with pytest.raises(InputError) as refusal:
            open_raster(RasterRef(each, crs="EPSG:4326"), "target").read([1], Window(0, 0, 4, 4))
        assert str(refusal.value).startswith("target: ") and str(refusal.value).count(". ") == 0
    assert listener.asked == ""


def test_an_address_that_the_user_gives_is_opened(listener: Listener) -> None:
    path = f"{listener.address}/served.tif"
    with open_by_gdal(path, "target") as file, environment(path):
        assert file.read(1).mean() == 7
    assert "/served.tif" in listener.asked


def test_a_vrt_of_files_is_read(tmp_path: Path) -> None:
    raster(tmp_path / "a.tif")
    (tmp_path / "b.vrt").write_text(vrt("a.tif"), encoding="utf-8")
    (tmp_path / "c.vrt").write_text(vrt("b.vrt"), encoding="utf-8")
    path = str(tmp_path / "c.vrt")
    with open_by_gdal(path, "target") as file, environment(path):
        assert file.read(1).mean() == 7


@pytest.mark.parametrize("named", ["file.vrt", "vrt://file.vrt"])
def test_no_python_of_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    raster(tmp_path / "a.tif")
    monkeypatch.chdir(tmp_path)
    code = "<PixelFunctionType>f</PixelFunctionType><PixelFunctionLanguage>Python</PixelFunctionLanguage>"
    code += "<PixelFunctionCode>def f(a, out, *r, **k):\n open('ran', 'w')</PixelFunctionCode>"
    text = vrt("a.tif", code).replace('band="1"', 'band="1" subClass="VRTDerivedRasterBand"')
    (tmp_path / "file.vrt").write_text(text, encoding="utf-8")
    monkeypatch.setenv("GDAL_VRT_ENABLE_PYTHON", "YES")
    with pytest.raises(InputError, match="Python code"):
        open_by_gdal(named, "target")
    with (
        rasterio.open("file.vrt") as file,
        environment("file.vrt"),
        pytest.raises(rasterio.errors.RasterioIOError),
    ):
        file.read(1)
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_pipe_and_a_device_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tif")
    (tmp_path / "a.vrt").write_text(vrt("pipe.tif"), encoding="utf-8")
    for path in (tmp_path / "pipe.tif", tmp_path / "a.vrt", Path("/dev/zero"), Path("/vsistdin/")):
        with pytest.raises(InputError, match=r"no (regular )?file"):
            open_by_gdal(str(path), "target")


def grib(path: Path) -> Path:
    """Write 2 m temperature in kelvin, which GDAL gives in °C."""
    profile = {"driver": "GRIB", "width": 8, "height": 8, "count": 1, "dtype": "float64", "crs": "EPSG:4326"}
    template = "0 0 2 0 0 0 0 0 1 0 0 0 0 103 0 0 0 0 2 255 255 255 255 255 255"
    options = {"DISCIPLINE": "0", "PDS_PDTN": "0", "PDS_TEMPLATE_NUMBERS": template, "INPUT_UNIT": "K"}
    with rasterio.open(path, "w", transform=from_origin(5, 50, 0.25, 0.25), **profile, **options) as file:
        file.write(np.full((1, 8, 8), 280.0))
    return path


def test_a_grib_file_has_the_same_values_in_every_thread(tmp_path: Path) -> None:
    path = str(grib(tmp_path / "t.grib2"))
    read: list[float] = []
    with open_by_gdal(path, "target") as file:
        assert file.tags(1)["GRIB_UNIT"] == "[C]"

        def work() -> None:
            with environment(path):
                read.append(float(file.read(1).mean()))

        for _ in range(2):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        work()
    assert read == pytest.approx([6.85] * 3)


def test_a_packages_raster_is_a_plain_geotiff(tmp_path: Path, listener: Listener) -> None:
    path = tmp_path / "elevation.tif"
    others = {**references(listener.address), "local vrt": vrt("a.tif")}
    raster(tmp_path / "a.tif")
    for text in others.values():
        path.write_text(text, encoding="utf-8")
        with pytest.raises(
            PackageError, match=r"^elevation: .*elevation\.tif of the model package is no GeoTIFF"
        ):
            open_by_gdal(str(path), "elevation", plain=True)
    assert listener.asked == ""


def test_nothing_beside_a_packages_raster_is_read(tmp_path: Path, listener: Listener) -> None:
    path = raster(tmp_path / "elevation.tif")
    raster(tmp_path / "other.tif", 99.0)
    aux = '<PAMDataset><SRS>EPSG:4326</SRS><PAMRasterBand band="1"><UnitType>ft</UnitType><Scale>3</Scale>'
    aux += (
        f'<Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">/vsicurl/{listener.address}</MDI></Metadata>'
    )
    (tmp_path / "elevation.tif.aux.xml").write_text(f"{aux}</PAMRasterBand></PAMDataset>", encoding="utf-8")
    (tmp_path / "elevation.tif.msk").write_text(vrt("other.tif"), encoding="utf-8")
    (tmp_path / "elevation.tif.ovr").write_text(vrt("other.tif"), encoding="utf-8")
    (tmp_path / "elevation.tfw").write_text("99\n0\n0\n-99\n0\n0\n", encoding="utf-8")
    with open_by_gdal(str(path), "elevation", plain=True) as file, environment(str(path), plain=True):
        assert (file.crs.to_epsg(), file.units, file.scales) == (32632, (None,), (1.0,))
        assert file.files == [str(path)]
        assert file.read(1, out_shape=(2, 2)).tolist() == [[7, 7], [7, 7]]
        assert (file.dataset_mask() == 255).all()
    assert listener.asked == ""


@pytest.mark.parametrize("where", ["file", "band"])
def test_overviews_that_a_packages_raster_names_elsewhere_are_refused(tmp_path: Path, where: str) -> None:
    path, other = raster(tmp_path / "elevation.tif"), raster(tmp_path / "secret.tif", 99.0)
    with rasterio.open(path, "r+") as file:
        file.update_tags(*([1] if where == "band" else []), ns="OVERVIEWS", OVERVIEW_FILE=str(other))
    with pytest.raises(PackageError, match="names another file as its overviews"):
        open_by_gdal(str(path), "elevation", plain=True)


def test_a_packages_raster_in_one_huge_block_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "elevation.tif"
    profile = {"driver": "GTiff", "width": 20000, "height": 20000, "count": 1, "dtype": "uint8"}
    profile |= {"transform": from_origin(0, 1, 1, 1), "tiled": True, "blockxsize": 20000}
    with rasterio.open(
        path, "w", **profile, blockysize=20000, sparse_ok=True, compress="deflate", crs="EPSG:32632"
    ):
        pass
    with pytest.raises(PackageError, match="blocks of 400 MB"):
        open_by_gdal(str(path), "elevation", plain=True)


def test_what_loosens_gdal_does_not_reach_it() -> None:
    variables = {"GDAL_VRT_ENABLE_PYTHON": "YES", "GDAL_DRIVER_PATH": "/x", "CPL_DEBUG": "ON", "OGR_X": "1"}
    variables |= {"PROJ_LIB": "/x", "PATH": "/bin", "GDAL_HTTP_PROXY": "proxy:1", "GDAL_CONFIG_FILE": "/x"}
    scrub(variables)
    assert variables.pop("GDAL_SKIP").split(",") == list(SERVICES)
    assert variables == {"PATH": "/bin", "GDAL_HTTP_PROXY": "proxy:1", "GDAL_CACHEMAX": "128"}
