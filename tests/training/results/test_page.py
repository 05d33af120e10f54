"""The page of the results: it agrees with the records, and is replaced part by part, always the same."""

from __future__ import annotations

import re

import pytest

from engine.errors import InputError
from engine.files.root import ROOT
from training.evaluation.bootstrap import Interval
from training.results import __main__ as results
from training.results.claims.claim import Bar, Claim, ResultsSection
from training.results.claims.context import ResultsContext
from training.results.markdown import markdown
from training.results.page import page_of, parts_of
from training.results.parts import PARTS
from training.results.prose import INTRODUCTION, PROSE
from training.results.told_numbers import ToldNumbers, format_interval, format_number

PAGE = ROOT / "docs" / "results.md"
FROM_RECORDS = (
    *("ablations", "encoded_gan", "learned_baselines", "moselle", "hidden_truth", "another_climate"),
    *("member_generators", "measured_snow", "defaults"),
)
ONE = ("--processes", "1")


@pytest.fixture
def committed_page(tmp_path):
    """A copy of the committed page, to be changed."""
    copy = tmp_path / "results.md"
    copy.write_bytes(PAGE.read_bytes())
    return copy


@pytest.mark.parametrize("part", FROM_RECORDS)
def test_the_committed_page_agrees_with_the_committed_records(part):
    assert results.run(["--check", str(PAGE), "--only", part, *ONE]) == 0


def test_the_committed_page_has_every_part_in_order_and_lacks_nothing():
    text = PAGE.read_text(encoding="utf-8")
    assert list(parts_of(text, "page")) == list(PARTS) == list(PROSE)
    assert "Missing." not in text and str(ROOT) not in text
    assert not re.search(r"\bnan\b|\binf\b", text)


def test_every_section_on_snow_says_that_it_is_simulated():
    parts = parts_of(PAGE.read_text(encoding="utf-8"), "page")
    for part, body in parts.items():
        assert "snow" not in body.lower() or "simulated" in body.lower(), part


def test_the_page_counts_the_claims_of_all_its_parts():
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| .* \| (yes|\*\*no\*\*|\*\*not surely\*\*) \| .* \|$", text, re.MULTILINE)
    assert f"In all, {rows.count('yes')} of the {len(rows)} claims on this page hold." in text
    assert len(re.findall(r"^\*\*\d+ of \d+ claims hold", text, re.MULTILINE)) > 1


def test_writing_again_changes_no_byte(committed_page):
    before = committed_page.read_bytes()
    for _ in range(2):
        results.run(["--write", str(committed_page), "--only", ",".join(FROM_RECORDS), *ONE])
        assert committed_page.read_bytes() == before


def test_only_the_wanted_parts_are_replaced(committed_page):
    old = parts_of(committed_page.read_text(encoding="utf-8"), "page")
    changed = {part: body.replace("RMSE", "XMSE") for part, body in old.items()}
    assert changed["moselle"] != old["moselle"] and changed["ablations"] != old["ablations"]
    committed_page.write_text(page_of(INTRODUCTION, changed, tuple(PARTS)), encoding="utf-8")
    results.run(["--write", str(committed_page), "--only", "moselle", *ONE])
    new = parts_of(committed_page.read_text(encoding="utf-8"), "page")
    assert new == {**changed, "moselle": old["moselle"]}


def test_parts_stand_in_their_order_whenever_they_are_written(tmp_path):
    page = tmp_path / "results.md"
    for part in ("moselle", "encoded_gan"):
        results.run(["--write", str(page), "--only", part, *ONE])
    assert list(parts_of(page.read_text(encoding="utf-8"), "page")) == ["encoded_gan", "moselle"]
    with pytest.raises(InputError, match="lacks the part ablations"):
        results.run(["--check", str(page), "--only", "moselle,ablations", *ONE])


def test_a_changed_digit_is_seen_and_its_part_named(committed_page):
    text = committed_page.read_text(encoding="utf-8")
    body = parts_of(text, "page")["moselle"]
    at = text.index(body) + re.search(r"\d\.\d(\d)", body).start(1)
    changed = text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :]
    committed_page.write_text(changed, encoding="utf-8")
    with pytest.raises(InputError, match=r"in the part moselle: it says “.*”, the results say “.*”\."):
        results.run(["--check", str(committed_page), "--only", "encoded_gan,moselle", *ONE])
    assert results.run(["--check", str(committed_page), "--only", "encoded_gan", *ONE]) == 0


def test_a_change_between_the_parts_is_seen(committed_page):
    text = committed_page.read_text(encoding="utf-8")
    committed_page.write_text(text.replace("# Results", "# Result", 1), encoding="utf-8")
    with pytest.raises(InputError, match="outside its parts"):
        results.run(["--check", str(committed_page), "--only", "moselle", *ONE])


def test_a_page_that_is_missing_is_said(tmp_path):
    with pytest.raises(InputError, match="There is no page"):
        results.run(["--check", str(tmp_path / "none.md"), "--only", "moselle", *ONE])


def test_a_quick_look_is_never_written(committed_page):
    with pytest.raises(InputError, match="--quick"):
        results.run(["--write", str(committed_page), "--quick", "--only", "moselle", *ONE])


@pytest.mark.parametrize(
    "text",
    [
        "<!-- part: a -->\nx\n",
        "<!-- part: a -->\nx\n<!-- end: b -->\n",
        "x\n<!-- end: a -->\n",
        "<!-- part: a -->\n<!-- end: a -->\n<!-- part: a -->\n<!-- end: a -->\n",
        "<!-- part: a -->\n<!-- part: b -->\n<!-- end: a -->\n<!-- end: b -->\n",
    ],
)
def test_markers_in_disorder_are_named(text):
    with pytest.raises(InputError, match=r"page\.md: "):
        parts_of(text, "page.md")


# ---------------------------------------------------------------------- one part


@pytest.fixture
def context(tmp_path):
    """A context without any record."""
    return ResultsContext(print, folder=tmp_path, configs=tmp_path)


def test_a_claim_that_fails_is_told_as_missed(context):
    claims = [Claim("a | b", 0.5, 0.4, 0.6, Bar(high=1)), Claim("c", 2.0, bar=Bar(high=1))]
    text = markdown("main_claim", ResultsSection("T", "x  y\n----\n1  2", claims=claims), context)
    assert "| 0.5 | 0.4 to 0.6 | <= 1 | yes | a \\| b |" in text and "| 2 |  | <= 1 | **no** | c |" in text
    assert "**1 of 2 claims hold.** Missed: c (2, bar <= 1)." in text
    assert "```text\nx  y\n----\n1  2\n```" in text and "`./dev results --only main_claim`" in text


def test_what_is_missing_is_said_on_the_page_without_a_path_of_this_machine(context):
    section = ResultsSection("Moselle").lack(f"The store {ROOT}/stores/x is not there.")
    text = markdown("moselle", section, context)
    assert "Missing. The store stores/x is not there." in text and "text on these numbers is left out" in text


def test_numbers_are_taken_by_their_words(context):
    figures = [Claim("T: rmse of A", 1.25), Claim("T: rmse of A, better", 0.5, 0.25, 0.75)]
    n = ToldNumbers(ResultsSection("T", figures=figures), context)
    assert n.number("rmse of A", ".2f") == "1.25" and n.rest("rmse of A, ") == "better"
    assert n.interval("rmse of A, better", ".2f") == "0.50 (0.25 to 0.75)"
    for words in ("mae", "rmse"):
        with pytest.raises(InputError, match=words):
            n.number(words, ".2f")
    with pytest.raises(InputError, match="no record"):
        n.recorded("x", "rmse", ".2f")


def test_numbers_have_a_true_minus_that_rounding_keeps():
    assert format_number(-0.001, ".2f") == "−0.00" and format_number(-1.5, ".1f") == "−1.5"
    assert format_interval(Interval(1.0, float("nan"), float("nan")), ".1f") == "1.0"
    with pytest.raises(InputError, match="finite"):
        format_number(float("nan"), ".2f")
