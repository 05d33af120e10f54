"""The second training of a configuration that leaves its length open: members about the first's estimate.

An estimate alone does not say how sure it is. Where data are held out to judge the members' spread by, a flow
is trained beside it (engine.nets.flow); the estimate stays what it was.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.nets.spec import default_widths
from training.defaults.network import PERCEPTRON
from training.defaults.schedule import patches
from training.schema.config import Config, parse_config

SHARE, FEWEST, MOST = 0.5, 300, 1500  # of what the estimate's steps see; steps
VALIDATIONS, PATIENCE = 5, 2
VALIDATED = 4  # members
STEPS = 4  # from noise to residual
NARROWER, NARROWEST, WIDEST = 0.5, 8, 32  # widths against the default ones of an estimate; channels

JUDGED = "judged"  # package, in the run's folder, of a training that never saw what judges it


def wants_members(config: Config) -> bool:
    """Return whether a configuration, as it was written, leaves it open whether members are drawn."""
    settled = "ensemble" in config.model_fields_set or "noise" in config.network
    return not (settled or config.steps or config.cascade is not None or config.start_from is not None)


def members_of(config: Config, estimate: Path) -> Config | None:
    """Return the configuration of the second training, None where no data are held out to judge spread by.

    Args:
        config: of the first, complete.
        estimate: folder of its package.

    Raises:
        InputError: the factor is no product of 2, 3 and 5.
    """
    blocks = config.split.drawn_blocks
    if not config.validation.names_something and not (blocks is not None and blocks.validation):
        return None
    size, batch = sampling = config.sampling.size, config.sampling.batch
    if config.network.get("kind") == PERCEPTRON:  # a flow looks around, and needs patches
        size, batch = patches(config.factor)
    seen = (sampling[0] ** 2 * sampling[1]) / (
        size**2 * batch
    )  # by a step of the first, in steps of the second
    steps = int(np.clip(round(SHARE * seen * config.steps, -1), FEWEST, MOST))
    wide = [4 * round(NARROWER * width / 4) for width in default_widths(config.factor)]
    widths = [min(max(NARROWEST, width), WIDEST) for width in wide]
    settings = config.model_dump(mode="json")
    judged = estimate.parent / JUDGED
    apart = bool(config.validation.refit) and judged.is_dir()  # what is held out judges the members too
    settings["start_from"] = str(judged if apart else estimate)
    settings["ensemble"] = {
        "generator": "flow",
        "flow": {"steps": STEPS, "widths": widths},
        "validated": VALIDATED,
        "about": str(estimate) if apart else None,
    }
    settings["losses"]["adversarial"] = None
    settings["base"] = "auto"
    settings["sampling"].update(size=size, batch=batch)
    settings["steps"] = steps
    settings["validation"].update(every=max(1, steps // VALIDATIONS), patience=PATIENCE, cases=["all"])
    return parse_config(settings)
