"""Everything that is measured of a configuration's test region: all methods, with intervals.

`evaluate_all` is what the command, the report and other programs call; it prints nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from engine.cluster.parts_request import PartsRequest
from engine.errors import InputError
from engine.package.folder import Package
from engine.specs import TargetSpec
from training.bias.corrected import Correction
from training.bias.strength import with_strength
from training.data.archive import Archive
from training.data.normalisation import target_spec
from training.data.split import Split
from training.evaluation.block_errors import Contrasts, independent, paired_intervals
from training.evaluation.bootstrap import Interval
from training.evaluation.change import ChangeSignal, change_signal
from training.evaluation.compared.date_task import score_on_cluster
from training.evaluation.compared.methods import compared_methods, fitted_cases
from training.evaluation.predict import Case
from training.evaluation.scores import Score, Scoring, members_name, plan_scores, score_together
from training.evaluation.shape_errors import MEASURES, shape_intervals
from training.schema.config import Config

MEMBERS = 16
SAMPLES = 2000  # of the bootstrap
FEWEST_BLOCKS = 8  # that an interval should rest on
GROUPS = {"simple": "Simple methods", "learned": "Learned baselines", "model": "The model"}


def few_blocks(dates: int | None, places: int | None) -> str:
    """Return which of both are fewer than `FEWEST_BLOCKS`, in words; "" where none is known to be."""
    counts = ((dates, "date"), (places, "place"))
    few = [(n, word) for n, word in counts if n is not None and n < FEWEST_BLOCKS]
    return ", ".join(f"{n} {word}{'s' if n != 1 else ''} only" for n, word in few)


@dataclass(frozen=True)
class Comparison:
    """A method against another, on one measure, each with its 95 % interval.

    `against` is the other's measure where that differs: a CRPS is compared with a mean absolute error,
    which is what the CRPS of a single field is.
    """

    method: str
    reference: str
    measure: str
    against: str
    difference: Interval
    ratio: Interval
    dates: int = 0  # blocks of dates that may be taken as independent of each other
    places: int = 0

    @property
    def few(self) -> str:
        """What the intervals rest on, where it is less than `FEWEST_BLOCKS`; "" where it is enough."""
        return few_blocks(self.dates, self.places)


@dataclass
class Evaluation:
    """All numbers of one configuration's test region.

    Attributes:
        config, archive, split: what was tested on what.
        model: id of the model, None without.
        scores: of every method, in the order of the table.
        targets: how each method's target is described (bounds, conservation), by the method's name.
        reference: name of the simple method with the lowest RMSE.
        members, seed, samples: of ensembles, and of the bootstrap.
        change: of the truth and of every method from training to test dates, where that was asked for.
        correction: of the coarse product, where there is one.
    """

    config: Config
    archive: Archive
    split: Split
    model: str | None
    scores: list[Score]
    targets: dict[str, TargetSpec]
    reference: str
    members: int
    seed: int
    samples: int
    change: ChangeSignal | None = None
    correction: Correction | None = None

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Paired differences with intervals, computed when first asked for."""
        return list(_comparisons(self))

    def score(self, name: str) -> Score:
        """Return a method's score.

        Raises:
            KeyError: there is no such method.
        """
        for candidate in self.scores:
            if candidate.case.name == name:
                return candidate
        raise KeyError(name)

    def compare(self, method: str, reference: str, measure: str = "rmse", against: str = "") -> Comparison:
        """Return one method against another; NaN intervals where they were scored on different cells.

        Args:
            method, reference: names.
            measure: rmse, mae, bias; of ensembles crps too; js_distance and ralsd where further metrics
                were taken.
            against: the reference's measure, if another.

        Raises:
            KeyError: there is no such method.
        """
        a, b, other = self.score(method).measured, self.score(reference).measured, against or measure
        try:
            if measure not in MEASURES:
                contrasts = paired_intervals(
                    a.blocks, b.blocks, measure, self.samples, seed=self.seed, other=other
                )
            elif a.shapes is not None and b.shapes is not None:
                contrasts = shape_intervals(a.shapes, b.shapes, measure, self.samples, seed=self.seed)
            else:
                raise ValueError("no further metrics were taken")
        except ValueError:  # no pair
            unknown = Interval(math.nan, math.nan, math.nan)
            contrasts = Contrasts(unknown, unknown)
        return Comparison(method, reference, measure, other, *contrasts, *independent(a.blocks))

    def to_json(self) -> dict[str, Any]:
        """Return every number as JSON holds it; what is not a number is null."""
        return {
            "model": self.model,
            "units": self.archive.units,
            "methods": {s.case.name: {k: _number(v) for k, v in s.values.items()} for s in self.scores},
            "titles": {s.case.name: s.case.title for s in self.scores},
            "data": self.archive.name,
            "simulated": self.archive.simulated,
            "dates": [self.archive.dates[t] for t in self.split.test.times],
            "reference": self.reference,
            **({} if self.change is None else {"change": self.change.to_json()}),
            **({} if self.correction is None else {"bias": self.correction.to_json()}),
            "comparisons": [_comparison(c) for c in self.comparisons],
            "ensembles": {s.case.name: ensemble_values(s) for s in self.scores if s.members},
            "by_date": {
                s.case.name: {
                    self.archive.dates[t]: {k: _number(v) for k, v in numbers.items()}
                    for t, numbers in s.measured.dates.items()
                }
                for s in self.scores
            },
            "by_elevation": {
                s.case.name: [
                    {k: _number(v) for k, v in asdict(band).items()} for band in s.measured.bands.compute()
                ]
                for s in self.scores
                if s.measured.bands is not None
            },
        }


def ensemble_values(score: Score) -> dict[str, float | int | None]:
    """Return the numbers of a score's ensemble."""
    return {"members": score.members, **{n: _number(m.compute()) for n, m in score.ensemble.items()}}


def _comparison(one: Comparison) -> dict[str, Any]:
    return {
        "method": one.method,
        "reference": one.reference,
        "measure": one.measure,
        "against": one.against,
        "dates": one.dates,
        "places": one.places,
        **{
            statistic: {k: _number(v) for k, v in getattr(one, statistic)._asdict().items()}
            for statistic in ("difference", "ratio")
        },
    }


def _number(value: float) -> float | int | None:
    return value if math.isfinite(value) else None


def evaluate_all(
    config: Config,
    archive: Archive,
    split: Split,
    package: Package | None = None,
    compare: Sequence[Package] = (),
    trees: bool = True,
    further: bool = True,
    members: int = MEMBERS,
    seed: int = 0,
    samples: int = SAMPLES,
    tell: Callable[[str], None] | None = None,
    change: Sequence[str] | None = None,
    correction: Correction | None = None,
    cluster: PartsRequest | None = None,
) -> Evaluation:
    """Score every method on the test region and compare them.

    Simple methods that the split allows, a regression on the coarse cells around among them; boosted
    trees; packages to compare with; what the model stands on, where its card names it; the model with all
    its sources and without them; of models with noise also the mean of the members and one member.
    Compared are all methods with the strongest simple one, the model with its base and with itself when
    sources are withheld, and an ensemble's CRPS with mean absolute errors.

    Args:
        config, archive, split: what is tested on what; networks compute on the configuration's device.
        package: the model; None: without one.
        compare: further packages of the same factor.
        trees: whether to fit them (a minute or so).
        further: take every metric there is.
        members: drawn for each time from a model with noise; 0 or at least 2.
        seed: of draws and bootstrap.
        samples: of the bootstrap.
        tell: is told each date before it is scored.
        change: measure the change to the test dates too: from the first to the last date given, or, where
            none is, from the training dates; None: do not.
        correction: of the coarse product that the archive holds; None: none.
        cluster: whose workers score the test dates; None: this process.

    Raises:
        InputError: two packages share an id, or one member is asked for.
        EngineError: the cluster has gone, or no worker comes.
    """
    if members == 1:
        raise InputError("One member tells nothing of an ensemble: ask for at least two, or for none.")
    if package is not None:
        target = package.card.target
    else:
        target = with_strength(config, archive, split, target_spec(config, archive, split))
    fitted = fitted_cases(config, archive, split, target, trees, tell)
    methods = compared_methods(config, archive, split, target, fitted, package, compare)
    scoring = Scoring(plan_scores(archive, split.test, further), members, seed)
    scores: list[Score] = []
    targets: dict[str, TargetSpec] = {}
    if cluster is None:
        together = score_together(methods, archive, split.test, scoring, tell)
    else:
        together = score_on_cluster(
            cluster,
            config,
            archive,
            split,
            correction is not None,
            methods,
            target,
            fitted,
            (package, compare),
            scoring,
            tell,
        )
    for (_, described), own in zip(methods, together):
        scores += own
        targets.update({s.case.name: described for s in own})
    candidates = [s for s in scores if s.case.group == "simple"]
    reference = min(candidates, key=lambda s: _or_infinite(s.values["rmse"])).case.name
    return Evaluation(
        config,
        archive,
        split,
        package.card.id if package else None,
        scores,
        targets,
        reference,
        members,
        seed,
        samples,
        _change(methods, archive, split, change, tell),
        correction,
    )


def _change(
    methods: Sequence[tuple[Case, TargetSpec]],
    archive: Archive,
    split: Split,
    wanted: Sequence[str] | None,
    tell: Callable[[str], None] | None,
) -> ChangeSignal | None:
    if wanted is None:
        return None
    earlier = (wanted[0], wanted[-1]) if wanted else None
    return change_signal(methods, archive, split, tell, earlier)


def _comparisons(evaluation: Evaluation) -> Iterable[Comparison]:
    reference, model = evaluation.reference, evaluation.model
    for score in evaluation.scores:
        name = score.case.name
        if name != reference:
            yield evaluation.compare(name, reference, "rmse")
            yield evaluation.compare(name, reference, "mae")
        if score.case.group != "simple" and score.measured.shapes is not None:
            for measure in MEASURES:
                yield evaluation.compare(name, reference, measure)
        if score.members:
            yield evaluation.compare(name, reference, "crps", "mae")
            yield evaluation.compare(name, name, "crps", "mae")
            yield evaluation.compare(name, members_name(name, "mean"), "spread", "rmse")
        if model and (score.case.given != "all" or name == f"{model}-base"):
            yield evaluation.compare(model, name, "rmse")


def _or_infinite(value: float) -> float:
    return value if math.isfinite(value) else math.inf
