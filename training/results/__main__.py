"""`python -m training.results`: every published number again, and whether the claims hold."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.commands.options import Parser, whole
from engine.errors import EngineError, InputError
from training.console.command import main
from training.evaluation.comparison import MEMBERS
from training.records.record import committed
from training.results.claims.claim import ResultsSection, claims_table
from training.results.claims.context import ResultsContext
from training.results.claims.snow import make_store
from training.results.markdown import markdown
from training.results.page import check_page, write_page
from training.results.parts import ON_SIMULATED_SNOW, PARTS, PROCESSES, in_processes, sections, tell
from training.results.prose import INTRODUCTION
from training.results.rerun import find, rerun, side_by_side


def told(filled: Sequence[ResultsSection]) -> str:
    """Return tables and claims as text."""
    parts = []
    for section in filled:
        lines = [section.title, "=" * len(section.title)]
        if section.text:
            lines.append(section.text)
        shown = [f for f in section.figures if f.low == f.low]  # the others stand in the tables
        for claims in (shown, section.claims):
            if claims:
                lines += ["", claims_table(claims)]
        lines += [f"Missing. {line}" for line in section.missing]
        parts.append("\n".join(lines))
    claims = [claim for section in filled for claim in section.claims]
    held = sum(bool(claim.holds) for claim in claims)
    parts.append(f"{held} of {len(claims)} claims hold.")
    return "\n\n".join(parts)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = Parser(
        prog="python -m training.results",
        description="Compute every published figure again: from the shipped models what needs no training, "
        "from committed records what does; and say which claims hold.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line: claim, value, low, …")
    parser.add_argument("--only", default="", help=f"parts, by comma: {', '.join(PARTS)}")
    parser.add_argument(
        "--members", type=whole(2, 1000), default=MEMBERS, help="of ensembles (default: %(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="without boosted trees and further metrics")
    parser.add_argument(
        "--processes",
        type=whole(1, 4096),
        default=min(PROCESSES, os.cpu_count() or 1),
        help="that share the parts, each of one thread (default: %(default)s)",
    )
    parser.add_argument("--rerun", metavar="ID", help="repeat the run of one record, old beside new numbers")
    page = parser.add_mutually_exclusive_group()
    page.add_argument("--write", metavar="PAGE", type=Path, help="put the parts into a Markdown page")
    page.add_argument("--check", metavar="PAGE", type=Path, help="fail where a Markdown page says otherwise")
    options = parser.parse_args(arguments)
    if options.rerun:
        record = find(committed(), options.rerun)
        again = rerun(record, tell)
        if options.json:
            print(json.dumps({"id": record.id, "recorded": record.metrics, "again": again}))
        else:
            print(f"{record.id}: {record.command}\n{side_by_side(record, again)}")
        return 0
    parts = [part for part in options.only.split(",") if part] or list(PARTS)
    for part in parts:
        if part not in PARTS:
            raise InputError(f"--only: there is no part {part} (there are: {', '.join(PARTS)}).")
    paged = options.write or options.check
    if paged and options.quick:
        raise InputError("--quick: a page tells every method; leave it out with --write and --check.")
    begun = time.monotonic()
    context = ResultsContext(tell, options.members, options.quick)
    if options.processes > 1 and (len(parts) > 1 or paged):
        _make_store(context, parts)
        filled = in_processes(parts, options.members, options.quick, options.processes)
    else:
        filled = sections(context, parts)
    if paged:
        _page(options, {part: markdown(part, section, context) for part, section in zip(parts, filled)})
    elif options.json:
        for section in filled:
            for claim in (*section.figures, *section.claims):
                print(json.dumps(claim.to_json(), ensure_ascii=False))
            for line in section.missing:
                tell(f"Missing. {line}")
    else:
        print(told(filled))
    tell(f"Done in {(time.monotonic() - begun) / 60:.1f} minutes.")
    return 0


def _page(options: argparse.Namespace, parts: Mapping[str, str]) -> None:
    """Write or check the page of the results.

    Raises:
        InputError: it differs, or its markers are in disorder.
    """
    if options.write:
        write_page(options.write, INTRODUCTION, parts, tuple(PARTS))
        tell(f"Written: {', '.join(parts)} in {options.write}.")
    else:
        check_page(options.check, INTRODUCTION, parts, tuple(PARTS))
        tell(f"{options.check} agrees with the results: {', '.join(parts)}.")


def _make_store(context: ResultsContext, parts: Sequence[str]) -> None:
    """Make the simulated store before several processes look for it; a part without it says so."""
    if not ON_SIMULATED_SNOW.isdisjoint(parts):
        try:
            make_store(context)
        except EngineError as error:
            tell(str(error))


if __name__ == "__main__":
    main(run)
