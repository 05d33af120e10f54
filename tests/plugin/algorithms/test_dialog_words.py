"""The engine's sentences name parameters as the dialog calls them."""

from __future__ import annotations

import re

import pytest

TARGET, RAIN = "Rain, coarse (TARGET)", "Elevation [m] (SOURCE_ELEVATION)"
TOLD = "What the files do not say (TOLD)"
PARAMETERS = {
    "TARGET": TARGET,
    "TARGET_BAND": "Target: band (TARGET_BAND)",
    "SOURCE_ELEVATION": RAIN,
    "SOURCE_ELEVATION_BAND": "Elevation: band (SOURCE_ELEVATION_BAND)",
    "CLIMATOLOGY": "Climatology (CLIMATOLOGY)",
    "DATE": "Date (DATE)",
    "ALL_DATES": "All dates of the target (ALL_DATES)",
    "AGGREGATE": "Steps of each date (AGGREGATE)",
    "QUANTITY": "Kind of quantity (QUANTITY)",
    "DOMAIN": "Domain (DOMAIN)",
    "REFERENCE": "Reference grid (REFERENCE)",
    "RESOLUTION": "Output resolution (RESOLUTION)",
    "FACTOR": "Factor (FACTOR)",
    "DEVICE": "Device (DEVICE)",
    "OUTPUT": "Finer raster (OUTPUT)",
    "OUTPUT_SPREAD": "Spread (OUTPUT_SPREAD)",
    "TOLD": TOLD,
}
INPUTS = {
    "target": TARGET,
    "elevation": RAIN,
    "climatology": "Climatology (CLIMATOLOGY)",
    "domain": "Domain (DOMAIN)",
}
SENTENCES = [
    ("target: /a/target.tif has no CRS: assign one.", f"{TARGET}: /a/target.tif has no CRS: assign one."),
    ("elevation does not overlap the extent [1, 2].", f"{RAIN} does not overlap the extent [1, 2]."),
    ("elevations: none.", "elevations: none."),
    (
        "target is in mm, an amount: state its unit, such as mm/day (--units target=UNIT; file_units in a "
        "data set).",
        f"{TARGET} is in mm, an amount: state its unit, such as mm/day (target.units=UNIT in {TOLD}).",
    ),
    (
        "elevation: /a.tif holds whole numbers: state it (--scale elevation=0.0001).",
        f"{RAIN}: /a.tif holds whole numbers: state it (elevation.scale=0.0001 in {TOLD}).",
    ),
    (
        "target has 3 dates: say which date is wanted (--date, DATE), or take all (--all, ALL_DATES).",
        f"{TARGET} has 3 dates: say which date is wanted (Date (DATE)), or take all (All dates of the target "
        "(ALL_DATES)).",
    ),
    (
        "target has 8 steps on 2024-11-26, from a to b: give one of them, or aggregate them (--aggregate "
        "day:mean or day:sum, AGGREGATE).",
        f"{TARGET} has 8 steps on 2024-11-26, from a to b: give one of them, or aggregate them (Steps of "
        "each date (AGGREGATE) day:mean or day:sum).",
    ),
    (
        "target has 3 bands without dates: choose one (RASTER#BAND).",
        f"{TARGET} has 3 bands without dates: choose one (Target: band (TARGET_BAND)).",
    ),
    (
        "elevation has 2 bands for 2001-11: choose one of them (RASTER#BAND, here #1 or #2).",
        f"{RAIN} has 2 bands for 2001-11: choose one of them (Elevation: band (SOURCE_ELEVATION_BAND), here "
        "#1 or #2).",
    ),
    (
        "climatology has 3 bands without dates: choose one (RASTER#BAND).",
        "Climatology (CLIMATOLOGY) has 3 bands without dates: choose one (save that band as a raster of its "
        "own).",
    ),
    (
        "climatology has a band for each month: give the date, YYYY-MM or MM.",
        "Climatology (CLIMATOLOGY) has a band for each month: give Date (DATE), YYYY-MM or MM.",
    ),
    (
        "The baseline bicubic needs a factor (2 to 100): give --factor.",
        "The baseline bicubic needs a factor (2 to 100): give Factor (FACTOR).",
    ),
    (
        "The output /b.tif is also the input elevation: choose another file.",
        f"Finer raster (OUTPUT) /b.tif is also {RAIN}: choose another file.",
    ),
    (
        "The output of the spread /b.tif is also the reference raster: choose another file.",
        "Spread (OUTPUT_SPREAD) /b.tif is also Reference grid (REFERENCE): choose another file.",
    ),
    (
        "the reference grid: /r.tif: the file does not exist: check the name.",
        "Reference grid (REFERENCE): /r.tif: the file does not exist: check the name.",
    ),
    (
        "date: 2024-11-26T06 is one step, but aggregate asks for the mean of each day: give the day, "
        "2024-11-26.",
        "Date (DATE): 2024-11-26T06 is one step, but aggregate asks for the mean of each day: give the day, "
        "2024-11-26.",
    ),
    (
        "target: /a.tif has values below zero (-3): choose signed.",
        f"{TARGET}: /a.tif has values below zero (-3): choose signed in Kind of quantity (QUANTITY).",
    ),
    (
        "There is no device cuda here; this machine has: cpu.",
        "Device (DEVICE): there is no device cuda here; this machine has: cpu.",
    ),
    (
        "The output would have 9 × 9 cells: check the resolution and its unit, or choose less.",
        "Finer raster (OUTPUT) would have 9 × 9 cells: check Output resolution (RESOLUTION) and its unit, or "
        "choose less.",
    ),
    (
        "domain: /m.tif marks no cell of the output: cells that count must hold a number other than 0.",
        "Domain (DOMAIN): /m.tif marks no cell of the output: cells that count must hold a number other than "
        "0.",
    ),
    (
        "domain: the model counts no fine cell of the output, since it saw no truth there: choose another "
        "extent, or say which cells count (--domain).",
        "Domain (DOMAIN): the model counts no fine cell of the output, since it saw no truth there: choose "
        "another extent, or say which cells count (Domain (DOMAIN)).",
    ),
    # What the dialog has no parameter for, and what only looks like an option, stays.
    ("The CRS 'x' is unknown: give --crs.", "The CRS 'x' is unknown: give --crs."),
    ("/a/run --dates.tif cannot be read (pip install --force-reinstall pyproj).",) * 2,
    (
        "target: /data/x--date.tif: the file does not exist.",
        f"{TARGET}: /data/x--date.tif: the file does not exist.",
    ),
]


@pytest.mark.parametrize(("engine", "dialog"), SENTENCES)
def test_sentences_name_the_dialogs_parameters(qgis_app, engine, dialog):
    from msr_plugin.algorithms.dialog_words import DialogWords

    assert DialogWords(PARAMETERS, INPUTS)(engine) == dialog


def test_every_option_of_the_command_line_is_a_parameter_of_some_dialog(provider):
    from msr_plugin.algorithms.dialog_words import OPTIONS

    names = {d.name() for a in provider.algorithms() for d in a.parameterDefinitions()}
    assert set(OPTIONS.values()) <= names


def test_no_sentence_of_the_engine_names_an_option_that_is_not_translated(root):
    from msr_plugin.algorithms import told
    from msr_plugin.algorithms.dialog_words import OPTIONS

    foreign = {"force-reinstall", "cnk_dmn"}  # of pip and of ncks
    elsewhere = ("commands", "cluster")  # what no dialog reaches
    files = [f for f in (root / "engine").rglob("*.py") if f.parent.name not in elsewhere]
    named = {o for f in files for o in re.findall(r"(?<![\w-])--([a-z][a-z_-]+)", f.read_text("utf-8"))}
    assert {"units", "scale", "factor"} <= named
    assert named <= {*OPTIONS, *told.KEYS, *foreign}


def test_a_run_that_fails_and_a_warning_name_the_labels(provider, write_raster, tmp_path, feedback):
    import numpy
    import processing
    from qgis.core import QgsProcessingException

    target = write_raster("below.tif", numpy.full((6, 6), -3.0))
    parameters = {"TARGET": target, "METHOD": "bilinear", "FACTOR": 2, "OUTPUT": str(tmp_path / "fine.tif")}
    with pytest.raises(QgsProcessingException) as caught:
        processing.run("msr:baseline", {**parameters, "QUANTITY": "nonnegative"}, feedback=feedback)
    told = str(caught.value)
    assert told.startswith("Target raster (coarse) (TARGET): ") and "(QUANTITY)" in told

    wide = write_raster("wide.tif", numpy.ones((20, 24)), resolution=1.0)
    grid = {"EXTENT": "0,60,30,50 [EPSG:4326]", "RESOLUTION": 0.5, "QUANTITY": "auto"}
    processing.run("msr:baseline", {**parameters, "TARGET": wide, **grid}, feedback=feedback)
    low = [text for text in feedback.said["warning"] if "cover" in text]
    assert low and all(text.startswith("Target raster (coarse) (TARGET)") for text in low), feedback.said
