"""The configuration's `ensemble`: what members are drawn by, and what they are judged by in training."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from training.schema.base import NotNegative, Positive, Section, Share


class FlowSection(Section):
    """The flow that members come from; see `engine.nets.flow`."""

    steps: Annotated[int, Field(ge=1, le=8)] = 4  # Euler steps; each makes the halo wider
    # Of the velocity's network, from the coarse level to the fine one; left out: those of the estimate's.
    widths: tuple[Annotated[int, Field(ge=4, multiple_of=4)], ...] = ()


class EnsembleSection(Section):
    """The probabilistic objective. Each member is conserved by itself.

    With the generator `noise` members are drawn with noise in the network and judged by their CRPS; it needs
    `network.noise` above zero. With `flow` a second network learns the velocity that carries noise to what
    the estimate of `start_from` leaves over, which stays what it was; then `members` to `fairness` have
    no part.
    """

    generator: Literal["noise", "flow"] = "noise"
    flow: FlowSection = FlowSection()
    members: Annotated[int, Field(ge=2, le=32)] = 2  # drawn at each step
    weight: Positive = 1.0  # of the CRPS in the target's units
    transformed_weight: NotNegative = 0.0  # of the CRPS in transformed space
    # Fine cells along a block's edge: 1 judges cells, more judge means of blocks.
    scales: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(1, 4), min_length=1)
    # Also judged, in transformed space: differences of fine cells so far apart along rows and columns.
    # A score of cells alone asks each to be right by itself; this one asks for texture too.
    differences: tuple[Annotated[int, Field(ge=1)], ...] = ()
    differences_weight: Positive = 1.0
    # 1: the fair CRPS; below, the almost fair one of Lang et al. 2024, which leaves no flat directions.
    fairness: Share = 0.95
    # noise: only the noise's weights learn, and anew; the estimate without noise stays what it was.
    train: Literal["all", "noise"] = "all"
    validated: Annotated[int, Field(ge=2, le=64)] = 4  # members that validation draws
    # Of a flow: id or folder of a package like that of `start_from`, about whose estimate members are
    # shipped: one that has also learned from what judges them.
    about: str | None = None
    # The package's noise is multiplied by it: what makes members of held-out data spread as the mean errs.
    gain: Annotated[float, Field(gt=0, le=10)] = 1.0

    @property
    def estimate_stays(self) -> bool:
        """Whether the estimate without noise learns nothing."""
        return self.train == "noise" or self.generator == "flow"


def with_generator(settings: Any) -> Any:
    """Return a configuration's plain data with the generator that it leaves open; a flow has no adversary.

    Where `start_from` names a model and the network has no noise of its own, that is a flow, which stands
    beside any network; docs/methods.md tells where it was better than noise, and where not. An adversary that
    is named beside a flow stays, to be refused.
    """
    ensemble = settings.get("ensemble") if isinstance(settings, dict) else None
    network = settings.get("network") if isinstance(settings, dict) else None
    if not isinstance(ensemble, dict) or not isinstance(network or {}, dict):
        return settings
    if "generator" not in ensemble and settings.get("start_from") and not (network or {}).get("noise"):
        ensemble = {**ensemble, "generator": "flow"}
    losses = settings.get("losses") or {}
    if ensemble.get("generator") != "flow" or not isinstance(losses, dict):
        return {**settings, "ensemble": ensemble}
    return {**settings, "ensemble": ensemble, "losses": {"adversarial": None, **losses}}
