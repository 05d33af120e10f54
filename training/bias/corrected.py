"""An archive whose coarse product is corrected, as the engine corrects the target of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from engine import dates
from engine.bias.correction import BiasCorrection, package_factors, package_grid
from engine.bias.factors import BiasFactors
from engine.dates import When
from engine.errors import InputError
from engine.package.folder import Package
from training.bias.fit import fit_factors, paired
from training.data.archive import Archive
from training.data.region import Region
from training.data.split import Split
from training.schema.config import Config


@dataclass(frozen=True, eq=False)
class Correction:
    """What was done to an archive's coarse product.

    Attributes:
        factors: by which it was corrected.
        grid: the archive's coarse cells.
        rmse: of the product as it is and corrected, against the truth's coarse means on test dates.
        bias: the mean of these errors.
        dates: that it was fitted on.
        period: first and last of them, in words.
    """

    factors: BiasFactors
    grid: GeoBox
    rmse: tuple[float, float]
    bias: tuple[float, float]
    dates: int
    period: str

    @property
    def in_words(self) -> str:
        """What was applied, and what it changed."""
        return (
            f"The coarse product is corrected by {self.factors.spec.in_words}, fitted on {self.dates} dates "
            f"({self.period}). Against the truth's coarse means on test dates: RMSE {self.rmse[0]:.4g} → "
            f"{self.rmse[1]:.4g}, bias {self.bias[0]:+.3g} → {self.bias[1]:+.3g}."
        )

    def to_json(self) -> dict[str, object]:
        """Return method and numbers as JSON holds them."""
        spec = self.factors.spec
        return {
            "method": spec.method,
            "kind": spec.kind,
            "group": spec.group,
            "dates": self.dates,
            "period": self.period,
            "coarse_rmse": list(self.rmse),
            "coarse_bias": list(self.bias),
        }


def corrected_archive(
    config: Config, archive: Archive, split: Split, package: Package | None = None
) -> tuple[Archive, Correction | None]:
    """Return the archive with its coarse product corrected, and how; as it is where nothing asks for that.

    Training and validation dates are one period, test dates another: quantile delta mapping takes the
    quantiles of each by itself.

    Args:
        config: whose section `bias` is fitted on the training dates, where no package brings its factors.
        archive, split: of the configuration.
        package: the model that is tested, whose own factors count.

    Raises:
        InputError: the factors cannot be fitted, or are of other cells or months than the archive's.
    """
    grid = GeoBox(archive.shape, archive.transform, archive.crs)
    factors, place = None, grid
    if package is not None:
        factors = package_factors(package)
        place = grid if factors is None else package_grid(package)
    elif config.bias is not None:
        multiplicative = config.target.conservation == "multiplicative"
        factors = fit_factors(config.bias, archive, split.train, multiplicative)
    if factors is None:
        return archive, None
    parsed = [dates.parse(date) for date in archive.dates]
    test = set(split.test.times)
    periods = [[t for t in range(len(parsed)) if t not in test], sorted(test)]
    coarse = np.asarray(archive.coarse).copy()
    for times in periods:
        coarse[times] = _period(BiasCorrection(factors, place), grid, archive, parsed, times)
    corrected = replace(archive, coarse=coarse)
    told = [_errors(each, split.test) for each in (archive, corrected)]
    if not np.isfinite(coarse[sorted(test)]).any():
        raise InputError("bias: no coarse cell of the test dates has a correction: check that grids agree.")
    train = [archive.dates[t] for t in split.train.times]
    return corrected, Correction(
        factors,
        grid,
        (told[0][0], told[1][0]),
        (told[0][1], told[1][1]),
        len(train),
        f"{train[0]} to {train[-1]}",
    )


def _period(
    correction: BiasCorrection, grid: GeoBox, archive: Archive, parsed: Sequence[When], times: Sequence[int]
) -> NDArray[np.float32]:
    """Return the corrected fields of a period, (T, h, w); months that were not fitted stay missing."""
    months = correction.factors.spec.months
    fitted = [t for t in times if int(archive.months[t]) in months]
    made = np.full((len(times), *archive.shape), np.nan, np.float32)
    if not fitted:
        return made
    correction.check(grid, [parsed[t] for t in fitted])
    number = {parsed[t]: t for t in fitted}

    def read(cells: GeoBox, when: When | None) -> NDArray[np.float32]:
        if when is None:
            raise ValueError("an archive's times have dates")
        return correction.on_grid(np.asarray(archive.coarse[number[when]]), grid)

    correction.fit([parsed[t] for t in fitted], read)
    for index, time in enumerate(times):
        if int(archive.months[time]) in months:
            made[index] = correction.apply(np.asarray(archive.coarse[time]), grid, parsed[time])
    return made


def _errors(archive: Archive, region: Region) -> tuple[float, float]:
    truth, product = paired(archive, region)
    error = product - truth
    if not np.isfinite(error).any():
        return float("nan"), float("nan")
    return float(np.sqrt(np.nanmean(error**2))), float(np.nanmean(error))
