"""A second device on a machine without one: tensors that only meet others of theirs.

They say that they are on the device `meta` and hold their values on the processor. As on a GPU, an operation
on tensors of both places is an error, except for the processor's numbers (tensors without dimension); and
numbers are read from them as from any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

OTHER = torch.device("meta")
_watching: list[list[tuple[int, ...]]] = []  # lists of those who want to know what is fetched


class Elsewhere(Tensor):
    """A tensor on the other device; `held` has its values."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> Elsewhere:
        """Wrap values."""
        made = Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=OTHER,
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do an operation outside the mode, too (in the thread of the gradients, say)."""
        return _done(func, args, kwargs or {})


def _done(func: Any, args: Any, kwargs: Any) -> Any:
    """Do an operation where its tensors are, or where it is told to bring them."""
    given = tree_flatten((args, kwargs))[0]
    tensors = [x for x in given if isinstance(x, Tensor)]
    here = [x for x in tensors if not isinstance(x, Elsewhere)]
    there = len(here) < len(tensors)
    wanted = [x for x in given if isinstance(x, torch.device)]
    if there and not wanted and func is not torch.ops.aten.copy_.default and any(x.dim() for x in here):
        raise RuntimeError(f"Expected all tensors to be on the same device: {func}")
    plain_args, plain_kwargs = tree_map(_plain, (args, kwargs))
    if wanted:
        if there and wanted[0] != OTHER:
            for shapes in _watching:
                shapes.extend(tuple(x.shape) for x in tensors if isinstance(x, Elsewhere))
        there = wanted[0] == OTHER
    made = func(*plain_args, **plain_kwargs)
    if func is torch.ops.aten.copy_.default:
        return args[0]
    if func._schema.is_mutable and args and isinstance(args[0], Elsewhere) and made is plain_args[0]:
        return args[0]  # in place: the same tensor
    return tree_map(lambda x: Elsewhere(x) if isinstance(x, Tensor) else x, made) if there else made


def _plain(value: Any) -> Any:
    """Return a tensor's values, and the processor for either device."""
    if isinstance(value, torch.device):
        return torch.device("cpu")
    return value.held if isinstance(value, Elsewhere) else value


class _Factories(TorchDispatchMode):
    """Lets tensors be made on the other device."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do an operation."""
        return _done(func, args, kwargs or {})


class _Literals(TorchFunctionMode):
    """Lets tensors be made of lists on the other device: torch makes none of values on `meta`."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function of torch's."""
        kwargs = dict(kwargs or {})
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            place = kwargs.pop("device")
            return func(*args, **kwargs).to(place)
        return func(*args, **kwargs)


@contextmanager
def other_device() -> Iterator[torch.device]:
    """Give the second device for a while."""
    with _Literals(), _Factories():
        yield OTHER


@contextmanager
def fetched() -> Iterator[list[tuple[int, ...]]]:
    """Give a list that gets the shape of each tensor which is brought to the processor meanwhile."""
    shapes: list[tuple[int, ...]] = []
    _watching.append(shapes)
    try:
        yield shapes
    finally:
        _watching.remove(shapes)
