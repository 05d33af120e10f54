"""Units spelled in many ways, with the numbers to match: the output must be the same, or the unit refused."""

from __future__ import annotations

import calendar

import numpy as np

from tests.torture.case import Case
from tests.torture.forms.geotiff import write_tif
from tests.torture.generators.question import draw
from tests.torture.generators.shared import Shared
from tests.torture.running.surroundings import Folders
from tests.torture.world import World, coarse_world

# (spelling, number in the file = value · factor + offset, whether a refusal is as good)
TEMPERATURE = (
    *(
        (s, 1.0, 273.15, False)
        for s in ("K", "kelvin", "Kelvin", "degK", "deg K", "[K]", "degrees K", "Kelvins")
    ),
    *(
        (s, 1.0, 0.0, False)
        for s in ("degC", "°C", "Celsius", "celsius", "degrees Celsius", "deg_C", "C", "[C]")
    ),
    *((s, 1.0, 0.0, False) for s in ("degree_Celsius", "degrees_C", "degreesC", "degree_C")),
    *((s, 1.8, 32.0, False) for s in ("degF", "°F", "fahrenheit", "Fahrenheit", "degrees_F", "deg F")),
    *((s, 1.0, 0.0, True) for s in ("celcius", "grad C", "℃", "centigrade")),
    *((s, 1.0, 273.15, True) for s in ("degrees kelvin", "KELVIN", "K°", "kelvin (K)")),
    ("0.1 degC", 10.0, 0.0, True),
    ("decidegC", 10.0, 0.0, True),
    ("R", 1.8, 491.67, True),
)
ELEVATION = (
    *((s, 1.0, 0.0, False) for s in ("m", "metre", "metres", "meter", "meters", "Meter", "[m]", "METERS")),
    *((s, 1 / 0.3048, 0.0, False) for s in ("ft", "foot", "feet", "Feet", "international_foot")),
    *(
        (s, 3937 / 1200, 0.0, False)
        for s in ("US survey foot", "us_survey_foot", "US survey feet", "survey_foot")
    ),
    *((s, 1e-3, 0.0, False) for s in ("km", "kilometre", "kilometers")),
    *((s, 100.0, 0.0, False) for s in ("cm", "centimeters")),
    *((s, 10.0, 0.0, False) for s in ("dm", "decimetre")),
    *(
        (s, 1.0, 0.0, True)
        for s in ("m a.s.l.", "masl", "m asl", "gpm", "m (EGM96)", "meters above sea level", "\u202em")
    ),
    ("ftUS", 3937 / 1200, 0.0, True),
    ("yd", 1 / 0.9144, 0.0, True),
)
_AMOUNTS = (
    *((s, 1.0, True) for s in ("mm", "kg m-2", "kg/m2", "kg m**-2", "mm w.e.", "millimetres", "l m-2")),
    *((s, 0.1, True) for s in ("cm",)),
    *((s, 1e-3, True) for s in ("m", "m of water equivalent")),
    *((s, 1.0, False) for s in ("mm/month", "mm month-1", "mm month**-1", "mm mon-1")),
    *((s, 1.0, True) for s in ("mm/mon", "mm per month", "mm/mo", "millimetres per month", "kg m-2 month-1")),
    ("cm/month", 0.1, False),
    ("in/month", 1 / 25.4, False),
)
_PER_DAY = (
    "mm/day",
    "mm day-1",
    "mm/d",
    "mm d-1",
    "kg m-2 d-1",
    "kg m-2 day-1",
    "mm per day",
    "mm day**-1",
    "mm.d-1",
)
_PER_SECOND = (
    "kg m-2 s-1",
    "kg m**-2 s**-1",
    "kg/m2/s",
    "kg/m^2/s",
    "kg.m-2.s-1",
    "mm/s",
    "mm s-1",
    "kg/(m2 s)",
)
_PER_HOUR = ("mm/h", "mm/hr", "mm h-1", "mm/hour", "mm hr-1", "kg m-2 h-1")
_NONE = {
    "elevation": (
        "K",
        "kg",
        "mm/month",
        "bananas",
        "furlong per",
        "m per",
        "???",
        "x" * 300,
        "<b>m</b>",
    ),
    "temperature": (
        "m",
        "mm",
        "bananas",
        "kg m-2",
        "%",
        "hPa",
        "1e400 K",
        "K K K K K",
        "(((((",
        "__import__('os')",
    ),
    "target": (
        "K",
        "degC",
        "hPa",
        "bananas",
        "mm/banana",
        "m3 s-1",
        "W m-2",
        "m/s2",
        "()",
        "mm//month",
        "kg**1e9",
    ),
}


def rain_units(date: str) -> tuple[tuple[str, float, float, bool], ...]:
    """Return the spellings of a month's rain in mm/month."""
    year, month = (int(part) for part in date.split("-")[:2])
    days = calendar.monthrange(year, month)[1]
    rates = [(s, 1 / days, 0.0, s in ("mm per day", "mm.d-1")) for s in _PER_DAY]
    rates += [(s, 1 / days / 86400, 0.0, "(" in s) for s in _PER_SECOND]
    rates += [(s, 1 / days / 24, 0.0, False) for s in _PER_HOUR]
    return (*((s, f, 0.0, may) for s, f, may in _AMOUNTS), *rates)


def make(rng: np.random.Generator, folders: Folders, shared: Shared) -> Case:
    """Write one raster of a model's in another unit."""
    role = str(rng.choice(["elevation", "temperature", "target"]))
    world = coarse_world(rng, "rain", bands=1)
    date = f"{int(rng.integers(1995, 2012))}-{int(rng.integers(1, 13)):02d}"
    world = World("rain", world.values, world.step, world.left, world.top, world.crs, world.units, (date,))
    while True:
        question = draw(rng, folders.inputs / "plain", shared, ("rainitur8",), world)
        if role == "target" or role in question.sources:
            break
    part = question.world if role == "target" else question.sources[role]
    wrong = rng.random() < 0.2
    if wrong:
        spelled, factor, offset, may = str(rng.choice(_NONE[role])), 1.0, 0.0, False
    else:
        tables = {"elevation": ELEVATION, "temperature": TEMPERATURE, "target": rain_units(date)}
        spelled, factor, offset, may = tables[role][int(rng.integers(len(tables[role])))]
    path = write_tif(folders.inputs / "units.tif", part, part.values * factor + offset, units=spelled)
    plain, output = folders.inputs / "plain.out.tif", folders.outputs / "fine.tif"
    request = question.asked(output)
    place = request["target"] if role == "target" else request["sources"][role]
    place["path"] = str(path)
    good = question.good(output, plain)
    good.tolerance = 3e-4  # a network is asked, with numbers rounded in other units
    return Case(
        kind="units",
        what=f"{role} in {spelled!r}",
        request=request,
        plain=question.asked(plain),
        refusal="due" if wrong else "may" if may else "never",
        status=(2,),
        good=None if wrong else good,
        outputs=("fine.tif",),
        names=(role, spelled[:20]),
    )
