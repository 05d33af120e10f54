"""Odd surroundings: variables, folders, streams and locales that people and systems have set."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.torture.case import Case
from tests.torture.forms.geotiff import write_tif
from tests.torture.generators.question import draw
from tests.torture.generators.rasters import choose
from tests.torture.generators.shared import Shared
from tests.torture.running.surroundings import Folders

Changes = dict[str, str | None]
# (variables, whether a clear refusal is as good as the same output)
VARIABLES: tuple[tuple[Changes, bool], ...] = (
    ({"GDAL_DATA": "/nowhere"}, True),
    ({"PROJ_DATA": "/nowhere", "PROJ_LIB": "/nowhere"}, True),
    ({"PROJ_LIB": "/usr/share/proj", "PROJ_DATA": "/usr/share/proj"}, True),
    ({"PROJ_NETWORK": "ON"}, False),
    ({"GDAL_DRIVER_PATH": "/usr/lib/gdalplugins"}, False),
    ({"GDAL_SKIP": "GTiff"}, True),
    ({"GDAL_SKIP": "netCDF,VRT,PNG"}, True),
    ({"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}, False),
    ({"GDAL_CACHEMAX": "0"}, False),
    ({"GDAL_CACHEMAX": "lots"}, False),
    ({"GDAL_NUM_THREADS": "ALL_CPUS"}, False),
    ({"GDAL_PAM_ENABLED": "NO"}, False),
    ({"GDAL_PAM_PROXY_DIR": "/nowhere"}, False),
    ({"GDAL_NETCDF_BOTTOMUP": "NO"}, False),
    ({"GDAL_NETCDF_IGNORE_XY_AXIS_NAME_CHECKS": "YES"}, False),
    ({"GTIFF_POINT_GEO_IGNORE": "TRUE"}, False),
    ({"GTIFF_SRS_SOURCE": "GEOKEYS"}, False),
    ({"GTIFF_REPORT_COMPD_CS": "TRUE"}, False),
    ({"GRIB_NORMALIZE_UNITS": "NO"}, False),
    ({"GDAL_GEOREF_SOURCES": "NONE"}, True),
    ({"GDAL_TIFF_INTERNAL_MASK": "YES"}, False),
    ({"GDAL_VRT_ENABLE_PYTHON": "YES"}, False),
    ({"GDAL_TIFF_OVR_BLOCKSIZE": "7"}, True),
    ({"OSR_DEFAULT_AXIS_MAPPING_STRATEGY": "AUTHORITY_COMPLIANT"}, False),
    ({"CPL_DEBUG": "ON"}, False),
    ({"CPL_LOG": "/nowhere/log", "CPL_DEBUG": "ON"}, False),
    ({"CPL_TMPDIR": "/nowhere"}, False),
    ({"CPL_VSIL_USE_TEMP_FILE_FOR_RANDOM_WRITE": "YES"}, False),
    ({"VSI_CACHE": "TRUE", "VSI_CACHE_SIZE": "1"}, False),
    ({"TMPDIR": "/nowhere"}, True),
    ({"TMPDIR": "/proc"}, True),
    ({"HOME": None}, False),
    ({"HOME": "/nowhere"}, False),
    ({"HOME": "/dev/null"}, False),
    ({"MSR_CACHE": "/proc/cache"}, False),
    ({"MSR_CACHE": "/dev/null"}, False),
    ({"MSR_CACHE": ""}, False),
    ({"MSR_MODELS": "/nowhere:/dev/null::/etc/passwd"}, False),
    ({"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, False),
    ({"LC_ALL": "de_DE.UTF-8", "LC_NUMERIC": "de_DE.UTF-8"}, False),
    ({"LC_ALL": "tr_TR.UTF-8"}, False),
    ({"LC_ALL": "nonsense"}, False),
    ({"PYTHONIOENCODING": "ascii"}, False),
    ({"PYTHONIOENCODING": "utf-16"}, True),
    ({"PYTHONOPTIMIZE": "2"}, False),
    ({"PYTHONHASHSEED": "1"}, False),
    ({"PYTHONWARNINGS": "always"}, True),
    ({"PYTHONDEVMODE": "1"}, True),
    ({"TZ": "Nowhere/Never"}, False),
    ({"OMP_NUM_THREADS": "0"}, True),
    ({"OMP_NUM_THREADS": "words"}, True),
    ({"OMP_NUM_THREADS": "1000"}, False),
    ({"CUDA_VISIBLE_DEVICES": "77"}, False),
    ({"COLUMNS": "1", "TERM": "dumb"}, False),
    ({"COLUMNS": "-5"}, False),
    ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
    ({"XDG_CACHE_HOME": "/dev/null", "MSR_CACHE": None}, False),
    ({"http_proxy": "http://127.0.0.1:1"}, False),
    ({"PATH": ""}, False),
)
_STREAMS = (
    {"stdin": "closed"},
    {"stdin": "/dev/zero"},
    {"stdout": "/dev/full"},
    {"stderr": "/dev/full"},
    {"stdout": "closed"},
    {"stderr": "closed"},
)


def make(rng: np.random.Generator, folders: Folders, shared: Shared) -> Case:
    """Run a good request in odd surroundings, in a process from nothing."""
    question = draw(
        rng, folders.inputs / "plain", shared, ("bicubic", "bicubicsmooth", "elevationregression", "tinyrain")
    )
    form = choose(rng, question.world)
    written = form.write(question.world, folders.inputs, rng)
    if form.name == "band order":  # by date: all of them come in the file's order
        question.choose_date(int(rng.integers(len(question.world.dates))))
    if written.may_refuse or written.unitless:
        path = str(write_tif(folders.inputs / "target.tif", question.world))
    else:
        path = written.path
    plain, output = folders.inputs / "plain.out.tif", folders.outputs / "fine.tif"
    argv = ["super-resolve", "--model", question.model, "--output", str(output), "--device", "cpu"]
    argv += ["--precision", "float32", "--json"]
    band = question.request["target"].get("band")
    argv += ["--target", path + (f"#{band}" if band else "")]
    if "factor" in question.request:
        argv += ["--factor", str(question.factor)]
    for name, option in (("date", "--date"), ("quantity", "--quantity")):
        if name in question.request:
            argv += [option, question.request[name]]
    if question.request.get("all_dates"):
        argv.append("--all")
    for folder in question.request.get("models", []):
        argv += ["--models", folder]
    for name in question.sources:
        argv += ["--source", f"{name}={question.files[name]}"]
    case = Case(
        kind="environments",
        what="",
        way="process",
        module="engine",
        argv=argv,
        plain=question.asked(plain),
        good=question.good(output, plain),
        outputs=("fine.tif",),
        status=(1, 2),
        seconds=120,
    )
    if written.crs:  # the command line has no word for it
        argv[argv.index("--target") + 1] = str(question.files["target"]) + (f"#{band}" if band else "")
    _surround(rng, case, folders, output)
    return case


def _surround(rng: np.random.Generator, case: Case, folders: Folders, output: Path) -> None:
    how = str(rng.choice(["variables"] * 6 + ["streams", "cwd", "cwd"]))
    if how == "variables":
        for _ in range(int(rng.choice([1, 1, 2]))):
            changes, may = VARIABLES[int(rng.integers(len(VARIABLES)))]
            case.environment |= changes
            case.refusal = "may" if may or case.refusal == "may" else "never"
        case.what = str(case.environment)
    elif how == "streams":
        case.streams = dict(_STREAMS[int(rng.integers(len(_STREAMS)))])
        case.what = f"{case.streams}"
        if "stdout" in case.streams or "stderr" in case.streams:
            case.refusal, case.status = "any", (0, 1, 2)
    else:
        here = folders.case / "elsewhere"
        here.mkdir()
        case.cwd = str(here)
        names = [str(output), *(w for w in case.argv if str(folders.inputs) in w)]
        if rng.random() < 0.7:  # relative paths mean the caller's folder
            case.argv = [
                _relative(word, folders) if word in names or "=" in word else word for word in case.argv
            ]
        case.what = f"from another folder: {case.argv[case.argv.index('--target') + 1]}"


def _relative(word: str, folders: Folders) -> str:
    if word.startswith(("NETCDF:", "/vsi")):
        return word
    return word.replace(str(folders.case), "..")
