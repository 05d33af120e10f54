"""Rough ground and what is made of it: coarse fields, runs, their errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import rasterio

from engine.feedback import Silent
from engine.pipeline.request import SuperResolveRequest, SuperResolveResult
from engine.pipeline.super_resolve import super_resolve

ROWS, COLUMNS, CELL = 30, 36, 8000.0
UTM = {"crs": "EPSG:32633", "left": 400_000, "top": 5_400_000}


class Listening(Silent):
    """Keeps all lines and phases."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.phases: list[str] = []

    def progress(self, fraction: float, phase: str, *more: object) -> None:
        self.phases.append(phase)

    def log(self, message: str, level: str = "info") -> None:
        super().log(message, level)
        self.lines.append(message)


def ground(k: int, seed: int = 1, rows: int = ROWS, columns: int = COLUMNS) -> np.ndarray:
    """Return rough ground in metres, (rows·k, columns·k): octaves of noise, each lower than the last."""
    rng, size, height = np.random.default_rng(seed), 2, 600.0
    field = np.zeros((rows * k, columns * k))
    while size <= 2 * max(field.shape):
        noise = rng.standard_normal((size + 1, size + 1))
        y, x = (np.linspace(0, size - 1e-6, n) for n in field.shape)
        i, j = y.astype(int)[:, None], x.astype(int)[None]
        u, v = (y - y.astype(int))[:, None], (x - x.astype(int))[None]
        top = noise[i, j] * (1 - v) + noise[i, j + 1] * v
        field += height * (top * (1 - u) + (noise[i + 1, j] * (1 - v) + noise[i + 1, j + 1] * v) * u)
        size, height = size * 2, height * 0.6
    return field.astype(np.float32)


def block_mean(values: np.ndarray, k: int) -> np.ndarray:
    *lead, rows, columns = values.shape
    return values.reshape(*lead, rows // k, k, columns // k, k).mean((-3, -1)).astype(np.float32)


def bands(path: str | Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(masked=True).filled(np.nan)


def rmse(made: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean((made - truth) ** 2)))


def run(request: SuperResolveRequest, feedback: Silent | None = None) -> SuperResolveResult:
    return super_resolve(request, feedback or Silent())


def interpolated(request: SuperResolveRequest, tmp_path: Path) -> np.ndarray:
    output = str(tmp_path / "smooth.tif")
    run(replace(request, model="bicubicsmooth", sources={}, output=output, expected_error=None))
    return bands(output)
