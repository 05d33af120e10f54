"""The main job on real data, from rasters to rasters, through QGIS.

Writes the ITU-R maps of November as rasters, runs the shipped model's algorithm on them with
qgis_process, and the simple methods through the engine; then compares each output file with the
truth and draws the maps.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from torch import Tensor

from engine.commands.options import Parser
from engine.errors import EngineError
from engine.feedback import Silent
from engine.fields.patch import Patch
from engine.files.root import ROOT
from engine.methods.registry import BASELINES, baseline, variants
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reference import RasterRef
from engine.specs import TargetSpec
from training.console.command import main
from training.console.needed import load
from training.data.archive import Archive, block_mean
from training.data.export import export
from training.data.patches import View
from training.data.readers import load_archive
from training.data.region import Region
from training.data.split import split_archive
from training.demo.qgis_headless import make_profile, run_algorithm
from training.evaluation.predict import Case
from training.evaluation.scores import Score
from training.figures.close_up import draw_close_up
from training.figures.maps import draw
from training.metrics.distribution.scale import truth_scale
from training.metrics.pointwise.residual import ConservationResidual
from training.metrics.registry import METRICS
from training.schema.config import Config, load_config

CONFIG = ROOT / "training" / "configs" / "rain_itur.yaml"  # the shipped model's
MONTH = 11  # one that no method has seen
CLOSE_UP = (94.0, -12.0, 134.0, 10.0)  # west, south, east, north: mountainous islands
MEASURES = ("rmse", "mae", "js_distance")
WITHOUT = "-without-climatology"
DRAWN = ("bicubicsmooth", "climatologyratio-conservative")
CLOSE = "bicubicsmooth"  # what the model without climatology stands on


@dataclass(frozen=True)
class MethodResult:
    """One method's output file and how far it is from the truth."""

    name: str
    title: str
    path: Path
    values: dict[str, float]
    residual: float  # largest |mean of a coarse cell's fine cells − coarse cell|


def say(text: str) -> None:
    """Tell what happens; standard output is for the results."""
    print(f"demo: {text}", file=sys.stderr, flush=True)


def run_model(id: str, rasters: Mapping[str, Path], sources: Sequence[str], output: Path) -> None:
    """Run the model's algorithm in QGIS.

    Raises:
        EngineError: QGIS or the algorithm failed.
    """
    parameters = {"TARGET": str(rasters["target"]), "DATE": f"--{MONTH}", "OUTPUT": str(output)}
    parameters |= {f"SOURCE_{name.upper()}": str(rasters[name]) for name in sources}
    results = run_algorithm(f"msr:{id}", parameters, make_profile(output.parent / "qgis"))
    if not output.is_file():
        raise EngineError(f"msr:{id} left no {output}; it returned {results}.")


def run_baseline(
    name: str, factor: int, conservation: float, rasters: Mapping[str, Path], output: Path
) -> None:
    """Run one simple method through the engine's pipeline."""
    wanted = baseline(name, factor, TargetSpec("target", "")).sources
    sources = {source.name: RasterRef(str(rasters[source.name])) for source in wanted}
    request = SuperResolveRequest(
        model=name,
        target=RasterRef(str(rasters["target"])),
        output=str(output),
        sources=sources,
        factor=factor,
        date=f"--{MONTH}",
        conservation=conservation,
    )
    super_resolve(request, Silent())


def measure(name: str, title: str, path: Path, archive: Archive) -> MethodResult:
    """Compare an output file with the truth.

    Raises:
        EngineError: the output has another shape, or cells without a value.
    """
    truth, coarse = archive.fine[MONTH - 1], archive.coarse[MONTH - 1]
    with rasterio.open(path) as raster:
        field = raster.read(1, masked=True).astype(np.float32).filled(np.nan)
    if field.shape != truth.shape or not np.isfinite(field).all():
        raise EngineError(f"{path} has {field.shape} cells, {np.isnan(field).sum()} of them without a value.")
    values, scale = {}, truth_scale(truth)
    for measure_name in MEASURES:
        metric = METRICS[measure_name](scale)
        metric.update(field, truth)
        values[measure_name] = metric.compute()
    residual = ConservationResidual()
    residual.update(block_mean(field, archive.factor), coarse)
    return MethodResult(name, title, path, values, residual.compute())


def run_all(folder: Path, config: Config, archive: Archive) -> list[MethodResult]:
    """Make the rasters, run every method, and return the outcomes, the model's last."""
    say(f"writing the rasters of month {MONTH} to {folder}")
    rasters = export(archive, folder, MONTH - 1, split_archive(config, archive).test_view)
    outcomes: list[MethodResult] = []
    rule = config.target.conservation
    target = TargetSpec(archive.target_name, archive.units, conservation=rule)
    for id, info in BASELINES.items():
        if not info.suits(target):
            continue
        for name, title, strength in variants(id, target):
            say(f"running {name}")
            path = folder / f"output_{name}.tif"
            run_baseline(id, archive.factor, strength, rasters, path)
            outcomes.append(measure(name, title, path, archive))
    model, sources = config.model.id, [source.name for source in config.sources]
    fewer = [name for name in sources if name != "climatology"]
    for name, title, given in (
        (model + WITHOUT, f"{model}, without climatology", fewer),
        (model, f"{model}, all sources", sources),
    ):
        say(f"running msr:{model} through qgis_process, with {', '.join(given)}")
        path = folder / f"output_{name}.tif"
        path.unlink(missing_ok=True)  # so that what stands there afterwards is this run's
        run_model(model, rasters, given, path)
        outcomes.append(measure(name, title, path, archive))
    return outcomes


def draw_maps(folder: Path, archive: Archive, outcomes: Sequence[MethodResult]) -> Path:
    """Draw the world with the methods' errors, and a close-up of the model beside what it stands on.

    Returns:
        The first picture.
    """
    model = outcomes[-1]
    best = min(outcomes[:-2], key=lambda outcome: outcome.values["rmse"])
    drawn = {*DRAWN, best.name, model.name + WITHOUT, model.name}
    scores = []
    for outcome in outcomes:
        if outcome.name in drawn:
            with rasterio.open(outcome.path) as raster:
                fields = raster.read([1])
            case = Case(outcome.name, outcome.title, _from_file, 0, View(()), 1.0)
            scores.append(Score(case, outcome.values, fields))
    world = folder / "maps.png"
    draw(world, archive, Region((MONTH - 1,), (0, archive.shape[1])), scores)
    close = [
        (f"{s.case.title} (RMSE {s.values['rmse']:.2f})", s.kept[0])
        for s in scores
        if s.case.name in (CLOSE, best.name, model.name + WITHOUT, model.name)
    ]
    draw_close_up(folder / "close_up.png", archive, MONTH - 1, CLOSE_UP, close)
    return world


def _from_file(patch: Patch) -> Tensor:
    """Stand where a case has its method: these fields came from files."""
    raise EngineError(f"A field read from a file cannot be predicted again ({patch.factor} times finer).")


def table(outcomes: Sequence[MethodResult], units: str) -> str:
    """Return the comparison as text, one method a line."""
    width = max(len(outcome.title) for outcome in outcomes)
    lines = [f"{'month ' + str(MONTH):{width}}  {'RMSE':>7}  {'MAE':>7}  {'JS':>7}   (RMSE, MAE in {units})"]
    for outcome in outcomes:
        v = outcome.values
        lines.append(f"{outcome.title:{width}}  {v['rmse']:7.3f}  {v['mae']:7.3f}  {v['js_distance']:7.4f}")
    return "\n".join(lines)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = Parser(prog="./dev demo", description=__doc__.split("\n\n")[1])
    parser.add_argument("--json", action="store_true", help="print the results as JSON on the last line")
    parser.add_argument("--output", type=Path, default=ROOT / "demo", help="folder (default: demo)")
    options = parser.parse_args(arguments)
    load("matplotlib")
    folder = options.output.absolute()
    config = load_config(CONFIG)
    archive = load_archive(config)
    outcomes = run_all(folder, config, archive)
    say("drawing the maps")
    picture = draw_maps(folder, archive, outcomes)
    model = outcomes[-1]
    truth = folder / f"{archive.target_name}_{MONTH:02d}_truth.tif"
    if options.json:
        methods = {outcome.name: outcome.values for outcome in outcomes}
        print(
            json.dumps(
                {
                    "output": str(model.path),
                    "truth": str(truth),
                    "maps": str(picture),
                    "methods": methods,
                    "conservation_residual": model.residual,
                }
            )
        )
        return 0
    print(table(outcomes, archive.units))
    print(f"conservation residual  {model.residual:.1e} {archive.units} (largest over the coarse cells)")
    print(f"output  {model.path}\ntruth   {truth}\nmaps    {picture}, close_up.png")
    return 0


if __name__ == "__main__":
    main(run)
