"""Scores of methods on an archive: what was predicted, measured against the truth.

Truth and predictions are met a time at a time, and the members of an ensemble a tile at a time, so
that scoring needs no more memory than predicting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from engine.fields.patch import Patch
from engine.specs import TargetSpec
from training.data.archive import Archive
from training.data.patches import View
from training.data.region import Region, truth_of
from training.evaluation.measurements import BAND_EDGES, LEAST_SHARE, MeasurementPlan, Measurements
from training.evaluation.percentiles import streamed_scale
from training.evaluation.predict import Case, Members, Strip, coarse_means, empty_field, predicted_tiles
from training.evaluation.spread_bins import SpreadBins
from training.metrics.ensemble.crps import crps_cells
from training.metrics.metric import EnsembleMetric
from training.metrics.registry import ENSEMBLE_METRICS
from training.metrics.structure.field import Field

MOST_BLOCKS = 256  # of times, that scores are merged from


@dataclass
class Score:
    """A case's numbers, what they were computed from, and its fields, (T, h·k, w·k), where kept.

    `ensemble` holds the accumulated metrics of `members` draws, by name, and `spread` their error by
    classes of spread.
    """

    case: Case
    values: dict[str, float]
    fields: np.ndarray | None = field(default=None, repr=False)
    measurements: Measurements | None = field(default=None, repr=False)
    ensemble: dict[str, EnsembleMetric] = field(default_factory=dict, repr=False)
    spread: SpreadBins | None = field(default=None, repr=False)
    members: int = 0
    kind: str = "central"  # or, of an ensemble, mean or member

    @property
    def measured(self) -> Measurements:
        """What the numbers were computed from; raises ValueError where only the numbers are known."""
        if self.measurements is None:
            raise ValueError(f"of {self.case.name} only the numbers are known")
        return self.measurements

    @property
    def kept(self) -> np.ndarray:
        """The fields, (T, h·k, w·k); raises ValueError where they were not kept."""
        if self.fields is None:
            raise ValueError(f"the fields of {self.case.name} were not kept")
        return self.fields


def members_name(name: str, kind: str) -> str:
    """Return the name of what a case's members give: their mean, or the first of them (member)."""
    return f"{name}-{kind}"


def plan_scores(archive: Archive, region: Region, further: bool = False) -> MeasurementPlan:
    """Return what to measure over a region: ranges of its truth, bands of its elevation."""
    scale = streamed_scale(lambda: (truth_of(archive, region, time)[0] for time in region.times))
    source = archive.sources.get("elevation")
    if source is None or source.grid != "fine" or source.kind != "continuous" or source.dynamic:
        return MeasurementPlan(scale, further, archive.factor)
    elevation = np.asarray(source.array[0])[0][:, region.fine_columns(archive.factor)]
    truth, _ = truth_of(archive, region, region.times[0])
    edges = band_edges(np.where(np.isfinite(truth), elevation, np.nan))  # for cells that count
    return MeasurementPlan(scale, further, archive.factor, elevation, edges)


def band_edges(elevation: np.ndarray) -> tuple[float, ...]:
    """Return round edges of bands of elevation, each with a share of the cells worth a number.

    Args:
        elevation: metres, NaN where unknown.
    """
    known = elevation[np.isfinite(elevation)]
    if not known.size:
        return ()
    edges = [-np.inf]
    for edge in BAND_EDGES:
        inside = ((known >= edges[-1]) & (known < edge)).mean()
        if inside >= LEAST_SHARE and (known >= edge).mean() >= LEAST_SHARE:
            edges.append(float(edge))
    return (*edges, np.inf)


@dataclass(frozen=True)
class Scoring:
    """What is measured of each case, and how.

    Attributes:
        plan: what to measure; None: what `plan_scores` says of the region.
        members: draws for each time of a case that can draw; then also every metric of
            `training.metrics.registry.ENSEMBLE_METRICS`.
        seed: of the draws; each time has draws of its own.
        keep: keep the fields.
        tile: coarse cells along a tile's edge; None: by the factor.
    """

    plan: MeasurementPlan | None = None
    members: int = 0
    seed: int = 0
    keep: bool = False
    tile: int | None = None


def score(
    case: Case, archive: Archive, region: Region, target: TargetSpec, scoring: Scoring | None = None
) -> Score:
    """Measure one case over a region: the central estimate's score of `score_together`."""
    return score_together([(case, target)], archive, region, scoring)[0][0]


def score_together(
    methods: Sequence[tuple[Case, TargetSpec]],
    archive: Archive,
    region: Region,
    scoring: Scoring | None = None,
    tell: Callable[[str], None] | None = None,
) -> list[list[Score]]:
    """Measure several cases over a region, all of them at one time before any at the next.

    So what is asked of the truth is made once for all, and cases that differ in how far they conserve,
    and in nothing else, are predicted once.

    Args:
        methods: the cases, each with how its target is described.
        archive, region: on what.
        scoring: what, and how.
        tell: is told each time before it is scored.

    Returns:
        For each case the central estimate's score, with the ensemble's; where there were draws, also
        the scores of the mean of the members and of the first of them.
    """
    scoring = scoring or Scoring()
    scoring = replace(scoring, plan=scoring.plan or plan_scores(archive, region))
    totals = [CaseTotals(case, target, scoring) for case, target in methods]
    done = 0

    def begun(time: int) -> None:
        nonlocal done
        done += 1
        if tell:
            tell(f"{archive.dates[time]} ({done} of {len(region.times)})")

    for times in date_blocks(region):
        for total, one in zip(totals, score_block(methods, archive, region, scoring, times, begun)):
            total.merge(one)
    return [total.scores() for total in totals]


def date_blocks(region: Region) -> list[tuple[int, ...]]:
    """Return a region's times in blocks that are scored each by itself, and then merged in this order.

    Whoever scores them, the sums are made in the same order, so they are the same to the last digit.
    """
    parts = np.array_split(np.asarray(region.times), max(1, min(len(region.times), MOST_BLOCKS)))
    return [tuple(int(time) for time in part) for part in parts]


def score_block(
    methods: Sequence[tuple[Case, TargetSpec]],
    archive: Archive,
    region: Region,
    scoring: Scoring,
    times: Sequence[int],
    begun: Callable[[int], None] = lambda time: None,
) -> list[CaseTotals]:
    """Return what some times add to the numbers of each case.

    Args:
        methods, archive, region: as in `score_together`.
        scoring: with its plan.
        times: of the region.
        begun: is told each time before it is scored.
    """
    totals = [CaseTotals(case, target, scoring) for case, target in methods]
    alike: dict[object, list[CaseTotals]] = {}
    for one in totals:
        alike.setdefault(_prediction(one.case, one.target), []).append(one)
    for time in times:
        begun(time)
        values, coarse = truth_of(archive, region, time)
        truth = Field(values)
        for group in alike.values():
            cases, target = [one.case for one in group], group[0].target
            wholes = [one.begin(archive, region) for one in group]
            strip = Strip(time, region.columns, tile=scoring.tile)
            members = Members(group[0].members, scoring.seed + time)
            tiles = predicted_tiles(cases, archive, target, strip, members)
            for place, fields in tiles:
                for one, whole, drawn in zip(group, wholes, fields):
                    one.take(whole, place, drawn, values)
            for one, whole in zip(group, wholes):
                one.finish(time, whole, archive, truth, coarse)
    return totals


def _made_elsewhere(patch: Patch) -> Tensor:
    raise ValueError("this case predicts in another process")


def _prediction(case: Case, target: TargetSpec) -> object:
    """Return what two cases share that predict the same."""
    return case.predict, case.halo, case.view, case.member, case.draws, target


class CaseTotals:
    """What is gathered of one case: the numbers of its estimate and, where it draws, of its members.

    Args:
        case, target: what is scored.
        scoring: what is measured, its plan settled.
    """

    def __init__(self, case: Case, target: TargetSpec, scoring: Scoring) -> None:
        if scoring.plan is None:
            raise ValueError("what is measured is settled before a case is scored")
        self.case, self.target, self.keep = case, target, scoring.keep
        self.members = scoring.members if case.member is not None else 0
        kinds = ["central", "mean", "member"] if self.members else ["central"]
        self.measurements = {kind: Measurements(scoring.plan) for kind in kinds}
        self.kept: dict[str, list[np.ndarray]] = {kind: [] for kind in kinds}
        self.ensemble: dict[str, EnsembleMetric] = {}
        self.spread: SpreadBins | None = None
        if self.members:
            scale = scoring.plan.scale
            self.ensemble = {name: make(scale) for name, make in ENSEMBLE_METRICS.items()}
            self.spread = SpreadBins(scale.greatest - scale.least or 1.0)

    def merge(self, other: CaseTotals) -> None:
        """Take in what another one gathered of later times."""
        for kind, measurements in self.measurements.items():
            measurements.merge(other.measurements[kind])
            self.kept[kind] += other.kept[kind]
        for name, metric in self.ensemble.items():
            metric.merge(other.ensemble[name])
        if self.spread is not None and other.spread is not None:
            self.spread.merge(other.spread)

    def to_send(self) -> CaseTotals:
        """Return what it gathered alone, small enough to hand to another process."""
        sent = copy(self)
        sent.case = replace(self.case, predict=_made_elsewhere, member=None, draws=None, view=View(()))
        sent.measurements = {kind: one.to_send() for kind, one in self.measurements.items()}
        return sent

    def begin(self, archive: Archive, region: Region) -> dict[str, Tensor]:
        """Return empty fields of one time: one for each kind, and measures of the members by cell."""
        whole = {kind: empty_field(archive, region.columns) for kind in self.measurements}
        by_cell = ("crps", "spread") if self.members else ()
        return whole | {name: empty_field(archive, region.columns).double() for name in by_cell}

    def take(
        self, whole: dict[str, Tensor], place: tuple[slice, slice], fields: Tensor, truth: np.ndarray
    ) -> None:
        """Put a tile in its place, and measure its members."""
        whole["central"][place] = fields[0]
        if self.spread is None:
            return
        count, wanted = self.members, truth[place]
        whole["mean"][place], whole["member"][place] = fields[1:].mean(0), fields[1]
        drawn = fields[1:].numpy()
        for metric in self.ensemble.values():
            metric.update(drawn, wanted)
        self.spread.update(drawn, wanted)
        whole["crps"][place] = torch.from_numpy(crps_cells(drawn, wanted))
        variance = drawn.var(0, ddof=1, dtype=np.float64)
        whole["spread"][place] = torch.from_numpy((count + 1) / count * variance)

    def finish(
        self, time: int, whole: dict[str, Tensor], archive: Archive, truth: Field, coarse: np.ndarray
    ) -> None:
        """Measure the fields of one time."""
        for kind, measurements in self.measurements.items():
            mean = coarse_means(whole[kind], archive, self.target)
            measurements.update(time, whole[kind].numpy(), truth, mean.numpy(), coarse)
            if self.keep:
                self.kept[kind].append(whole[kind].numpy())
        for name in ("crps", "spread") if self.members else ():
            by_cell = np.where(truth.valid, whole[name].numpy(), np.nan)
            self.measurements["central"].blocks.add(time, name, by_cell)

    def scores(self) -> list[Score]:
        """Return the scores of the central estimate, the members' mean and the first member."""
        words = {"mean": f"mean of {self.members} members", "member": "one member"}
        scores = []
        for kind, measurements in self.measurements.items():
            fields = np.stack(self.kept[kind]) if self.kept[kind] else None
            if kind == "central":
                one = Score(
                    self.case,
                    measurements.values(),
                    fields,
                    measurements,
                    self.ensemble,
                    self.spread,
                    self.members,
                )
            else:
                name, title = members_name(self.case.name, kind), f"{self.case.title}, {words[kind]}"
                case = replace(self.case, name=name, title=title, of=self.case.name)
                one = Score(case, measurements.values(), fields, measurements, kind=kind)
            scores.append(one)
        return scores
