"""Which method a request means, and the models that stay loaded between requests."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from odc.geo.geobox import GeoBox

from engine.aggregation import Aggregation
from engine.bias.correction import BiasCorrection, package_factors, package_grid
from engine.compute.devices import PrecisionPlan, choose_device
from engine.errors import InputError
from engine.feedback import Feedback
from engine.methods.interface import CLIMATOLOGY, Method, check_sources
from engine.methods.registry import BASELINES, baseline
from engine.package.card import Card
from engine.package.folder import Package, find_package
from engine.pipeline.factor_of_grid import factor_of_grid
from engine.pipeline.infer_target import infer_target
from engine.pipeline.own_sources import kind_in_words, own_sources
from engine.pipeline.request import SuperResolveRequest
from engine.raster.aggregated import open_dated
from engine.raster.grids import Grids, resolution_metres
from engine.raster.raster_file import go_on
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef, ShippedRaster
from engine.specs import OwnSource, SourceSpec, TargetSpec

_KEPT = 2  # models
_METRES_PER_DEGREE = 111_195.0
_RESOLUTION_SLACK = 1.3  # times coarser or finer than trained, before a warning


@dataclass(frozen=True)
class Choice:
    """A model package or a baseline, before its weights are read."""

    id: str
    factor: int
    target: TargetSpec
    sources: tuple[SourceSpec, ...]
    package: Package | None = None
    shipped: dict[str, RasterRef] = field(default_factory=dict)
    domain: RasterRef | None = None  # the package's raster of the fine cells that count
    season: bool = False  # the network sees the day of year

    @property
    def units(self) -> str:
        """Units that the target is read in; "" keeps the file's."""
        return self.target.units if self.package else ""

    @property
    def any_sources(self) -> bool:
        """Whether it takes whatever rasters the user gives."""
        return self.package is None and BASELINES[self.id].any_sources

    def for_target(self, raster: Raster, request: SuperResolveRequest) -> Choice:
        """Return the choice with a baseline's target described from the raster itself; see `infer_target`.

        So are the sources of a method that takes any; see `own_sources`.
        """
        if self.package is not None:
            return self
        target = infer_target(raster, request.quantity, request.sources.get(CLIMATOLOGY))
        if self.any_sources:
            return replace(self, target=target, sources=own_sources(request, raster))
        return replace(self, target=target, sources=tuple(baseline(self.id, self.factor, target).sources))

    def method(self) -> Method:
        """Return the method of a baseline."""
        made = baseline(self.id, self.factor, self.target)
        if self.any_sources:
            made.sources = self.sources
        return made

    def correction(self) -> BiasCorrection | None:
        """Return what corrects the target before all else, None where it is taken as it is.

        Raises:
            PackageError: the package's factors are damaged.
        """
        factors = None if self.package is None else package_factors(self.package)
        if self.package is None or factors is None:
            return None
        return BiasCorrection(factors, package_grid(self.package))

    def taken_as(self) -> dict[str, str]:
        """Return as what each source was taken, in words, where its file or the user decided."""
        return {
            source.name: kind_in_words(source) for source in self.sources if isinstance(source, OwnSource)
        }

    def check(self, given: set[str]) -> None:
        """Refuse a request that lacks a required source.

        Raises:
            InputError: names the source.
        """
        check_sources(self.sources, given, self.id)

    def check_ensemble(self, request: SuperResolveRequest) -> None:
        """Refuse an ensemble of a method that gives one estimate only.

        Raises:
            InputError: names the method.
        """
        if request.ensemble is None or (self.package is not None and self.package.card.ensemble):
            return
        if self.package is None:
            other = "ask for its expected error, or " if BASELINES[self.id].tells_error else ""
            raise InputError(
                f"The simple method {self.id} gives one estimate, no ensemble: {other}choose a model."
            )
        raise InputError(
            f"The model {self.id} gives one estimate, no ensemble: choose a model with a noise input."
        )

    def check_expectation(self, request: SuperResolveRequest) -> None:
        """Refuse what a method does not tell, and kinds of sources that it knows already.

        Raises:
            InputError: names the method, and what it was asked.
        """
        fitted = [id for id, info in BASELINES.items() if info.tells_error]
        if self.package is not None or self.id not in fitted:
            draws = self.package is not None and self.package.card.ensemble
            members = " Of its members, support and spread tell as much." if draws else ""
            for key, what in (("expected_error", "expected error"), ("supported_share", "supported share")):
                if getattr(request, key):
                    raise InputError(
                        f"{key}: {self.id} does not tell its {what}: leave it out, or choose "
                        f"{' or '.join(fitted)}.{members}"
                    )
        said = [] if self.any_sources else [n for n, ref in request.sources.items() if ref.kind]
        if said:
            raise InputError(f"{said[0]}: {self.id} knows the kind of its sources: leave kind out.")

    def precision(self, method: Method) -> str:
        """Return the precision that the network ran in, and by what where that is not torch."""
        compiled = getattr(method.module, "compiled", None) is not None
        return f"{method.plan.precision}{' by OpenVINO' if compiled else ''}"

    def warnings(self, grids: Grids) -> list[str]:
        """Say when a model adds nothing, or the grid is much coarser or finer than the one in training."""
        if self.package is None:
            return []
        shares, told = self.package.card.shares, []
        if shares and not any(shares):
            measured = "gain" in self.package.card.raw["cascade"]
            why = "showed no gain from scale to scale" if measured else "could not be tried further down"
            told.append(f"The model {self.id} adds no detail to interpolation: what it learned {why}.")
        wanted, given = trained_metres(self.package.card), resolution_metres(grids.coarse)
        if resolution_fits(self.package.card, grids.coarse):
            return told
        return [
            *told,
            f"The coarse cells are {given / 1000:.3g} km, but training had {wanted / 1000:.3g} km: its "
            "detail may not fit.",
        ]


def trained_metres(card: Card) -> float:
    """Return the size of the coarse cells that a model was trained on."""
    unit = _METRES_PER_DEGREE if card.resolution.get("units", "metre").startswith("deg") else 1.0
    return float(card.resolution["coarse"]) * unit


def resolution_fits(card: Card, coarse: GeoBox) -> bool:
    """Return whether coarse cells are about as large as those that a model was trained on."""
    return 1 / _RESOLUTION_SLACK < resolution_metres(coarse) / trained_metres(card) < _RESOLUTION_SLACK


class ModelCache:
    """Keeps the last models loaded, since a worker serves run after run."""

    def __init__(self) -> None:
        self._models: OrderedDict[tuple[str, ...], Method] = OrderedDict()

    def method(
        self,
        choice: Choice,
        request: SuperResolveRequest,
        feedback: Feedback,
        plan: PrecisionPlan | None = None,
    ) -> Method:
        """Return the method of a choice, loaded and ready on the device asked for.

        Args:
            choice: which.
            request: of the run.
            feedback: of the run.
            plan: precision and layout; None: the fastest of those that the request allows.

        Raises:
            InputError: there is no such device.
            PackageError: the weights are damaged or do not fit the card's network.
        """
        if choice.package is None:
            return choice.method()
        from engine.models.loading import load_model  # baselines do without

        device = choose_device(request.device)
        package = choice.package
        key = (str(package.folder), package.sha256, str(device), str(plan or request.precision))
        if key not in self._models:
            while len(self._models) >= _KEPT:
                self._models.popitem(last=False)
            self._models[key] = load_model(package, device, plan, request.precision)
        self._models.move_to_end(key)
        return self._models[key]


def choose(request: SuperResolveRequest, check: Callable[[], None] | None = None) -> tuple[Choice, Raster]:
    """Return the method that a request means, and the target that it is for, open.

    Args:
        request: of the run.
        check: called between the pieces of every read; raises to stop.

    Raises:
        InputError: no such model or baseline, a factor that does not fit, an ensemble of a method
            that draws none, or a target that cannot be used.
    """
    choice = _named(request)
    choice.check_ensemble(request)
    choice.check_expectation(request)
    target = open_target(request, choice.units, choice.target.name, check or go_on)
    try:
        return choice.for_target(target, request), target
    except BaseException:
        target.close()
        raise


def open_target(
    request: SuperResolveRequest, units: str, quantity: str = "", check: Callable[[], None] = go_on
) -> Raster:
    """Open the target in some units, the steps of its dates made one where that is asked for.

    Raises:
        InputError: it cannot be used, or not so.
    """
    if request.aggregate and request.target.band is not None:
        raise InputError(
            f"target: band {request.target.band} is one step, so there is nothing to aggregate: leave "
            f"the band or aggregate out."
        )
    aggregation = Aggregation.parse(request.aggregate) if request.aggregate else None
    return open_dated(request.target, "target", units, aggregation, True, quantity, check)


def _named(request: SuperResolveRequest) -> Choice:
    """Return what `request.model` names; of a baseline's target nothing is known yet."""
    if request.model in BASELINES:
        factor = request.factor
        if factor is None:
            factor = factor_of_grid(request)
        if not 2 <= factor <= 100:
            raise InputError(f"The factor {factor} is not between 2 and 100.")
        return Choice(request.model, factor, TargetSpec("target", ""), ())
    package = find_package(request.model, request.models)
    card = package.card
    if request.factor not in (None, card.factor):
        raise InputError(f"The model {card.id} has the factor {card.factor}, not {request.factor}.")
    shipped = {s.name: package.default_raster(s.name) for s in card.sources}
    return Choice(
        card.id,
        card.factor,
        card.target,
        card.sources,
        package,
        {name: ShippedRaster(str(path)) for name, path in shipped.items() if path},
        None if package.domain_raster is None else ShippedRaster(str(package.domain_raster)),
        bool(card.network.get("season")),
    )
