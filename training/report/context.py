"""What the sections of a report share: the methods and dates that are drawn, their colours, the fields."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch

from engine.disaggregation.base_field import BASE_HALO, base_field
from engine.fields.supported_share import RING, SupportedShare
from training.data.patches import View, Window, cut
from training.data.region import truth_of
from training.evaluation.cases import is_interpolation
from training.evaluation.comparison import Evaluation
from training.evaluation.predict import Members, Strip, predict_field, predicted_tiles
from training.evaluation.scores import Score, members_name
from training.html.style import PALETTE

LINES = 7  # methods in a chart, at most
LEAST_SKILL_SHARE = 0.1  # of the reference's largest error: dates below are too easy to be best or worst


class Part(NamedTuple):
    """A table or figure of a section, HTML, and its caption, HTML."""

    content: str
    caption: str


@dataclass
class DateFields:
    """The fields of one date, (h·k, w·k), the coarse one (h, w); `fields` by the method's name."""

    time: int
    label: str
    coarse: np.ndarray
    truth: np.ndarray
    fields: dict[str, np.ndarray] = field(default_factory=dict)
    spread: np.ndarray | None = None  # standard deviation of the members
    support: np.ndarray | None = None  # share of the detail that they agree on


@dataclass
class ReportContext:
    """What is drawn.

    Attributes:
        evaluation: the numbers.
        pyplot: matplotlib's.
        main: the model with all its sources, or the reference where there is no model.
        main_field: what is shown of it: of members' mean and single estimate the one with the lower RMSE.
        charted: methods in charts, by falling importance for the eye.
        mapped: methods in maps.
        colours: by the method's name.
        dates: typical, best and worst date, as indices of the archive's times.
    """

    evaluation: Evaluation
    pyplot: Any
    main: Score
    main_field: Score
    charted: list[Score]
    mapped: list[Score]
    colours: dict[str, str]
    dates: dict[str, int]
    _drawn: dict[int, DateFields] = field(default_factory=dict)

    def drawn(self, time: int) -> DateFields:
        """Return the fields of a date, predicted when first asked for."""
        if time not in self._drawn:
            self._drawn[time] = _predict(self, time)
        return self._drawn[time]

    def label(self, name: str) -> str:
        """Return a method's title."""
        return self.evaluation.score(name).case.title

    def shown_as(self, score: Score) -> str:
        """Return a method's title on maps; of a model that draws members too, which of its fields it is."""
        return f"{score.case.title}, single estimate" if score.members else score.case.title

    def when(self, time: int) -> str:
        """Return a date in words."""
        return date_words(self.evaluation.archive.dates[time])

    @property
    def what(self) -> str:
        """The target with its units."""
        archive = self.evaluation.archive
        return f"{archive.target_title} ({archive.units})"

    @property
    def told(self) -> str:
        """Where captions say the numbers are from."""
        archive, times = self.evaluation.archive, self.evaluation.split.test.times
        kind = "Simulated data" if archive.simulated else "Data"
        count = f"{len(times)} test date{'s' if len(times) > 1 else ''}"
        return f"{kind}: {archive.title}; {count}, {period(self)}."


def period(context: ReportContext) -> str:
    """Return the first and the last test date."""
    times = context.evaluation.split.test.times
    first, last = context.when(times[0]), context.when(times[-1])
    return first if len(times) == 1 else f"{first} to {last}"


def date_words(date: str) -> str:
    """Return an archive's date as it is read: --11 is a month of no year."""
    months = "January February March April May June July August September October November December"
    return months.split()[int(date[2:4]) - 1] if date.startswith("--") else date


def context_of(evaluation: Evaluation, pyplot: Any, time: int | None = None) -> ReportContext:
    """Choose what is drawn.

    Args:
        evaluation: the numbers.
        pyplot: matplotlib's.
        time: the typical date; by default the one of middling skill.
    """
    reference = evaluation.score(evaluation.reference)
    main = evaluation.score(evaluation.model) if evaluation.model else reference
    ensemble = {s.kind: s for s in evaluation.scores if s.case.of == main.case.name}
    mean, member = ensemble.get("mean"), ensemble.get("member")

    def by_error(scores: list[Score]) -> list[Score]:
        return sorted(scores, key=lambda s: s.values["rmse"])

    learned = by_error([s for s in evaluation.scores if s.case.group == "learned" and s.kind == "central"])
    plain = by_error([s for s in evaluation.scores if is_interpolation(s.case) and s.case.strength > 0])
    withheld = [s for s in evaluation.scores if s.case.given != "all" and s.kind == "central"]
    shown = min((mean or main, main), key=lambda s: s.values["rmse"])  # the better of estimate and mean
    chosen = [shown, reference, *learned[:1], *([member] if member else []), *plain[:1], *withheld[:1]]
    charted = _once([*chosen, main, *([mean] if mean else []), *learned[1:]])[:LINES]
    mapped = _once([*plain[:1], reference, *learned[:1], shown, *([member] if member else [])])
    colours = {s.case.name: PALETTE[i % len(PALETTE)] for i, s in enumerate(charted)}
    for score in mapped:
        colours.setdefault(score.case.name, PALETTE[-1])
    dates = _dates(shown, reference)
    if time is not None:
        dates["typical"] = time
    return ReportContext(evaluation, pyplot, main, shown, charted, mapped, colours, dates)


def _once(scores: list[Score]) -> list[Score]:
    return list({s.case.name: s for s in scores}.values())


def _dates(main: Score, reference: Score) -> dict[str, int]:
    """Return the dates of the highest, the middling and the lowest skill over the reference.

    Without another method to compare with: of the lowest, middling and highest error.
    """
    errors = {t: numbers["rmse"] for t, numbers in main.measured.dates.items()}
    of_reference = {t: numbers["rmse"] for t, numbers in reference.measured.dates.items()}
    least = LEAST_SKILL_SHARE * max(of_reference.values(), default=0.0)
    if main is reference:
        order = sorted(errors, key=lambda t: errors[t])
    else:
        worth = [t for t in errors if of_reference.get(t, math.nan) > least]
        order = sorted(worth or errors, key=lambda t: errors[t] / max(of_reference[t], 1e-30))
    return {"best": order[0], "typical": order[len(order) // 2], "worst": order[-1]}


def _predict(context: ReportContext, time: int) -> DateFields:
    evaluation = context.evaluation
    archive, region = evaluation.archive, evaluation.split.test
    truth, coarse = truth_of(archive, region, time)
    drawn, strip = DateFields(time, context.when(time), coarse, truth), Strip(time, region.columns)
    for score in context.mapped:
        name = score.case.name
        if score.kind == "central":
            fine, _ = predict_field(score.case, archive, evaluation.targets[name], strip)
            drawn.fields[name] = _masked(fine[0].numpy(), truth)
    if context.main.members:
        _draw_members(context, drawn)
    return drawn


def _draw_members(context: ReportContext, drawn: DateFields) -> None:
    """Fill in the mean, one member, the spread and the support of the main method's ensemble."""
    evaluation, score = context.evaluation, context.main
    archive, region = evaluation.archive, evaluation.split.test
    name, k = score.case.name, archive.factor
    target = evaluation.targets[name]
    members = torch.full((score.members, *drawn.truth.shape), torch.nan)
    strip = Strip(drawn.time, region.columns)
    drawing = Members(score.members, evaluation.seed + drawn.time)
    tiles = predicted_tiles([score.case], archive, target, strip, drawing)
    for (rows, columns), (fields,) in tiles:
        members[:, rows, columns] = fields[1:]
    drawn.fields[members_name(name, "mean")] = _masked(members.mean(0).numpy(), drawn.truth)
    drawn.fields[members_name(name, "member")] = _masked(members[0].numpy(), drawn.truth)
    drawn.spread = _masked(members.std(0).numpy(), drawn.truth)
    window = Window(drawn.time, 0, region.columns[0])
    view = View((), domain=score.case.view.domain)
    patch, _ = cut(archive, [window], drawn.coarse.shape, BASE_HALO + RING, view)
    support = SupportedShare(base_field(patch, target, (), RING)[0], k)
    for member in members:
        edge = RING * k
        support.add(torch.nn.functional.pad(member, (edge,) * 4, value=torch.nan))
    drawn.support = _masked(support.share().numpy(), drawn.truth)


def _masked(values: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(truth), values, np.nan)
