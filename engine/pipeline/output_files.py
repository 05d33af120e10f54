"""The files that a run writes, and what each band of them holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.band_dates import date_tags
from engine.dates import When
from engine.pipeline.request import SuperResolveRequest, output_path
from engine.raster.written.cf_layout import BandLayout, InnerAxis
from engine.specs import TargetSpec

MAIN = "output"
ERROR, SUPPORT = "expected_error", "support"


@dataclass(frozen=True)
class OutputBand:
    """One band of each date: what it holds, in a few words ("" for the estimate), and further tags."""

    quantity: str
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OutputFile:
    """One file; its bands come date by date."""

    key: str  # MAIN, ERROR, SUPPORT, spread, quantiles or members
    path: Path
    units: str
    bands: tuple[OutputBand, ...]  # of one date

    def band_names(self, dates: Sequence[When | None], target: str) -> list[str]:
        """Return the name of each band: date and quantity, as far as there are any."""
        alone = len(self.bands) == 1
        names = []
        for when in dates:
            for band in self.bands:
                parts = [str(when)] if when else [] if band.quantity and self.key != MAIN else [target]
                if self.key != MAIN and not (alone and when):
                    parts.append(band.quantity)
                names.append(" ".join(parts))
        return names

    def layout(self, dates: Sequence[When | None], target: TargetSpec, aggregate: str | None) -> BandLayout:
        """Return what the bands are in a NetCDF or Zarr.

        Args:
            dates: of the run.
            target: what is made finer.
            aggregate: how the steps of a date were made one, such as `day:mean`.
        """
        quantity = self.bands[0].quantity if len(self.bands) == 1 else ""
        name = target.name if self.key == MAIN else f"{target.name}_{self.key}"
        about = quantity or {"quantiles": "quantiles of the members", "members": "the members"}.get(
            self.key, ""
        )
        title = target.title or target.name
        long_name = f"{title}, {about}" if about else title
        way = aggregate.partition(":")[2] if aggregate else ""
        return BandLayout(name, long_name, self.units, tuple(dates), self._inner(), way)

    def _inner(self) -> InnerAxis | None:
        if len(self.bands) == 1:
            return None
        if "MSR_QUANTILE" in self.bands[0].tags:
            values = tuple(float(band.tags["MSR_QUANTILE"]) for band in self.bands)
            return InnerAxis("quantile", values, {"long_name": "quantile of the members", "units": "1"})
        values = tuple(float(number) for number in range(1, len(self.bands) + 1))
        return InnerAxis("member", values, {"standard_name": "realization", "units": "1"})

    def band_tags(self, dates: Sequence[When | None]) -> list[dict[str, str]]:
        """Return the tags of each band."""
        dated = [date_tags(when) for when in dates]
        return [{**date, **_told(band)} for date in dated for band in self.bands]

    def tags(self) -> dict[str, str]:
        """Return what the file's tags say beside the run's own."""
        return _told(self.bands[0]) if len(self.bands) == 1 else {"MSR_QUANTITY": self.key}


def output_files(request: SuperResolveRequest, target: TargetSpec) -> list[OutputFile]:
    """Return the files of a request, the main one first."""
    units, asked = target.units, request.ensemble
    main = OutputBand("mean of the members" if asked else "")
    made = [OutputFile(MAIN, output_path(request), units, (main,))]
    expected = (
        (ERROR, request.expected_error, units, "root mean square error that is expected"),
        (SUPPORT, request.supported_share, "1", "share of the detail's variance that is supported"),
    )
    for key, file, unit, quantity in expected:
        if file:
            made.append(OutputFile(key, _path(file), unit, (OutputBand(quantity),)))
    if asked is None:
        return made
    bands = {
        "spread": (OutputBand("standard deviation of the members"),),
        "quantiles": tuple(OutputBand(f"quantile {v:g}", {"MSR_QUANTILE": f"{v:g}"}) for v in asked.levels),
        "members": tuple(
            OutputBand(f"member {m}", {"MSR_MEMBER": str(m)}) for m in range(1, asked.members + 1)
        ),
        SUPPORT: (OutputBand("share of the detail that the members agree on"),),
    }
    for key, path in asked.files.items():
        unit = "1" if key == SUPPORT else units
        made.append(OutputFile(key, _path(path), unit, bands[key]))
    return made


def _path(file: str) -> Path:
    return Path(file).expanduser().absolute()


def _told(band: OutputBand) -> dict[str, str]:
    return {"MSR_QUANTITY": band.quantity, **band.tags} if band.quantity else {}
