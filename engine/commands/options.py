"""Command lines whose errors are one sentence: which option, what is wrong with it, what to give instead."""

from __future__ import annotations

import argparse
import difflib
import math
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from engine.commands.sentences import one_sentence, shown
from engine.errors import InputError

_ARGUMENT = re.compile(r"argument (?P<name>[^:]+): (?P<rest>.*)", re.DOTALL)
_CHOICE = re.compile(r"invalid choice: (?P<given>.+) \(choose from (?P<known>.+)\)$", re.DOTALL)
_LONGEST_NUMBER = 400  # signs; Python refuses integers of thousands, as does every reader


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage; takes no abbreviated options."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def parse_args(  # type: ignore[override]  # its overloads are for namespaces of one's own
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Read the command line; exit with status 2 where it is wrong."""
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.error(_unknown(unknown[0], self._known_options(options)))
        return options

    def error(self, message: str) -> NoReturn:
        """Exit with status 2 and a sentence on standard error."""
        self.exit(2, f"{self.sentence(message)}\n")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Exit; a message goes to standard error."""
        if message:
            print(message.rstrip("\n"), file=sys.stderr)
        sys.exit(status)

    def sentence(self, message: str) -> str:
        """Return a message of argparse in words of ours."""
        return one_sentence(f"{_in_words(message)} (see {self.prog} --help)")

    def _known_options(self, options: argparse.Namespace) -> list[str]:
        command = getattr(options, "command", None)
        parsers: list[argparse.ArgumentParser] = [self]
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction) and command in action.choices:
                parsers.append(action.choices[command])
        return [name for parser in parsers for name in parser._option_string_actions]


def whole(lowest: int | None = None, highest: int | None = None) -> Callable[[str], int]:
    """Return a reader of whole numbers within limits, for an option's `type`."""

    def read(text: str) -> int:
        value = int(text) if len(text) < _LONGEST_NUMBER and re.fullmatch(r"\s*[-+]?\d+\s*", text) else None
        if value is None or _outside(value, lowest, highest):
            raise argparse.ArgumentTypeError(
                f"must be a whole number{_limits(lowest, highest)}, not {shown(text)}"
            )
        return value

    return read


def number(lowest: float | None = None, highest: float | None = None) -> Callable[[str], float]:
    """Return a reader of finite numbers within limits, for an option's `type`."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or _outside(value, lowest, highest):
            raise argparse.ArgumentTypeError(f"must be a number{_limits(lowest, highest)}, not {shown(text)}")
        return value

    return read


def numbers(option: str, text: str | None, counts: Sequence[int]) -> tuple[Any, ...] | None:
    """Return a list's numbers, as many as one of the counts; None for None; raises InputError."""
    if text is None:
        return None
    try:
        given = tuple(float(part) for part in text.split(","))
    except ValueError:
        given = ()
    if not all(map(math.isfinite, given)):
        given = ()
    if len(given) not in counts:
        wanted = " or ".join(map(str, counts)) if len(counts) < 4 else f"at least {counts[0]}"
        raise InputError(f"{option} {shown(text)} must be {wanted} number(s), with commas between them.")
    return given


def _outside(value: float, lowest: float | None, highest: float | None) -> bool:
    return (lowest is not None and value < lowest) or (highest is not None and value > highest)


def _limits(lowest: float | None, highest: float | None) -> str:
    if lowest is None:
        return "" if highest is None else f" up to {highest:g}"
    return f" from {lowest:g} on" if highest is None else f" from {lowest:g} to {highest:g}"


def nearest(name: str, known: Sequence[str]) -> str:
    """Return ", did you mean …?"-like words for a name that is not known, "" where none is near."""
    near = difflib.get_close_matches(name, known, 1)
    return f"; the nearest is {near[0]}" if near else ""


def _unknown(word: str, known: Sequence[str]) -> str:
    if word.startswith("-"):
        name = word.partition("=")[0]
        return f"There is no option {shown(name)}{nearest(name, known)}"
    return f"The word {shown(word)} belongs to no option: put values with blanks in quotes"


def _in_words(message: str) -> str:
    required = "the following arguments are required: "
    if message.startswith(required):
        names = message[len(required) :].split(", ")
        return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} missing"
    one_of = re.fullmatch(r"one of the arguments (.+) is required", message)
    if one_of:
        return f"One of {one_of[1].replace(' ', ', ')} is missing"
    parts = _ARGUMENT.fullmatch(message)
    if parts is None:
        return message[:1].upper() + message[1:]
    name, rest = parts["name"].split("/")[-1], parts["rest"]
    choice = _CHOICE.fullmatch(rest)
    if choice:
        known = [word.strip(" '\"") for word in choice["known"].split(",")]
        given = choice["given"].strip("'\"")
        what = "There is no" if name.isupper() else f"{name} has no choice"
        noun = f" {name.lower()}" if name.isupper() else ""
        return f"{what}{noun} {shown(given)}: choose {_or(known)}{nearest(given, known)}"
    if rest.startswith("expected"):
        return f"{name} needs a value, or has more than it takes"
    if rest.startswith("not allowed with argument "):
        return f"{name} is not allowed with {rest.removeprefix('not allowed with argument ').split('/')[-1]}"
    if rest.startswith("ignored explicit argument"):
        return f"{name} takes no value"
    if rest.startswith("invalid "):
        return f"{name} cannot be read: {shown(rest.rpartition('value: ')[2])} is not what it takes"
    return f"{name} {rest}"


def _or(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
