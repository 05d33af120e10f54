"""`python -m training.hidden_truth`: methods on cases whose fine truth is hidden from them."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from engine.commands.options import Parser
from engine.errors import InputError
from engine.files.root import ROOT
from training.console.command import main
from training.records.record import Record, append
from training.withheld.bench import SHARPEN, BenchFolders, chosen_methods, known_methods, run_case
from training.withheld.cases.place import CasePlace
from training.withheld.cases.registry import CASES, wanted_cases
from training.withheld.demands import Demand, demands
from training.withheld.ranking import Ranked, ranking
from training.withheld.scores import CaseScores, plain
from training.withheld.tables import case_table, demands_table, ranking_table

DATA = ROOT.parent / "shared" / "data"  # where it lies beside the checkout


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        prog="python -m training.hidden_truth",
        description="Run methods that need no fine truth on cases whose fine truth is withheld from "
        "them, and print their root mean square error over that of smoothly conserved bicubic interpolation.",
    )
    families = ", ".join(dict.fromkeys(entry.family for entry in CASES.values()))
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="NAME",
        help=f"families ({families}) or cases (default: all but speed)",
    )
    parser.add_argument(
        "--methods",
        nargs="+",
        default=[],
        metavar="ID",
        help="simple methods and peers (default: all that suit)",
    )
    parser.add_argument("--judge", metavar="ID", help=f"method to judge, which runs too (default: {SHARPEN})")
    parser.add_argument(
        "--hindsight", action="store_true", help="also find each quick peer's best setting on the truth"
    )
    parser.add_argument("--quick", action="store_true", help="fewer and smaller cases")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument(
        "--output", type=Path, default=Path("runs/hidden_truth"), help="folder (default: runs/hidden_truth)"
    )
    parser.add_argument("--shared", type=Path, help="folder of shared data sets (default: ../shared/data)")
    parser.add_argument("--record", type=Path, metavar="FILE", help="add the results to these records")
    return parser.parse_args(arguments)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    options = options_of(arguments)
    torch.set_num_threads(1)
    methods, titles = chosen_methods(options.methods, options.judge), known_methods()
    judge = options.judge or SHARPEN
    if options.shared is not None and not options.shared.is_dir():
        raise InputError(f"--shared: there is no folder {options.shared}.")
    entries = wanted_cases(options.set, options.quick)
    shared = options.shared or (DATA if DATA.is_dir() else None)
    place = CasePlace(options.output / "kept", shared, options.quick)
    folders = BenchFolders(options.output / "given", options.output / "made")
    results, skipped = [], []
    for name, entry in entries.items():
        if entry.needs and (shared is None or not (shared / entry.needs).is_dir()):
            skipped.append(name)
            _say(f"{name} is skipped: it needs the data set {entry.needs}, see --shared")
            continue
        result = run_case(entry.build(place), methods, folders, options.hindsight, _say)
        results.append(result)
        if not options.json:
            print(case_table(result, titles) + "\n", flush=True)
    ranked = ranking(results)
    judged = demands(results, ranked, judge) if judge in methods else []
    if options.record is not None and results:
        append(options.record, _record(options, results, ranked, judged))
    if options.json:
        told = {
            "cases": {result.case: result.to_json() for result in results},
            "methods": {name: plain(vars(r)) for name, r in ranked.items()},
            "demands": [plain(vars(demand)) for demand in judged],
            "skipped": skipped,
        }
        print(json.dumps(told))
        return 0
    if results:
        print(ranking_table(ranked, titles))
    if judged:
        print("\n" + demands_table(judged, f"What is asked of {titles[judge]}"))
    if skipped:
        print(f"\nSkipped for want of data: {', '.join(skipped)}.")
    return 0


def _record(
    options: argparse.Namespace,
    results: Sequence[CaseScores],
    ranked: Mapping[str, Ranked],
    judged: Sequence[Demand],
) -> Record:
    """Return the results as a record: each case's reference, oracle and ratios of the methods."""
    metrics: dict[str, dict[str, float | None]] = {}
    for result in results:
        metrics[result.case] = {"reference": result.reference, "oracle": result.oracle}
        for name, score in result.methods.items():
            metrics[result.case] |= {
                name: score.ratio.value,
                f"{name} low": score.ratio.low,
                f"{name} high": score.ratio.high,
            }
    asked = {"cases": [result.case for result in results], "methods": list(ranked), "quick": options.quick}
    text = json.dumps(asked, sort_keys=True)
    extra = "".join(
        f" --{key} {' '.join(getattr(options, key))}" for key in ("set", "methods") if getattr(options, key)
    )
    digits = hashlib.sha256(text.encode()).hexdigest()
    return Record.model_validate(
        {
            "id": f"hidden-truth-{digits[:8]}",
            "kind": "hidden_truth",
            "config": "training/hidden_truth.py",
            "hash": digits,
            "seed": 0,
            "steps": 0,
            "command": f"python -m training.hidden_truth{extra}{' --quick' if options.quick else ''}",
            "metrics": {case: plain(values) for case, values in metrics.items()},
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "notes": {
                "means": {name: plain(vars(r)) for name, r in ranked.items()},
                "demands": [plain(vars(demand)) for demand in judged],
                "cases": {result.case: result.to_json() for result in results},
            },
        }
    )


def _say(text: str) -> None:
    """Tell what happens; standard output is for the results."""
    print(f"hidden truth: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(run)
