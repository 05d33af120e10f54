"""The validation's times, as strips to predict: none sees the climatology of its own month."""

from __future__ import annotations

from collections.abc import Iterator

from training.data.archive import Archive
from training.data.patches import withheld_block
from training.data.split import Split
from training.evaluation.predict import Strip


def strips(archive: Archive, split: Split, block: int) -> Iterator[Strip]:
    """Yield the validation's times, each with the months whose climatology is withheld from it."""
    for index, time in enumerate(split.validation.times):
        withheld: frozenset[int] = frozenset()
        if time in split.training_view.climatology_times:
            withheld = withheld_block(int(archive.months[time]), block, index % block)
        yield Strip(time, split.validation.columns, withheld)
