"""The device that computes, and the precision and memory layout in which it is fastest.

Machines differ by a factor of 60 in bfloat16, so nothing is assumed: a few short runs of the
model's own network decide, once for each machine and network; the answer is kept in a file.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine.compute.cache import read_cache, write_cache
from engine.compute.cards import own_card
from engine.compute.memory import free_memory, is_out_of_memory
from engine.errors import InputError

__all__ = [
    "PrecisionPlan",
    "choose_device",
    "choose_plan",
    "free_memory",
    "is_out_of_memory",
    "list_devices",
    "plan_key",
    "wait_for",
]

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_WORTH = 0.9  # half the mantissa must buy at least a tenth of the time
_ROUNDS = 5
_HOPELESS = 4.0  # times the best that is not run again
_FIRST_SECONDS = 0.1  # a first step below it may be long for what it prepares alone
_BUDGET_SECONDS = 0.8  # a round that would go beyond is left out, and what was seen so far decides
_NEAR, _DUEL = 1.5, 3  # times the best that is run again so often in the end, where that takes no time
_PROBE_HOPELESS = 15.0  # the same of a convolution alone, which says less
_MOST_PLANS = 200
_CACHE = "plans"


@dataclass(frozen=True)
class PrecisionPlan:
    """In what precision and memory layout a network runs."""

    dtype: torch.dtype = torch.float32
    channels_last: bool = False

    @property
    def precision(self) -> str:
        """The precision's name for provenance: float32 or bfloat16."""
        return str(self.dtype).removeprefix("torch.")

    @property
    def memory_format(self) -> torch.memory_format:
        """torch's name for the layout."""
        return torch.channels_last if self.channels_last else torch.contiguous_format


def lay_out(module: nn.Module, device: torch.device, plan: PrecisionPlan) -> None:
    """Bring a module's weights to a device, in a plan's precision and layout."""
    layout = plan.memory_format
    module.to(device, plan.dtype, memory_format=layout)  # type: ignore[call-overload]  # torch's types lack it


def list_devices() -> list[dict[str, str]]:
    """Return what this machine can compute on, the fastest kind first: id and name."""
    devices = []
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            devices.append({"id": f"cuda:{index}", "name": torch.cuda.get_device_name(index)})
    if torch.backends.mps.is_available():
        devices.append({"id": "mps", "name": "Apple GPU"})
    devices.append({"id": "cpu", "name": f"{_processor()}, {torch.get_num_threads()} threads"})
    return devices


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of that name; "auto" takes CUDA, else MPS, else the processor.

    Of several graphics cards, "auto" and "cuda" are this process's own (`engine.compute.cards`).

    Raises:
        InputError: the machine does not have it; the sentence lists those it has.
    """
    devices = [d["id"] for d in list_devices()]
    name = name.strip().lower() or "auto"
    cards = [id for id in devices if id.startswith("cuda")]
    own = own_card(cards) if cards else "cuda:0"
    if name == "auto":
        return _exact(torch.device(own if cards else devices[0]))
    wanted = own if name == "cuda" else name
    if wanted not in devices:
        raise InputError(f"There is no device {name} here; this machine has: {', '.join(devices)}.")
    return _exact(torch.device(wanted))


def _exact(device: torch.device) -> torch.device:
    """Let float32 be float32 on it: by itself cuDNN rounds what it multiplies to 10 bits."""
    if device.type == "cuda":
        convolutions = getattr(torch.backends.cudnn, "conv", None)
        if convolutions is not None and hasattr(
            convolutions, "fp32_precision"
        ):  # since torch 2.9, which warns of the older name
            convolutions.fp32_precision = "ieee"
        else:
            torch.backends.cudnn.allow_tf32 = False
    return device


def choose_plan(
    module: nn.Module,
    example: Callable[[torch.dtype, torch.memory_format], Any],
    device: torch.device,
    precision: str = "auto",
) -> PrecisionPlan:
    """Return the fastest plan, from the cache or from a few short runs.

    Args:
        module: the network; its specification and tensor shapes are part of the cache's key.
        example: runs the network once on a small typical window in the given precision and layout.
        device: where it runs.
        precision: "float32" or "bfloat16" leave just the layout to choose.

    Raises:
        InputError: the precision is unknown, or this device cannot run in it.
    """
    if precision not in ("auto", *PRECISIONS):
        raise InputError(f"The precision {precision} is unknown; there are: auto, {', '.join(PRECISIONS)}.")
    key = plan_key(module, device, precision)
    plan = _recall(key)
    if plan is None:
        plan, seconds = _measure(example, device, precision)
        _remember(key, plan, seconds)
    return plan


def _measure(
    example: Callable[[torch.dtype, torch.memory_format], Any], device: torch.device, precision: str
) -> tuple[PrecisionPlan, dict[str, float]]:
    """Return the best plan and the seconds of each.

    The plans take turns, so that another program's load does not fall on one of them alone; the
    fastest of a few runs counts, the first one of each warms up. A precision that is hopeless costs
    one step at most: a processor without bfloat16 takes 70 times as long in it.
    """
    names = list(PRECISIONS) if precision == "auto" else [precision]
    if precision == "auto" and device.type == "cpu" and _probe_is_hopeless():
        names = ["float32"]
    plans = [PrecisionPlan(PRECISIONS[n], last) for n in names for last in (True, False)]
    best: dict[PrecisionPlan, float] = {}
    failure: Exception | None = None
    begin = started = time.perf_counter()
    for turn in range(_ROUNDS):
        now = time.perf_counter()
        if turn >= 2 and now - begin + now - started > _BUDGET_SECONDS:  # as long as the round before
            break
        started = now
        for plan in list(plans):
            if plan not in plans:
                continue
            try:
                seconds = _time(example, plan, device)
            except (RuntimeError, NotImplementedError, TypeError) as error:  # not on this device
                if is_out_of_memory(error):
                    raise
                failure = error
                plans.remove(plan)
                best.pop(plan, None)
                continue
            best[plan] = min(seconds, best.get(plan, seconds))
            # An accelerator loads its kernels in the first step.
            sure = turn > 0 or (device.type == "cpu" and seconds > _FIRST_SECONDS)
            if sure and best[plan] > _HOPELESS * min(best.values()):
                leader = min(best, key=best.__getitem__)
                plans = [p for p in plans if p != plan and (p.dtype != plan.dtype or p.dtype == leader.dtype)]
    if not best:
        raise InputError(f"The device {device} cannot compute in {precision}: {failure}.") from failure
    near = _near(best)
    if len(near) > 1 and _DUEL * sum(best[plan] for plan in near) < _BUDGET_SECONDS / 2:
        for _ in range(_DUEL):
            for plan in near:
                best[plan] = min(best[plan], _time(example, plan, device))
    return _near(best)[0], {f"{p.precision}{'-last' if p.channels_last else ''}": t for p, t in best.items()}


def _near(best: dict[PrecisionPlan, float]) -> list[PrecisionPlan]:
    """Return the plans that may be the fastest for all that was measured, the likeliest first."""
    # Half the mantissa must be worth it.
    cost = {p: t / (1.0 if p.dtype == torch.float32 else _WORTH) for p, t in best.items()}
    return [p for p in sorted(cost, key=cost.__getitem__) if cost[p] < _NEAR * min(cost.values())]


def _probe_is_hopeless() -> bool:
    """Tell by one small convolution whether this processor computes in bfloat16 by a slow detour."""
    best = {}
    for dtype in PRECISIONS.values():
        field, kernel = torch.ones(1, 16, 48, 48, dtype=dtype), torch.ones(16, 16, 3, 3, dtype=dtype)
        taken = []
        for _ in range(3):
            start = time.perf_counter()
            with torch.inference_mode():
                torch.nn.functional.conv2d(field, kernel)
            taken.append(time.perf_counter() - start)
        best[dtype] = min(taken)
    return best[torch.bfloat16] > _PROBE_HOPELESS * best[torch.float32]


def _time(example: Callable[..., Any], plan: PrecisionPlan, device: torch.device) -> float:
    wait_for(device)
    start = time.perf_counter()
    example(plan.dtype, plan.memory_format)
    wait_for(device)
    return time.perf_counter() - start


def wait_for(device: torch.device) -> None:
    """Wait until a device has done all that it was told to; the processor has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def plan_key(module: nn.Module, device: torch.device, precision: str) -> str:
    """Return everything that a measurement of a network depends on, as one hash."""
    spec = getattr(module, "spec", None)
    parts = {
        "precision": precision,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "processor": _processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "flags": _flags(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "spec": repr(spec),
        "shapes": [(n, list(p.shape)) for n, p in module.named_parameters()],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        return ""


def _processor() -> str:
    for line in _cpuinfo().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _flags() -> str:
    return next((line for line in _cpuinfo().splitlines() if line.startswith(("flags", "Features"))), "")


def _recall(key: str) -> PrecisionPlan | None:
    entry = read_cache(_CACHE).get(key)
    if not isinstance(entry, dict):
        return None
    dtype, last = entry.get("dtype"), entry.get("channels_last")
    if not isinstance(dtype, str) or dtype not in PRECISIONS or not isinstance(last, bool):
        return None
    return PrecisionPlan(PRECISIONS[dtype], last)


def _remember(key: str, plan: PrecisionPlan, seconds: dict[str, float]) -> None:
    plans = read_cache(_CACHE)
    plans.pop(key, None)
    entry = {"dtype": plan.precision, "channels_last": plan.channels_last, "seconds": seconds}
    write_cache(_CACHE, dict([*plans.items(), (key, entry)][-_MOST_PLANS:]))
