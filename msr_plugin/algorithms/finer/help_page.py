"""The page that the help button of a newcomer's algorithms leads to."""

from __future__ import annotations

from qgis.PyQt.QtCore import QUrl

from ...folders import HELP

PAGE = HELP.with_name("finer.md")


def finer_help() -> str:
    """Return the page's address, in the checkout or in the installed plugin."""
    return QUrl.fromLocalFile(str(PAGE)).toString()
