"""Draws the dialog of the rain model for the documents: dialog.py RASTERS OUTPUT.

Run by `./dev pictures` with the Python that can import qgis, without a screen. RASTERS is the folder that
`./dev demo` fills; OUTPUT is the PNG.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from qgis.core import QgsApplication, QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import QEventLoop, QTimer
from qgis.PyQt.QtGui import QFont

ROOT = Path(__file__).resolve().parent.parent.parent
MODEL = "msr:rainitur8"
LAYERS = {  # parameter → the demo's raster
    "TARGET": "rain_11_coarse.tif",
    "SOURCE_TEMPERATURE": "temperature_11.tif",
    "SOURCE_ELEVATION": "elevation.tif",
    "SOURCE_CLIMATOLOGY": "climatology.tif",
}
VALUES = {"DATE": "11", "OUTPUT": "fine.tif"}
SIZE = (980, 640)  # pixels
SETTLING = 1500  # milliseconds, in which help and layout come to rest


def load_layers(folder: Path) -> dict[str, QgsRasterLayer]:
    """Open the demo's rasters in the project; return them by parameter.

    Raises:
        FileNotFoundError: one is not there or not readable.
    """
    layers = {}
    for parameter, name in LAYERS.items():
        layer = QgsRasterLayer(str(folder / name), Path(name).stem)
        if not layer.isValid():
            raise FileNotFoundError(f"{folder / name} cannot be read: ./dev demo makes it.")
        layers[parameter] = QgsProject.instance().addMapLayer(layer)
    return layers


def draw(folder: Path, output: Path) -> None:
    """Show the model's dialog, filled in, and write its picture.

    Raises:
        FileNotFoundError: a raster is missing, or there is no such algorithm.
        OSError: the picture cannot be written.
    """
    # After `main` has told Python where they lie.
    from processing.core.Processing import Processing
    from processing.gui.AlgorithmDialog import AlgorithmDialog

    from msr_plugin.provider import MsrProvider

    Processing.initialize()
    provider = MsrProvider()
    QgsApplication.processingRegistry().addProvider(provider)
    algorithm = QgsApplication.processingRegistry().createAlgorithmById(MODEL)
    if algorithm is None:
        raise FileNotFoundError(f"The provider has no algorithm {MODEL}.")
    layers = load_layers(folder)
    dialog = AlgorithmDialog(algorithm)
    dialog.setParameters({**{name: layer.id() for name, layer in layers.items()}, **VALUES})
    dialog.resize(*SIZE)
    dialog.show()
    loop = QEventLoop()
    QTimer.singleShot(SETTLING, loop.quit)
    loop.exec()
    if not dialog.grab().save(str(output)):
        raise OSError(f"{output} cannot be written.")
    dialog.close()


def main(arguments: Sequence[str]) -> int:
    """Draw the picture; return the exit status."""
    folder, output = (Path(argument).absolute() for argument in arguments)
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    sys.path.insert(0, str(ROOT))
    application = QgsApplication([], True)
    application.setFont(QFont("DejaVu Sans", 10))
    application.initQgis()
    sys.path.append(str(Path(QgsApplication.pkgDataPath()) / "python" / "plugins"))
    try:
        draw(folder, output)
    except OSError as error:
        print(f"pictures: {error}", file=sys.stderr)
        return 1
    finally:
        application.exitQgis()
    print(output)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
