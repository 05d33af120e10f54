"""The plugin in other languages: complete, fitting, shown."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from qgis.core import QgsSettings

from msr_plugin import translation
from msr_plugin.worker.phases import PHASES, phase_words, title_words

LANGUAGES = ("de", "fr")
TODO = "./dev translate --missing lists what is to be translated, ./dev translate --take FILE adds it"


@pytest.fixture(scope="module")
def tool(root):
    """The command `./dev translate`."""
    spec = importlib.util.spec_from_file_location("translate", root / ".ci" / "translate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def shown(root, tmp_path, engine_python):
    """Return a function that starts a QGIS of some language and returns the texts that it shows."""

    def start(language: str, *arguments: str) -> dict[str, str]:
        own = {"QGIS_CUSTOM_CONFIG_PATH": str(tmp_path), "MSR_ENGINE_PYTHON": str(engine_python)}

        command = [sys.executable, str(Path(__file__).with_name("show_texts.py")), language, *arguments]
        done = subprocess.run(
            command, env={**os.environ, **own}, cwd=root, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout[done.stdout.index("{") :])

    return start


def test_every_text_has_its_translations(tool):
    texts, _ = tool.plugin_texts()
    assert len(texts) > 600
    assert {name: list(open_) for name, open_ in tool.missing(texts).items()} == {}, TODO


@pytest.mark.parametrize("name", LANGUAGES)
def test_translations_fit_their_texts(tool, name):
    texts, _ = tool.plugin_texts()
    entries = tool.read(name)
    assert {text: why for text, said in entries.items() if (why := tool.misfit(text, said))} == {}
    assert sorted(set(entries) - set(texts)) == [], "./dev translate drops what is said no more"


def test_every_text_goes_through_tr(tool):
    assert tool.plugin_texts()[1] == []


def test_the_check_sees_a_text_that_does_not(tool, tmp_path):
    (tmp_path / "msr_plugin").mkdir()
    source = (
        '"""No text."""\nfrom x import tr\nTITLES = {"A": "Make it finer"}\nTAGS = ("which method",)\n\n'
        'def f(name):\n    """Nor this."""\n    say(tr("All is well."))\n    say(f"{name} is not there.")\n'
        '    say("Nothing was written.")\n    return tr(f"The {name} is damaged.")\n'
    )
    (tmp_path / "msr_plugin" / "a.py").write_text(source, encoding="utf-8")
    texts, loose = tool.plugin_texts(tmp_path)
    assert set(texts) == {"Make it finer", "All is well."}
    assert sorted(int(line.split(":")[1]) for line in loose) == [9, 10, 11]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{} of {}", "{} von"),
        ("{} of {}", "{1} von {2} {}"),
        ("from {low}", "von {tief}"),
        ("{:.1%} of it", "{} davon"),
        ("<b>Rain</b>", "<i>Regen</i>"),
        ("Zip files (*.zip)", "Zip-Dateien"),
        (" and more", "und mehr"),
        ("Two\nlines", "Zwei Zeilen"),
        ("{} alone", "{} allein {"),
    ],
)
def test_the_check_sees_a_translation_that_does_not_fit(tool, text, said):
    assert tool.misfit(text, said)
    assert not tool.misfit("{} of {}", "{1} von {0}")


def test_what_is_missing_is_listed_and_taken(tool, tmp_path, monkeypatch):
    monkeypatch.setattr(tool, "FOLDER", tmp_path)
    for function in (tool.read, tool.write, tool.missing):  # their folder is FOLDER unless another is given
        monkeypatch.setattr(function, "__defaults__", (tmp_path,))
    wanted = tool.missing(tool.plugin_texts()[0])
    assert set(wanted) == set(LANGUAGES) and wanted["de"]["Coarse raster"] == ""
    file = tmp_path / "translated.json"
    file.write_text(json.dumps({"de": {"Coarse raster": "Grobes Raster", "Wrote {}.": "Geschrieben."}}))
    (refused,) = tool.take(file, tool.plugin_texts()[0])
    assert "Wrote {}." in refused
    assert tool.read("de") == {"Coarse raster": "Grobes Raster"}


def test_a_qgis_in_german_shows_german(shown):
    texts = shown("de_CH")
    assert texts["sharpen."] == "Mein Raster verfeinern"
    assert texts["sharpen.TARGET"] == "Grobes Raster"
    assert "ein Stapel mit einem Kanal je Datum" in texts["sharpen.TARGET help"]
    assert texts["train.group"] == "Training"
    assert "Mein Raster verfeinern…" in texts.values()  # of the menu
    assert "Engine entfernen" in texts.values()  # of the settings page
    lists = {text for name, text in texts.items() if name.startswith("sharpen.") and " entry " in name}
    assert {"Automatisch (auto)", "Wie sie sind (as they are)", "Nie unter 0 (nonnegative)"} <= lists


def test_a_qgis_in_french_shows_french_and_one_in_welsh_english(shown):
    assert shown("fr")["sharpen.TARGET"] == "Raster grossier"
    assert shown("cy")["sharpen.TARGET"] == "Coarse raster"


# What is a name: of formats, and dates.
NAMES = {"GeoTIFF", "NetCDF", "Zarr", "2001-01", "2001-02"}
# What a language has in common with English.
ALIKE = {
    "de": {"Name", "NDVI", "Threads", "Training", "Version"},
    "fr": {"Citation", "Configuration (YAML)", "Date", "Description", "Directions", "Licence", "NDVI"}
    | {"Page", "Version", "Classes"},
}


def test_forms_lists_menu_and_windows_go_through_tr(shown):
    plain = {name: text for name, text in shown("en", "--marked").items() if "‹" not in text}
    assert {name: text for name, text in plain.items() if text not in NAMES} == {}


@pytest.mark.parametrize("name", LANGUAGES)
def test_nothing_stays_english_but_names(shown, name):
    english, other = shown("en"), shown(name)
    assert set(english) == set(other) and len(english) > 700
    assert "rainitur8.SOURCE_TEMPERATURE" in english and "sharpen.AGGREGATE entry 1" in english
    same = {part: text for part, text in other.items() if text == english[part]}
    assert {p: text for p, text in same.items() if text not in NAMES | ALIKE[name] and "‹" not in text} == {}


@pytest.mark.parametrize("name", LANGUAGES)
def test_no_text_has_its_own_words_as_translation(tool, name):
    alike = {text for text, said in tool.read(name).items() if text == said and len(text.split()) > 3}
    assert alike == set()


def test_german_calls_dates_no_data(tool):
    entries = tool.read("de").items()
    wrong = {
        said
        for text, said in entries
        if re.search(r"\bDaten\b", said)
        and re.search(r"\bdates?\b", text)
        and not re.search(r"\b[Dd]ata\b", text)
    }
    assert wrong == set()


def phases_in(room: Path) -> set[str]:
    """Return the phases that a room's files tell: literals of the calls and constants that hold one."""
    calls = {"progress": 1, "_tell": 1, "begin": 0, "tell_between": 0, "told_items": 1, "walk": 0}
    kept = ("PHASE", "_PHASE", "phase", "again", "words")
    told = set()
    for path in room.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                at = calls.get(name, 99)
                told |= literals(node.args[at]) if len(node.args) > at else set()
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in kept:
                told |= literals(node.value)
    return {text for text in told if text[:1].isupper() and "RMSE" not in text}


def literals(node: ast.expr) -> set[str]:
    """Return the texts in an expression."""
    return {
        each.value
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    }


def test_every_phase_of_a_job_is_known(root):
    told = phases_in(root / "engine") | phases_in(root / "training")
    assert {"Super-resolving", "Loading the model", "Evaluating", "Training"} <= told
    assert told - set(PHASES) == set()
    source = "".join(
        p.read_text(encoding="utf-8") for r in ("engine", "training") for p in (root / r).rglob("*.py")
    )
    assert [phase for phase in PHASES if f'"{phase.partition("{")[0]}' not in source] == []


def test_phases_and_reasons_of_other_code_are_translated(monkeypatch):
    monkeypatch.setattr(
        translation, "catalogue", lambda: {"Comparing: {}": "Vergleich: {}", "Bicubic": "Bikubisch"}
    )
    assert phase_words("Comparing: Bicubic") == "Vergleich: Bikubisch"
    assert phase_words("Comparing: a (b)") == "Vergleich: a (b)"
    assert phase_words("subset elevation, 1") == "subset elevation, 1"


def test_the_locale_decides(monkeypatch):
    QgsSettings().setValue("locale/userLocale", "fr-CA")
    translation.catalogue.cache_clear()
    try:
        assert translation.tr("Coarse raster") == "Raster grossier"
        assert translation.tr("a text that nobody has translated") == "a text that nobody has translated"
    finally:
        QgsSettings().remove("locale/userLocale")
        translation.catalogue.cache_clear()
    assert translation.tr("Coarse raster") == "Coarse raster"


def test_a_method_that_conserves_is_called_so_in_the_language_of_qgis(monkeypatch):
    words = {"Lapse rate": "Gradient", "{}, conservative": "{}, erhaltend", "Comparing: {}": "V: {}"}
    words["Comparing: {}, conservative"] = "V: {}, erhaltend"
    monkeypatch.setattr("msr_plugin.translation.catalogue", lambda: words)
    assert title_words("Lapse rate, conservative") == "Gradient, erhaltend"
    assert title_words("Lapse rate") == "Gradient"
    assert phase_words("Comparing: Lapse rate, conservative") == "V: Gradient, erhaltend"
    assert phase_words("Comparing: Lapse rate") == "V: Gradient"
