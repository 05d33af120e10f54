"""A walk over items that take a while each, told as it goes: by a bar, or to whoever follows."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TypeVar

from training.console.followed import followed

Item = TypeVar("Item")


def told_items(items: Sequence[Item], words: str, quiet: bool = False) -> Iterator[Item]:
    """Yield the items, telling how many are done.

    Args:
        items: to walk over.
        words: what is done with them.
        quiet: no bar.

    Raises:
        Cancelled: whoever follows wants no more of it.
    """
    from tqdm import tqdm

    work, total = followed(), len(items)
    with tqdm(
        total=total, desc=words, leave=False, disable=quiet or work is not None, file=sys.stderr
    ) as bar:
        for done, item in enumerate(items):
            if work is not None:
                work.tell_between(words, done, total)
            yield item
            bar.update(1)
