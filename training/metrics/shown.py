"""How a metric is shown: its title, its digits, and which value is best."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shown:
    """What a metric's class says of its values.

    Attributes:
        title: of its column.
        form: of its values, as `str.format` takes it; made for errors from 0.1 up.
        perfect: the best value is nearest to it; None: there is no best.
        units: "target" for those of the target, which want more digits where errors are small; else the
            unit itself, "" for none.
        distribution: whether it compares distributions, whatever the place of their values.
    """

    title: str
    form: str
    perfect: float | None = 0.0
    units: str = ""
    distribution: bool = False
