"""How likely each window is to be drawn in training, made a date at a time.

Chances are one float64 for each date and place of a window, several times what a coarse field needs. So
those of a date are made when a draw falls on it; of all dates only the sums stay. What is drawn is the same,
to the last digit, as from one array of all chances.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np

from engine.errors import InputError
from training.data.archive import Archive
from training.data.known_truth import truth_share, truth_weight
from training.data.streamed.pairwise import pairwise_sum

KEPT = 2**26  # bytes of chances of dates that are kept for further draws


class WindowChances:
    """Chances of the windows of one size at some times.

    Args:
        archive: the data.
        times: that are drawn from.
        size: of the windows, rows and columns of coarse cells.
        columns: first column, and how many columns windows may start in.
        wet_bias: share of windows that are drawn in proportion to their coarse mean.
        cells: (h, w) booleans, coarse cells whose truth is known; None: all.

    Raises:
        InputError: no window has any truth.
    """

    def __init__(
        self,
        archive: Archive,
        times: Sequence[int],
        size: tuple[int, int],
        columns: tuple[int, int],
        wet_bias: float = 0.0,
        cells: np.ndarray | None = None,
    ) -> None:
        self._archive, self._times, self._size, self._columns = archive, list(times), size, columns
        self._wet_bias, self._cells = wet_bias, cells
        self.shape = (len(self._times), archive.shape[0] - size[0] + 1, columns[1])
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()
        self._plain = np.full((1, *self.shape[1:]), 1.0 / np.prod(self.shape))
        if cells is not None:
            self._plain = self._plain * self._means(cells[None].astype(np.float64))
            self._plain /= self._sum(lambda index: self._plain)
        self._wet_total = self._sum(self._wetness) if wet_bias else 0.0
        self._shares = self._gaps()
        self._weighted: float | None = None  # sum of the chances by truth; 0: of the weights alone
        if self._shares is not None:
            self._weigh()
        self._ends = np.empty(len(self._times))
        end = 0.0
        for index in range(len(self._times)):
            end = self._ends[index] = self._running(index, end)[-1]
        self._reached = self._ends / end

    def draw(self, number: float) -> tuple[int, int, int]:
        """Return the window that a number from 0 to 1 falls on: index of the time, row, start column."""
        index = int(np.searchsorted(self._reached, number, side="right"))
        index = min(index, len(self._reached) - 1)
        if index not in self._kept:
            before = self._ends[index - 1] if index else 0.0
            self._kept[index] = self._running(index, before) / self._ends[-1]
            while len(self._kept) > max(1, KEPT // self._kept[index].nbytes):
                self._kept.popitem(last=False)
        self._kept.move_to_end(index)
        chances = self._kept[index]
        place = min(int(np.searchsorted(chances, number, side="right")), len(chances) - 1)
        row, column = divmod(place, self.shape[2])
        return index, row, column

    def _running(self, index: int, before: float) -> np.ndarray:
        """Return the sums of all chances up to each window of a time, in the order of rows and columns."""
        return np.cumsum(np.concatenate([[before], self._chance(index).ravel()]))[1:]

    def _chance(self, index: int) -> np.ndarray:
        """Return the chances of a time's windows, (1, rows, columns)."""
        chance = self._unweighted(index)
        if self._weighted is None:
            return chance
        weight = self._weight(index)
        return chance * weight / self._weighted if self._weighted > 0 else weight / self._weights

    def _unweighted(self, index: int) -> np.ndarray:
        if not self._wet_total > 0:
            return self._plain
        dry = (1 - self._wet_bias) * self._plain
        return dry + self._wet_bias * self._wetness(index) / self._wet_total

    def _wetness(self, index: int) -> np.ndarray:
        field = np.asarray(self._archive.coarse[self._times[index]])[None].astype(np.float64)
        field = np.abs(np.nan_to_num(field))
        return self._means(field if self._cells is None else field * self._cells)

    # ------------------------------------------------------------------ truth

    def _gaps(self) -> dict[int, np.ndarray] | None:
        """Return the shares of cells with truth, (1, h, w), of each time that lacks some.

        None where every cell has some truth at all times: chances stay as they are then.
        """
        shares, none_anywhere = {}, False
        for index, time in enumerate(self._times):
            share = truth_share(self._archive, [time])
            counted = share if self._cells is None else share[:, self._cells]
            none_anywhere = none_anywhere or not counted.all()
            if not (share == 1).all():
                shares[index] = share
        return shares if none_anywhere else None

    def _weigh(self) -> None:
        """Sum up what windows without truth leave to the others."""
        least, any_truth = np.inf, False
        for index in range(len(self._times)):
            weight = self._weight(index)
            least, any_truth = min(least, float(weight.min())), any_truth or bool(weight.any())
        if least >= 1:
            return
        if not any_truth:
            raise InputError(
                "split: what it trains on has no fine truth anywhere, so there is nothing to learn from: "
                "train on other dates or places."
            )
        self._weighted = self._sum(lambda index: self._unweighted(index) * self._weight(index))
        self._weights = self._sum(self._weight) if not self._weighted > 0 else 0.0

    def _weight(self, index: int) -> np.ndarray:
        share = (self._shares or {}).get(index)
        if share is None:
            share = np.ones((1, *self._archive.shape))
        return truth_weight(self._means(share.astype(np.float64)))

    # ------------------------------------------------------------------ sums

    def _means(self, fields: np.ndarray) -> np.ndarray:
        """Return (1, rows, columns): the mean of (1, h, w) over the window at each start."""
        (h, w), (first, starts) = self._size, self._columns
        columns = (first + np.arange(starts + w - 1)) % fields.shape[-1]
        total = np.pad(fields[..., columns], ((0, 0), (1, 0), (1, 0))).cumsum(1).cumsum(2)
        corners = total[:, h:, w:] - total[:, :-h, w:] - total[:, h:, :-w] + total[:, :-h, :-w]
        return corners.clip(0) / (h * w)

    def _sum(self, of: Callable[[int], np.ndarray]) -> float:
        """Return the sum over all times of what is made of each."""
        size, last = self.shape[1] * self.shape[2], (-1, np.empty(0))

        def values(index: int) -> np.ndarray:
            nonlocal last
            if last[0] != index:
                last = index, of(index).ravel()
            return last[1]

        def piece(start: int, length: int) -> np.ndarray:
            parts = []
            while length:
                index, offset = divmod(start, size)
                part = values(index)[offset : offset + length]
                parts.append(part)
                start, length = start + len(part), length - len(part)
            return np.concatenate(parts)

        return pairwise_sum(piece, len(self._times) * size)
