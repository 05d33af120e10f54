"""What every generator offers, whatever its architecture."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from engine.errors import InputError
from engine.nets.noise import Noise
from engine.nets.spec import NetworkSpec


class GeneratorNetwork(nn.Module):
    """A network from coarse and fine sources to one fine field.

    Args:
        spec: what it is made of.

    Raises:
        InputError: the specification asks for what the architecture does not have, or an unknown option.
    """

    OPTIONS: ClassVar[Mapping[str, Any]] = {}  # keys of `spec.options` that it knows, with their defaults
    whole_field: ClassVar[bool] = False  # it returns the field, and not a residual on the base
    # It finds the relation to covariates by itself, and better from a base that knows nothing of them.
    finds_relation: ClassVar[bool] = False
    halo: int  # coarse cells of context that make a tile's output equal to the whole field's

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        unknown = sorted(set(spec.options) - set(self.OPTIONS))
        if unknown:
            raise InputError(f"network.options: there is no option {unknown[0]} of {spec.kind}.")
        self.spec, self.options = spec, {**self.OPTIONS, **spec.options}

    @abstractmethod
    def forward(
        self,
        coarse: dict[str, Tensor],
        fine: dict[str, Tensor],
        vector: Tensor | None = None,
        noise: Noise | None = None,
    ) -> Tensor:
        """Return (B, 1, h·k, w·k) float32 of the window inside the halo.

        `coarse` holds (B, C, H, W), `fine` (B, C, H·k, W·k) with H = h + 2·halo, W alike, each
        normalised, 0 where invalid, the mask last; `vector` is (B, 2), sine and cosine of the day
        of year. Without noise the result is the one deterministic estimate.

        Raises:
            InputError: an unknown source, or sizes that do not fit.
        """

    def ready(
        self, coarse: dict[str, Tensor], fine: dict[str, Tensor], vector: Tensor | None = None
    ) -> Callable[[Noise | None], Tensor]:
        """Return what makes of each noise what `forward` makes of it and these sources.

        For several members of the same windows: what does not depend on the noise is done once. It is not
        for training.
        """
        return partial(self, coarse, fine, vector)

    @property
    def widest(self) -> float:
        """Channels of the widest map, counted for each fine cell: what a run's memory depends on."""
        spec = self.spec
        return max(w * (s / spec.factor) ** 2 for w, s in zip(spec.widths, spec.scales, strict=True))

    if TYPE_CHECKING:  # nn.Module's own takes and returns anything

        def __call__(
            self,
            coarse: dict[str, Tensor],
            fine: dict[str, Tensor],
            vector: Tensor | None = None,
            noise: Noise | None = None,
        ) -> Tensor:
            """See `forward`."""
