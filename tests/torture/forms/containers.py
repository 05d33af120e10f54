"""Other raster formats, and what lies around a raster: VRTs, archives, odd names."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.crs import CRS

from tests.torture.forms.form import Form, Written
from tests.torture.forms.geotiff import write_tif
from tests.torture.world import World

_VRT = """<VRTDataset rasterXSize="{cols}" rasterYSize="{rows}">
  <SRS>{crs}</SRS>
  <GeoTransform>{geotransform}</GeoTransform>
{bands}
</VRTDataset>"""
_BAND = """  <VRTRasterBand dataType="{dtype}" band="{number}">
    <Metadata>{date}</Metadata>
    <UnitType>{units}</UnitType>
    <NoDataValue>nan</NoDataValue>
    <{source}>
      <SourceFilename relativeToVRT="{relative}">{file}</SourceFilename><SourceBand>{number}</SourceBand>
      {ratio}
      <SrcRect xOff="0" yOff="0" xSize="{cols}" ySize="{rows}"/>
      <DstRect xOff="0" yOff="0" xSize="{cols}" ySize="{rows}"/>
    </{source}>
  </VRTRasterBand>"""


def write_vrt(path: Path, world: World, source: str, relative: bool = False, ratio: str = "") -> Path:
    """Write a VRT of a raster of the same field."""
    rows, cols = world.shape
    words = CRS.from_user_input(world.crs).to_wkt().replace('"', "&quot;")
    bands = "\n".join(
        _BAND.format(
            number=i + 1,
            dtype="Float32",
            date=f'<MDI key="DATE">{world.dates[i]}</MDI>' if world.dates else "",
            units=world.units,
            relative=int(relative),
            file=source,
            rows=rows,
            cols=cols,
            source="ComplexSource" if ratio else "SimpleSource",
            ratio=ratio,
        )
        for i in range(len(world.values))
    )
    place = ", ".join(repr(float(v)) for v in world.transform.to_gdal())
    path.write_text(_VRT.format(rows=rows, cols=cols, crs=words, geotransform=place, bands=bands), "utf-8")
    return path


def _vrt(world: World, folder: Path, rng: np.random.Generator) -> Written:
    source = write_tif(folder / "under.tif", world)
    relative = bool(rng.random() < 0.5)
    path = write_vrt(folder / "over.vrt", world, source.name if relative else str(source), relative)
    return Written(str(path), f"VRT, its source {'relative' if relative else 'absolute'}")


def _vrt_of_vrt(world: World, folder: Path, rng: np.random.Generator) -> Written:
    source = write_tif(folder / "under.tif", world)
    write_vrt(folder / "middle.vrt", world, source.name, True)
    path = write_vrt(folder / "top.vrt", world, "middle.vrt", True)
    return Written(str(path), "VRT of a VRT")


def _vrt_scaled(world: World, folder: Path, rng: np.random.Generator) -> Written:
    source = write_tif(folder / "tenths.tif", world, (world.values * 10).astype(np.float32))
    ratio = "<ScaleOffset>0</ScaleOffset><ScaleRatio>0.1</ScaleRatio><NODATA>nan</NODATA>"
    path = write_vrt(folder / "scaled.vrt", world, str(source), ratio=ratio)
    return Written(str(path), "VRT that scales its source")


def _zipped(world: World, folder: Path, rng: np.random.Generator) -> Written:
    source = write_tif(folder / "inside.tif", world)
    path = folder / "archive.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(source, "inside.tif")
    source.unlink()
    return Written(f"/vsizip/{path}/inside.tif", "GeoTIFF in a zip, by /vsizip/")


def _named(world: World, folder: Path, rng: np.random.Generator) -> Written:
    names = (
        "mit Leerzeichen.tif",
        "Maße_größer_£.tif",
        "雨.tif",
        "a'b\"c.tif",
        "rain #2.tif",
        "percent%20.tif",
        "-minus.tif",
        "x" * 200 + ".tif",
        "NETCDF.tif",
        "rain.2001-01.tiff",
        "UPPER.TIF",
        "no_ending",
        "semi;colon,comma.tif",
        "rain&amp;<b>.tif",
    )
    name = str(rng.choice(names))
    path = write_tif(folder / name, world)
    return Written(str(path), f"GeoTIFF called {name[:40]}")


def _deep(world: World, folder: Path, rng: np.random.Generator) -> Written:
    deep = folder
    for number in range(6):
        deep = deep / ("long_folder_name_" * 2 + str(number))
    deep.mkdir(parents=True)
    return Written(str(write_tif(deep / "deep.tif", world)), "GeoTIFF in deep folders")


def _linked(world: World, folder: Path, rng: np.random.Generator) -> Written:
    source, link = write_tif(folder / "real.tif", world), folder / "link.tif"
    if rng.random() < 0.5:
        link.symlink_to(source.name)
    else:
        os.link(source, link)
    return Written(str(link), "a link to a GeoTIFF")


def _copied(driver: str, ending: str, **options: str):
    def write(world: World, folder: Path, rng: np.random.Generator) -> Written:
        source, path = write_tif(folder / "source.tif", world), folder / f"copy{ending}"
        rasterio.shutil.copy(source, path, driver=driver, **options)
        source.unlink()
        return Written(str(path), f"{driver} ({ending})", unitless=driver == "ENVI")

    return write


def _ascii(world: World, folder: Path, rng: np.random.Generator) -> Written:
    """An ESRI grid by hand, units and CRS beside it or given."""
    rows, cols = world.shape
    path = folder / "grid.asc"
    stored = np.where(np.isnan(world.values[0]), -9999, world.values[0])
    head = (
        f"ncols {cols}\nnrows {rows}\nxllcorner {world.left!r}\nyllcorner {world.top - rows * world.step!r}\n"
    )
    head += f"cellsize {world.step!r}\nNODATA_value -9999\n"
    path.write_text(head + "\n".join(" ".join(f"{v:.1f}" for v in row) for row in stored) + "\n")
    return Written(str(path), "ESRI ASCII grid, CRS given", crs=world.crs, unitless=True)


def has_one_band(world: World) -> bool:
    """Return whether a field is one undated band."""
    return len(world.values) == 1 and not world.dates


FORMS = (
    Form("vrt", _vrt),
    Form("vrt of vrt", _vrt_of_vrt),
    Form("vrt that scales", _vrt_scaled),
    Form("zip", _zipped),
    Form("odd name", _named),
    Form("deep folders", _deep),
    Form("link", _linked),
    Form("ENVI", _copied("ENVI", ".img")),
    Form("Erdas", _copied("HFA", ".img")),
    Form("COG", _copied("COG", ".tif", BLOCKSIZE="128", OVERVIEWS="AUTO")),
    Form("VRT by GDAL", _vrt),
    Form("ASCII grid", _ascii, has_one_band),
)
