"""Checkpoints: one safetensors file, replaced as a whole; no pickle.

Tensors are named `part/name`; everything else is JSON in the file's header. The random numbers of
a step depend on the seed and the step's number alone, so the step is all their state.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from engine.errors import InputError
from engine.files.atomic import new_file

STATE = "state"


def save(path: Path, parts: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> None:
    """Write tensors and state to `path`; a reader sees the old file or the whole new one."""
    tensors = {
        f"{part}/{name}": tensor.detach().cpu().contiguous().clone()
        for part, named in parts.items()
        for name, tensor in named.items()
    }
    with new_file(path) as fresh:
        save_file(tensors, fresh, metadata={STATE: json.dumps(state)})
        with open(fresh, "rb") as file:
            os.fsync(file.fileno())


def load(path: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Read what `save` wrote: the parts and the state.

    Raises:
        InputError: there is no such file, or it is no checkpoint.
    """
    if not path.is_file():
        raise InputError(f"There is no checkpoint {path} to resume from: start without --resume.")
    parts: dict[str, dict[str, Tensor]] = {}
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads((file.metadata() or {})[STATE])
            for key in file.keys():  # noqa: SIM118 - not a mapping
                part, _, name = key.partition("/")
                parts.setdefault(part, {})[name] = file.get_tensor(key)
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise not_whole(path) from error
    return parts, state


def not_whole(path: Path) -> InputError:
    """Return the error for a file from which a training cannot go on."""
    return InputError(
        f"{path} is not a whole checkpoint: it is damaged, or of another version; start without --resume."
    )


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return an optimiser's state as named tensors, `index/quantity`."""
    state = optimiser.state_dict()["state"]
    return {f"{index}/{name}": value for index, held in state.items() for name, value in held.items()}


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimiser_tensors` took; the groups (rates, decay) stay as configured.

    The tensors get the memory layout of the weights that they belong to, as they had it: sums of
    another layout may differ in their last digit.
    """
    state: dict[int, dict[str, Tensor]] = {}
    weights = [weight for group in optimiser.param_groups for weight in group["params"]]
    for key, value in tensors.items():
        index, _, name = key.partition("/")
        like = weights[int(index)]
        laid_out = torch.empty_like(like).copy_(value) if value.shape == like.shape else value
        state.setdefault(int(index), {})[name] = laid_out.detach()
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})
