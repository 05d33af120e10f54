"""What a generator is made of."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from engine.errors import InputError
from engine.nets.flow_spec import FlowSpec

MOST_NOISE = 64  # channels at a level
MOST_GAIN = 10.0


def stage_factors(factor: int) -> tuple[int, ...]:
    """Return the prime factors of an enlargement, largest first: 20 → (5, 2, 2).

    Raises InputError unless 2 ≤ factor ≤ 100 and it is a product of 2, 3 and 5.
    """
    primes, rest = [], factor
    for prime in (5, 3, 2):
        while rest > 1 and rest % prime == 0:
            primes.append(prime)
            rest //= prime
    if rest != 1 or not 2 <= factor <= 100:
        raise InputError(f"The factor must be a product of 2, 3 and 5 from 2 to 100, not {factor}.")
    return tuple(primes)


@dataclass(frozen=True)
class NetworkSpec:
    """What a generator is made of; the card keeps it as `network`.

    `coarse` and `fine` give the number of channels of each source, its validity mask (the last
    channel, 1 where valid) included. `widths` and `boxes` have one entry for the coarse level and
    one for each stage; the last level is thin and has no inception box.
    """

    factor: int
    coarse: dict[str, int]
    fine: dict[str, int]
    season: bool = False
    widths: tuple[int, ...] = ()
    boxes: tuple[int, ...] = ()
    window: int = 3  # coarse cells over which channel attention pools at the coarse level
    kind: str = "inception"  # see engine.nets.architectures
    noise: int = 0  # channels of white noise at every level; 0: one answer, no ensemble
    noise_gain: float = 1.0  # the noise is multiplied by it: calibration on data that training did not see
    attention: bool = True
    inception: bool = True  # False: each box is a plain 3×3 convolution
    options: dict[str, Any] = field(default_factory=dict)  # of one architecture alone, which declares them
    flow: FlowSpec | None = None  # members come from a flow, and not from noise in the network

    def __post_init__(self) -> None:
        """Fill the levels left open and check the others; raises InputError."""
        stages = len(stage_factors(self.factor))
        if not self.widths:
            object.__setattr__(self, "widths", default_widths(self.factor))
        if not self.boxes:
            object.__setattr__(self, "boxes", (1,) * stages + (0,))
        for name in ("widths", "boxes"):
            value = tuple(int(v) for v in getattr(self, name))
            object.__setattr__(self, name, value)
            if len(value) != stages + 1:
                raise InputError(f"network.{name} needs {stages + 1} entries for a factor of {self.factor}.")
        if any(width < 4 or width % 4 for width in self.widths):
            raise InputError("Every entry of network.widths must be a positive multiple of 4.")
        if self.boxes[-1] != 0 or min(self.boxes) < 0:
            raise InputError(
                "network.boxes must not be negative and must end in 0 (the finest level is thin)."
            )
        if self.window < 1 or self.window % 2 == 0:
            raise InputError("network.window must be an odd number of coarse cells.")
        if not isinstance(self.noise, int) or not 0 <= self.noise <= MOST_NOISE:
            raise InputError(f"network.noise must be a whole number from 0 to {MOST_NOISE}.")
        if isinstance(self.noise_gain, bool) or not 0 < self.noise_gain <= MOST_GAIN:
            raise InputError(f"network.noise_gain must be above 0 and at most {MOST_GAIN:g}.")
        self._check_flow()
        for name in ("attention", "inception"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"network.{name} must be true or false.")

    def _check_flow(self) -> None:
        if self.flow is None:
            return
        if self.noise != 1:
            raise InputError("network.noise must be 1 where members come from a flow.")
        if self.flow.widths and len(self.flow.widths) != len(self.scales):
            raise InputError(f"network.flow.widths needs {len(self.scales)} entries.")

    @property
    def scales(self) -> tuple[int, ...]:
        """Pixels along a coarse cell at each level: (1, 2, 4, 8) for a factor of 8."""
        scales = [1]
        for prime in stage_factors(self.factor):
            scales.append(scales[-1] * prime)
        return tuple(scales)

    def to_json(self) -> dict[str, Any]:
        """Return plain data for the card."""
        raw = asdict(self)
        raw["widths"], raw["boxes"] = list(self.widths), list(self.boxes)
        if not self.options:
            del raw["options"]
        del raw["flow"]
        return raw if self.flow is None else {**raw, "flow": self.flow.to_json()}

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> NetworkSpec:
        """Read what `to_json` wrote; raises InputError on unknown keys."""
        unknown = sorted(set(raw) - set(cls.__dataclass_fields__))
        if unknown:
            raise InputError(f"The network has unknown keys: {', '.join(unknown)}.")
        flow = {} if raw.get("flow") is None else {"flow": FlowSpec.from_json(raw["flow"])}
        levels = {name: tuple(raw.get(name, ())) for name in ("widths", "boxes")}
        return cls(**{**raw, **levels, **flow})


def default_widths(factor: int) -> tuple[int, ...]:
    """Return widths that fall with the scale: 64 where it is coarse, 8 or 16 on the fine grid.

    Pixels grow with the square of the scale and a layer's cost with the square of its width, so a
    width of 96 / √scale leaves the finest stage less than half of the whole cost.
    """
    scale, widths = 1, [64]
    for prime in stage_factors(factor):
        scale *= prime
        widths.append(min(64, max(24, 4 * round(24 / scale**0.5))))
    widths[-1] = 16 if factor <= 8 else 8
    return tuple(widths)
