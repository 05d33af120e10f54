"""How the target is transformed, held within limits and conserved, where the configuration does not say it.

Limits and conservation follow from the quantity, as the simple methods have them (see
`engine.pipeline.infer_target.target_of`). What is conserved by ratio is skewed: of the transforms the one is
taken after which the truth is skewed least, the cube root (Stidd 1953, Trans. AGU 34:31–35) or a logarithm.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from engine.fields.conservation import ROUND_OFF
from engine.package.folder import find_package
from engine.pipeline.infer_target import target_of
from engine.transforms import transform
from training.data.archive import Archive
from training.data.hold_out.chosen import Chosen
from training.data.region import truth_of
from training.data.split import split_regions
from training.schema.config import Config, TargetSection

TIMES = 40  # that are looked at, at most
CELLS = 200_000  # values that skewness is taken of, at most
SKEWED = 1.0  # skewness of the truth that needs no transform, at most
LOG_SCALE = 0.1  # of the mean positive value: log1p(value / scale) is a logarithm above it


def choose_target(config: Config, archive: Archive) -> Chosen:
    """Return the configuration with all of its target; keys that it has stay as they are.

    One that starts from a package takes them from its card.

    Raises:
        InputError: as `training.data.split.split_regions`; or there is no such package.
    """
    section = config.target
    if not section.leaves_open:
        return Chosen(config)
    if config.start_from is not None:
        target = find_package(config.start_from).card.target
        chosen: dict[str, Any] = {"bounds": target.bounds, "conservation": target.conservation}
        if section.transform == "auto":
            chosen |= {"transform": target.transform, "scale": target.scale}
        why = f"as {config.start_from} has it"
    else:
        chosen, why = _by_quantity(section, config, archive)
    update = {
        key: value
        for key, value in chosen.items()
        if key == "scale" or getattr(section, key) in ("auto", None)
    }
    made = section.model_copy(update=update)
    return Chosen(config.model_copy(update={"target": made}), (f"Target: {_words(made)}; {why}.",))


def _by_quantity(section: TargetSection, config: Config, archive: Archive) -> tuple[dict[str, Any], str]:
    """Return what the quantity asks for, and why."""
    values = sample(config, archive)
    low, high = float(values.min()), float(values.max())
    if -ROUND_OFF * high <= low < 0:
        low = 0.0
    words = f"{archive.target_name} {archive.target_title}"
    ratio = section.conservation == "multiplicative"
    inferred = target_of(archive.target_name, archive.units, words, low, high, ratio)
    if section.bounds is not None and (section.bounds[0] is None or section.bounds[0] < 0):
        inferred = target_of(archive.target_name, archive.units, words, -1.0, high)
    chosen: dict[str, Any] = {"bounds": inferred.bounds, "conservation": inferred.conservation}
    why = f"{archive.target_title or archive.target_name} in {archive.units or 'no unit'}"
    why += f", {low:.4g} to {high:.4g} in training"
    if section.transform != "auto":
        return chosen, why
    conservation = chosen["conservation"] if section.conservation == "auto" else section.conservation
    if conservation == "multiplicative":
        chosen["transform"], chosen["scale"], told = best_transform(values)
        return chosen, f"{why}, {told}"
    return {**chosen, "transform": "identity", "scale": 1.0}, why


def sample(config: Config, archive: Archive) -> np.ndarray:
    """Return finite values of the truth in training, spread evenly over dates and cells, float64."""
    region = split_regions(config, archive).train
    picked = np.unique(np.linspace(0, len(region.times) - 1, TIMES).round().astype(int))
    parts = []
    for index in picked.tolist():
        truth = truth_of(archive, region, region.times[index])[0]
        known = truth[np.isfinite(truth)]
        parts.append(known[:: max(1, known.size * len(picked) // CELLS)])
    values = np.concatenate(parts).astype(np.float64)
    return values if values.size else np.zeros(1)


def best_transform(values: np.ndarray) -> tuple[str, float, str]:
    """Return the transform's name, its scale, and how skewed it is, in words; see above.

    Args:
        values: of the truth, from zero on but for round-off.
    """
    values = values.clip(0)
    plain = skewness(values)
    if abs(plain) <= SKEWED:
        return "identity", 1.0, f"skewness {plain:.1f}"
    positive = values[values > 0]
    scale = float(f"{LOG_SCALE * positive.mean():.1g}")
    seen = torch.from_numpy(values)
    by = {
        (name, size): skewness(transform(seen, name, size).double().numpy())
        for name, size in (("cuberoot", 1.0), ("log1p", scale))
    }
    name, size = min(by, key=lambda key: abs(by[key]))
    return name, size, f"skewness {plain:.1f}, {by[name, size]:.1f} after the transform"


def skewness(values: np.ndarray) -> float:
    """Return the third standardised moment; 0 where all values are the same."""
    apart = values - values.mean()
    spread = float(np.sqrt((apart**2).mean()))
    return float((apart**3).mean() / spread**3) if spread > 0 else 0.0


def _words(section: TargetSection) -> str:
    low, high = ("none" if edge is None else f"{edge:g}" for edge in section.limits)
    scale = "" if section.scale == 1 else f" of values over {section.scale:g}"
    limits = "no limits" if low == high == "none" else f"limits {low} to {high}"
    kept = "ratio" if section.conservation == "multiplicative" else "difference"
    return f"transform {section.transform}{scale}, {limits}, conserved by {kept}"
