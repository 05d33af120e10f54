"""How pages and figures look: one style sheet, and one set of figure settings that goes with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

INK, GREY, RULE = "#1d2733", "#52606d", "#d5dbe1"
# Okabe & Ito (2008): told apart by colour-blind readers, and in grey by the order of lightness.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f6a2b", "#8a63a8")
TRUTH = "#1d1d1d"
WIDTH = 10.0  # inches, of a figure across the page

STYLE = """
body{font:15px/1.5 system-ui,"Segoe UI",Helvetica,Arial,sans-serif;max-width:1080px;margin:2rem auto;
padding:0 1rem;color:#1d2733;background:#fff}
h1{font-size:1.65rem;line-height:1.25;margin-bottom:.2rem}
h2{font-size:1.15rem;margin-top:2.4rem;padding-bottom:.2rem;border-bottom:1px solid #d5dbe1}
h3{font-size:1rem;margin:1.4rem 0 .3rem}
a{color:#0b5c8c;text-decoration:none}
.lead{color:#52606d;margin-top:0}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #e4e8ec;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
ul.remarks li{margin:.3rem 0;padding:.4rem .7rem;background:#fff6e0;border-left:4px solid #e3a008}
ul.remarks{padding:0;list-style:none}
.good{padding:.4rem .7rem;background:#eaf7ee;border-left:4px solid #2f9e5b}
img{max-width:100%}
pre{background:#f5f7f9;padding:.8rem;overflow:auto;font-size:12.5px}
.bar{background:#e4e8ec;height:.55rem;width:7rem;display:inline-block;margin-right:.5rem}
.bar i{background:#3b7ea1;height:100%;display:block}
nav{font-size:13.5px;columns:3;margin:1.2rem 0;padding:.7rem 1rem;background:#f5f7f9}
nav a{display:block}
figure{margin:1rem 0 1.6rem}
figure>img{display:block;margin:0 auto}
figcaption,p.caption{font-size:13.5px;color:#3d4954;max-width:62rem;margin:.5rem 0 1rem}
p.caption{margin-top:1.8rem}
h2+p.caption{margin-top:.6rem}
.scroll{overflow-x:auto}
table.results{font-size:13px;line-height:1.35;
border-top:1.5px solid #1d2733;border-bottom:1.5px solid #1d2733}
table.results th{border-bottom:1px solid #1d2733;vertical-align:bottom;font-weight:600}
table.results th,table.results td{padding:.2rem .5rem}
table.results tr.group td{padding-top:.6rem;font-style:italic;color:#52606d;border-bottom:0}
table.results tr.own td{background:#f3f8fb}
td.best{font-weight:700}
td small{color:#52606d;font-size:.86em}
table.facts th{width:11rem;font-weight:600;white-space:nowrap}
footer{margin-top:3rem;padding-top:.6rem;border-top:1px solid #d5dbe1;font-size:13px;color:#52606d}
@page{size:A4;margin:16mm 14mm}
@media print{
body{font-size:10pt;max-width:none;margin:0;padding:0}
nav{display:none}
h2,h3{break-after:avoid}
figure,tr,p.caption{break-inside:avoid}
.scroll{overflow:visible}
table.results{font-size:7.6pt}
figcaption,p.caption{font-size:8.8pt}
table.results th,table.results td{padding:.12rem .25rem}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
}
"""

SETTINGS: dict[str, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.0,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#8a949e",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,  # maps have none; charts ask for it
    "axes.axisbelow": True,
    "grid.color": "#e4e8ec",
    "grid.linewidth": 0.7,
    "xtick.color": "#52606d",
    "ytick.color": "#52606d",
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "text.color": INK,
    "svg.fonttype": "path",
    "svg.hashsalt": "msr",
    "figure.constrained_layout.use": True,
}


@contextmanager
def drawing() -> Iterator[Any]:
    """Give matplotlib's pyplot without a window and with the pages' settings; close what was drawn."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    try:
        with pyplot.rc_context(SETTINGS):  # type: ignore[arg-type]  # matplotlib types each setting by its name
            yield pyplot
    finally:
        pyplot.close("all")
