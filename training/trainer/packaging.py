"""The model package at the end of a training: card, weights, default rasters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
import torch
from torch import Tensor

from engine.contract import CARD_VERSION
from engine.disaggregation.cell_regression import CellRegression
from engine.files.atomic import new_file, scratch_file, scratch_folder
from engine.models.regression_file import card_entry, file_tensors
from engine.nets.spec import NetworkSpec
from engine.package.folder import DOMAIN_FILE, Package, write_package
from engine.raster.domain_mask import INSIDE, OUTSIDE
from engine.specs import BaseSpec, SourceSpec, SpreadSpec, TargetSpec
from engine.version import VERSION
from training.bias.corrected import Correction
from training.data.archive import Archive
from training.data.domain import Domain
from training.schema.config import Config, SourceSection


def write(
    folder: Path,
    config: Config,
    archive: Archive,
    target: TargetSpec,
    sources: tuple[SourceSpec, ...],
    network: NetworkSpec,
    weights: Mapping[str, Tensor],
    metrics: Mapping[str, Mapping[str, float]],
    command: str,
    base: BaseSpec | None = None,
    correction: Correction | None = None,
    domain: Domain | None = None,
    regression: CellRegression | None = None,
    spread: SpreadSpec | None = None,
    fading: Mapping[str, Any] | None = None,
) -> Package:
    """Write the package.

    Args:
        folder: where; an old package there is replaced as a whole.
        config, archive: of the training.
        target, sources, network: as trained.
        weights: of the generator.
        metrics: test scores, method → name → value; null in the card where not finite.
        command: that trains the model again.
        base: what the residual stands on; None: the default.
        correction: of the coarse product, which the engine is to apply; None: none.
        domain: the fine cells that count; None: all.
        regression: of the base, where it names one.
        spread: of the members; None: as they are drawn.
        fading: of a cascade's detail from step to step, as its card says it; None: it counts in full.
    """
    card = build_card(config, archive, target, sources, network, weights, metrics, command, base, regression)
    if spread is not None:
        card["spread"] = [{"sources": sorted(names), "factor": factor} for names, factor in spread.factors]
    if fading is not None:
        card["cascade"] |= fading
    factors = None
    if correction is not None:
        card["bias"] = _bias_entry(correction, archive)
        held = correction.factors
        arrays = {"quantiles": held.quantiles, "source": held.source, "factors": held.factors}
        factors = {name: torch.from_numpy(values) for name, values in arrays.items()}
    fitted = None if regression is None else file_tensors(regression)
    folder = folder.absolute()
    with scratch_folder(folder.with_name(f"{folder.name}.rasters")) as temporary:
        rasters = {
            section.name: default_raster(temporary / f"{section.name}.tif", archive, section.name)
            for section in config.sources
            if _ships(section, archive)
        }
        mask = None
        if domain is not None and domain.source:
            card["domain"] = {"source": domain.source}
        elif domain is not None:
            mask = domain_raster(temporary / DOMAIN_FILE, archive, domain)
        return write_package(folder, card, weights, rasters, factors, mask, fitted)


def build_card(
    config: Config,
    archive: Archive,
    target: TargetSpec,
    sources: tuple[SourceSpec, ...],
    network: NetworkSpec,
    weights: Mapping[str, Tensor],
    metrics: Mapping[str, Mapping[str, float]],
    command: str,
    base: BaseSpec | None = None,
    regression: CellRegression | None = None,
) -> dict[str, Any]:
    """Return the card's fields, all but those that the package writer fills in."""
    model = config.model
    step = abs(archive.transform.a)
    cascade = {} if config.cascade is None else {"cascade": config.cascade.entry(config.factor, step)}
    west, north = archive.transform * (0, 0)
    east, south = archive.transform * (archive.shape[1], archive.shape[0])
    return {
        "msr_card": CARD_VERSION,
        "id": model.id,
        "name": model.name,
        "version": model.version,
        "description": model.description or model.name,
        "factor": config.factor,
        "resolution": {"coarse": step, "fine": step / config.factor, "units": _units(archive.crs)},
        "target": _plain(asdict(target)),
        "sources": [_source(s, config, archive) for s in sources],
        "network": network.to_json(),
        **({} if base is None or base == BaseSpec() else {"base": _base_entry(base, regression)}),
        **cascade,
        "training": {
            "data": f"{archive.title}. {archive.citation}",
            "simulated": archive.simulated,
            "period": archive.period,
            "split": config.split.model_dump(mode="json"),
            "region": {
                "crs": archive.crs,
                "bounds": [west, south, east, north],
                "columns": config.split.region,
            },
            "seed": config.seed,
            "command": command,
            "configuration": config.model_dump(mode="json", exclude={"device"}),  # no matter of the model
        },
        # A network that collapsed has no correlation, say; its card and weights are written all the same.
        "metrics": {
            name: {key: value if math.isfinite(value) else None for key, value in values.items()}
            for name, values in metrics.items()
        },
        "licence": model.licence,
        "citation": model.citation,
        "mlm:name": model.id,
        "mlm:architecture": architecture(config, network),
        "mlm:tasks": ["super-resolution"],
        "mlm:framework": "pytorch",
        "mlm:framework_version": torch.__version__.split("+")[0],
        "mlm:total_parameters": int(sum(w.numel() for w in weights.values())),
        "mlm:pretrained": True,
        "mlm:accelerator": "amd64",
        "mlm:accelerator_constrained": False,
        "x-engine": VERSION,
    }


def _base_entry(base: BaseSpec, regression: CellRegression | None) -> dict[str, Any]:
    weights = {"weights": dict(base.weights)} if base.weights else {}
    fitted = {} if regression is None else {"regression": card_entry(regression)}
    free = {} if base.conserved else {"conserved": False}
    return {**weights, "residual": base.residual, **free, **fitted}


def _bias_entry(correction: Correction, archive: Archive) -> dict[str, Any]:
    grid = {"crs": archive.crs, "transform": list(archive.transform)[:6], "shape": list(archive.shape)}
    return {**_plain(asdict(correction.factors.spec)), "grid": grid, "fitted": correction.in_words}


def architecture(config: Config, network: NetworkSpec) -> str:
    """Say in a few words what was trained, and how."""
    parts = [name for name in ("inception", "attention") if getattr(network, name)]
    named = "-".join(parts) if network.kind == "inception" and parts else network.kind
    named = "plain" if network.kind == "inception" and not parts else named
    words = [f"{named} generator"]
    if network.flow is not None:
        words.append(f"ensembles from a flow of {network.flow.steps} steps")
    elif network.noise:
        words.append(f"ensembles from {network.noise} channels of noise at each level")
    if config.losses.adversarial is not None:
        words.append("conditional patch GAN")
    return ", ".join(words)


def _source(source: SourceSpec, config: Config, archive: Archive) -> dict[str, Any]:
    plain = _plain(asdict(source))
    plain.pop("default")
    section = next(s for s in config.sources if s.name == source.name)
    if _ships(section, archive):
        plain["default"] = {"attribution": archive.citation}
    return plain


def _plain(value: Any) -> Any:
    """Return tuples as lists, all the way down."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _units(crs: str) -> str:
    parsed = rasterio.crs.CRS.from_user_input(crs)
    return "degree" if parsed.is_geographic else (parsed.linear_units or "metre")


def _ships(section: SourceSection, archive: Archive) -> bool:
    """Return whether a source is to lie in the package: a raster without any value would say nothing."""
    values = archive.sources[section.name].values
    return section.default and (values is None or bool(np.isfinite(values[0]).any()))


def default_raster(path: Path, archive: Archive, name: str) -> Path:
    """Write a static source as a COG of scaled 16-bit integers, -32768 as nodata."""
    source = archive.sources[name]
    if source.values is None or source.dynamic:
        raise ValueError(f"{name} is not static")
    values = source.values[0]
    transform = archive.fine_transform if source.grid == "fine" else archive.transform
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    scale = 1.0 if max(abs(low), abs(high)) > 3000 else max(abs(low), abs(high), 1e-6) / 30000
    integers = np.where(np.isfinite(values), np.round(values / scale), -32768).astype(np.int16)
    count, height, width = integers.shape
    profile = {
        "driver": "GTiff",
        "width": width,
        "height": height,
        "count": count,
        "dtype": "int16",
        "crs": archive.crs,
        "transform": transform,
        "nodata": -32768,
    }
    with scratch_file(path, ".plain.tif") as plain:
        with rasterio.open(plain, "w", **profile) as raster:
            raster.write(integers)
            raster.scales = [scale] * count
            raster.units = [source.units] * count
            raster.update_tags(attribution=archive.citation)
        with new_file(path, ".tif") as fresh:
            rasterio.shutil.copy(plain, fresh, driver="COG", compress="DEFLATE", predictor="YES")
    return path


def domain_raster(path: Path, archive: Archive, domain: Domain) -> Path:
    """Write the fine cells that count as a GeoTIFF of bytes."""
    rows, columns = domain.cells.shape
    with (
        new_file(path, ".tif") as fresh,
        rasterio.open(
            fresh,
            "w",
            driver="GTiff",
            width=columns,
            height=rows,
            count=1,
            dtype="uint8",
            crs=archive.crs,
            transform=archive.fine_transform,
            compress="deflate",
            tiled=True,
        ) as raster,
    ):
        raster.write(np.where(domain.cells, INSIDE, OUTSIDE).astype(np.uint8), 1)
        raster.update_tags(told=domain.told)
    return path
