"""The section `bias`: how a coarse product of another origin is corrected before it is downscaled."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from training.schema.base import Section


class BiasSection(Section):
    """A correction of each coarse cell, fitted on the training dates to the means of the fine truth.

    It is part of the package, and the engine applies it to whatever target it is given.
    """

    # mean: what the mean lacks is added (targets conserved additively); ratio: the value is multiplied by the
    # ratio of the means (multiplicatively). quantile_mapping: the same for each quantile of the product;
    # quantile_delta_mapping: with quantiles of the run's own period (Cannon et al. 2015, J. Climate 28).
    method: Literal["mean", "ratio", "quantile_mapping", "quantile_delta_mapping"]
    quantiles: Annotated[int, Field(ge=5, le=1000)] = 50
    # Parts of the year with factors of their own; auto: the shortest of which each has dates enough.
    group: Literal["auto", "all", "season", "month"] = "auto"
