"""What a caller asks of a comparison, as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engine.pipeline.request_check import check_request
from engine.raster.reference import RasterRef, in_full

SCHEMA_FILE = Path(__file__).with_name("compare.schema.json")


@dataclass(frozen=True)
class CompareRequest:
    """Methods to compare on a raster, and the files that tell of it."""

    target: RasterRef
    table: str  # CSV
    page: str | None = None  # HTML
    differences: str | None = None  # GeoTIFF: made − known, one level up
    truth_differences: str | None = None  # the same against the finer raster
    truth: RasterRef | None = None  # a finer raster of the same quantity
    factor: int | None = None  # None: as the finer raster says
    sources: dict[str, RasterRef] = field(default_factory=dict)
    methods: tuple[str, ...] = ()  # none: all that fit
    quantity: str = "auto"
    date: str | None = None  # None: all dates
    device: str = "auto"
    models: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> CompareRequest:
        """Build a request from a message.

        Raises:
            InputError: an unknown or missing key, or a value of the wrong kind.
        """
        check_request(data, SCHEMA_FILE)
        read = dict(data)
        read["target"] = RasterRef(**data["target"])
        read["truth"] = RasterRef(**data["truth"]) if data.get("truth") else None
        read["sources"] = {name: RasterRef(**ref) for name, ref in (data.get("sources") or {}).items()}
        for key in ("methods", "models"):
            read[key] = tuple(data.get(key) or ())
        return cls(**read)

    def to_json(self) -> dict[str, Any]:
        """Return the message that `from_json` reads."""
        message: dict[str, Any] = in_full(asdict(self))
        return message

    def outputs(self) -> Iterator[tuple[str, Path, tuple[str, ...]]]:
        """Yield what each file is, its absolute path and the endings that it may have."""
        for what, path, endings in (
            ("table", self.table, (".csv",)),
            ("page", self.page, (".html", ".htm")),
            ("differences", self.differences, (".tif", ".tiff")),
            ("truth_differences", self.truth_differences, (".tif", ".tiff")),
        ):
            if path:
                yield what, Path(path).expanduser().absolute(), endings
