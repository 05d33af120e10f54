"""Numbers that a text tells: taken from a part's figures and claims, and from committed records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import InputError
from training.evaluation.bootstrap import Interval
from training.records.record import Record
from training.results.claims.claim import Claim, ResultsSection
from training.results.claims.context import ResultsContext
from training.results.claims.learned import by_config, over_seeds, own_case


@dataclass(frozen=True)
class ToldNumbers:
    """What a part's text takes its numbers from, so that no number stands in it by hand.

    Args:
        section: the part, as computed.
        context: whose records further numbers come from.
    """

    section: ResultsSection
    context: ResultsContext

    def claim(self, words: str) -> Claim:
        """Return the figure or claim that is said so, or the only one that begins so; the title is left out.

        Raises:
            InputError: there is none, or more than one.
        """
        told = [*self.section.claims, *self.section.figures]
        bare = {id(claim): claim.claim.removeprefix(f"{self.section.title}: ") for claim in told}
        exact = [claim for claim in told if bare[id(claim)] == words]
        matches = exact or [claim for claim in told if bare[id(claim)].startswith(words)]
        if len(matches) != 1:
            raise InputError(f"{self.section.title}: {len(matches)} figures are called {words}.")
        return matches[0]

    def number(self, words: str, form: str) -> str:
        """Return the value of a figure or claim; raises as `claim`."""
        return format_number(self.claim(words).value, form)

    def interval(self, words: str, form: str) -> str:
        """Return value and interval of a figure or claim, the value alone without one; raises as `claim`."""
        claim = self.claim(words)
        return format_interval(Interval(claim.value, claim.low, claim.high), form)

    def rest(self, words: str) -> str:
        """Return how a figure or claim goes on after its first words; raises as `claim`."""
        return self.claim(words).claim.partition(words)[2]

    def records(self, stem: str) -> Sequence[Record]:
        """Return the recorded trainings of a configuration, by its file's name without the suffix.

        Raises:
            InputError: there is none.
        """
        held = by_config(self.context.records("training")).get(stem)
        if not held:
            raise InputError(f"{self.section.title}: there is no record of {stem}.")
        return held

    def recorded(self, stem: str, metric: str, form: str, withheld: str = "") -> str:
        """Return a metric of recorded trainings, the mean over their seeds.

        Args:
            stem: as `records`.
            metric: by its name in the registry.
            form: of the number.
            withheld: the source that was withheld at the test, where one was.

        Raises:
            InputError: there is no such record or number.
        """
        values = []
        for record in self.records(stem):
            numbers = own_case(record)
            if withheld:
                ends = f"-without-{withheld}"
                numbers = next((v for name, v in record.metrics.items() if name.endswith(ends)), {})
            value = numbers.get(metric)
            if value is None:
                raise InputError(f"{self.section.title}: the record {record.id} has no {metric}.")
            values.append(value)
        return format_number(over_seeds(values).value, form)

    def steps(self, stem: str) -> str:
        """Return how many steps the recorded trainings of a configuration took; raises as `records`."""
        return " and ".join(str(steps) for steps in sorted({record.steps for record in self.records(stem)}))


def format_number(value: float, form: str) -> str:
    """Return a number with a true minus sign; one that rounds to zero keeps its sign.

    Raises:
        InputError: it is not finite.
    """
    if not math.isfinite(value):
        raise InputError("A number that the text tells is not finite.")
    return format(value, form).replace("-", "−", 1)


def format_interval(interval: Interval, form: str) -> str:
    """Return a value and, where there is one, its interval in brackets; raises as `format_number`."""
    value, low, high = (float(number) for number in interval)
    told = format_number(value, form)
    if not math.isfinite(low + high):
        return told
    return f"{told} ({format_number(low, form)} to {format_number(high, form)})"
