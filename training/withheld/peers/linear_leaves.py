"""Bagged regression trees with a linear fit in each leaf."""

from __future__ import annotations

import numpy as np
from sklearn.tree import DecisionTreeRegressor

from training.withheld.peers.trend import linear_coefficients

TREES = 10
DEPTH = 6
BEYOND = 0.25  # of the range of a leaf's values, that its fit may reach beyond them


class LinearLeafTrees:
    """The mean of trees on bootstrap samples.

    Args:
        leaf: fewest samples in a leaf.
        linear: a linear fit in each leaf, as Cubist has it; else its mean.
        seed: of samples and trees.
    """

    def __init__(self, leaf: int, linear: bool, seed: int = 0) -> None:
        self.leaf, self.linear, self.seed = leaf, linear, seed
        self._trees: list[tuple[DecisionTreeRegressor, dict[int, tuple[np.ndarray, float, float]]]] = []

    def fit(self, x: np.ndarray, y: np.ndarray) -> LinearLeafTrees:
        """Fit on (N, C) terms and (N,) values; return itself."""
        rng = np.random.default_rng(self.seed)
        self._trees = []
        for number in range(TREES):
            drawn = rng.integers(0, len(y), len(y))
            tree = DecisionTreeRegressor(
                max_depth=DEPTH, min_samples_leaf=min(self.leaf, max(1, len(y) // 2)), random_state=number
            )
            tree.fit(x[drawn], y[drawn])
            self._trees.append((tree, self._leaves(tree, x[drawn], y[drawn])))
        return self

    def _leaves(
        self, tree: DecisionTreeRegressor, x: np.ndarray, y: np.ndarray
    ) -> dict[int, tuple[np.ndarray, float, float]]:
        """Return the coefficients and the bounds of each leaf's fit."""
        if not self.linear:
            return {}
        at, fits = tree.apply(x), {}
        for leaf in np.unique(at):
            inside = at == leaf
            own = y[inside]
            reach = BEYOND * float(np.ptp(own))
            fitted = linear_coefficients(_with_one(x[inside]).T, own)
            fits[int(leaf)] = (fitted, float(own.min()) - reach, float(own.max()) + reach)
        return fits

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return (N,) values for (N, C) terms."""
        total = np.zeros(len(x))
        for tree, fits in self._trees:
            if not fits:
                total += tree.predict(x)
                continue
            at = tree.apply(x)
            for leaf, (fitted, low, high) in fits.items():
                inside = at == leaf
                total[inside] += np.clip(_with_one(x[inside]) @ fitted, low, high)
        return total / len(self._trees)


def _with_one(x: np.ndarray) -> np.ndarray:
    return np.concatenate([np.ones((len(x), 1)), x], 1)
