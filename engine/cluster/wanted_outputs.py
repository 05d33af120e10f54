"""What is asked of the lazy interface beside the field: what the command line's further files hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.errors import InputError
from engine.pipeline.request import EnsembleRequest

OF_MEMBERS = ("spread", "quantiles", "members")
OUTPUTS = ("expected_error", "supported_share", *OF_MEMBERS)


def wanted_outputs(
    outputs: Sequence[str], members: int, levels: Sequence[float], coherence: float
) -> dict[str, Any]:
    """Return the keys of a request that ask for them; files by these names are never written.

    Args:
        outputs: some of `OUTPUTS`.
        members: of an ensemble; 0: none.
        levels: of the quantiles.
        coherence: days over which the members' noise changes.

    Raises:
        InputError: there is no such output, or none without members.
    """
    unknown = next((name for name in outputs if name not in OUTPUTS), None)
    if unknown is not None or isinstance(outputs, str):
        told = f"There is no output {unknown}" if unknown is not None else "outputs is a text"
        raise InputError(f"{told}: give a list of {', '.join(OUTPUTS)}.")
    files = {name: f"{name}.tif" for name in outputs}
    if not members:
        first = next((name for name in outputs if name in OF_MEMBERS), None)
        if first is not None:
            raise InputError(f"The output {first} needs an ensemble: give members, such as members=20.")
        return files
    if "expected_error" in files:
        raise InputError(
            "The expected error is of one estimate, not of an ensemble: leave out members, or ask for "
            "the spread."
        )
    ensemble = EnsembleRequest(
        members,
        spread=files.get("spread"),
        quantiles=files.get("quantiles"),
        levels=tuple(levels),
        member_file=files.get("members"),
        support=files.get("supported_share"),
        coherence=coherence,
    )
    return {"ensemble": ensemble}
