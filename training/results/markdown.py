"""A part of the results in Markdown: prose, tables as the command prints them, claims, what it rests on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from engine.errors import EngineError
from engine.files.root import ROOT
from training.records.record import read
from training.results.claims.claim import Claim, ResultsSection
from training.results.claims.context import ResultsContext
from training.results.prose import PROSE, PartProse
from training.results.told_numbers import ToldNumbers


def markdown(part: str, section: ResultsSection, context: ResultsContext) -> str:
    """Return a part of the page, without its markers: the same bytes for the same results.

    Args:
        part: its name.
        section: as computed.
        context: whose records and models the part rests on.
    """
    prose = PROSE[part]
    missing = list(section.missing)
    blocks = [f"## {prose.heading}"]
    try:
        blocks += prose.paragraphs(ToldNumbers(section, context))
    except EngineError as error:
        missing.append(f"The text on these numbers is left out. {error}")
    if section.text:
        printed = "\n".join(line.rstrip() for line in section.text.rstrip().splitlines())
        blocks += [f"```text\n{block}\n```" for block in printed.split("\n\n")]
    figures = [figure for figure in section.figures if math.isfinite(figure.low + figure.high)]
    if figures:
        blocks.append(_table(figures, ("value", "95 % interval", "figure"), _figure))
    if section.claims:
        blocks.append(_table(section.claims, ("value", "95 % interval", "bar", "holds", "claim"), _claim))
        held = sum(bool(claim.holds) for claim in section.claims)
        blocks.append(f"**{held} of {len(section.claims)} claims hold.**{_missed(section)}{_unsure(section)}")
    blocks += [f"Missing. {line}" for line in missing]
    blocks.append(f"Printed by `./dev results --only {part}`. {_foundation(prose, context)}")
    return "\n\n".join(block.replace(f"{ROOT}/", "").rstrip() for block in blocks) + "\n"


def _table(claims: Iterable[Claim], titles: tuple[str, ...], cells: Callable[[Claim], list[str]]) -> str:
    rules = ["---:" if title == "value" else "---" for title in titles]
    rows = [titles, rules, *([cell.replace("|", "\\|") for cell in cells(claim)] for claim in claims)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _figure(claim: Claim) -> list[str]:
    return [f"{claim.value:.4g}", claim.interval_in_words, claim.claim]


def _claim(claim: Claim) -> list[str]:
    verdict = "yes" if claim.holds else f"**{claim.verdict}**"
    return [f"{claim.value:.4g}", claim.interval_in_words, str(claim.bar or ""), verdict, claim.claim]


def _missed(section: ResultsSection) -> str:
    """Say which claims do not hold, in words."""
    missed = [
        f"{_bare(section, claim)} ({claim.value:.4g}, bar {claim.bar})"
        for claim in section.claims
        if claim.verdict == "no"
    ]
    return f" Missed: {'; '.join(missed)}." if missed else ""


def _unsure(section: ResultsSection) -> str:
    """Say which claims the value keeps and the interval does not, in words."""
    unsure = [
        f"{_bare(section, claim)} ({claim.value:.4g}, {claim.interval_in_words}, bar {claim.bar})"
        for claim in section.claims
        if claim.verdict == "not surely"
    ]
    return f" Not surely: {'; '.join(unsure)}." if unsure else ""


def _bare(section: ResultsSection, claim: Claim) -> str:
    return claim.claim.removeprefix(f"{section.title}: ")


def _foundation(prose: PartProse, context: ResultsContext) -> str:
    """Say which shipped models and committed records a part rests on."""
    told = []
    for id in prose.models:
        package = context.shipped(id)
        if package is not None:
            version = package.card.raw["version"]
            told.append(f"the shipped model `{id}` {version} (weights' sha256 `{package.sha256[:16]}…`)")
    for name in prose.records:
        held = read(context.folder / name)
        seeds = sorted({record.seed for record in held})
        word = "seed" if len(seeds) == 1 else "seeds"
        told.append(
            f"the committed records `training/records/{name}` "
            f"({len(held)} runs, {word} {', '.join(map(str, seeds))})"
        )
    return f"It rests on {' and '.join((', '.join(told[:-1]), told[-1]) if told[1:] else told)}."
