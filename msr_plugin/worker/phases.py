"""The phases of a worker's job in the language of QGIS."""

from __future__ import annotations

from ..translation import tr, tr_filled

# As engine and training tell them; {} is a name or a title.
PHASES = (
    "Starting",
    "Starting the workers",
    "Checking the inputs",
    "Loading the model",
    "Taking the target's quantiles",
    "Learning from the coarse field",
    "Super-resolving",
    "Writing the output",
    "Comparing with the original raster",
    "Done",
    "Reading the coarse raster",
    "Comparing: {}, conservative",  # before the next, which would fit too
    "Comparing: {}",
    "Aligning the rasters",
    "Training",
    "Training what draws members",
    "Training once more, on all data",
    "Measuring the residual",
    "Judging its share",
    "Measuring how strongly to conserve",
    "Measuring how the detail fades",
    "Evaluating",
)

_CONSERVED = ", conservative"  # as titles end


def phase_words(phase: str) -> str:
    """Return a phase in the user's language; one that is not known as it is."""
    return tr_filled(phase, PHASES)


def title_words(title: str) -> str:
    """Return a method's title in the user's language, also where the engine says that it conserves."""
    plain = title.removesuffix(_CONSERVED)
    return tr(title) if plain == title else tr("{}, conservative").format(tr(plain))
