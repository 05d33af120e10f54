"""The detail of a fine field: what its coarse means do not say."""

from __future__ import annotations

import numpy as np
import torch

from engine.fields.conservation import aggregate
from engine.fields.upsample import upsample


def detail(field: np.ndarray, factor: int) -> np.ndarray:
    """Return (H, W) less the smooth field of its coarse means, NaN where it is missing."""
    values = torch.from_numpy(np.ascontiguousarray(field, dtype=np.float32))[None]
    return (values - upsample(aggregate(values, factor), factor, "bilinear"))[0].numpy()
