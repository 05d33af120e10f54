"""What hand and eyes do in QGIS's window: clicks of the X server, typing, pictures, waiting."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from qgis.PyQt.QtCore import QPoint, QRect
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QFileDialog,
    QLineEdit,
    QMenu,
    QMenuBar,
    QWidget,
)

Kind = TypeVar("Kind", bound=QWidget)
PATIENCE = 60.0  # seconds, where nothing else is said
REST = 0.6  # seconds after a click, in which windows come and go


class WalkError(Exception):
    """A step that failed; the sentence says which."""


@dataclass(frozen=True)
class Wait:
    """What a step waits for."""

    until: Callable[[], object]
    words: str
    seconds: float = PATIENCE


Steps = Iterator[Wait]


class Hand:
    """Clicks, types and takes pictures; counts what it does.

    Args:
        folder: of the pictures.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clicks = 0
        self.texts = 0
        self.began = time.monotonic()

    def click(self, widget: QWidget, at: QPoint | None = None, double: bool = False) -> Steps:
        """Click on a widget's middle, or at a point of it, as the X server does for a mouse.

        A double click counts as one.

        Raises:
            WalkError: it is not to be seen, greyed out, or lies below something else.
        """
        yield wait_for(
            lambda: widget.isVisible() and widget.isEnabled(), f"{named(widget)} can be clicked", 20
        )
        widget.window().raise_()  # there is no window manager, whose frames would be clicked for it
        yield rest(0.2)
        place = widget.mapToGlobal(at if at is not None else widget.rect().center())
        below = QApplication.widgetAt(place)
        if below is None or not (below is widget or widget.isAncestorOf(below) or below.isAncestorOf(widget)):
            raise WalkError(f"{named(widget)} lies below {named(below)}.")
        times = ["--repeat", "2", "--delay", "60"] if double else []
        where = [str(place.x()), str(place.y())]
        subprocess.run(["xdotool", "mousemove", *where, "sleep", "0.1", "click", *times, "1"], check=True)
        self.clicks += 1
        yield rest()

    def press(self, window: QWidget, text: str) -> Steps:
        """Click on a button by its words."""
        yield from self.click(button(window, text))

    def menu(self, *texts: str) -> Steps:
        """Click through the main window's menus."""
        bar = main_window().findChild(QMenuBar)
        action = action_of(bar, texts[0])
        yield from self.click(bar, bar.actionGeometry(action).center())
        menu = action.menu()
        for text in texts[1:]:
            action = action_of(menu, text)
            yield from self.click(menu, menu.actionGeometry(action).center())
            menu = action.menu()

    def write(self, field: QLineEdit, text: str) -> Steps:
        """Click into a field and type a text in place of what is there."""
        yield from self.click(field)
        field.selectAll()
        QTest.keyClicks(field, text)
        if field.completer() is not None:  # its list would take the next click
            field.completer().popup().hide()
        self.texts += 1
        yield rest(0.3)

    def choose_file(self, path: Path, accept: str) -> Steps:
        """Type a file's path into the dialog that asks for one, and accept."""
        yield wait_for(lambda: shown(QFileDialog), "a dialog asks for a file")
        dialog = shown(QFileDialog)
        yield from self.write(dialog.findChild(QLineEdit, "fileNameEdit"), str(path))
        yield from self.press(dialog, accept)

    def tick(self, view: QAbstractItemView, text: str) -> Steps:
        """Tick an entry of a list by the beginning of its words."""
        model = view.model()
        for row in range(model.rowCount()):
            index = model.index(row, 0)
            if str(index.data()).startswith(text):
                view.scrollTo(index)
                place = view.visualRect(index)
                yield from self.click(view.viewport(), QPoint(place.left() + 9, place.center().y()))
                return
        raise WalkError(f"The list has no entry {text}.")

    def picture(self, name: str, window: QWidget | None = None) -> Path:
        """Take a picture of the screen, or of the part of it in which a window lies; return its file."""
        QApplication.processEvents()
        path = self.folder / f"{name}.png"
        part = []
        if window is not None:
            place = QRect(window.mapToGlobal(QPoint(0, 0)), window.size())
            part = ["-crop", f"{place.width()}x{place.height()}+{place.x()}+{place.y()}", "+repage"]
        subprocess.run(["import", "-window", "root", *part, str(path)], check=True)
        return path


def wait_for(until: Callable[[], object], words: str, seconds: float = PATIENCE) -> Wait:
    """Return the wait until something is true; `words` say what is then the case."""
    return Wait(until, words, seconds)


def rest(seconds: float = REST) -> Wait:
    """Return a pause."""
    end = time.monotonic() + seconds
    return Wait(lambda: time.monotonic() >= end, "time goes on", seconds + PATIENCE)


def main_window() -> QWidget:
    """Return QGIS's window."""
    from qgis.utils import iface

    return iface.mainWindow()


def plain(text: str) -> str:
    """Return the words of a button or entry without the mark of its key, and without dots at the end."""
    return re.sub(r"&(?!&)", "", text).replace("…", "").rstrip(". ")


def button(window: QWidget, text: str) -> QAbstractButton:
    """Return a window's visible button of these words, or with such a tip.

    Raises:
        WalkError: there is none.
    """
    seen = [each for each in window.findChildren(QAbstractButton) if each.isVisibleTo(window)]
    for words in (QAbstractButton.text, QAbstractButton.toolTip):
        for each in seen:
            if words(each) == text or (plain(text) and plain(words(each)) == plain(text)):
                return each
    raise WalkError(f"{named(window)} has no button {text}: {sorted(filter(None, (b.text() for b in seen)))}")


def action_of(menu: QMenu | QMenuBar, text: str) -> object:
    """Return a menu's entry by its words.

    Raises:
        WalkError: there is none.
    """
    for action in menu.actions():
        if plain(action.text()) == plain(text):
            return action
    raise WalkError(f"There is no entry {text}: {[a.text() for a in menu.actions()]}")


def shown(kind: type[Kind], title: str = "") -> Kind | None:
    """Return the visible window of a kind whose title begins so; None where there is none."""
    for widget in QApplication.topLevelWidgets():
        if isinstance(widget, kind) and widget.isVisible() and widget.windowTitle().startswith(title):
            return widget
    return None


def named(widget: QWidget | None) -> str:
    """Return a widget's kind and words, for a sentence."""
    if widget is None:
        return "nothing"
    words = widget.text() if hasattr(widget, "text") else widget.windowTitle()
    return " ".join(filter(None, (type(widget).__name__, widget.objectName(), words)))
