"""No output takes the place of what the run reads, however that is named."""

from __future__ import annotations

import gzip
import os
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.errors import InputError
from engine.feedback import Silent
from engine.pipeline.kept_inputs import check_apart
from engine.pipeline.output_files import OutputBand, OutputFile
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.opened_files import opened_files
from engine.raster.reference import GridRequest, RasterRef

_VRT = """<VRTDataset rasterXSize="6" rasterYSize="6"><SRS>EPSG:4326</SRS>
<GeoTransform>10, 1, 0, 40, 0, -1</GeoTransform><VRTRasterBand dataType="Float32" band="1"><SimpleSource>
<SourceFilename relativeToVRT="{relative}">{name}</SourceFilename><SourceBand>1</SourceBand>
</SimpleSource></VRTRasterBand></VRTDataset>"""


def vrt(path: Path, name: str | Path, relative: int = 1) -> str:
    path.write_text(_VRT.format(name=name, relative=relative), encoding="utf-8")
    return str(path)


@pytest.fixture()
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_raster) -> Path:
    """The working folder: a.tif, and all kinds of ways to it."""
    write_raster("a.tif", np.ones((6, 6), np.float32), 1.0, 10.0, 40.0)
    monkeypatch.chdir(tmp_path)
    vrt(tmp_path / "one.vrt", "a.tif")
    vrt(tmp_path / "two.vrt", "one.vrt")
    vrt(tmp_path / "absolute.vrt", tmp_path / "a.tif", 0)
    vrt(tmp_path / "part.vrt", "GTIFF_DIR:1:a.tif", 0)
    folder = tmp_path / "folder"
    folder.mkdir()
    vrt(folder / "up.vrt", "../two.vrt")
    os.symlink("a.tif", "soft.tif")
    os.link("a.tif", "hard.tif")
    return tmp_path


WAYS = [
    "a.tif",
    "./a.tif",
    "folder/../a.tif",
    "{place}/a.tif",
    "file://{place}/a.tif",
    "soft.tif",
    "hard.tif",
    "GTIFF_DIR:1:a.tif",
    "GTIFF_DIR:1:{place}/a.tif",
    "vrt://a.tif",
    "vrt://{place}/a.tif?bands=1",
    "vrt://two.vrt",
    "one.vrt",
    "two.vrt",
    "absolute.vrt",
    "part.vrt",
    "folder/up.vrt",
    "DERIVED_SUBDATASET:AMPLITUDE:a.tif",
    "/vsisubfile/0_{size},a.tif",
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("role", ["target", "source", "like"])
def test_an_input_is_not_replaced_however_it_is_named(place: Path, way: str, role: str) -> None:
    before = Path("a.tif").read_bytes()
    name = way.format(place=place, size=len(before))
    shutil.copy("a.tif", "other.tif")
    request = SuperResolveRequest("bicubic", RasterRef("other.tif"), "a.tif", factor=2)
    if role == "target":
        request = replace(request, target=RasterRef(name))
    elif role == "source":
        request = replace(request, model="climatologyratio", sources={"climatology": RasterRef(name)})
    else:
        request = replace(request, grid=GridRequest(like=name))
    with pytest.raises(InputError, match=r"a\.tif (is also|would replace)"):
        super_resolve(request, Silent())
    assert Path("a.tif").read_bytes() == before
    assert super_resolve(replace(request, output="new.tif"), Silent()).covered == 1  # the name is read


def test_an_archive_is_not_replaced(place: Path) -> None:
    with zipfile.ZipFile("z.tif", "w") as archive:
        archive.write("a.tif", "inner.tif")
    Path("g.tif").write_bytes(gzip.compress(Path("a.tif").read_bytes()))
    for name, output in (("/vsizip/{z.tif}/inner.tif", "z.tif"), ("/vsigzip/g.tif", "g.tif")):
        before = Path(output).read_bytes()
        request = SuperResolveRequest("bicubic", RasterRef(name), output, factor=2)
        with pytest.raises(InputError, match=rf"{output} would replace"):
            super_resolve(request, Silent())
        assert Path(output).read_bytes() == before


@pytest.mark.parametrize("suffix", [".ovr", ".aux.xml", ".msk"])
def test_an_input_that_would_be_removed_as_a_sidecar_is_kept(place: Path, suffix: str) -> None:
    name = f"new.tif{suffix}"
    os.link("a.tif", name)
    request = SuperResolveRequest("bicubic", RasterRef(name), "new.tif", factor=2)
    with pytest.raises(InputError, match=r"new\.tif would replace .*new\.tif"):
        super_resolve(request, Silent())
    assert Path(name).exists() and not Path("new.tif").exists()


def test_an_output_of_an_earlier_run_is_replaced(place: Path) -> None:
    request = SuperResolveRequest("bicubic", RasterRef("two.vrt"), "fine.tif", factor=2)
    super_resolve(request, Silent())
    Path("fine.tif.aux.xml").write_text("<PAMDataset/>")
    assert super_resolve(request, Silent()).covered == 1
    assert not Path("fine.tif.aux.xml").exists()


def test_names_are_taken_apart(place: Path) -> None:
    a = place / "a.tif"
    os.link("a.tif", "b c#%.tif")
    odd, spaced = place / "b c#%.tif", place / "b c.nc"
    os.link("a.tif", spaced)
    core = "Object = IsisCube\n  Object = Core\n    ^Core = {}\n    Format = GeoTIFF\n"
    label, quoted = place / "label.lbl", place / "quoted.lbl"
    label.write_text(core.format("a.tif"))
    quoted.write_text(core.format('"b c.nc"'))
    vrt(place / "labelled.vrt", "label.lbl")
    cases = {
        'NETCDF:"b c.nc":tas': {spaced},
        f"netcdf:{spaced}:tas": {spaced},
        "b c.nc:tas": {spaced},
        'HDF5:"b c.nc"://group/tas': {spaced},
        "/vsizip/b c.nc/inner/tas.tif": {spaced},
        "/vsizip/{b c.nc}/inner/tas.tif": {spaced},
        f"zip://{spaced}!/inner.tif": {spaced},
        f"/vsizip//vsisubfile/0_9,{a}": {a},
        f"file://{str(place).replace(' ', '%20')}/b%20c.nc": {spaced},
        "b c#%.tif": {odd},
        "b c#%.tif#2": {odd},
        "GTIFF_DIR:2:b c#%.tif": {odd},
        Path("two.vrt").read_text(): {place / "one.vrt", a},
        "label.lbl": {label, a},
        "labelled.vrt": {place / "labelled.vrt", label, a},
        "quoted.lbl": {quoted, spaced},
        "nothing.tif": set(),
        "MEM:::DATAPOINTER=1": set(),
        "": set(),
    }
    assert {name: {f.resolve() for f in opened_files([name])} for name in cases} == cases


def test_a_ring_of_files_that_name_each_other_ends(place: Path) -> None:
    vrt(place / "ring.vrt", "ring2.vrt")
    vrt(place / "ring2.vrt", "ring.vrt")
    assert {f.name for f in opened_files(["ring.vrt"])} == {"ring.vrt", "ring2.vrt"}


def test_outputs_that_differ_in_capitals_or_accents_alone_are_refused(tmp_path: Path) -> None:
    def files(*names: str) -> list[OutputFile]:
        return [
            OutputFile(key, tmp_path / n, "m", (OutputBand(""),))
            for key, n in zip(("output", "spread"), names)
        ]

    check_apart(files("fine.tif", "spread.tif"))
    for one, other in (("Fine.tif", "fine.TIF"), ("caf\u00e9.tif", "cafe\u0301.tif")):
        with pytest.raises(InputError, match="is also that of the estimate"):
            check_apart(files(one, other))


def test_a_file_that_another_program_holds_is_told_before_the_run(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, where an open file cannot be renamed."""
    from engine.files import partial_files

    request = SuperResolveRequest("bicubic", RasterRef("a.tif"), "fine.tif", factor=2)
    super_resolve(request, Silent())
    monkeypatch.setattr(partial_files, "_OPEN_FILES_ARE_HELD", True)
    assert super_resolve(request, Silent()).covered == 1
    rename = os.replace

    def held(path: str, final: str) -> None:
        if Path(path).name == "fine.tif":
            raise PermissionError(13, "used by another process", str(path))
        rename(path, final)

    monkeypatch.setattr(partial_files.os, "replace", held)
    with pytest.raises(InputError, match=r"fine\.tif cannot be replaced: close the program that has it open"):
        super_resolve(request, Silent())
    assert sorted(p.name for p in place.iterdir() if ".part" in p.name) == []
