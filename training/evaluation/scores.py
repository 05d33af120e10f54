"""Scores of methods on an archive: what was predicted, measured against the truth.

Truth and predictions are met a time at a time, and the members of an ensemble a tile at a time, so
that scoring needs no more memory than predicting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from engine.specs import TargetSpec
from training.data.archive import Archive
from training.data.region import Region, truth_of
from training.evaluation.measurements import BAND_EDGES, LEAST_SHARE, MeasurementPlan, Measurements
from training.evaluation.percentiles import streamed_scale
from training.evaluation.predict import Case, coarse_means, empty_field, predicted_tiles
from training.evaluation.spread_bins import SpreadBins
from training.metrics.ensemble.crps import crps_cells
from training.metrics.metric import EnsembleMetric
from training.metrics.registry import ENSEMBLE_METRICS
from training.metrics.structure.field import Field


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


def score(
    case: Case,
    archive: Archive,
    region: Region,
    target: TargetSpec,
    keep: bool = False,
    tile: int | None = None,
    further: bool = False,
    members: int = 0,
    seed: int = 0,
    plan: MeasurementPlan | None = None,
) -> Score:
    """Measure one case over a region; see `scores_of`, of which this is the central estimate."""
    return scores_of(case, archive, region, target, keep, tile, further, members, seed, plan)[0]


def scores_of(
    case: Case,
    archive: Archive,
    region: Region,
    target: TargetSpec,
    keep: bool = False,
    tile: int | None = None,
    further: bool = False,
    members: int = 0,
    seed: int = 0,
    plan: MeasurementPlan | None = None,
) -> list[Score]:
    """Measure one case over a region: RMSE, MAE, bias, JS distance, conservation residual.

    Args:
        case, archive, region, target: what is measured, on what.
        keep: keep the fields.
        tile: coarse cells along a tile's edge; by default by the factor.
        further: also every metric of `training.metrics.FURTHER_METRICS`.
        members: draws for each time of a case that can draw; also `training.metrics.ENSEMBLE_METRICS`.
        seed: of the draws; each time has draws of its own.
        plan: what to measure; by default what `plan_scores` says.

    Returns:
        The central estimate's score, with the ensemble's; where there were draws, also the scores of
        the mean of the members and of the first of them.
    """
    plan = plan or plan_scores(archive, region, further)
    return score_together([(case, target)], archive, region, plan, members, seed, keep, tile)[0]


def score_together(
    methods: Sequence[tuple[Case, TargetSpec]],
    archive: Archive,
    region: Region,
    plan: MeasurementPlan,
    members: int = 0,
    seed: int = 0,
    keep: bool = False,
    tile: int | None = None,
    tell: Callable[[str], None] | None = None,
) -> list[list[Score]]:
    """Measure several cases over a region, all of them at one time before any at the next.

    So what is asked of the truth is made once for all, and cases that differ in how far they conserve,
    and in nothing else, are predicted once.

    Args:
        methods: the cases, each with how its target is described.
        tell: is told each time before it is scored.
        archive, region, plan, members, seed, keep, tile: as in `scores_of`.

    Returns:
        What `scores_of` returns, for each case.
    """
    running = [_Running(case, target, plan, members, keep) for case, target in methods]
    alike: dict[object, list[_Running]] = {}
    for one in running:
        alike.setdefault(_prediction(one.case, one.target), []).append(one)
    for number, time in enumerate(region.times, start=1):
        if tell:
            tell(f"{archive.dates[time]} ({number} of {len(region.times)})")
        values, coarse = truth_of(archive, region, time)
        truth = Field(values)
        for group in alike.values():
            cases, target = [one.case for one in group], group[0].target
            wholes = [one.begin(archive, region) for one in group]
            tiles = predicted_tiles(
                cases, archive, time, region.columns, target, tile, members=group[0].members, seed=seed + time
            )
            for place, fields in tiles:
                for one, whole, drawn in zip(group, wholes, fields):
                    one.take(whole, place, drawn, values)
            for one, whole in zip(group, wholes):
                one.finish(time, whole, archive, truth, coarse)
    return [one.scores() for one in running]


def _prediction(case: Case, target: TargetSpec) -> object:
    """Return what two cases share that predict the same."""
    return case.predict, case.halo, case.view, case.member, case.draws, target


class _Running:
    """What is gathered of one case: the tallies of its estimate and, where it draws, of its members."""

    def __init__(
        self, case: Case, target: TargetSpec, plan: MeasurementPlan, members: int, keep: bool
    ) -> None:
        self.case, self.target, self.keep = case, target, keep
        self.members = members if case.member is not None else 0
        kinds = ["central", "mean", "member"] if self.members else ["central"]
        self.measurements = {kind: Measurements(plan) for kind in kinds}
        self.kept: dict[str, list[np.ndarray]] = {kind: [] for kind in kinds}
        self.ensemble: dict[str, EnsembleMetric] = {}
        self.spread: SpreadBins | None = None
        if self.members:
            self.ensemble = {name: make(plan.scale) for name, make in ENSEMBLE_METRICS.items()}
            self.spread = SpreadBins(plan.scale.greatest - plan.scale.least or 1.0)

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
            fields = np.stack(self.kept[kind]) if self.keep else None
            if kind == "central":
                found = Score(
                    self.case,
                    measurements.values(),
                    fields,
                    measurements,
                    self.ensemble,
                    self.spread,
                    self.members,
                )
            else:
                name, title = f"{self.case.name}-{kind}", f"{self.case.title}, {words[kind]}"
                found = Score(
                    replace(self.case, name=name, title=title),
                    measurements.values(),
                    fields,
                    measurements,
                    kind=kind,
                )
            scores.append(found)
        return scores
