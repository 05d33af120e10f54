"""The generator's specification, from the configuration and the sources."""

from __future__ import annotations

from typing import Any

from engine.errors import InputError
from engine.features.network_inputs import network_channels
from engine.nets.spec import NetworkSpec
from engine.specs import SourceSpec
from training.schema.config import Config


def network_spec(config: Config, sources: tuple[SourceSpec, ...]) -> NetworkSpec:
    """Return the generator's specification: the configuration's `network`, and the sources' channels.

    Raises:
        InputError: a wrong key; the sentence names it.
    """
    coarse, fine = network_channels(sources)
    for key in ("factor", "coarse", "fine"):
        if key in config.network:
            raise InputError(f"network.{key}: this follows from the factor and the sources, leave it out.")
    if "flow" in config.network:
        raise InputError("network.flow: this follows from ensemble.flow, leave it out.")
    flow: dict[str, Any] = {}
    if config.ensemble is not None and config.ensemble.generator == "flow":
        flow = {"noise": 1, "flow": config.ensemble.flow.model_dump()}
    try:
        return NetworkSpec.from_json(
            {**config.network, "factor": config.factor, "coarse": coarse, "fine": fine, **flow}
        )
    except InputError as error:
        raise InputError(f"network: {error}") from error
    except (TypeError, ValueError) as error:
        raise InputError(
            f"network: a value among {', '.join(map(str, config.network))} is of the wrong kind: write it as "
            "the files in training/configs do."
        ) from error
