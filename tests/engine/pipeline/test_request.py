"""Requests as messages: what is written can be read, what is wrong is named."""

from __future__ import annotations

import json

import pytest

from engine.errors import InputError
from engine.pipeline.request import EnsembleRequest, SuperResolveRequest
from engine.pipeline.request_check import SCHEMA_FILE
from engine.raster.reference import GridRequest, RasterRef

WHOLE = SuperResolveRequest(
    "rainitur8",
    RasterRef("a.tif", 2, "EPSG:4326"),
    "out.tif",
    {"elevation": RasterRef("b.tif")},
    GridRequest(crs="EPSG:3035", resolution=(500.0, 500.0), extent=(0.0, 0.0, 1e4, 1e4)),
    date="2001-11",
    conservation=0.5,
    seed=3,
    ensemble=EnsembleRequest(20, "s.tif", "q.tif", (0.1, 0.9), "m.tif", "share.tif"),
    domain=RasterRef("mask.tif", 1),
    models=("here",),
)
SENTENCE = "The request's {} needs a path and, if any, a whole number from 1 on as its band."


def test_a_request_survives_its_message() -> None:
    assert SuperResolveRequest.from_json(json.loads(json.dumps(WHOLE.to_json()))) == WHOLE


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": "red"}, "unknown key: colour"),
        ({"target": None}, "lacks target"),
        ({"target": {"path": "a.tif", "band": "x"}}, "target needs a path"),
        ({"sources": {"elevation": {"path": 3}}}, "elevation needs a path"),
        ({"target": {"path": "a.tif", "band": 0}}, "target needs a path"),
        ({"target": {"a": 1}}, "request's target has an unknown key: a"),
        ({"ensemble": {"a": 1}}, "request's ensemble has an unknown key: a"),
        ({"domain": {"band": 1}}, "request's domain lacks path"),
        ({"domain": {"path": "a.tif", "band": 0}}, "domain needs a path"),
        ({"domain": "mask.tif"}, "malformed: domain must be keys with values"),
        ({"ensemble": {}}, "request's ensemble lacks members"),
        ({"quantity": 10**400}, "quantity is of the wrong kind: 1000.{0,80}$"),
        ({"sources": {"elevation": "b.tif"}}, "malformed"),
        ({"tile": "big"}, "tile is of the wrong kind: 'big'"),
        ({"factor": "8"}, "factor is of the wrong kind"),
        ({"date": 11}, "date is of the wrong kind"),
        ({"seed": 1.5}, "seed is of the wrong kind"),
        ({"ensemble": 20}, "malformed"),
        ({"ensemble": {"spread": "s.tif"}}, "ensemble lacks members"),
        ({"ensemble": {"members": 20, "colour": "red"}}, "ensemble has an unknown key: colour"),
        ({"ensemble": {"members": "20"}}, "ensemble.members is of the wrong kind: '20'"),
        ({"ensemble": {"members": True}}, "ensemble.members is of the wrong kind"),
        ({"ensemble": {"members": 20, "support": 3}}, "ensemble.support is of the wrong kind"),
        ({"ensemble": {"members": 20, "levels": ["0.1"]}}, "ensemble.levels must be numbers"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        SuperResolveRequest.from_json({**WHOLE.to_json(), **change})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"colour": 1, "target": None, "tile": "big"}, "The request has an unknown key: colour."),
        ({"output": "", "tile": "big"}, "The request lacks output."),
        ({"target": {"path": 3}, "tile": "big"}, SENTENCE.format("target")),
        ({"tile": 1.0, "ensemble": {"members": 2.0}}, "The request's tile is of the wrong kind: 1.0."),
        ({"overwrite": "no"}, "The request's overwrite is of the wrong kind: 'no'."),
        ({"ensemble": 20}, "The request is malformed: ensemble must be keys with values."),
        ({"grid": {"extent": [1, 2]}}, "The request is malformed: grid.extent must be a list of 4."),
        (
            {"grid": {"resolution": "1"}},
            "The request is malformed: grid.resolution must be a number or a list.",
        ),
        (
            {"target": {"path": "a.tif", "scale": "2"}},
            "The request is malformed: target.scale must be a number.",
        ),
        ({"models": "m"}, "The request is malformed: models must be a list."),
    ],
)
def test_of_several_slips_the_first_is_told(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        SuperResolveRequest.from_json({**WHOLE.to_json(), **change})
    assert str(caught.value) == sentence


def test_a_short_request_means_the_defaults() -> None:
    short = {
        "model": "bicubic",
        "target": {"path": "a.tif"},
        "output": "out.tif",
        "sources": None,
        "grid": {},
    }
    expected = SuperResolveRequest("bicubic", RasterRef("a.tif"), "out.tif")
    assert SuperResolveRequest.from_json(short) == expected
    assert SuperResolveRequest.from_json({**short, "sources": None, "grid": {}}) == expected


def test_the_schema_names_every_key() -> None:
    fields = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    for kind, schema in (
        (SuperResolveRequest, fields),
        (EnsembleRequest, fields["properties"]["ensemble"]),
        (GridRequest, fields["properties"]["grid"]),
        (RasterRef, fields["$defs"]["raster"]),
    ):
        # A raster's address is its path with what must not be told, which it takes from the path given.
        assert set(schema["properties"]) == set(kind.__dataclass_fields__) - {"address"}


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("a.tif", RasterRef("a.tif")),
        ("a.tif#3", RasterRef("a.tif", 3)),
        ("we#2/a.tif", RasterRef("we#2/a.tif")),
        ('NETCDF:"f.nc":t2m#2', RasterRef('NETCDF:"f.nc":t2m', 2)),
    ],
)
def test_rasters_are_named_with_their_band(text: str, ref: RasterRef) -> None:
    assert RasterRef.parse(text) == ref


def test_bands_count_from_one() -> None:
    with pytest.raises(InputError, match="counted from 1"):
        RasterRef.parse("a.tif#0")
