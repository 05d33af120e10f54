"""Learned baselines: their runs take too long to repeat here, so they are read from committed records."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from scipy import stats

from training.evaluation.bootstrap import Interval
from training.records.record import Record
from training.results.claims.claim import Claim, ResultsSection, claimed, columns
from training.results.claims.context import ResultsContext
from training.schema.config import Config, load_config

FOURFOLD = "x4_"  # what the names of the ×4 comparison's configurations begin with
SHOWN = ("rmse", "mae", "js_distance", "ralsd", "ralsd_by_field", "ssim", "fss_95_5", "conservation_residual")


def own_case(record: Record) -> dict[str, float | None]:
    """Return the metrics of the run's own model, all its sources given."""
    name = record.notes.get("case") or _own_name(record)
    return record.metrics.get(str(name), {})


def _own_name(record: Record) -> str:
    """Return the case that the run's id begins with, the shortest such: no source withheld."""
    fitting = [name for name in record.metrics if record.id.startswith(name)]
    return min(fitting, key=len, default=next(reversed(record.metrics)))


def by_config(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Return records by their configuration's file name, without the suffix."""
    stems: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        stems[Path(record.config).stem].append(record)
    return dict(stems)


def over_seeds(values: Sequence[float]) -> Interval:
    """Return the mean with its 95 % interval by Student's t; NaN bounds of a single value."""
    numbers = np.array(values, dtype=np.float64)
    mean = float(numbers.mean()) if numbers.size else math.nan
    if numbers.size < 2:
        return Interval(mean, math.nan, math.nan)
    half = float(stats.t.ppf(0.975, numbers.size - 1) * numbers.std(ddof=1) / math.sqrt(numbers.size))
    return Interval(mean, mean - half, mean + half)


def values(records: Iterable[Record], metric: str) -> list[float]:
    """Return a metric of the runs' own models, where it is there."""
    numbers = (own_case(record).get(metric) for record in records)
    return [float(value) for value in numbers if value is not None]


def tested_alike(context: ResultsContext, config: str) -> dict[str, tuple[Config, list[Record]]]:
    """Return the recorded trainings that were tested as a configuration's model is, by configuration.

    They have the same data, factor and split; how many of a store's dates are taken may differ.
    """
    ours = context.config(config)
    alike = {}
    for stem, held in by_config(context.records("training")).items():
        path = next(context.configs.rglob(f"{stem}.yaml"), None)
        other = None if path is None else load_config(path)
        if other and _task(other) == _task(ours):
            alike[stem] = (other, held)
    return alike


def _task(config: Config) -> tuple[object, ...]:
    """Return what two configurations share when their scores can be compared."""
    options = {key: value for key, value in config.data.options.items() if key not in ("every", "memory_gib")}
    return config.data.name, options, config.factor, config.split, config.cascade


def deterministic_networks(context: ResultsContext, config: str) -> dict[str, float]:
    """Return the MAE of each recorded network, tested as a configuration's model is, that draws nothing."""
    lowest = {}
    for stem, (other, held) in tested_alike(context, config).items():
        numbers = values(held, "mae")
        if other.ensemble is None and numbers:
            lowest[stem] = min(numbers)
    return lowest


def is_unconstrained(config: Config) -> bool:
    """Return whether a configuration is a GAN without sources and without conservation."""
    free = config.target.strength == 0 and config.losses.conservation.weight == 0
    return free and not config.sources and config.losses.adversarial is not None


def records_table(records: Iterable[Record]) -> str:
    """Return one row for each configuration: seeds, and the mean of each metric over them."""
    rows = [["configuration", "runs", *SHOWN]]
    for stem, held in by_config(records).items():
        cells = []
        for metric in SHOWN:
            numbers = values(held, metric)
            cells.append(f"{np.mean(numbers):.4g}" if numbers else "")
        rows.append([stem, str(len(held)), *cells])
    return columns(rows)


def recorded_figures(title: str, held: Iterable[Record], name: str) -> list[Claim]:
    """Return each metric of the recorded runs of a configuration, as the mean over seeds."""
    records = list(held)
    by_words = {f"{title}: {metric} of {name}": values(records, metric) for metric in SHOWN}
    return [claimed(words, over_seeds(numbers)) for words, numbers in by_words.items() if numbers]


def encoded_gan(context: ResultsContext) -> ResultsSection:
    """The published encoded conditional GAN, as published and repaired, and ours on one ×4 task."""
    title = "Encoded conditional GAN, ×4"
    section = ResultsSection(title)
    held = by_config(r for r in context.records("training") if Path(r.config).stem.startswith(FOURFOLD))
    if not held:
        return section.lack(f"{title}: no record is committed.")
    rows = [["method", *SHOWN]]
    simple = next(iter(held.values()))[0]
    own = [record.id.split("-s")[0] for records in held.values() for record in records]
    for case, numbers in simple.metrics.items():
        if not case.startswith(tuple(own)):
            rows.append([case, *(_text(numbers.get(metric)) for metric in SHOWN)])
    for stem, records in held.items():
        by_metric = {metric: values(records, metric) for metric in SHOWN}
        rows.append([stem, *(_text(over_seeds(f).value if f else None) for f in by_metric.values())])
        section.figures += recorded_figures(title, records, stem)
    section.text = columns(rows)
    return section


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def learned_baselines(context: ResultsContext) -> ResultsSection:
    """Every recorded training: baseline networks, shipped models, the published encoded CGAN."""
    title = "Recorded trainings"
    records = [r for r in context.records() if r.kind in ("training", "baseline")]
    section = ResultsSection(title)
    if not records:
        return section.lack(f"{title}: no record is committed.")
    section.text = records_table(records)
    for stem, held in by_config(records).items():
        section.figures += recorded_figures(title, held, stem)
    return section


def ratio(ours: Iterable[Record], theirs: Iterable[Record], metric: str) -> Interval | None:
    """Return the ratio of a metric between the runs of two configurations, paired by seed.

    None where one has no such number; where no seed is in both, the means are divided.
    """
    tables = [{r.seed: v for r in held for v in values([r], metric)} for held in (ours, theirs)]
    if not all(tables):
        return None
    common = sorted(set(tables[0]) & set(tables[1]))
    if common:
        return over_seeds([tables[0][seed] / tables[1][seed] for seed in common])
    means = [float(np.mean(list(table.values()))) for table in tables]
    return Interval(means[0] / means[1], math.nan, math.nan)
