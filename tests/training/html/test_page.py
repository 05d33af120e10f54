"""Pages: self-contained, numbered, escaped, whole or not there."""

from __future__ import annotations

import base64
import math
import re

import pytest

from engine.files.atomic import write_text
from training.html.page import Cell, Page, facts_html, figure_html, nearest, table_html
from training.html.style import drawing


def test_a_page_numbers_its_tables_and_figures_and_needs_nothing_from_outside(tmp_path):
    page = Page("Rain <8>", "a & b")
    with drawing() as pyplot:
        for vector in (True, False):
            figure, axis = pyplot.subplots(figsize=(3, 2))
            axis.plot([1, 2, 3])
            page.section("Lines", figure_html(figure, "A line", vector), caption="A line & more")
    page.section("Numbers", table_html(["method", "RMSE"], [["a", "1"]]), caption="Some")
    page.section("", table_html(["method", "RMSE"], [["b", "2"]]), caption="More").foot("made <b>so</b>")
    path = tmp_path / "deep" / "page.html"
    page.write(path)
    text = path.read_text(encoding="utf-8")
    assert [p.name for p in path.parent.iterdir()] == ["page.html"]
    assert "<h1>Rain &lt;8&gt;</h1>" in text and "a &amp; b" in text and "made <b>so</b>" in text
    assert re.findall(r"<b>(\w+ \d)\.</b>", text) == ["Figure 1", "Figure 2", "Table 1", "Table 2"]
    images = re.findall(r'<img [^>]*src="data:(image/[\w+]+);base64,([^"]+)"', text)
    assert [kind for kind, _ in images] == ["image/svg+xml", "image/png"]
    assert b"<svg" in base64.b64decode(images[0][1]) and base64.b64decode(images[1][1])[1:4] == b"PNG"
    links = re.findall(r"""(?:src|href)\s*=\s*["']?([^"'>]*)""", text)
    assert links and all(link.startswith(("data:", "#")) for link in links) and "@import" not in text


def test_a_table_marks_the_best_and_heads_its_groups():
    rows = [["Simple"], ["a", Cell("1.0", "0.9 to 1.1")], ["<b>", "2.0"]]
    text = table_html(["method", "RMSE"], rows, best={(1, 1)}, own={2})
    assert '<tr class="group"><td colspan="2">Simple</td></tr>' in text
    assert '<td class="n best">1.0<br><small>0.9 to 1.1</small></td>' in text
    assert "<tr class=own><td>&lt;b&gt;</td>" in text
    assert '<th class="n">RMSE</th>' in text and "<th>method</th>" in text
    assert "<th>a &amp; b</th><td>1 &lt; 2</td>" in facts_html([("a & b", "1 < 2")])


@pytest.mark.parametrize(
    ("values", "perfect", "expected"),
    [
        ([3.0, 1.0, 2.0], 0.0, {1}),
        ([0.5, 0.9, 1.2], 1.0, {1}),
        ([-0.1, 0.1, 5.0], 0.0, {0, 1}),
        ([math.nan, 2.0], 0.0, {1}),
        ([math.nan], 0.0, set()),
        ([1.0], None, set()),
    ],
)
def test_the_best_is_nearest_to_the_perfect_value(values, perfect, expected):
    assert nearest(values, perfect) == expected


def test_a_text_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "page.html"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "new \ud800")
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1
