"""GeoTIFFs in the ways that programs write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.transform import Affine

from tests.torture.forms.form import Form, Written
from tests.torture.world import World

NODATA = (-9999.0, -99.0, -32768.0, 1e20, 9.969209968386869e36, -3.4028234663852886e38, 3.4028234663852886e38)


def write_tif(
    path: Path,
    world: World,
    values: np.ndarray | None = None,
    units: str | None = None,
    dates: bool = True,
    transform: Affine | None = None,
    crs: Any = None,
    scale: float = 1.0,
    offset: float = 0.0,
    **profile: Any,
) -> Path:
    """Write a field as GeoTIFF; `values` are what is stored, by default the field in float32."""
    stored = world.values.astype(np.float32) if values is None else values
    count, rows, cols = stored.shape
    settings: dict[str, Any] = {"driver": "GTiff", "nodata": np.nan if stored.dtype.kind == "f" else None}
    settings |= {"dtype": stored.dtype, "crs": crs or world.crs, "transform": transform or world.transform}
    with rasterio.open(path, "w", count=count, width=cols, height=rows, **(settings | profile)) as file:
        file.write(stored)
        file.units = (world.units if units is None else units,) * count
        if (scale, offset) != (1.0, 0.0):
            file.scales, file.offsets = (scale,) * count, (offset,) * count
        for number, date in enumerate(world.dates if dates else (), start=1):
            file.update_tags(number, DATE=date)
    return path


def plain(world: World, folder: Path, rng: np.random.Generator) -> Written:
    """The form that the others are compared with."""
    return Written(str(write_tif(folder / "plain.tif", world)), "plain GeoTIFF")


def _layout(world: World, folder: Path, rng: np.random.Generator) -> Written:
    options: dict[str, Any] = {
        "compress": str(rng.choice(["none", "deflate", "lzw", "zstd", "packbits"])),
        "interleave": str(rng.choice(["pixel", "band"])),
        "ENDIANNESS": str(rng.choice(["BIG", "LITTLE"])),
        "BIGTIFF": str(rng.choice(["YES", "NO"])),
    }
    if rng.random() < 0.5:
        options |= {"tiled": True, "blockxsize": 16, "blockysize": 16}
    else:
        options["blockysize"] = int(rng.integers(1, 5))
    if options["compress"] in ("deflate", "lzw", "zstd") and rng.random() < 0.5:
        options["predictor"] = 3
    dtype = str(rng.choice(["float32", "float64"]))
    path = write_tif(folder / "layout.tif", world, world.values.astype(dtype), **options)
    told = ", ".join(f"{k}={v}" for k, v in options.items())
    return Written(str(path), f"GeoTIFF {dtype}, {told}")


def _packed(world: World, folder: Path, rng: np.random.Generator) -> Written:
    dtype = np.dtype(str(rng.choice(["int16", "int32", "uint16", "int64", "uint32"])))
    # In tenths, so exact; unsigned ones begin below the least value.
    offset = 0.0 if dtype.kind == "i" and rng.random() < 0.5 else float(np.floor(np.nanmin(world.values)) - 5)
    numbers = np.round((world.values - offset) * 10)
    info = np.iinfo(dtype)
    nodata = (
        int(rng.choice([info.min, info.max])) if dtype.itemsize == 2 else -9999 if dtype.kind == "i" else 0
    )
    if np.nanmax(numbers) >= min(info.max, 2**53) or np.nanmin(numbers) <= info.min:
        return plain(world, folder, rng)
    stored = np.where(np.isnan(numbers), nodata, numbers).astype(dtype)
    path = write_tif(folder / "packed.tif", world, stored, scale=0.1, offset=offset, nodata=nodata)
    return Written(str(path), f"GeoTIFF {dtype}, scale 0.1, offset {offset:g}, nodata {nodata}")


def _tagged(world: World, folder: Path, rng: np.random.Generator) -> Written:
    nodata = float(rng.choice(NODATA))
    stored = np.where(np.isnan(world.values), np.float32(nodata), world.values).astype(np.float32)
    path = write_tif(folder / "tagged.tif", world, stored, nodata=nodata)
    return Written(str(path), f"GeoTIFF, nodata {nodata:g}")


def _rounded_tag(world: World, folder: Path, rng: np.random.Generator) -> Written:
    nodata = float(rng.choice([-3.4028235e38, -3.40282346638529e38, 9.96921e36, 1e20]))
    near = np.nextafter(np.float32(nodata), np.float32(0)) if abs(nodata) > 1e30 else np.float32(nodata)
    stored = np.where(np.isnan(world.values), near, world.values).astype(np.float32)
    path = write_tif(folder / "rounded.tif", world, stored, nodata=nodata)
    return Written(str(path), f"GeoTIFF, nodata tag {nodata!r} beside {near!r} in the data")


def _untagged(world: World, folder: Path, rng: np.random.Generator) -> Written:
    nodata = float(rng.choice([-9999, -32768, 1e20, 9.969209968386869e36, -3.4028234663852886e38]))
    stored = np.where(np.isnan(world.values), np.float32(nodata), world.values).astype(np.float32)
    path = write_tif(folder / "untagged.tif", world, stored, nodata=None)
    return Written(str(path), f"GeoTIFF, {nodata:g} where missing, without a tag", may_refuse=True)


def _several_fills(world: World, folder: Path, rng: np.random.Generator) -> Written:
    missing = np.argwhere(np.isnan(world.values))
    stored = np.where(np.isnan(world.values), np.float32(-9999), world.values).astype(np.float32)
    for index, place in enumerate(missing):
        if index % 2:
            stored[tuple(place)] = np.nan
    path = write_tif(folder / "fills.tif", world, stored, nodata=-9999)
    return Written(str(path), "GeoTIFF, -9999 (tagged) and NaN where missing")


def _masked(world: World, folder: Path, rng: np.random.Generator) -> Written:
    stored = np.where(np.isnan(world.values), 77.7, world.values).astype(np.float32)
    inside = bool(rng.random() < 0.5)
    path = folder / "masked.tif"
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=inside):
        write_tif(path, world, stored, nodata=None)
        with rasterio.open(path, "r+") as file:
            file.write_mask(np.isfinite(world.values[0]))
    return Written(str(path), f"GeoTIFF, mask band {'inside' if inside else 'beside'}")


def _turned(world: World, folder: Path, rng: np.random.Generator) -> Written:
    south, west = bool(rng.random() < 0.7), bool(rng.random() < 0.5)
    south = south or not west
    stored = world.values.astype(np.float32)
    a, c, e, f = world.step, world.left, -world.step, world.top
    rows, cols = world.shape
    if south:
        stored, e, f = stored[:, ::-1], -e, f - rows * world.step
    if west:
        stored, a, c = stored[:, :, ::-1], -a, c + cols * world.step
    path = write_tif(
        folder / "turned.tif", world, np.ascontiguousarray(stored), transform=Affine(a, 0, c, 0, e, f)
    )
    return Written(
        str(path), f"GeoTIFF, {'south up' if south else ''}{' east first' if west else ''}".strip()
    )


def _east(world: World, folder: Path, rng: np.random.Generator) -> Written:
    """Longitudes of 0…360."""
    if world.world_wide:
        half = world.shape[1] // 2
        stored = np.roll(world.values, -half, axis=2).astype(np.float32)
        transform = Affine(world.step, 0, 0, 0, -world.step, world.top)
    else:
        stored = world.values.astype(np.float32)
        turn = 360 if world.left < 0 else -360
        transform = Affine(world.step, 0, world.left + turn, 0, -world.step, world.top)
    path = write_tif(folder / "east.tif", world, stored, transform=transform)
    return Written(str(path), "GeoTIFF, longitudes turned by 360° or from 0 on")


def _repeated(world: World, folder: Path, rng: np.random.Generator) -> Written:
    """A world grid that names its columns from another meridian."""
    shift = int(rng.integers(1, world.shape[1]))
    stored = np.roll(world.values, -shift, axis=2).astype(np.float32)
    transform = Affine(world.step, 0, world.left + shift * world.step, 0, -world.step, world.top)
    path = write_tif(folder / "meridian.tif", world, stored, transform=transform)
    return Written(str(path), f"GeoTIFF, the globe from {world.left + shift * world.step:g}° on")


def _crs_words(world: World, folder: Path, rng: np.random.Generator) -> Written:
    crs = CRS.from_user_input(world.crs)
    version = str(rng.choice(["WKT2_2019", "WKT1_GDAL", "WKT1_ESRI", "proj4"]))
    if version == "proj4" and not world.crs.startswith("EPSG:32"):
        version = "WKT1_GDAL"
    words = crs.to_proj4() if version == "proj4" else crs.to_wkt(version=version)
    path = write_tif(folder / "crs.tif", world, crs=words)
    return Written(str(path), f"GeoTIFF, CRS by {version}")


def _without_crs(world: World, folder: Path, rng: np.random.Generator) -> Written:
    path = folder / "nocrs.tif"
    with rasterio.open(
        path, "w", driver="GTiff", dtype="float32", count=len(world.values), height=world.shape[0],
        width=world.shape[1], transform=world.transform, nodata=np.nan,
    ) as file:  # fmt: skip
        file.write(world.values.astype(np.float32))
        file.units = (world.units,) * file.count
        for number, date in enumerate(world.dates, start=1):
            file.update_tags(number, DATE=date)
    return Written(str(path), "GeoTIFF without CRS, which the user gives", crs=world.crs)


def _overviews(world: World, folder: Path, rng: np.random.Generator) -> Written:
    path = write_tif(folder / "overviews.tif", world)
    outside = bool(rng.random() < 0.5)
    how = Resampling(int(rng.choice([Resampling.nearest.value, Resampling.average.value])))
    with rasterio.Env(TIFF_USE_OVR=outside), rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4], how)
    return Written(str(path), f"GeoTIFF with overviews ({how.name})")


def _mixed(world: World, folder: Path, rng: np.random.Generator) -> Written:
    """Bands in another order, found by their dates."""
    order = rng.permutation(len(world.values))
    name = str(rng.choice(["DATE", "date", "description", "compact"]))
    path = folder / "mixed.tif"
    count, (rows, cols) = len(order), world.shape
    with rasterio.open(
        path, "w", driver="GTiff", dtype="float32", count=count, height=rows, width=cols,
        transform=world.transform, crs=world.crs, nodata=np.nan,
    ) as file:  # fmt: skip
        file.write(world.values[order].astype(np.float32))
        file.units = (world.units,) * count
        for number, index in enumerate(order, start=1):
            date = world.dates[index]
            if name in ("DATE", "date"):
                file.update_tags(number, **{name: date})
            else:
                written = f"rain_{date.replace('-', '')}" if name == "compact" else f"mean {date}"
                file.set_band_description(number, written)
    return Written(str(path), f"GeoTIFF, bands in the order {order.tolist()}, dates by {name}")


def _small_integers(world: World, folder: Path, rng: np.random.Generator) -> Written:
    stored = np.where(np.isnan(world.values), -32768, world.values).astype(np.int16)
    path = write_tif(folder / "whole.tif", world, stored, nodata=-32768)
    return Written(str(path), "GeoTIFF of whole numbers")


def is_whole(world: World) -> bool:
    """Return whether all values are whole numbers."""
    return bool(np.all(np.isnan(world.values) | (world.values == np.round(world.values))))


def has_holes(world: World) -> bool:
    """Return whether a value is missing."""
    return bool(np.isnan(world.values).any())


FORMS = (
    Form("layout", _layout),
    Form("packed", _packed),
    Form("nodata tag", _tagged, has_holes),
    Form("rounded nodata tag", _rounded_tag, has_holes),
    Form("no nodata tag", _untagged, has_holes),
    Form("several fills", _several_fills, has_holes),
    Form("mask", _masked, has_holes),
    Form("turned", _turned),
    Form("longitudes", _east, lambda world: world.geographic),
    Form("meridian", _repeated, lambda world: world.world_wide),
    Form("crs words", _crs_words),
    Form("without crs", _without_crs),
    Form("overviews", _overviews),
    Form("band order", _mixed, lambda world: len(world.dates) > 1 and len(world.dates) == len(world.values)),
    Form("whole numbers", _small_integers, is_whole),
)
