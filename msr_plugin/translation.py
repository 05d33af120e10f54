"""The plugin's texts in the user's language.

resources/translations/LANGUAGE.json holds text → translation; `./dev translate` keeps these files. A text
stands in `tr("…")`, with {} where something is put in by `format`; or in a table or an algorithm's
`texts()`, and goes through `tr` where it is shown.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable
from pathlib import Path

from qgis.core import QgsSettings
from qgis.PyQt.QtCore import QLocale

FOLDER = Path(__file__).resolve().parent.parent / "resources" / "translations"


def language() -> str:
    """Return the locale of QGIS' window, such as de_CH."""
    return str(QgsSettings().value("locale/userLocale", "") or QLocale.system().name())


@functools.cache
def catalogue() -> dict[str, str]:
    """Return the texts that the language has; QGIS takes another language only when it starts anew."""
    name = language().replace("-", "_")
    for stem in (name, name.partition("_")[0]):
        file = FOLDER / f"{stem}.json"
        if file.is_file():
            return dict(json.loads(file.read_text(encoding="utf-8")))
    return {}


def tr(text: str) -> str:
    """Translate a text of the plugin; what has no translation stays English."""
    return catalogue().get(text, text)


def tr_filled(text: str, patterns: Iterable[str]) -> str:
    """Translate a text of other code, which has filled in one of some patterns with {}; else return it.

    What is filled in is translated too, where it is a text of ours.
    """
    for pattern in patterns:
        match = re.fullmatch(re.escape(pattern).replace(re.escape("{}"), "(.*)"), text, re.DOTALL)
        if match:
            return tr(pattern).format(*map(tr, match.groups()))
    return text
