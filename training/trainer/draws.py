"""Members of one patch after the other: base and features are made once for all of them."""

from __future__ import annotations

from torch import Tensor

from engine.features.network_inputs import NetworkInputs
from engine.fields.patch import Patch, moved
from engine.nets.downscaler import Downscaler


class Draws:
    """A network as scores want it: a patch, a seed and a member in, a field in physical units out.

    A patch may come from the processor; the field is on the network's device.

    The inputs of the last patch are kept, since making them takes longer than the network.
    """

    def __init__(self, model: Downscaler) -> None:
        self.model = model
        self.device = next(model.parameters()).device
        self._patch: Patch | None = None
        self._inputs: NetworkInputs | None = None

    def __call__(self, patch: Patch, seed: int = 0, member: int = 0) -> Tensor:
        """Return what `Downscaler.forward_physical` returns."""
        return self.model.to_physical(self.model(self._prepared(patch), seed, member))

    def base(self, patch: Patch) -> Tensor:
        """Return what the field stands on, in the target's units, before conservation."""
        return self.model.to_physical(self._prepared(patch).base)

    def _prepared(self, patch: Patch) -> NetworkInputs:
        if self._inputs is None or patch is not self._patch:
            self._patch, self._inputs = patch, self.model.prepare(moved(patch, self.device))
        return self._inputs
