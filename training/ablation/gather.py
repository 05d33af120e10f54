"""From an ablation's records to results that can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InputError
from training.ablation.blocks import SquaredErrorBlocks
from training.ablation.importance import Results
from training.ablation.plan import DROPOUT, NONE, UNCONSTRAINED, Variant, groups_of, subset_name, variants
from training.ablation.runs import WHOLE, AblationRun, finished, runs_of
from training.records.record import Record
from training.schema.config import Config


@dataclass(frozen=True)
class Gathered:
    """What is known so far: retrained models, and the one whose sources are withheld, where it is done."""

    groups: tuple[str, ...]
    reference: str  # the variant that the constraints are taken from
    variants: tuple[Variant, ...]  # those with results
    retrained: Results
    withheld: Results | None
    missing: tuple[AblationRun, ...]
    records: tuple[Record, ...]


def gather(
    config: Config, records: Path, steps: int | None = None, seeds: Sequence[int] | None = None
) -> Gathered:
    """Return an ablation's results from its records.

    Seeds count whose runs with subsets of the groups are all there; a constraint or the run with
    dropout counts when it is there for all of them.

    Raises:
        InputError: no seed is whole yet, or a record is none.
    """
    planned = variants(config, steps)
    runs = runs_of(config, planned, tuple(seeds or config.ablation.seeds))
    done = finished(records, runs)
    table: dict[str, dict[int, Record]] = {v.name: {} for v in planned}
    for run in runs:
        if run.id in done:
            table[run.variant.name][run.config.seed] = done[run.id]
    wanted = [v.name for v in planned if v.kind == "subset"]
    whole = [s for s in (seeds or config.ablation.seeds) if all(s in table[name] for name in wanted)]
    missing = tuple(run for run in runs if run.id not in done)
    if not whole:
        raise InputError(
            f"The ablation of {config.model.id} has no whole round yet: {len(done)} of {len(runs)} runs "
            f"have a record in {records}."
        )
    used = [v for v in planned if set(whole) <= set(table[v.name])]
    trained = [v.name for v in used if v.kind != DROPOUT]
    groups = tuple(groups_of(config))
    reference = config.ablation.reference
    return Gathered(
        groups=groups,
        reference=subset_name(groups if reference is None else reference, groups),
        variants=tuple(used),
        retrained=_results(whole, {name: {s: (table[name][s], WHOLE) for s in whole} for name in trained}),
        withheld=_withheld(whole, table[DROPOUT]) if any(v.kind == DROPOUT for v in used) else None,
        missing=missing,
        records=tuple(done.values()),
    )


def _withheld(seeds: Sequence[int], held: Mapping[int, Record]) -> Results:
    """Return the results of the model with dropout, by the subset of groups that it was given."""
    cases = [name for name in held[seeds[0]].metrics if all(name in held[s].metrics for s in seeds)]
    return _results(seeds, {name: {s: (held[s], name) for s in seeds} for name in cases})


def _results(seeds: Sequence[int], held: Mapping[str, Mapping[int, tuple[Record, str]]]) -> Results:
    metrics, blocks = {}, {}
    for variant, by_seed in held.items():
        metrics[variant] = {seed: record.metrics[case] for seed, (record, case) in by_seed.items()}
        blocks[variant] = {
            seed: SquaredErrorBlocks.from_json(record.notes["blocks"][case])
            for seed, (record, case) in by_seed.items()
        }
    return Results(tuple(seeds), metrics, blocks)


def title_of(variant: Variant, groups: Sequence[str]) -> str:
    """Return a variant's name for people."""
    if variant.kind == "constraint":
        words = {
            "adversarial": "adversarial term",
            "inception": "inception branches",
        }
        return f"without {words.get(str(variant.constraint), str(variant.constraint))}"
    if variant.kind == UNCONSTRAINED:
        return "unconstrained: no source, no conservation, no bounds"
    if variant.kind == DROPOUT:
        return "all sources, with dropout"
    chosen = [name for name in groups if name in variant.groups]
    return " + ".join(chosen) or f"{NONE}"
