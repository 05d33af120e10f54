"""Packages that are missing or broken, whatever they raise on import: one sentence, no other fault."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

from engine.broken_packages import broken_package, importing
from engine.commands import worker
from engine.commands.explain import explain
from engine.errors import EngineError, InputError
from engine.quantities import registry
from engine.raster.cf.variables import open_field
from training.data.whole_store import whole_store

FAULTS = {
    "missing": "raise ModuleNotFoundError(\"No module named '{name}'\", name='{name}')",
    "does not fit this Python": "raise TypeError('cannot inherit frozen dataclass from a non-frozen one')",
    "built for another numpy": "raise ValueError('numpy.dtype size changed')",
    "half installed": "from nowhere_at_all import something",
    "old": "import json; json.no_such_name",
}


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that breaks a package for this test alone."""

    def breaks(name: str, fault: str) -> None:
        folder = tmp_path / "broken"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(FAULTS[fault].format(name=name) + "\n")
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, name, raising=False)

    return breaks


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["netCDF4", "cf_xarray", "xarray"])
def test_a_reader_of_netcdf_that_is_broken_blames_no_file(
    tmp_path: Path, broken, name: str, fault: str
) -> None:
    path = tmp_path / "rain.nc"
    path.write_bytes(b"CDF\x01" + bytes(28))
    broken(name, fault)
    with pytest.raises(EngineError, match=f"cannot load {name}: install") as caught:
        open_field(str(path), None, "target: rain.nc")
    assert not isinstance(caught.value, InputError) and "damaged" not in str(caught.value)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_reader_of_stores_that_is_broken_blames_no_store(tmp_path: Path, broken, fault: str) -> None:
    store = tmp_path / "s.zarr"
    zarr.save_group(str(store), rain=np.zeros((2, 2)))
    broken("zarr", fault)
    with pytest.raises(EngineError, match="cannot load zarr: install"):
        open_field(str(store), None, "target: s.zarr")
    with pytest.raises(Exception) as caught, whole_store(str(store)):
        importlib.import_module("zarr")
    assert not isinstance(caught.value, InputError)
    assert explain(caught.value)["kind"] == "failure"
    assert "cannot load zarr" in explain(caught.value)["message"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_pint_says_so_whoever_asks_first(broken, fault: str) -> None:
    broken("pint", fault)
    registry.registry.cache_clear()
    try:
        with pytest.raises(EngineError, match="pint does not work"):
            registry.is_unit("kelvin")
    finally:
        registry.registry.cache_clear()


@pytest.mark.parametrize("fault", FAULTS)
def test_the_sentence_names_the_package_that_the_code_asked_for(broken, fault: str) -> None:
    broken("filelock", fault)
    with pytest.raises(Exception) as caught:
        importlib.import_module("filelock")
    assert broken_package(caught.value) == "filelock"
    said = explain(caught.value)
    assert said["kind"] == "failure" and "cannot load filelock: install" in said["message"]
    with pytest.raises(EngineError, match="cannot load filelock"), importing():
        importlib.import_module("filelock")


def test_an_error_after_the_import_is_not_the_packages() -> None:
    with pytest.raises(ValueError, match="unknown url type") as caught:
        importlib.import_module("urllib.request").Request("no address")
    assert broken_package(caught.value) == ""


@pytest.mark.parametrize(
    "error", [AttributeError("old"), ValueError("numpy.dtype size changed"), ImportError()]
)
def test_the_worker_greets_without_devices_where_torch_is_broken(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail() -> list:
        raise error

    monkeypatch.setattr("engine.compute.devices.list_devices", fail)
    assert worker.hello()["devices"] == []
