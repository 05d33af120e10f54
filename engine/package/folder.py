"""Model packages: a folder with card.json, weights in safetensors and perhaps default rasters.

Nothing in a package is ever run: the card is JSON that is checked against `card.schema.json`,
weights are plain tensors, rasters are opened by GDAL. Whatever is wrong with a package becomes a
`PackageError` whose sentence names the file or the field.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.contract import MAX_CARD_BYTES, RESERVED_IDS
from engine.errors import InputError, PackageError
from engine.files.atomic import new_folder
from engine.files.root import ROOT
from engine.files.sizes import size_text
from engine.files.system_errors import system_reason
from engine.package.card import Card
from engine.package.card_check import parse_card
from engine.package.plain_json import read_json

if TYPE_CHECKING:
    from torch import Tensor

CARD_FILE = "card.json"
WEIGHTS_FILE = "weights.safetensors"
BIAS_FILE = "bias.safetensors"
DOMAIN_FILE = "domain-mask.tif"  # with a hyphen, which no name of a source has
REGRESSION_FILE = "regression.safetensors"
MAX_WEIGHTS_BYTES = 4 * 2**30
MAX_RASTER_BYTES = 4 * 2**30
MAX_REGRESSION_BYTES = 2**27  # 1,100 × 1,100 fine cells with 25 neighbours each
SHIPPED = ROOT / "resources" / "models"


@dataclass(frozen=True)
class Package:
    """A package whose card, hashes and file names have been checked."""

    folder: Path
    card: Card

    @property
    def sha256(self) -> str:
        """The weights' hash: together with id and version it names the model in provenance."""
        return self.card.raw["weights"]["sha256"]

    def weights(self) -> dict[str, Tensor]:
        """Read the tensors, on the processor.

        Raises:
            PackageError: the file is not what the card promises, is not safetensors, or holds a
                value that is not finite.
        """
        return self._finite(self.card.raw["weights"], MAX_WEIGHTS_BYTES)

    def regression(self) -> dict[str, Tensor] | None:
        """Read the tensors of the base's regression, on the processor; None where it has none.

        Raises:
            PackageError: as `weights`.
        """
        entry = self.card.regression
        return None if entry is None else self._finite(entry, MAX_REGRESSION_BYTES)

    def _finite(self, entry: Mapping[str, Any], limit: int) -> dict[str, Tensor]:
        import torch

        path, tensors = self._tensors(entry, limit)
        for name, tensor in tensors.items():
            if not bool(torch.isfinite(tensor.float()).all()):  # some narrow types know no isfinite
                raise PackageError(f"{path}: the tensor {name} holds values that are not finite.")
        return tensors

    def bias_tensors(self) -> dict[str, Tensor]:
        """Read the factors by which the target is corrected first, of the shapes that the card tells.

        Raises:
            PackageError: there are none, or the file is not what the card promises.
        """
        import torch

        entry = self.card.raw["bias"]
        path, tensors = self._tensors(entry, MAX_WEIGHTS_BYTES)
        quantiles = tensors.get("quantiles", torch.empty(0)).shape
        field = (len(entry["groups"]), *quantiles, *entry["grid"]["shape"])
        expected = {"quantiles": tuple(quantiles), "source": field, "factors": field}
        if len(quantiles) != 1 or {n: tuple(t.shape) for n, t in tensors.items()} != expected:
            raise PackageError(f"{path} holds other factors than its card tells: install the model again.")
        if not all(bool(t.dtype == torch.float32) for t in tensors.values()):
            raise PackageError(f"{path}: the factors are no float32 numbers: install the model again.")
        known = torch.isfinite(tensors["factors"])
        if not bool(torch.isfinite(tensors["source"])[known].all()) or not _rising(tensors["quantiles"], 0):
            raise PackageError(f"{path}: there are factors without a quantile: install the model again.")
        if not _rising(torch.nan_to_num(tensors["source"]), 1):
            raise PackageError(f"{path}: its quantiles do not rise: install the model again.")
        return tensors

    def _tensors(self, entry: Mapping[str, Any], limit: int) -> tuple[Path, dict[str, Tensor]]:
        """Return the path and the tensors of a safetensors file that the card names."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        path = self.folder / entry["file"]
        data = _read(path, self.folder, limit)
        if hashlib.sha256(data).hexdigest() != entry["sha256"]:
            raise PackageError(
                f"{path} does not have the sha256 that its card gives: it is damaged or was changed."
            )
        try:
            tensors = load(data)
        except (SafetensorError, ValueError, TypeError, LookupError, RuntimeError, ArithmeticError) as error:
            raise PackageError(f"{path} is not a whole safetensors file: install the model again.") from error
        for name, tensor in tensors.items():
            if tensor.is_complex():
                raise PackageError(f"{path}: the tensor {name} holds complex numbers.")
        return path, tensors

    def default_raster(self, name: str) -> Path | None:
        """Return the package's own raster for a source, or None when it brings none."""
        source = self.card.source(name)
        if source is None or source.default is None:
            return None
        return self.folder / source.default["file"]

    @property
    def domain_raster(self) -> Path | None:
        """The package's own raster of the fine cells that count, or None when it brings none."""
        domain = self.card.domain
        return self.folder / domain.file if domain is not None and domain.file else None


def check_weights(
    package: Package, weights: Mapping[str, Any], expected: Mapping[str, tuple[int, ...]]
) -> None:
    """Compare the tensors' names and shapes with those that the network wants.

    Raises:
        PackageError: naming the first tensor that is missing, has another shape, or is too many.
    """
    where = package.folder / package.card.raw["weights"]["file"]
    for name, shape in expected.items():
        if name not in weights:
            raise PackageError(f"{where} lacks the tensor {name} that the card's network needs.")
        if tuple(weights[name].shape) != tuple(shape):
            raise PackageError(
                f"{where}: the tensor {name} has the shape {tuple(weights[name].shape)}, but the card's "
                f"network needs {tuple(shape)}."
            )
    extra = sorted(set(weights) - set(expected))
    if extra:
        raise PackageError(f"{where} has a tensor that the card's network does not know: {extra[0]}.")


def load_package(folder: str | os.PathLike[str]) -> Package:
    """Read and check a package: card, file names, sizes and hashes.

    Raises:
        PackageError: naming the file or the field that is wrong.
    """
    folder = Path(folder).expanduser().absolute()
    if not folder.is_dir():
        raise PackageError(f"{folder} is not the folder of a model package.")
    path = folder / CARD_FILE
    if not path.is_file():
        raise PackageError(f"{folder} is no model package: it has no {CARD_FILE}.")
    card = Card.from_json(parse_card(_read(path, folder, MAX_CARD_BYTES), str(path)))
    for entry, limit in (
        (card.raw["weights"], MAX_WEIGHTS_BYTES),
        (card.raw.get("bias"), MAX_WEIGHTS_BYTES),
        (card.regression, MAX_REGRESSION_BYTES),
    ):
        if entry is not None:
            _check_file(folder, entry, limit)
    for source in card.sources:
        if source.default is not None:
            _check_file(folder, source.default, MAX_RASTER_BYTES)
    if card.domain is not None and card.domain.file:
        _check_file(folder, card.raw["domain"], MAX_RASTER_BYTES)
    return Package(folder, card)


def search_folders(extra_folders: Iterable[str | os.PathLike[str]] = ()) -> list[Path]:
    """Return the folders that hold packages: those given, then $MSR_MODELS, then the shipped ones."""
    named = [str(f) for f in extra_folders]
    named += [f for f in os.environ.get("MSR_MODELS", "").split(os.pathsep) if f]
    folders = [Path(f).expanduser().absolute() for f in named] + [SHIPPED]
    return list(dict.fromkeys(folders))


def installed(
    extra_folders: Iterable[str | os.PathLike[str]] = (),
) -> list[Package | PackageError]:
    """Load every package found; a damaged one, or a second one with the same id, gives its error."""
    packages: list[Package | PackageError] = []
    first: dict[str, Path] = {}
    for folder in _candidates(extra_folders):
        try:
            package = load_package(folder)
            earlier = first.setdefault(package.card.id, package.folder)
            if earlier != package.folder:
                raise PackageError(
                    f"{folder} has the id {package.card.id} like {earlier}, which comes first."
                )
        except PackageError as error:
            packages.append(error)
        else:
            packages.append(package)
    return packages


def find_package(id_or_folder: str, extra_folders: Iterable[str | os.PathLike[str]] = ()) -> Package:
    """Load the package of that id or, failing that, in that folder.

    Raises:
        PackageError: the package is damaged.
        InputError: there is no such model; the sentence lists those there are.
    """
    extra_folders = list(extra_folders)
    known = []
    for folder in _candidates(extra_folders):
        identifier = _peek_id(folder)
        if identifier == id_or_folder:
            return load_package(folder)
        if identifier:
            known.append(identifier)
    path = Path(id_or_folder).expanduser()
    if path.is_dir() and (path.name != id_or_folder or (path / CARD_FILE).exists()):
        return load_package(path)
    names = ", ".join(sorted(set(known))) or "none"
    raise InputError(f"There is no model {id_or_folder}, as an id or as a folder; installed models: {names}.")


def write_package(
    folder: str | os.PathLike[str],
    card: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    rasters: Mapping[str, Path] | None = None,
    bias: Mapping[str, Tensor] | None = None,
    domain: Path | None = None,
    regression: Mapping[str, Tensor] | None = None,
) -> Package:
    """Write card, weights and default rasters to a folder, replacing what stood there.

    The card's `weights`, each source's `default`, `domain` and the file of `base.regression` are filled in
    here.

    Args:
        folder: the package's folder.
        card: all other fields of the card.
        weights: name → tensor.
        rasters: name of a source → raster that is copied in as its default.
        bias: tensors of the correction that the card's `bias` tells; its file is filled in here.
        domain: raster of the fine cells that count, copied in likewise; None: what the card says.
        regression: tensors of the base's regression, where the card describes one.

    Raises:
        PackageError: the card is not valid; nothing has changed then.
        ValueError: a raster for a source that the card does not have.
    """
    folder = Path(folder).expanduser().absolute()
    rasters = rasters or {}
    sources = [dict(source) for source in card["sources"]]
    unknown = set(rasters) - {source["name"] for source in sources}
    if unknown:
        raise ValueError(f"the card has no source {min(unknown)}")
    with new_folder(folder) as fresh:
        fresh.mkdir()
        path = fresh / WEIGHTS_FILE
        _save(weights, path)
        for source in sources:
            if source["name"] in rasters:
                copied = _copied(rasters[source["name"]], fresh / f"{source['name']}.tif")
                entry = {k: v for k, v in (source.get("default") or {}).items() if k == "attribution"}
                source["default"] = {**copied, **entry}
        filled = {**card, "sources": sources, "weights": _entry(path)}
        if bias is not None:
            _save(bias, fresh / BIAS_FILE)
            filled["bias"] = {**card["bias"], **_entry(fresh / BIAS_FILE)}
        if domain is not None:
            filled["domain"] = _copied(domain, fresh / DOMAIN_FILE)
        if regression is not None:
            _save(regression, fresh / REGRESSION_FILE)
            entry = {**card["base"]["regression"], **_entry(fresh / REGRESSION_FILE)}
            filled["base"] = {**card["base"], "regression": entry}
        text = json.dumps(filled, indent=2, ensure_ascii=False, allow_nan=False)
        (fresh / CARD_FILE).write_text(text + "\n", encoding="utf-8")
        load_package(fresh)
    return load_package(folder)


def _save(tensors: Mapping[str, Tensor], path: Path) -> None:
    from safetensors.torch import save_file

    plain = {n: t.detach().cpu().contiguous() for n, t in sorted(tensors.items())}
    save_file(plain, path, metadata={"format": "pt"})


def file_sha256(path: Path) -> str:
    """Return the hash of a file as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def _candidates(extra_folders: Iterable[str | os.PathLike[str]]) -> Iterator[Path]:
    for folder in search_folders(extra_folders):
        try:
            children = sorted(folder.iterdir())
        except OSError:  # a search folder that does not exist (yet) holds no model
            continue
        for child in children:
            # Names with a dot in front are packages being written or installed.
            if child.is_dir() and not child.name.startswith("."):
                yield child


def _peek_id(folder: Path) -> str | None:
    """Return the id that a card claims, without checking anything else."""
    try:
        identifier = read_json(_read(folder / CARD_FILE, folder, MAX_CARD_BYTES))["id"]
    except (PackageError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return identifier if isinstance(identifier, str) and identifier not in RESERVED_IDS else None


def _inside(path: Path, folder: Path) -> Path:
    """Return the path when it stays in the folder, symbolic links followed."""
    try:
        real = path.resolve(strict=True)
    except FileNotFoundError as error:
        raise PackageError(f"{path} is missing from the model package.") from error
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
        reason = system_reason(error) if isinstance(error, OSError) else "its links lead round in a circle"
        raise PackageError(f"{path} cannot be read: {reason}.") from error
    if not real.is_relative_to(folder.resolve()):
        raise PackageError(f"{path} leads out of the model package's folder.")
    if not real.is_file():
        raise PackageError(f"{path} is not a file.")
    return real


def _read(path: Path, folder: Path, limit: int) -> bytes:
    real = _inside(path, folder)
    try:
        if real.stat().st_size > limit:
            raise PackageError(f"{path} is larger than {size_text(limit)}.")
        return real.read_bytes()
    except OSError as error:
        raise PackageError(f"{path} cannot be read: {system_reason(error)}.") from error


def _check_file(folder: Path, entry: Mapping[str, Any], limit: int) -> None:
    path = folder / entry["file"]
    real = _inside(path, folder)
    try:
        size = real.stat().st_size
        if size > limit:
            raise PackageError(f"{path} is larger than {size_text(limit)}.")
        if size != entry.get("bytes", size):
            raise PackageError(
                f"{path} has {size} bytes, but its card gives {entry['bytes']}: it is not whole."
            )
        if file_sha256(real) != entry["sha256"]:
            raise PackageError(
                f"{path} does not have the sha256 that its card gives: it is damaged or was changed."
            )
    except OSError as error:
        raise PackageError(f"{path} cannot be read: {system_reason(error)}.") from error


def _rising(values: Tensor, axis: int) -> bool:
    return bool((values.diff(dim=axis) >= 0).all())


def _copied(raster: Path, copy: Path) -> dict[str, Any]:
    shutil.copyfile(raster, copy)
    return _entry(copy)


def _entry(path: Path) -> dict[str, Any]:
    return {"file": path.name, "sha256": file_sha256(path), "bytes": path.stat().st_size}
