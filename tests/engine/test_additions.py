"""What a new thing of the engine asks for: a stand-in of each kind, registered in one place, comes out."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import rasterio
import torch
from torch import nn

from engine.disaggregation.interpolation import interpolate
from engine.errors import InputError, PackageError
from engine.features.derived import DERIVED, Derived
from engine.features.network_inputs import channel_names, network_channels, network_inputs, source_channels
from engine.fields.patch import Patch
from engine.fields.upsample import HALO, upsample
from engine.files.root import ROOT
from engine.models.loading import load_model
from engine.nets.architectures import ARCHITECTURES
from engine.nets.interface import GeneratorNetwork
from engine.nets.shapes import cropped
from engine.nets.spec import NetworkSpec
from engine.package.card_check import check_card
from engine.package.folder import load_package, write_package
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef
from engine.source_kinds import KINDS, SourceKind
from engine.specs import SourceSpec, TargetSpec
from engine.transforms import TRANSFORMS, Transform

CPU = torch.device("cpu")
TARGET = TargetSpec("heat", "K", mean=280.0, std=10.0)


@pytest.fixture
def card() -> dict:
    """The fields of a card with one fine source and without what belongs to its files."""
    raw = json.loads((ROOT / "resources/models/rainitur8/card.json").read_text(encoding="utf-8"))
    raw |= {"id": "standin", "factor": 2}
    raw["sources"] = [{"name": "elevation", "units": "m", "grid": "fine"}]
    raw["network"] = NetworkSpec(2, *network_channels([SourceSpec("elevation", "m", "fine")])).to_json()
    return raw


def patch_of(halo: int, **fine: torch.Tensor) -> Patch:
    """Return a window of 4 × 5 coarse cells at a factor of 2, with sources on the fine grid."""
    shape = (1, 4 + 2 * halo, 5 + 2 * halo)
    generator = torch.Generator().manual_seed(1)
    target = 280 + 10 * torch.rand(shape, generator=generator)
    size = torch.full((1, 2, 2 * shape[1]), 500.0)
    return Patch(2, halo, target, fine=fine, cell_size=size)


def random_field(halo: int, channels: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.rand((1, channels, 2 * (4 + 2 * halo), 2 * (5 + 2 * halo)), generator=generator)


def test_a_derived_feature(monkeypatch: pytest.MonkeyPatch, card: dict) -> None:
    source = SourceSpec("elevation", "m", "fine", derived=("twice",))
    with pytest.raises(InputError, match="no feature twice"):
        channel_names(source)
    monkeypatch.setitem(DERIVED, "twice", Derived(("twice",), lambda given: 2 * given.values))
    assert channel_names(source) == ("value", "twice")
    card["sources"][0]["derived"] = ["twice"]
    check_card(card, "card.json")
    heights = random_field(2)
    channels = source_channels(source, patch_of(2, elevation=heights), TARGET)
    torch.testing.assert_close(channels, torch.cat([heights, 2 * heights], 1))


class StandIn(GeneratorNetwork):
    """One convolution of the fine source; its power is an option of its own."""

    OPTIONS: ClassVar = {"power": 1}
    halo = 1

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__(spec)
        self.mix = nn.Conv2d(spec.fine["elevation"], 1, 1)

    @property
    def widest(self) -> float:
        """See `GeneratorNetwork.widest`."""
        return 1000.0

    def forward(self, coarse, fine, vector=None, noise=None):
        """See `GeneratorNetwork.forward`."""
        x = self.mix(fine["elevation"].to(self.mix.weight.dtype)) ** self.options["power"]
        edge = 2 * self.spec.factor * self.halo
        return cropped(x, x.shape[-2] - edge, x.shape[-1] - edge).float()


def test_a_network(monkeypatch: pytest.MonkeyPatch, card: dict, tmp_path: Path) -> None:
    card["network"] |= {"kind": "standin", "options": {"power": 2}}
    spec = NetworkSpec.from_json(card["network"])
    weights = {"mix.weight": torch.ones(1, 2, 1, 1), "mix.bias": torch.zeros(1)}
    package = write_package(tmp_path / "standin", card, weights)
    with pytest.raises(PackageError, match="no architecture standin"):
        load_model(package, CPU, precision="float32")
    monkeypatch.setitem(ARCHITECTURES, "standin", StandIn)
    method = load_model(load_package(tmp_path / "standin"), CPU, precision="float32")
    assert method.bytes_per_cell > 4 * 5 * 1000
    heights = random_field(method.halo)
    flat = method.predict(patch_of(method.halo, elevation=torch.zeros_like(heights)))
    assert not torch.allclose(method.predict(patch_of(method.halo, elevation=heights)), flat)
    assert StandIn(spec).options == {"power": 2} and StandIn(replace(spec, options={})).options == {
        "power": 1
    }
    with pytest.raises(InputError, match="no option colour"):
        StandIn(replace(spec, options={"colour": 1}))


METHOD = '''"""The coarse value itself."""

from engine.disaggregation.interpolation import mask_like
from engine.fields.conservation import clipped
from engine.methods.interface import Method


class Nearest(Method):
    def predict(self, patch):
        rows = slice(patch.halo, patch.target.shape[-2] - patch.halo)
        columns = slice(patch.halo, patch.target.shape[-1] - patch.halo)
        own = patch.target[:, rows, columns]
        field = own.repeat_interleave(self.factor, -1).repeat_interleave(self.factor, -2)
        return mask_like(clipped(field, self.target), own, self.factor)


def build(info, factor, target):
    return Nearest(info.id, info.title, factor, target)
'''


def test_a_simple_method(tmp_path: Path, write_raster) -> None:
    shutil.copytree(ROOT / "engine", tmp_path / "engine")
    (tmp_path / "engine/methods/standin.py").write_text(METHOD, encoding="utf-8")
    methods = tmp_path / "engine/methods/methods.json"
    entries = json.loads(methods.read_text(encoding="utf-8"))
    entries["standin"] = {"title": "Nearest", "help": "The coarse value.", "needs": []}
    methods.write_text(json.dumps(entries), encoding="utf-8")

    def engine(*words: str) -> str:
        command = [sys.executable, "-m", "engine", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    (listed,) = (m for m in json.loads(engine("models", "--json"))["baselines"] if m["id"] == "standin")
    assert listed["title"] == "Nearest" and listed["needs"] == [] and not listed["needs_climatology"]
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    coarse = write_raster("coarse.tif", values, left=10.0, top=50.0)
    fine = str(tmp_path / "fine.tif")
    engine("super-resolve", "--model", "standin", "--factor", "3", "--target", coarse, "--output", fine)
    with rasterio.open(fine) as raster:
        np.testing.assert_array_equal(raster.read(1), values.repeat(3, 0).repeat(3, 1))


def test_a_transform(monkeypatch: pytest.MonkeyPatch, card: dict) -> None:
    card["target"] |= {"transform": "root", "bounds": [0, None]}
    with pytest.raises(PackageError, match=r"target\.transform"):
        _checked_anew(card)
    root = Transform(lambda x: x.clamp_min(0).sqrt(), lambda values: values.square(), from_zero=True)
    monkeypatch.setitem(TRANSFORMS, "root", root)
    _checked_anew(card)
    below = {**card["target"], "conservation": "additive", "bounds": [-1, 5]}
    with pytest.raises(PackageError, match=r"transform is root, so target\.bounds must begin at 0"):
        _checked_anew({**card, "target": below})
    coarse = patch_of(HALO["bicubic"]).target
    target = TargetSpec("rain", "mm", "root", bounds=(0.0, None))
    expected = upsample(coarse.sqrt(), 2, "bicubic", HALO["bicubic"]).square()
    torch.testing.assert_close(interpolate(coarse, 2, target, "bicubic", HALO["bicubic"]), expected)


def _checked_anew(card: dict) -> None:
    """Check a card with a validator that knows what is registered by now."""
    from engine.package import card_check

    card_check._validator.cache_clear()
    try:
        check_card(card, "card.json")
    finally:
        card_check._validator.cache_clear()


def test_a_source_kind(monkeypatch: pytest.MonkeyPatch, card: dict, write_raster) -> None:
    card["sources"][0]["kind"] = "digits"
    with pytest.raises(PackageError, match="kind"):
        _checked_anew(card)
    kind = SourceKind(
        lambda classes: ("tens", "ones"),
        lambda values, classes: np.concatenate([values // 10, values % 10]),
        stacked=True,
        labels=True,
    )
    monkeypatch.setitem(KINDS, "digits", kind)
    _checked_anew(card)
    source = SourceSpec("elevation", "1", "fine", kind="digits")
    assert source.channels == 2 and channel_names(source) == ("tens", "ones")
    values = np.arange(10, 22, dtype=np.float32).reshape(3, 4)
    raster = Raster(RasterRef(write_raster("digits.tif", values, left=10.0, top=50.0)), "digits")
    how = raster.resampling(raster.geobox, "digits")
    assert np.array_equal(
        raster.read(raster.geobox, [1], how, "digits"), np.stack([values // 10, values % 10])
    )
    raster.close()
    field = random_field(3, channels=2)
    inputs = network_inputs(patch_of(3, elevation=field), TARGET, [source], random_field(1)[:, 0], 1)
    assert inputs.fine["elevation"].shape[1] == 3  # two channels and the mask
    torch.testing.assert_close(inputs.fine["elevation"][:, :2], field[:, :, 4:-4, 4:-4])
