"""What QGIS runs when it has started (`qgis --code`): the walk, as MSR_WALK says."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from qgis.PyQt.QtCore import QRect, QTimer

SIZE = QRect(0, 0, 1280, 860)  # of QGIS's window on its screen, pixels
SETTLING = 4000  # milliseconds
_kept: list[Any] = []  # what Python would throw away while it walks


def begin() -> None:
    """Walk; QGIS ends with it."""
    from course import Course
    from first_result import (
        install_the_engine,
        install_the_zip,
        load_the_sample,
        make_it_finer,
        play_in_time,
        read_what_came_of_it,
    )
    from hand import Hand, main_window
    from own_model import (
        evaluate_the_model,
        prepare_training_data,
        remove_the_engine,
        see_its_algorithm,
        train_a_model,
    )

    stations = (
        install_the_zip,
        install_the_engine,
        load_the_sample,
        make_it_finer,
        read_what_came_of_it,
        play_in_time,
        prepare_training_data,
        train_a_model,
        see_its_algorithm,
        evaluate_the_model,
        remove_the_engine,
    )
    facts = json.loads(os.environ["MSR_WALK"])
    folder = Path(facts["folder"])
    main_window().setGeometry(SIZE)
    _kept.append(Course(stations, Hand(folder), facts, folder / "report.json", end))
    _kept[0].begin()


def end() -> None:
    """End QGIS and the processes that the plugin has started."""
    import qgis.utils

    plugin = qgis.utils.plugins.get("msr")
    if plugin is not None:
        plugin.unload()
    os._exit(0)  # no questions about an unsaved project


sys.path.insert(0, json.loads(os.environ["MSR_WALK"])["code"])
QTimer.singleShot(SETTLING, begin)
