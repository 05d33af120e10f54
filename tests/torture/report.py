"""What a campaign found, counted by class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.torture.case import Judged

# The classes of the counts, and the sorts of findings that each is made of.
CLASSES = {
    "wrong rasters": (
        "georeference",
        "means",
        "mask",
        "range",
        "units",
        "dates",
        "values",
        "store",
        "accepted",
    ),
    "lost inputs": ("inputs",),
    "hangs": ("hang",),
    "leftovers": ("leftovers", "outputs"),
    "unclear sentences": ("sentence",),
    "wrong statuses": ("status", "crash"),
    "refused though right": ("refusal", "plain"),
    "let in": ("let in",),
    "training differs": ("training",),
    "faults of the torture": ("torture",),
}


def class_of(sort: str) -> str:
    """Return the class of a sort of findings."""
    return next((name for name, sorts in CLASSES.items() if sort in sorts), "other")


def table(judged: Sequence[Judged]) -> str:
    """Return the counts in words: by kind of case, and by class of finding."""
    lines = [f"{'kind':<16}{'cases':>7}{'kills':>7}{'done':>7}{'refused':>9}{'failed':>8}{'s each':>8}"]
    for kind in sorted({j.kind for j in judged}):
        of = [j for j in judged if j.kind == kind]
        done = sum(j.ended == "result" for j in of)
        refused = sum(j.ended == "error" for j in of)
        failed = sum(bool(j.findings) for j in of)
        mean = sum(j.seconds for j in of) / len(of)
        lines.append(
            f"{kind:<16}{len(of):>7}{sum(j.kills for j in of):>7}{done:>7}{refused:>9}{failed:>8}{mean:>8.2f}"
        )
    failed = sum(bool(j.findings) for j in judged)
    kills, seeds = sum(j.kills for j in judged), len({j.seed for j in judged})
    lines.append(f"{'all':<16}{len(judged):>7}{kills:>7}{'':>16}{failed:>8}   ({seeds} seeds)")
    counts = Counter(class_of(sort) for j in judged for sort in {f.sort for f in j.findings})
    lines += ["", *(f"{counts[name]:>6} {name}" for name in CLASSES)]
    if counts["other"]:
        lines.append(f"{counts['other']:>6} other")
    return "\n".join(lines)


def in_words(judged: Judged) -> str:
    """Return a failed case in a few lines."""
    head = f"FAILED {judged.kind}: {judged.what[:200]}"
    head += f"\n  ./dev torture --seed {judged.seed} --only {judged.number}"
    return "\n".join([head, *(f"  {str(f)[:500]}" for f in judged.findings)])
