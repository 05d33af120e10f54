"""Which of a machine's graphics cards is this process's own, where several processes share them."""

from __future__ import annotations

from collections.abc import Sequence

_OWN = {"number": 0}


def take_card(number: int) -> None:
    """Let this process's own card be that of its number among the processes, counted round."""
    _OWN["number"] = number


def own_card(cards: Sequence[str]) -> str:
    """Return this process's own of some cards, the first where nothing was taken."""
    return cards[_OWN["number"] % len(cards)]


def shared_device(asked: str, settled: str) -> str:
    """Return the device for processes that share a run: each one's own card, unless a number was asked for.

    Args:
        asked: by the user.
        settled: what that is in one of the processes.
    """
    kind = settled.partition(":")[0]
    return kind if kind == "cuda" and ":" not in asked else settled
