"""Where exact arithmetic can be done: Apple's GPUs have no doubles, and no whole numbers of 64 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

WITHOUT = ("mps",)  # kinds of device that lack them


def exact_device(device: torch.device | str) -> torch.device:
    """Return the device itself, or the processor where the device lacks float64 and int64 arithmetic."""
    import torch

    device = torch.device(device)
    return torch.device("cpu") if device.type in WITHOUT else device
