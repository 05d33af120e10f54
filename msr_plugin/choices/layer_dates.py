"""Dates of a layer's bands, as far as QGIS shows them: to be offered, the engine reads them for itself."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Sequence
from html import unescape

from qgis.core import QgsRasterLayer

MOST_BANDS = 20_000
_ITEM = re.compile(r"<li>([A-Za-z]\w*(?:#\w+)?)=([^<]*)</li>")
_BAND = re.compile(r'<td class="highlight">[^<]*?(\d+)</td><td>\s*<ul>(.*?)</ul>', re.DOTALL)
_DATE = re.compile(
    r"(?<!\d)(?:\d{4}-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01])(?:T[0-2]\d:[0-5]\d)?)?|--(?:0[1-9]|1[0-2]))"
    r"(?![\d-])"
)
_SINCE = re.compile(r"(second|minute|hour|day)s? since (\d{1,4})-(\d\d?)-(\d\d?)(?:[T ]+(\d\d?):(\d\d?))?")
_USUAL = ("", "standard", "gregorian", "proleptic_gregorian")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_MONTH = 27.5 * 86400


def dates_of_layer(layer: QgsRasterLayer) -> list[str]:
    """Return the dates that a layer's bands carry, in their order, each once; none where one has none.

    Of a time axis they are as fine as its step: months, days or times of day.
    """
    if not layer.isValid() or layer.providerType() != "gdal" or layer.bandCount() > MOST_BANDS:
        return []
    html = layer.dataProvider().htmlMetadata()
    bands = {int(number): dict(_ITEM.findall(items)) for number, items in _BAND.findall(html)}
    tags = [bands.get(number, {}) for number in range(1, layer.bandCount() + 1)]
    tagged = [_first(tag.get(key, "") for key in ("DATE", "date", "TIME", "time")) for tag in tags]
    dates = tagged if all(tagged) else _on_axis(tags, html)
    if not dates:
        names = [layer.bandName(number).partition(":")[2] for number in range(1, layer.bandCount() + 1)]
        dates = [_first([name]) for name in names]
    return list(dict.fromkeys(dates)) if all(dates) else []


def span_of(dates: Sequence[str]) -> str:
    """Return all of some dates as one text, FIRST..LAST; "" for fewer than two, and for those of any year."""
    if len(dates) < 2 or any(date.startswith("--") for date in dates):
        return ""
    return f"{min(dates)}..{max(dates)}"


def _first(texts: Iterable[str]) -> str:
    """Return the first date in some texts, "" for none."""
    for text in texts:
        if match := _DATE.search(text):
            return match[0]
    return ""


def _on_axis(tags: Sequence[dict[str, str]], html: str) -> list[str]:
    """Return the dates of the axis of NetCDF or GRIB that the bands lie on, none where there is none."""
    if all("GRIB_VALID_TIME" in tag for tag in tags):
        return _labels([tag["GRIB_VALID_TIME"].split()[0] for tag in tags], "second since 1970-01-01")
    items = {key: unescape(value) for key, value in _ITEM.findall(html)}
    for axis in ("valid_time", "time"):
        name = f"NETCDF_DIM_{axis}"
        if all(name in tag for tag in tags) and items.get(f"{axis}#calendar", "").lower() in _USUAL:
            return _labels([tag[name] for tag in tags], items.get(f"{axis}#units", ""))
    return []


def _labels(numbers: Sequence[str], units: str) -> list[str]:
    """Return the dates of numbers that count from a date, as fine as their step."""
    match = _SINCE.match(units)
    if match is None:
        return []
    unit = match[1]
    year, month, day, hour, minute = (int(part or 0) for part in match.groups()[1:])
    try:
        first = datetime.datetime(year, month, day, hour, minute)
        seconds = [round(float(number) * _SECONDS[unit]) for number in numbers]
        times = [first + datetime.timedelta(seconds=count) for count in seconds]
    except (ValueError, OverflowError):
        return []
    order = sorted(set(times))
    steps = [(later - earlier).total_seconds() for earlier, later in zip(order, order[1:])]
    months = {(time.year, time.month) for time in order}
    if steps and min(steps) > _MONTH and len(months) == len(order):
        return [time.strftime("%Y-%m") for time in times]
    whole = all(step % 86400 == 0 for step in steps) if steps else order[0].hour in (0, 12)
    return [time.strftime("%Y-%m-%d" if whole else "%Y-%m-%dT%H:%M") for time in times]
