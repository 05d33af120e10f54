"""Gradient-boosted trees on every source: what a scientist without a network would take.

As in data mining sharpening (Gao, Kustas & Anderson 2012, Remote Sensing 4; Guzinski & Nieto 2019,
Remote Sensing of Environment 221) a regression over the covariates of a fine cell sharpens the coarse
field, and the residual against the coarse field is then given back. Here the truth of the training
times is at hand, so the trees are fitted on fine cells, on what the simple disaggregation (the
model's own base) leaves over in transformed space.

They are fitted anew wherever they are compared, from a seed: nothing is kept on disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from engine.disaggregation.base_field import BASE_HALO, base_field
from engine.errors import InputError
from engine.features.derived import REACH
from engine.features.network_inputs import season_vector, source_channels
from engine.fields.conservation import clipped
from engine.fields.patch import Patch
from engine.fields.upsample import HALO, upsample
from engine.fields.windows import crop, narrowed
from engine.specs import SourceSpec, TargetSpec
from engine.transforms import normalised, physical
from training.data.archive import Archive
from training.data.masked_truth import mask_truth
from training.data.normalisation import bare_spec
from training.data.patches import PatchSampler, View, cut
from training.data.split import Split
from training.evaluation.predict import Case
from training.schema.config import Config, SamplingSection

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingRegressor

CELLS = 150_000  # fine cells, at most, that trees are fitted on
WINDOWS = 50  # patches that they are drawn from
EDGE = 24  # coarse cells along such a patch
GROUND = ("anomaly", "position")  # derived features of every continuous fine source, beside its own
_PIECE = 2**18  # fine cells at a time


@dataclass(frozen=True)
class Settings:
    """How the trees grow."""

    trees: int = 150
    leaves: int = 31
    rate: float = 0.1
    smallest_leaf: int = 60  # cells
    ridge: float = 1.0


class Trees:
    """Boosted trees that correct the base, cell by cell.

    Args:
        target: what is downscaled.
        sources: that they look at; one of kind climatology also lifts the base.
        season: whether they look at the day of the year.
        settings: how they grow.
        seed: of the sample of cells, and of the trees.
    """

    def __init__(
        self,
        target: TargetSpec,
        sources: Sequence[SourceSpec],
        season: bool = False,
        settings: Settings | None = None,
        seed: int = 0,
    ) -> None:
        self.target, self.season, self.seed = target, season, seed
        self.sources = tuple(map(_with_ground, sources))
        self.halo = max(BASE_HALO, REACH, HALO["bilinear"])
        self.settings = settings or Settings()
        self._fitted: HistGradientBoostingRegressor | None = None

    def features(self, patch: Patch) -> tuple[Tensor, Tensor]:
        """Return what the trees see of each fine cell, and the base that they correct.

        The features are the base and the coarse target as a network sees them, each coarse source
        interpolated, each fine source, both with their derived features, and the season. A tree sees
        one cell, so fine sources also tell how they stand out from their surroundings.

        Returns:
            (B, F, h·k, w·k), NaN where a source is absent or invalid, and (B, h·k, w·k), physical.

        Raises:
            InputError: the season is wanted and the patch has no date.
        """
        patch, k = narrowed(patch, self.halo), patch.factor
        base = base_field(patch, self.target, self.sources, 0)
        own = normalised(patch.target, self.target)
        fields = [normalised(base, self.target).unsqueeze(1)]
        fields.append(upsample(own, k, "bilinear", self.halo).unsqueeze(1))
        for source in self.sources:
            channels = source_channels(source, patch, self.target)
            if channels is None:
                raise InputError(f"The trees were fitted with the source {source.name}: it is missing.")
            if source.grid == "coarse":
                parts = [upsample(one, k, "bilinear", self.halo) for one in channels.unbind(1)]
                fields.append(torch.stack(parts, 1))
            else:
                fields.append(crop(channels, self.halo, k))
        if self.season:
            vector = season_vector(patch)
            fields.append(vector[:, :, None, None].expand(*vector.shape, *base.shape[-2:]))
        return torch.cat(fields, 1), base

    def fit(self, archive: Archive, split: Split, view: View, sampling: SamplingSection) -> None:
        """Fit on a sample of the training region's fine cells.

        A sample does not see the climatology of its own month, as in the networks' training.

        Raises:
            InputError: there is no valid cell.
        """
        from sklearn.ensemble import HistGradientBoostingRegressor

        section = SamplingSection(size=EDGE, batch=1, withheld_months=sampling.withheld_months)
        region = split.train
        archive = mask_truth(archive, region.cells)
        sampler = PatchSampler(archive, region.times, region.columns, self.halo, section, region.cells)
        rng = np.random.default_rng(self.seed)
        rows, wanted = [], []
        for _ in range(WINDOWS):
            patch, truth = cut(archive, sampler.windows(rng), sampler.size, self.halo, view)
            seen, base = self.features(patch)
            rest = (normalised(truth, self.target) - normalised(base, self.target)).flatten()
            valid = torch.isfinite(rest).nonzero().flatten().numpy()
            chosen = torch.from_numpy(rng.choice(valid, min(valid.size, CELLS // WINDOWS), replace=False))
            rows.append(seen.movedim(1, -1).flatten(0, 2)[chosen].numpy())
            wanted.append(rest[chosen].numpy())
        if not sum(map(len, wanted)):
            raise InputError("The trees find no valid cell in the training region.")
        settings = self.settings
        forest = HistGradientBoostingRegressor(
            max_iter=settings.trees,
            max_leaf_nodes=settings.leaves,
            learning_rate=settings.rate,
            min_samples_leaf=settings.smallest_leaf,
            l2_regularization=settings.ridge,
            early_stopping=False,
            random_state=self.seed,
        )
        forest.fit(np.concatenate(rows), np.concatenate(wanted))
        self._fitted = forest

    @torch.no_grad()
    def predict(self, patch: Patch) -> Tensor:
        """Return (B, h·k, w·k) in the target's units, before the residual correction; NaN where invalid.

        Raises:
            InputError: the trees are not fitted, or a source is missing.
        """
        if self._fitted is None:
            raise InputError("The trees must be fitted before they predict.")
        seen, base = self.features(patch)
        rows = seen.movedim(1, -1).flatten(0, 2).numpy()
        pieces = [self._fitted.predict(rows[i : i + _PIECE]) for i in range(0, len(rows), _PIECE)]
        rest = torch.from_numpy(np.concatenate(pieces)).float().view(base.shape)
        return clipped(physical(normalised(base, self.target) + rest, self.target), self.target)


def _with_ground(source: SourceSpec) -> SourceSpec:
    if source.kind != "continuous" or source.grid != "fine":
        return source
    return replace(
        source, value=True, derived=(*source.derived, *(f for f in GROUND if f not in source.derived))
    )


def tree_cases(config: Config, archive: Archive, split: Split, target: TargetSpec) -> list[Case]:
    """Fit trees on a configuration's sources and return them as rows of the table.

    One with every source but the climatology; where there is a climatology, one with it as well. Both
    conserve: the residual correction is that of every other method.

    Raises:
        InputError: a derived feature does not fit its source, or there is no valid cell.
    """
    specs = [bare_spec(section, archive.sources[section.name]) for section in config.sources]
    climatology = {spec.name for spec in specs if spec.traits.of_target}
    variants: list[tuple[str, str, set[str]]] = [("trees", "Boosted trees", climatology)]
    if climatology:
        variants.append(("trees-climatology", "Boosted trees, with climatology", set()))
    season, cases = bool(config.network.get("season", False)), []
    for name, title, gone in variants:
        trees = Trees(target, [s for s in specs if s.name not in gone], season, seed=config.seed)
        trees.fit(archive, split, split.training_view.without(gone), config.sampling)
        cases.append(Case(name, title, trees.predict, trees.halo, split.test_view.without(gone), 1.0))
    return cases
