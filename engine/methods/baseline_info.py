"""A method without learning, as lists and forms show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from engine.methods.interface import CLIMATOLOGY, Method
from engine.specs import TargetSpec
from engine.units import is_temperature


class Builder(Protocol):
    """What the module of a simple method offers as `build`."""

    def __call__(self, info: BaselineInfo, factor: int, target: TargetSpec) -> Method:
        """Return the method for a factor and a target."""


@dataclass(frozen=True)
class BaselineInfo:
    """An entry of `methods.json`, and how its method is made."""

    id: str
    title: str
    help: str
    needs: tuple[str, ...]  # names of the sources that it cannot do without
    builder: Builder
    conserves: bool = False  # the method itself keeps the coarse means
    temperatures_only: bool = False
    any_sources: bool = False  # it takes whatever rasters the user gives, by any name
    tells_error: bool = False  # it is a `FittedMethod`, which tells what to expect
    title_signed: str = ""  # its title for targets that are corrected by difference, where that differs

    @property
    def needs_climatology(self) -> bool:
        """Whether it cannot do without a climatology."""
        return CLIMATOLOGY in self.needs

    def build(self, factor: int, target: TargetSpec) -> Method:
        """Return the method for a factor and a target."""
        return self.builder(self, factor, target)

    def title_for(self, target: TargetSpec) -> str:
        """Return what it is called for such a target."""
        return self.title if target.nonnegative else self.title_signed or self.title

    def suits(self, target: TargetSpec) -> bool:
        """Return whether it is for such a target."""
        return not self.temperatures_only or is_temperature(target.units)
