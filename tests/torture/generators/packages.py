"""Packages with broken, absurd and malicious cards, weights and rasters."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from tests.torture.case import Case, Finding
from tests.torture.forms.containers import write_vrt
from tests.torture.generators.canary import Canary
from tests.torture.generators.question import draw
from tests.torture.generators.requests import JUNK
from tests.torture.generators.shared import Shared
from tests.torture.running.surroundings import ROOT, Folders

Rng = np.random.Generator


def make(rng: Rng, folders: Folders, shared: Shared) -> Case:
    """Spoil a package and use it, or have it checked."""
    question = draw(rng, folders.inputs / "rasters", shared, ("tinyrain",))
    while question.model != "tinyrain":
        question = draw(rng, folders.inputs / "rasters", shared, ("tinyrain",))
    brought = rng.random() < 0.3
    source = ROOT / "resources" / "models" / "rainitur8" if brought else shared.models / "tinyrain"
    package = folders.inputs / "models" / source.name
    shutil.copytree(source, package)
    canary = Canary()
    how = str(rng.choice(["card", "card", "card", "weights", "raster", "files", "text"]))
    if how == "raster" and not brought:
        how = "card"
    makers = {"card": _card, "weights": _weights, "raster": _raster, "files": _files, "text": _text}
    what, refusal = makers[how](rng, package, canary)
    request = question.asked(folders.outputs / "fine.tif", model=str(package), models=[])
    if brought:
        request["sources"] = {}
        request["date"] = "05"
        request["target"].pop("band", None)
        request.pop("all_dates", None)
        if len(question.world.values) > 1:
            request["target"]["band"] = 1
            request.pop("date")
    check = rng.random() < 0.4
    if check and how == "raster":
        refusal = "may"  # rasters are looked at when they are used
    good = None
    if not check and not brought and refusal != "due":
        good = question.good(folders.outputs / "fine.tif")
        good.units, good.nonnegative = None, False
        if how in ("card", "text"):  # bounds, conservation and factor may be other ones now
            good = None
    return Case(
        kind="packages",
        what=f"{package.name}, {what}"[:300],
        job="check_package" if check else "super_resolve",
        request={"folder": str(package)} if check else request,
        refusal=refusal,
        status=(2, 1),
        good=good,
        outputs=("fine.tif",),
        further=None if check else lambda outcome: _no_nonsense(folders.outputs / "fine.tif"),
        always=canary.findings,
        afterwards=[canary.close],
        seconds=40,
    )


def _no_nonsense(path: Path) -> list[Finding]:
    """Return what is wrong with an output whatever the card says: nothing valid, or infinite."""
    import rasterio

    if not path.is_file():
        return [Finding("outputs", "the result names an output that is not there")]
    with rasterio.open(path) as file:
        values = file.read()
    if not np.isfinite(values).any():
        return [Finding("mask", "no valid cell in the output of a spoilt package")]
    return [Finding("range", "infinite values")] if np.isinf(values).any() else []


def _paths(card: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [prefix] if prefix else []
    items = card.items() if isinstance(card, dict) else enumerate(card) if isinstance(card, list) else ()
    for key, value in items:
        found += _paths(value, (*prefix, key))
    return found


def _card(rng: Rng, package: Path, canary: Canary) -> tuple[str, str]:
    card = json.loads((package / "card.json").read_text("utf-8"))
    paths = [p for p in _paths(card) if p[0] not in ("training", "metrics") or rng.random() < 0.1]
    path = paths[int(rng.integers(len(paths)))]
    parent = card
    for key in path[:-1]:
        parent = parent[key]
    if rng.random() < 0.3:
        del parent[path[-1]]
        what = f"card without {path}"
    else:
        junk = JUNK[int(rng.integers(len(JUNK)))]
        parent[path[-1]] = junk
        what = f"card {path} = {junk!r:.60}"
    (package / "card.json").write_text(json.dumps(card), "utf-8", errors="surrogatepass")
    return what, "may"


def _text(rng: Rng, package: Path, canary: Canary) -> tuple[str, str]:
    """Cards that are hard to read at all."""
    file = package / "card.json"
    whole = file.read_text("utf-8")
    words = {
        "empty": "",
        "no JSON": "model: tiny",
        "cut": whole[: len(whole) // 2],
        "a list": "[]",
        "deep": "[" * 100_000,
        "deep inside": whole.rstrip().rstrip("}") + ', "x": ' + "[" * 20_000 + "]" * 20_000 + "}",
        "large": whole + " " * 1_100_000,
        "an integer of 5000 digits": whole.replace('"factor": 4', f'"factor": {"9" * 5000}', 1),
        "a bound of 10^400": whole.replace('"bounds": [0, null]', f'"bounds": [0, 1{"0" * 400}]', 1),
        "NaN": whole.replace('"factor": 4', '"factor": NaN', 1),
        "a key twice": whole.replace('"factor"', '"factor": 3, "factor"', 1),
        "a surrogate": whole.replace('"name"', '"x-a": "\\ud800", "name"', 1),
        "HTML": whole.replace('"name": "', '"name": "<img src=http://127.0.0.1:9/x>', 1),
    }
    name = str(rng.choice([*words]))
    file.write_text(words[name], "utf-8")
    if rng.random() < 0.1:
        file.write_bytes(b"\xff\xfe" + whole.encode("utf-16-le"))
        return "card in UTF-16", "may"
    due = {"empty", "no JSON", "cut", "a list", "deep", "large", "NaN"}
    same = words[name] == whole  # the words were not found in it
    return f"card {name}", "due" if name in due and not same else "may"


def _weights(rng: Rng, package: Path, canary: Canary) -> tuple[str, str]:
    """Weights cut, changed, or with NaN, with the checksum that belongs to them."""
    import hashlib

    file = next(package.glob("*.safetensors"))
    data = bytearray(file.read_bytes())
    how = str(rng.choice(["cut", "flipped", "NaN", "infinite", "header", "empty", "longer", "huge header"]))
    size = int.from_bytes(data[:8], "little")
    if how == "cut":
        data = data[: int(rng.integers(0, len(data)))]
    elif how == "flipped":
        data[int(rng.integers(len(data)))] ^= 255
    elif how in ("NaN", "infinite"):
        value = np.float32(np.nan if how == "NaN" else np.inf).tobytes()
        data[8 + size :] = value * ((len(data) - 8 - size) // 4)
    elif how == "header":
        data[8 : 8 + 40] = b"{" * 40
    elif how == "empty":
        data = bytearray()
    elif how == "longer":
        data += b"\0" * 400
    else:
        data[:8] = (2**62).to_bytes(8, "little")
    file.write_bytes(bytes(data))
    fitting = rng.random() < 0.7
    if fitting:
        card = json.loads((package / "card.json").read_text("utf-8"))
        card["weights"] |= {"sha256": hashlib.sha256(bytes(data)).hexdigest(), "bytes": len(data)}
        (package / "card.json").write_text(json.dumps(card), "utf-8")
    due = not fitting or how in ("cut", "header", "empty", "huge header", "NaN", "infinite")
    return f"weights {how}, checksum {'fitting' if fitting else 'as it was'}", "due" if due else "may"


def _raster(rng: Rng, package: Path, canary: Canary) -> tuple[str, str]:
    """The raster that it brings along: a VRT to elsewhere, a link, another format."""
    import hashlib

    from tests.torture.world import World

    file = package / "elevation.tif"
    world = World("elevation", np.zeros((1, 600, 1440)), 0.25, -180.0, 80.0, "EPSG:4326", "m")
    how = str(rng.choice(["server", "outside", "link", "rubbish", "gone"]))
    original = file.read_bytes()
    file.unlink()
    if how == "server":
        write_vrt(file, world, f"/vsicurl/{canary.address}/elevation.tif")
    elif how == "outside":
        (package.parent / "secret.tif").write_bytes(original)
        write_vrt(file, world, str(package.parent / "secret.tif"))
    elif how == "link":
        (package.parent / "secret.tif").write_bytes(original)
        os.symlink(package.parent / "secret.tif", file)
    elif how == "rubbish":
        file.write_bytes(b"II*\0" + bytes(400))
    if how != "gone" and rng.random() < 0.8:
        data = file.read_bytes()
        text = (package / "card.json").read_text("utf-8")
        card = json.loads(text)
        for source in card["sources"]:
            if "default" in source:
                source["default"] |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        (package / "card.json").write_text(json.dumps(card), "utf-8")
    return f"its elevation {how}", "may" if how == "link" else "due"


def _files(rng: Rng, package: Path, canary: Canary) -> tuple[str, str]:
    """Names in the card that lead out of the folder, and files that are missing."""
    card = json.loads((package / "card.json").read_text("utf-8"))
    name = str(
        rng.choice(
            ["../outside.safetensors", "/etc/passwd", "gone.safetensors", "", ".", "card.json", "a\0b", "CON"]
        )
    )
    card["weights"]["file"] = name
    (package / "card.json").write_text(json.dumps(card), "utf-8")
    weights = next(package.glob("*.safetensors"))
    shutil.copy(weights, package.parent / "outside.safetensors")
    return f"weights called {name!r}", "due"
