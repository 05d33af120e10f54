"""Write the engine's interpreter into the plugin's setting, in the default profile of QGIS.

Run by `./dev` with the Python that can import qgis: engine_setting.py INTERPRETER [force].
A choice of the user's own is kept, unless `force` is given or its file is gone.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from qgis.core import Qgis
from qgis.PyQt.QtCore import QCoreApplication, QSettings, QStandardPaths

KEY = "msr/engine_python"


def settings_file() -> Path:
    """Return the path of the default profile's settings, which may not exist yet."""
    major = Qgis.QGIS_VERSION.split(".", maxsplit=1)[0]
    QCoreApplication.setOrganizationName("QGIS")
    QCoreApplication.setApplicationName(f"QGIS{major}")
    data = os.environ.get("QGIS_CUSTOM_CONFIG_PATH") or QStandardPaths.writableLocation(
        QStandardPaths.StandardLocation.AppDataLocation
    )
    return Path(data) / "profiles" / "default" / "QGIS" / f"QGIS{major}.ini"


def is_own_choice(value: str) -> bool:
    """Return whether a person chose this interpreter: it exists and no `./dev` made it."""
    return bool(value) and Path(value).exists() and Path(value).parts[-4:-2] != (".envs", "engine")


def main(interpreter: str, force: bool) -> int:
    """Write the setting; return the exit status."""
    path = settings_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    # QSettings merges with what a running QGIS writes, and renames a finished file into place.
    settings = QSettings(str(path), QSettings.Format.IniFormat)
    if settings.status() != QSettings.Status.NoError:
        print(f"dev: {path} cannot be read as settings; it was left as it is")
        return 1
    present = str(settings.value(KEY) or "")
    if present == interpreter:
        return 0
    if is_own_choice(present) and not force:
        print(f"dev: the plugin's setting {KEY} keeps {present}; `./dev setup` replaces it")
        return 0
    settings.setValue(KEY, interpreter)
    settings.sync()
    if settings.status() != QSettings.Status.NoError:
        print(f"dev: {path} could not be written")
        return 1
    print(f"dev: the plugin's setting {KEY} in {path} is now {interpreter}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], "force" in sys.argv[2:]))
