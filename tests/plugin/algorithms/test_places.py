"""Names of rasters: made absolute where the user stands, and the files behind them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from msr_plugin.algorithms.places import absolute, absolute_name, files_of, same_place
from msr_plugin.folders import model_folders
from msr_plugin.worker.environment import find_engine, scrubbed_environment


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """The working folder, with files of odd names."""
    for name in (
        "rel.tif",
        "rel.nc",
        "rel.zip",
        "ré l#1.tif",
        "100%.tif",
        "a:b.tif",
        "q?.tif",
        'say "x".tif',
    ):
        (tmp_path / name).write_text("x")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "in.tif").write_text("x")
    (tmp_path / "rel.zarr").mkdir()
    (tmp_path / "tas").write_text("a file that is named as a variable")
    (tmp_path / "1").write_text("and one that is named as a number")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("rel.tif", "{here}/rel.tif"),
        ("./rel.tif", "{here}/rel.tif"),
        ("sub/../rel.tif", "{here}/rel.tif"),
        ("missing.tif", "{here}/missing.tif"),
        ('NETCDF:"rel.nc":tas', 'NETCDF:"{here}/rel.nc":tas'),
        ("NETCDF:rel.nc:tas", "NETCDF:{here}/rel.nc:tas"),
        ("rel.nc:tas", "{here}/rel.nc:tas"),
        ("rel.tif#2", "{here}/rel.tif#2"),
        ('HDF5:"rel.nc"://group/tas', 'HDF5:"{here}/rel.nc"://group/tas'),
        ('ZARR:"rel.zarr":/tas', 'ZARR:"{here}/rel.zarr":/tas'),
        ("GTIFF_DIR:1:rel.tif", "GTIFF_DIR:1:{here}/rel.tif"),
        ("vrt://rel.tif?bands=1", "vrt://{here}/rel.tif?bands=1"),
        ("/vsizip/rel.zip/a.tif", "/vsizip/{here}/rel.zip/a.tif"),
        ("/vsigzip/sub/in.tif", "/vsigzip/{here}/sub/in.tif"),
        ("/vsisubfile/0_9,rel.tif", "/vsisubfile/0_9,{here}/rel.tif"),
        ("ré l#1.tif", "{here}/ré l#1.tif"),
        ("100%.tif", "{here}/100%.tif"),
        ("a:b.tif", "{here}/a:b.tif"),
        ("q?.tif", "{here}/q?.tif"),
        ('say "x".tif', '{here}/say "x".tif'),
        ("{here}/rel.tif", "{here}/rel.tif"),
        ('NETCDF:"{here}/rel.nc":tas', 'NETCDF:"{here}/rel.nc":tas'),
        ("/vsizip/{here}/rel.zip/a.tif", "/vsizip/{here}/rel.zip/a.tif"),
        ("<VRTDataset><A>rel.tif</A></VRTDataset>", "<VRTDataset><A>{here}/rel.tif</A></VRTDataset>"),
        ("two\nlines.tif", "{here}/two\nlines.tif"),
    ],
)
def test_a_name_is_made_absolute(here, name, wanted):
    assert absolute_name(name.format(here=here)) == wanted.format(here=here)


def test_a_path_is_made_absolute(here, monkeypatch):
    monkeypatch.setenv("HOME", str(here / "sub"))
    assert absolute("fine.tif") == str(here / "fine.tif")
    assert absolute("~/fine.tif") == str(here / "sub" / "fine.tif")
    assert absolute("") == ""


def test_the_files_behind_a_name(here):
    (here / "one.vrt").write_text("<V><SourceFilename>rel.tif</SourceFilename></V>")
    (here / "sub" / "two.vrt").write_text("<V><SourceFilename>../one.vrt</SourceFilename></V>")
    expected = {
        "rel.tif": {"rel.tif"},
        'NETCDF:"rel.nc":precipitation': {"rel.nc"},
        "/vsizip/rel.zip/a.tif": {"rel.zip"},
        "GTIFF_DIR:2:rel.tif": {"rel.tif"},
        "sub/two.vrt": {"sub/two.vrt", "one.vrt", "rel.tif"},
        "vrt://sub/two.vrt?bands=1": {"sub/two.vrt", "one.vrt", "rel.tif"},
        "missing.tif": set(),
    }
    assert {name: {os.path.relpath(f, here) for f in files_of(name)} for name in expected} == expected


def test_links_lead_to_the_same_place(here):
    os.link("rel.tif", "hard.tif")
    os.symlink("rel.tif", "soft.tif")
    assert same_place("rel.tif", "hard.tif") and same_place("soft.tif", "hard.tif")
    assert same_place("new.tif", "./new.tif") and not same_place("new.tif", "rel.tif")


def test_folders_and_interpreter_are_those_of_the_user(qgis_app, here, monkeypatch):
    monkeypatch.setenv("MSR_MODELS", os.pathsep.join(("sub", "~/models")))
    monkeypatch.setenv("HOME", str(here))
    assert model_folders()[1:3] == [here / "sub", here / "models"]
    environment = scrubbed_environment()
    assert environment["MSR_MODELS"] == os.pathsep.join((str(here / "sub"), str(here / "models")))
    monkeypatch.setenv("MSR_ENGINE_PYTHON", "sub/python")
    assert find_engine().python == here / "sub" / "python"
