"""Devices, the measured plan and its cache, and memory."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from torch import nn

from engine.compute import cards as cards_of
from engine.compute import devices, memory
from engine.compute.devices import PrecisionPlan, choose_device, choose_plan, free_memory, is_out_of_memory
from engine.errors import InputError

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MSR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Clock:
    """Time that only the example's runs move on, so that a plan's cost is what a test says."""

    def __init__(self, costs: dict) -> None:
        self.costs, self.scale, self.now, self.calls = costs, 0.01, 0.0, []

    def perf_counter(self) -> float:
        return self.now

    def example(self, dtype: torch.dtype, layout: torch.memory_format) -> None:
        plan = PrecisionPlan(dtype, layout == torch.channels_last)
        self.calls.append(plan)
        cost = self.costs[plan]
        if isinstance(cost, Exception):
            raise cost
        self.now += cost * self.scale


F32, F32_LAST = PrecisionPlan(torch.float32, False), PrecisionPlan(torch.float32, True)
BF16, BF16_LAST = PrecisionPlan(torch.bfloat16, False), PrecisionPlan(torch.bfloat16, True)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch):
    def make(*costs: object) -> Clock:
        made = Clock(dict(zip((F32, F32_LAST, BF16, BF16_LAST), costs)))
        monkeypatch.setattr(devices, "time", made)
        return made

    return make


@pytest.mark.parametrize(
    ("costs", "precision", "expected"),
    [
        ((4.0, 2.0, 3.0, 1.0), "auto", BF16_LAST),
        ((4.0, 2.0, 3.0, 1.9), "auto", F32_LAST),  # half the mantissa is not worth 5 %
        ((1.0, 2.0, 60.0, 60.0), "auto", F32),
        ((4.0, 2.0, 3.0, 1.0), "float32", F32_LAST),
        ((1.0, 1.0, 9.0, 8.0), "bfloat16", BF16_LAST),
        ((4.0, 2.0, RuntimeError("not implemented for BFloat16"), TypeError("no")), "auto", F32_LAST),
    ],
)
def test_the_fastest_plan_is_taken(clock, costs, precision: str, expected: PrecisionPlan) -> None:
    watch = clock(*costs)
    assert choose_plan(nn.Conv2d(1, 1, 1), watch.example, CPU, precision) == expected


def test_a_hopeless_precision_is_given_up_after_one_step(clock) -> None:
    watch = clock(1.0, 1.0, 60.0, 60.0)
    choose_plan(nn.Conv2d(1, 1, 1), watch.example, CPU)
    assert watch.calls.count(F32) > watch.calls.count(BF16) + watch.calls.count(BF16_LAST) == 1


def test_a_first_step_that_only_prepares_is_not_hopeless(clock) -> None:
    watch = clock(1.0, 1.0, 0.5, 0.5)
    run = watch.example

    def example(dtype: torch.dtype, layout: torch.memory_format) -> None:
        first = PrecisionPlan(dtype, layout == torch.channels_last) not in watch.calls
        run(dtype, layout)
        watch.now += 0.08 if first and dtype == torch.bfloat16 else 0.0

    assert choose_plan(nn.Conv2d(1, 1, 1), example, CPU).dtype == torch.bfloat16


def test_a_slow_layout_does_not_take_its_precision_along(clock) -> None:
    watch = clock(1.0, 20.0, 2.0, 2.0)
    assert choose_plan(nn.Conv2d(1, 1, 1), watch.example, CPU) == F32
    assert watch.calls.count(F32) == 5


def test_a_processor_without_bfloat16_is_not_asked_for_a_step(clock, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = clock(4.0, 2.0, 3.0, 1.0)
    convolve = torch.nn.functional.conv2d

    def slow(field: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
        watch.now += 0.070 if field.dtype == torch.bfloat16 else 0.001
        return convolve(field, kernel)

    monkeypatch.setattr(torch.nn.functional, "conv2d", slow)
    assert choose_plan(nn.Conv2d(1, 1, 1), watch.example, CPU) == F32_LAST
    assert {plan.dtype for plan in watch.calls} == {torch.float32}


def test_a_load_that_comes_and_goes_falls_on_no_plan_alone(clock) -> None:
    watch = clock(1.0, 2.0, 3.0, 3.0)
    run = watch.example

    def example(dtype: torch.dtype, layout: torch.memory_format) -> None:
        run(dtype, layout)
        if len(watch.calls) <= 6:
            watch.now += 0.05

    assert choose_plan(nn.Conv2d(1, 1, 1), example, CPU) == F32


def test_near_plans_are_run_again_when_the_time_is_over(clock) -> None:
    watch = clock(9.0, 5.0, 6.0, 4.0)
    watch.scale, run = 0.005, watch.example

    def example(dtype: torch.dtype, layout: torch.memory_format) -> None:
        run(dtype, layout)
        if len(watch.calls) <= 8:  # another program's load, most of it on what is fastest
            watch.now += 0.01 if watch.calls[-1] == BF16_LAST else 0.0
            watch.now += 0.25 if watch.calls[-1] == F32 else 0.0

    assert choose_plan(nn.Conv2d(1, 1, 1), example, CPU) == BF16_LAST
    assert watch.calls.count(F32) < watch.calls.count(BF16_LAST)


def test_a_measurement_cut_short_by_a_busy_machine_is_remembered_too(clock, own_cache: Path) -> None:
    watch = clock(9.0, 8.0, 7.0, 6.0)
    watch.scale = 1.0
    assert choose_plan(nn.Conv2d(1, 1, 1), watch.example, CPU) == BF16_LAST
    assert len(watch.calls) == 8
    assert choose_plan(nn.Conv2d(1, 1, 1), watch.example, CPU) == BF16_LAST
    assert len(watch.calls) == 8


def test_errors_of_the_measurement(clock) -> None:
    unable = RuntimeError("not implemented for BFloat16")
    with pytest.raises(InputError, match=r"cannot compute in bfloat16.*not implemented"):
        choose_plan(nn.Conv2d(1, 1, 1), clock(1, 1, unable, unable).example, CPU, "bfloat16")
    with pytest.raises(InputError, match=r"float64 is unknown"):
        choose_plan(nn.Conv2d(1, 1, 1), clock(1, 1, 1, 1).example, CPU, "float64")
    full = RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
    with pytest.raises(RuntimeError, match="out of memory"):
        choose_plan(nn.Conv2d(1, 1, 1), clock(full, 1, 1, 1).example, CPU)


def test_the_plan_is_remembered_for_the_same_network(clock, own_cache: Path) -> None:
    choose_plan(nn.Conv2d(1, 1, 1), clock(4, 2, 3, 1).example, CPU)
    again = clock(1, 9, 9, 9)
    assert choose_plan(nn.Conv2d(1, 1, 1), again.example, CPU) == BF16_LAST
    assert again.calls == []
    assert choose_plan(nn.Conv2d(1, 2, 1), again.example, CPU) == F32  # another network
    assert choose_plan(nn.Conv2d(1, 1, 1), again.example, CPU, "float32") == F32
    assert os.listdir(own_cache) == ["plans.json"]
    assert len(json.loads((own_cache / "plans.json").read_text())) == 3


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 10**5, "\x00\xff"])
def test_a_damaged_cache_is_written_anew(clock, own_cache: Path, text: str) -> None:
    own_cache.mkdir()
    (own_cache / "plans.json").write_bytes(text.encode("latin-1"))
    assert choose_plan(nn.Conv2d(1, 1, 1), clock(4, 2, 3, 1).example, CPU) == BF16_LAST
    assert len(json.loads((own_cache / "plans.json").read_text())) == 1


@pytest.mark.parametrize("entry", [None, 1, {}, {"dtype": "float64", "channels_last": True}, {"dtype": []}])
def test_a_damaged_entry_is_measured_again(clock, own_cache: Path, entry: object) -> None:
    choose_plan(nn.Conv2d(1, 1, 1), clock(4, 2, 3, 1).example, CPU)
    plans = json.loads((own_cache / "plans.json").read_text())
    (own_cache / "plans.json").write_text(json.dumps(dict.fromkeys(plans, entry)))
    assert choose_plan(nn.Conv2d(1, 1, 1), clock(1, 9, 9, 9).example, CPU) == F32


def test_without_a_place_for_the_cache(clock, own_cache: Path) -> None:
    own_cache.write_text("a file where the folder should be")
    assert choose_plan(nn.Conv2d(1, 1, 1), clock(4, 2, 3, 1).example, CPU) == BF16_LAST


def test_without_a_home_for_the_cache(clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSR_CACHE", "~nobody-of-this-name/cache")
    assert choose_plan(nn.Conv2d(1, 1, 1), clock(4, 2, 3, 1).example, CPU) == BF16_LAST


def test_a_real_measurement_runs() -> None:
    module = nn.Conv2d(4, 4, 3)

    def example(dtype: torch.dtype, layout: torch.memory_format) -> None:
        with torch.no_grad():
            module.to(dtype=dtype, memory_format=layout)(torch.zeros(1, 4, 16, 16, dtype=dtype))

    plan = choose_plan(module, example, CPU)
    assert plan in (F32, F32_LAST, BF16, BF16_LAST)
    assert plan.precision in ("float32", "bfloat16")


def test_devices() -> None:
    assert choose_device("cpu") == CPU
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    assert devices.list_devices()[-1]["id"] == "cpu"
    for absent in ("cuda:99", "tpu", "cpu:7", "cuda:x"):
        with pytest.raises(InputError, match=rf"no device {absent} here.*cpu"):
            choose_device(absent)


def test_out_of_memory_is_recognised() -> None:
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("x"))
    assert is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"))
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
    assert not is_out_of_memory(ValueError("out of memory"))
    assert not is_out_of_memory(None)
    outer = RuntimeError("worker failed")
    outer.__cause__ = MemoryError()
    assert is_out_of_memory(outer)


def test_torch_says_so_in_words_that_are_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


def test_free_memory_is_what_there_is() -> None:
    assert 0 < free_memory("cpu") < 2**50


def group(folder: Path, names: tuple[str, str], limit: str, used: int, stat: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(limit)
    (folder / names[1]).write_text(str(used))
    (folder / "memory.stat").write_text(stat)


def test_limits_of_control_groups(tmp_path: Path) -> None:
    proc, root = tmp_path / "cgroup", tmp_path / "fs"
    v2 = ("memory.max", "memory.current")
    proc.write_text("0::/a/b\n")
    group(root, v2, "max", 0, "")
    group(root / "a", v2, "1000", 300, "anon 1\ninactive_file 50\n")
    group(root / "a" / "b", v2, "max", 200, "")
    assert memory.cgroup_memory(proc, root) == 750
    proc.write_text("3:cpu,cpuacct:/x\n7:memory:/box/1\n")
    v1 = ("memory.limit_in_bytes", "memory.usage_in_bytes")
    group(root / "memory", v1, "500", 100, "total_inactive_file 20\n")
    assert memory.cgroup_memory(proc, root) == 420
    group(root / "memory", v1, str(2**63 - 4096), 100, "")
    assert memory.cgroup_memory(proc, root) == memory.UNLIMITED
    assert memory.cgroup_memory(tmp_path / "absent", root) == memory.UNLIMITED


def test_processes_take_cards_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = [{"id": f"cuda:{n}", "name": "card"} for n in range(2)]
    monkeypatch.setattr(devices, "list_devices", lambda: [*cards, {"id": "cpu", "name": "processor"}])
    monkeypatch.setattr(devices, "_exact", lambda device: device)  # which sets what torch does on real ones
    monkeypatch.setitem(cards_of._OWN, "number", 0)
    assert str(choose_device("auto")) == str(choose_device("cuda")) == "cuda:0"
    for number, card in ((1, "cuda:1"), (2, "cuda:0"), (3, "cuda:1")):
        cards_of.take_card(number)
        assert str(choose_device("auto")) == str(choose_device("cuda")) == card
        assert str(choose_device("cuda:0")) == "cuda:0" and choose_device("cpu") == CPU
    with pytest.raises(InputError, match="no device cuda:2 here"):
        choose_device("cuda:2")
