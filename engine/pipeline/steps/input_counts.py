"""Cells of a run's inputs that were read, counted in one process and told in another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from engine.pipeline.inputs import InputRasters

Numbers = dict[str, tuple[int, ...]]


def counts_of(inputs: InputRasters) -> Numbers:
    """Return what was counted so far, of each input."""
    return {name: numbers for name, numbers, _ in _counters(inputs)}


def counts_since(before: Numbers, inputs: InputRasters) -> Numbers:
    """Return what was counted since `counts_of` was asked."""
    return {
        name: tuple(now - then for now, then in zip(numbers, before[name], strict=True))
        for name, numbers, _ in _counters(inputs)
    }


def add_counts(inputs: InputRasters, counts: Mapping[str, tuple[int, ...]]) -> None:
    """Take in what was counted elsewhere, so that the inputs' reports tell of it."""
    for name, _, add in _counters(inputs):
        if name in counts:
            add(*counts[name])


def _counters(inputs: InputRasters) -> Iterator[tuple[str, tuple[int, ...], Callable[..., None]]]:
    yield "target", inputs.target_counts.numbers, inputs.target_counts.add_numbers
    for source in inputs.sources:
        yield f"source {source.spec.name}", source.counts.numbers, source.counts.add_numbers
    if inputs.domain is not None:
        yield "domain", inputs.domain.numbers, inputs.domain.add_numbers
