"""Words for units as data sets and programs write them, and pint's names for them.

Sources of the spellings: UDUNITS and CF (`kg m-2 s-1`, `degree_Celsius`), GRIB as GDAL and ecCodes
tell it (`[kg/(m^2 s)]`, `m of water equivalent`, `gpm`), GIS programs (`US survey foot`, `metre`),
and what stands in the files of weather services and satellite products.
"""

from __future__ import annotations

# Single words, as they are written exactly; longer ones in capitals or with a capital first mean the same.
WORDS = {
    **dict.fromkeys(
        ("m", "metre", "metres", "meter", "meters", "mtr", "mtrs", "mts", "masl", "mamsl", "gpm", "mgp"),
        "meter",
    ),
    **dict.fromkeys(("mm", "millimetre", "millimetres", "millimeter", "millimeters"), "millimeter"),
    **dict.fromkeys(("cm", "centimetre", "centimetres", "centimeter", "centimeters"), "centimeter"),
    **dict.fromkeys(("dm", "decimetre", "decimeter"), "decimeter"),
    **dict.fromkeys(("dam", "gpdam", "gpdm", "decametre", "dekameter"), "decameter"),
    **dict.fromkeys(("km", "kilometre", "kilometres", "kilometer", "kilometers", "gpkm"), "kilometer"),
    **dict.fromkeys(("in", "inch", "inches"), "inch"),
    **dict.fromkeys(("ft", "foot", "feet", "gpft"), "foot"),
    **dict.fromkeys(("usft", "sft", "survey_foot"), "survey_foot"),
    **dict.fromkeys(("yd", "yard", "yards"), "yard"),
    **dict.fromkeys(("mi", "mile", "miles"), "mile"),
    **dict.fromkeys(("g", "gm", "gram", "grams", "gramme", "grammes"), "gram"),
    **dict.fromkeys(("kg", "kilogram", "kilograms", "kilogramme", "kilogrammes"), "kilogram"),
    **dict.fromkeys(("mg", "milligram", "milligrams"), "milligram"),
    **dict.fromkeys(("l", "L", "litre", "litres", "liter", "liters"), "liter"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "second"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "minute"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "hour"),
    **dict.fromkeys(("d", "dy", "day", "days"), "day"),
    **dict.fromkeys(("wk", "week", "weeks"), "week"),
    **dict.fromkeys(("mo", "mon", "mons", "mnth", "mth", "month", "months"), "month"),
    **dict.fromkeys(("a", "y", "yr", "yrs", "year", "years", "annum"), "year"),
    **dict.fromkeys(("K", "k", "kelvin", "kelvins", "degk"), "kelvin"),
    **dict.fromkeys(("degc", "C", "c", "celsius", "celcius", "centigrade"), "degC"),
    **dict.fromkeys(("degf", "F", "f", "fahrenheit", "farenheit"), "degF"),
    **dict.fromkeys(("°", "deg", "degree", "degrees"), "degree"),
    **dict.fromkeys(("rad", "radian", "radians"), "radian"),
    **dict.fromkeys(("Pa", "pa", "pascal", "pascals"), "pascal"),
    **dict.fromkeys(("hPa", "hpa", "hectopascal", "hectopascals"), "hectopascal"),
    **dict.fromkeys(("kPa", "kpa", "kilopascal", "kilopascals"), "kilopascal"),
    **dict.fromkeys(("mb", "mbar", "mbars", "millibar", "millibars"), "millibar"),
    **dict.fromkeys(("bar", "bars"), "bar"),
    **dict.fromkeys(("mmhg",), "mmHg"),
    **dict.fromkeys(("atm",), "atmosphere"),
    **dict.fromkeys(("W", "watt", "watts"), "watt"),
    **dict.fromkeys(("J", "joule", "joules"), "joule"),
    **dict.fromkeys(("kj", "kJ"), "kilojoule"),
    **dict.fromkeys(("N", "newton", "newtons"), "newton"),
    **dict.fromkeys(("mol", "mole", "moles"), "mole"),
    **dict.fromkeys(("kt", "kts", "kn", "knot", "knots"), "knot"),
    **dict.fromkeys(("mph",), "mile_per_hour"),
    **dict.fromkeys(("kph", "kmh", "kmph"), "kilometer_per_hour"),
    **dict.fromkeys(("%", "percent", "pct", "percentage"), "percent"),
    **dict.fromkeys(("‰", "permille"), "permille"),
    **dict.fromkeys(("fraction", "fractional", "frac", "proportion", "ratio", "unitless"), "dimensionless"),
    **dict.fromkeys(("dimensionless", "nondimensional", "numeric", "index"), "dimensionless"),
}

# Single capitals that mean a small letter only where the whole text is in capitals: M/S, KG M-2 S-1.
SMALL = {"M": "m", "S": "s", "D": "d", "H": "h", "G": "g", "A": "a", "Y": "y"}

OWN = frozenset({"Mg"})  # a megagram, though MG and mg look alike
# May be either of two units, one of which nobody writes (megametre or millimetre, kilonewton or knot), or
# have no fixed length.
OPEN = frozenset({"dekad", "dekads", "Mm", "Gm", "Dm", "DM", "MG", "KN", "Kn", "Dam"})
OPEN |= {"gr", "Mbar", "MBar"}  # grains or grams, megabars or millibars

# Whole texts that say that there is no unit, or none that is known.
BLANK = frozenset(
    {"", "none", "unknown", "unspecified", "undefined", "not specified", "n/a", "na", "null", "nan", "?"}
    | {"no unit", "no units", "unit", "units", "missing", "--"}
)
PURE = frozenset(
    {"1", "-", "–", "—", "~", "(-)", "0-1", "0 - 1", "0..1", "0 to 1", "1/1", "non-dim", "non-dimensional"}
    | {"no dimension", "dimension less", "unit less", "1.0", "1."}
)
