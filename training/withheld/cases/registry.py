"""All cases by name. A new one is a function that returns a `HiddenCase`, and a line here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from engine.errors import InputError
from training.withheld.cases import atmosphere, measured, modelled, rain, simulated, synthetic
from training.withheld.cases.large import large
from training.withheld.cases.place import CasePlace
from training.withheld.problem import HiddenCase


@dataclass(frozen=True)
class CaseEntry:
    """How a case is made.

    Attributes:
        family: cases that are asked for together.
        build: makes it.
        needs: folder of the shared data that it is made of, "" for none.
        quick: whether a quick run has it.
        asked: made only where its name or family is given.
    """

    family: str
    build: Callable[[CasePlace], HiddenCase]
    needs: str = ""
    quick: bool = True
    asked: bool = False


CASES: dict[str, CaseEntry] = {
    "rain4": CaseEntry("rain", partial(rain.rain, factor=4), quick=False),
    "rain8": CaseEntry("rain", partial(rain.rain, factor=8), quick=False),
    **{
        f"rain8_{name}": CaseEntry(
            "rain", partial(rain.rain, factor=8, continent=name), quick=name == "south_america"
        )
        for name in rain.CONTINENTS
    },
    "snow16": CaseEntry("simulated", partial(simulated.snow, factor=16), quick=False),
    "snow32": CaseEntry("simulated", partial(simulated.snow, factor=32)),
    "air32": CaseEntry("simulated", partial(simulated.air, factor=32)),
    **{
        f"swe16_{area}": CaseEntry(
            "measured", partial(measured.snow_water, area=area), measured.FOLDER, quick=area == "olympics"
        )
        for area in measured.RANGES
    },
    **{
        f"racmo_{variable}": CaseEntry(
            "modelled", partial(modelled.racmo, variable=variable), modelled.FOLDER
        )
        for variable in modelled.TARGETS
    },
    **{
        name: CaseEntry(
            "atmosphere", partial(atmosphere.atmosphere, name=name), quick=name in atmosphere.QUICK
        )
        for name in atmosphere.FIELDS
    },
    "large": CaseEntry("speed", large, quick=False, asked=True),
    **{
        f"{relation}_{seed}": CaseEntry(
            "synthetic", partial(synthetic.synthetic, relation=relation, seed=seed), quick=seed == 1
        )
        for relation in synthetic.RELATIONS
        for seed in synthetic.SEEDS
    },
}


def wanted_cases(names: Sequence[str], quick: bool = False) -> dict[str, CaseEntry]:
    """Return the cases that some names mean: of families, of cases, or of cases whose name goes on with _.

    Args:
        names: none for all but those that must be asked for.
        quick: where no name says otherwise, only those of a quick run.

    Raises:
        InputError: a name means no case.
    """
    if not names:
        return {n: e for n, e in CASES.items() if not e.asked and (e.quick or not quick)}
    chosen: dict[str, CaseEntry] = {}
    for given in names:
        meant = {
            name: entry
            for name, entry in CASES.items()
            if given in (name, entry.family) or name.startswith(f"{given}_")
        }
        if not meant:
            known = ", ".join([*dict.fromkeys(entry.family for entry in CASES.values()), *CASES])
            raise InputError(f"--set: there is no case named {given}: choose from {known}.")
        chosen |= meant
    return {name: entry for name, entry in CASES.items() if name in chosen}
