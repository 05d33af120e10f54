"""Draws the documents' diagrams and writes the table of rooms: `python -m docs.diagrams.draw`.

The pictures are SVG without fonts, scripts or links of their own, so that they show anywhere offline. The
order of the rooms is that of tests/test_architecture.py, their purpose that of each room's `__init__`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from tests.test_architecture import ORDER

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent
PAGE = FOLDER.parent / "architecture.md"
BEGIN, END = "<!-- rooms: written by docs/diagrams/draw.py -->", "<!-- end of rooms -->"

LINE = 17  # pixels between lines of text
MARGIN = 12
FILLS = {
    "plugin": "#e8f1e4",
    "engine": "#e3edf7",
    "training": "#f7ecdf",
    "file": "#f4f4f4",
}
STYLE = (
    "text{font-family:sans-serif;font-size:13px;fill:#222}.head{font-weight:bold}"
    ".small{font-size:11px;fill:#444}rect{stroke:#667;stroke-width:1}"
    "path{fill:none;stroke:#445;stroke-width:1.4}.dashed{stroke-dasharray:5 4}"
)


@dataclass(frozen=True)
class Box:
    """A rectangle with a bold first line and plain ones below; x, y are its upper left corner, in pixels."""

    lines: tuple[str, ...]
    fill: str  # of FILLS
    x: int
    y: int
    width: int = 220

    @property
    def height(self) -> int:
        """Pixels that the lines take."""
        return 2 * MARGIN + LINE * len(self.lines) - 4

    def side(self, name: str) -> tuple[int, int]:
        """Return the middle of a side: top, bottom, left or right."""
        middle = (self.x + self.width // 2, self.y + self.height // 2)
        return {
            "top": (middle[0], self.y),
            "bottom": (middle[0], self.y + self.height),
            "left": (self.x, middle[1]),
            "right": (self.x + self.width, middle[1]),
        }[name]

    def svg(self) -> str:
        """Return the element."""
        parts = [
            f'<rect x="{self.x}" y="{self.y}" width="{self.width}" height="{self.height}" rx="6" '
            f'fill="{FILLS[self.fill]}"/>'
        ]
        for number, line in enumerate(self.lines):
            kind = "small" if number else "head"
            y = self.y + MARGIN + LINE * number + 9
            parts.append(f'<text class="{kind}" x="{self.x + MARGIN}" y="{y}">{escape(line)}</text>')
        return "\n".join(parts)


@dataclass(frozen=True)
class Arrow:
    """An arrow between the sides of two boxes, straight or with one bend, and a word beside it."""

    start: Box
    end: Box
    sides: tuple[str, str] = ("bottom", "top")
    word: str = ""
    dashed: bool = False

    def svg(self) -> str:
        """Return the element."""
        (x, y), (to_x, to_y) = self.start.side(self.sides[0]), self.end.side(self.sides[1])
        if x == to_x or y == to_y:
            way = f"M{x} {y}L{to_x} {to_y}"
        elif self.sides[0] in ("top", "bottom") and self.sides[1] in ("top", "bottom"):
            half = (y + to_y) // 2
            way = f"M{x} {y}V{half}H{to_x}V{to_y}"
        elif self.sides[0] in ("left", "right") and self.sides[1] in ("left", "right"):
            half = (x + to_x) // 2
            way = f"M{x} {y}H{half}V{to_y}H{to_x}"
        elif self.sides[0] in ("left", "right"):
            way = f"M{x} {y}H{to_x}V{to_y}"
        else:
            way = f"M{x} {y}V{to_y}H{to_x}"
        kind = ' class="dashed"' if self.dashed else ""
        text = ""
        if self.word:
            if y == to_y:  # above a level arrow, beside an upright one
                place = f'x="{(x + to_x) // 2}" y="{y - 6}" text-anchor="middle"'
            else:
                place = f'x="{(x + to_x) // 2 + 6}" y="{(y + to_y) // 2 + 4}"'
            text = f'\n<text class="small" {place}>{escape(self.word)}</text>'
        return f'<path{kind} d="{way}" marker-end="url(#head)"/>{text}'


def drawing(title: str, boxes: Sequence[Box], arrows: Sequence[Arrow]) -> str:
    """Return a whole SVG, on a ground of its own so that it can be read on a dark page too."""
    width = max(box.x + box.width for box in boxes) + MARGIN
    height = max(box.y + box.height for box in boxes) + MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img">\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n'
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto-start-reverse"><polygon points="0,0 8,4 0,8" fill="#445"/></marker></defs>\n'
        f'<rect x="0" y="0" width="{width}" height="{height}" fill="#ffffff" style="stroke:none"/>'
    )
    return "\n".join([head, *(a.svg() for a in arrows), *(b.svg() for b in boxes), "</svg>", ""])


def chain(
    entries: Sequence[tuple[str, ...]], fill: str, x: int, y: int, width: int, gap: int = 26
) -> list[Box]:
    """Return boxes below each other."""
    boxes = []
    for lines in entries:
        boxes.append(Box(lines, fill, x, y, width))
        y += boxes[-1].height + gap
    return boxes


def links(boxes: Sequence[Box]) -> list[Arrow]:
    """Return the arrows from each box to the next one below."""
    return [Arrow(a, b) for a, b in zip(boxes, boxes[1:], strict=False)]


def houses() -> str:
    """The three houses, the two Pythons, and what goes between them."""
    people = Box(
        ("people and programs", "toolbox, batch, Model Designer, PyQGIS, qgis_process"), "file", 12, 12, 350
    )
    shell = Box(("shell, notebooks", "python -m engine, ./dev"), "file", 462, 12, 260)
    plugin = Box(
        ("msr_plugin", "in QGIS's Python: qgis and the", "standard library, nothing else"),
        "plugin",
        12,
        120,
        350,
    )
    engine = Box(
        ("engine", "in a Python of its own: torch, rasterio;", "neither QGIS nor training"),
        "engine",
        462,
        120,
        260,
    )
    training = Box(
        ("training", "the engine's networks, features and", "pipeline; from archives to packages"),
        "training",
        462,
        246,
        260,
    )
    packages = Box(
        ("model packages", "weights and card, no code:", "shipped, installed, or of your own"),
        "file",
        12,
        246,
        350,
    )
    arrows = [
        Arrow(people, plugin),
        Arrow(shell, engine),
        Arrow(plugin, engine, ("right", "left"), "JSON lines"),
        Arrow(training, engine, ("top", "bottom"), "imports"),
        Arrow(training, packages, ("left", "right"), "writes"),
        Arrow(packages, plugin, ("top", "bottom"), "cards become algorithms"),
    ]
    return drawing("The three houses", (people, shell, plugin, engine, training, packages), arrows)


def raster_path() -> str:
    """The path of a raster, from the request to the file, by rooms."""
    steps = chain(
        [
            ("engine/commands", "a request comes in: command line, worker, Python"),
            ("engine/pipeline: checks and choice", "numbers, paths, disk; model package or simple method"),
            ("engine/raster: grids", "coarse and fine grid; every source gets its place"),
            ("engine/pipeline: tiles", "whole coarse cells with a halo; size by free memory"),
            (
                "engine/raster: windows read",
                "warped to the grid where they belong, units converted; gaps stay",
            ),
            ("engine/methods or engine/models", "a fine field in the target's units"),
            ("engine/fields: conservation", "fine cells aggregate to their coarse cell, within bounds"),
            ("engine/pipeline: estimates", "one estimate; or members one by one: mean, spread, quantiles"),
            (
                "engine/raster: COG writer",
                "tiles, overviews, units, provenance; renamed into place at the end",
            ),
        ],
        "engine",
        12,
        12,
        420,
    )
    target = Box(("coarse raster, sources", "any CRS, grid, type, nodata"), "file", 500, steps[2].y, 240)
    package = Box(("model package", "card, weights"), "file", 500, steps[1].y, 240)
    inside = chain(
        [
            ("engine/disaggregation: base", "best simple field that the sources allow"),
            ("engine/features", "sources to normalised channels"),
            ("engine/nets", "a residual on the base, in transformed space"),
        ],
        "engine",
        500,
        steps[4].y,
        290,
    )
    output = Box(("fine raster", "Cloud Optimized GeoTIFF"), "file", 500, steps[8].y, 240)
    arrows = [
        *links(steps),
        *links(inside),
        Arrow(package, steps[1], ("left", "right")),
        Arrow(target, steps[2], ("left", "right")),
        Arrow(inside[2], steps[6], ("left", "right"), dashed=True),
        Arrow(steps[5], inside[0], ("right", "left"), dashed=True),
        Arrow(steps[8], output, ("right", "left")),
    ]
    return drawing("The path of a raster", (*steps, target, package, *inside, output), arrows)


def training_path() -> str:
    """The path of a training, from rasters and a configuration to a package, by rooms."""
    steps = chain(
        [
            ("training/preparation", "rasters aligned on one pair of grids, checked, stored"),
            ("training/data", "an archive: target, sources, dates; what is held out is masked"),
            ("training/data: patches", "random windows with halo, climatology without their own months"),
            ("training/trainer", "generator and discriminator; losses in units of the base's error"),
            ("training/trainer: validation", "chooses the weights, inside the training data"),
            ("training/evaluation", "test data, now opened: every method, through the engine"),
            ("training/trainer: packaging", "weights, card with scores, hashes, default rasters"),
        ],
        "training",
        12,
        12,
        420,
    )
    rasters = Box(("your rasters", "and the YAML that describes them"), "file", 500, steps[0].y, 290)
    config = Box(
        ("training/schema", "the YAML that says what to train, checked"),
        "training",
        500,
        steps[1].y,
        290,
    )
    engine = Box(
        ("engine: features, nets, fields", "the same code as when the model is used"),
        "engine",
        500,
        steps[3].y,
        290,
    )
    report = Box(
        ("training/report, training/records", "page with intervals; one line for each run"),
        "training",
        500,
        steps[5].y,
        290,
    )
    package = Box(("model package", "msr:installmodel, python -m engine"), "file", 500, steps[6].y, 290)
    arrows = [
        *links(steps),
        Arrow(rasters, steps[0], ("left", "right")),
        Arrow(config, steps[1], ("left", "right")),
        Arrow(engine, steps[3], ("left", "right"), dashed=True),
        Arrow(steps[5], report, ("right", "left")),
        Arrow(steps[6], package, ("right", "left")),
    ]
    return drawing("The path of a training", (*steps, rasters, config, engine, report, package), arrows)


def purpose(house: str, room: str) -> str:
    """Return the first line of a room's docstring; of a file's where the room is one."""
    path = ROOT / house / room / "__init__.py"
    path = path if path.is_file() else ROOT / house / f"{room}.py"
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]


def rooms() -> str:
    """Return the table of rooms in Markdown, lowest first."""
    lines = []
    for house, names in ORDER.items():
        lines += [f"| `{house}/` | Purpose |", "|---|---|"]
        for name in names:
            folder = (ROOT / house / name).is_dir()
            lines.append(f"| `{name}{'/' if folder else '.py'}` | {purpose(house, name)} |")
        lines.append("")
    return "\n".join(lines)


def page(text: str) -> str:
    """Return the architecture's page with the table of rooms as it is now.

    Raises:
        ValueError: the page lacks the marks between which the table stands.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE.name} lacks the marks {BEGIN} and {END}.")
    return f"{before}{BEGIN}\n\n{rooms()}\n{END}{after}"


DIAGRAMS = {"houses.svg": houses, "raster.svg": raster_path, "training.svg": training_path}


def made() -> dict[Path, str]:
    """Return every file that this command writes, with its text."""
    files = {FOLDER / name: draw() for name, draw in DIAGRAMS.items()}
    return files | {PAGE: page(PAGE.read_text(encoding="utf-8"))}


def main() -> int:
    """Write the files; return the exit status."""
    for path, text in made().items():
        path.write_text(text, encoding="utf-8", newline="\n")
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
