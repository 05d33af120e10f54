"""Keeps resources/translations/LANGUAGE.json, the plugin's texts in other languages.

Run by `./dev translate`. Without options: drops what the plugin says no more, tells how much is translated.
--missing: prints, as JSON, what has no translation yet: {language: {text: ""}}; status 1 if there is any.
--take FILE: adds the translations in such a file, with "" filled in; refuses what does not fit its text.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import string
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "resources" / "translations"
LANGUAGES = ("de", "fr")
# Lists beside the code that the plugin shows: file, and the keys of its entries' texts ("" for the entry).
LISTS = {
    "engine/methods/methods.json": ("title", "help"),
    "engine/files/system_refusals.json": ("",),
}
CARDS = "resources/models/*/card.json"  # of shipped models
# Files without texts of their own language: words of the engine's sentences, a report for developers.
NOT_SHOWN = {
    "algorithms/dialog_words.py",
    "compat.py",
    "installer/issue_report.py",
    "installer/machine.py",
    "installer/python_choice.py",
    "packages/plain_json.py",
}
# Constants of the same kind in other files: search words, words of the engine, options, styles.
NOT_SHOWN_NAMES = {"TAGS", "_WORDS", "_STYLE", "NOT_STATED", "__all__"}
# Words with a space between them, or something put in beside words.
_TEXT = re.compile(
    r"[A-Za-z’'”)]{2,}[,:;.)”]*[ \n][“({]*[A-Za-z]|[a-z]{2,} ?\{\}[ ,.;:]|\{\}:? [a-z]{2,}|^[A-Z][a-z]+\.$"
)
_LABEL = re.compile(r"^[A-Z][a-z]+(-[a-z]+)?( |…|: \{|$)")  # one word, in a table
_NO_TEXT = re.compile(
    r"pip install|^msr |No module named|^<|^tuple|^second since|^deep learning$|^--- |^may be written$"
    r"|^\{\} km$"
)
_OF_CODE = {"re.compile", "re.search", "re.sub", "re.findall", "re.split", "re.match"}
_PATTERN = re.compile(r"\(\*[^)]*\)|</?\w+[^>]*>")  # of file names, and HTML


def _parents(tree: ast.AST) -> dict[ast.AST, ast.AST]:
    return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def _above(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    while node in parents:
        node = parents[node]
        yield node


def _plain(node: ast.AST) -> str | None:
    """Return a literal's text, {} for what is put in; None for no literal."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "{}" for v in node.values)
    return None


def _skipped(node: ast.AST, above: list[ast.AST]) -> bool:
    """Return whether a literal is a docstring, a key, a name of something, or part of another literal."""
    nearest = above[0] if above else None
    if isinstance(nearest, (ast.Expr, ast.JoinedStr, ast.FormattedValue)):
        return True
    if isinstance(nearest, ast.Dict) and node in nearest.keys:
        return True
    for at in above:
        if isinstance(at, ast.keyword) and at.arg == "name":
            return True
        if isinstance(at, ast.Call) and ast.unparse(at.func) in {*_OF_CODE, "tr", "cast"}:
            return True
        if isinstance(at, (ast.Assign, ast.AnnAssign)):
            targets = at.targets if isinstance(at, ast.Assign) else [at.target]
            if any(ast.unparse(target) in NOT_SHOWN_NAMES for target in targets):
                return True
    return False


def texts_in(path: Path) -> tuple[dict[str, int], list[tuple[int, str]]]:
    """Return a file's texts with their lines, and what looks like a text and goes nowhere through `tr`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parents = _parents(tree)
    texts: dict[str, int] = {}
    loose: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "tr":
            argument = node.args[0]
            if isinstance(argument, ast.JoinedStr):
                loose.append((node.lineno, ast.unparse(node)))
            elif isinstance(argument, ast.Constant):
                texts.setdefault(argument.value, node.lineno)
            continue
        text = _plain(node)
        above = list(_above(node, parents))
        if text is None or _NO_TEXT.search(text) or _skipped(node, above):
            continue
        functions = {at.name for at in above if isinstance(at, (ast.FunctionDef, ast.AsyncFunctionDef))}
        in_table = not functions or "texts" in functions
        if in_table and isinstance(node, ast.Constant) and (_TEXT.search(text) or _LABEL.match(text)):
            texts.setdefault(text, node.lineno)
        elif _TEXT.search(text):
            loose.append((node.lineno, text))
    return texts, loose


def plugin_texts(root: Path = ROOT) -> tuple[dict[str, str], list[str]]:
    """Return text → where it stands first, and "file:line: text" of what must go through `tr`."""
    texts: dict[str, str] = {}
    loose = []
    folder = root / "msr_plugin"
    for path in sorted(folder.rglob("*.py")):
        if path.relative_to(folder).as_posix() in NOT_SHOWN:
            continue
        place = path.relative_to(root).as_posix()
        own, beside = texts_in(path)
        for text, line in own.items():
            texts.setdefault(text, f"{place}:{line}")
        loose += [f"{place}:{line}: {text}" for line, text in beside]
    for place, keys in LISTS.items():
        if not (root / place).is_file():
            continue
        entries = json.loads((root / place).read_text(encoding="utf-8")).values()
        for text in (entry[key] if key else entry for entry in entries for key in keys):
            texts.setdefault(text, place)
    for path in sorted(root.glob(CARDS)):
        card = json.loads(path.read_text(encoding="utf-8"))
        shown = [card["name"], card["description"], card["target"]["title"]]
        for text in (*shown, *(source["title"] for source in card["sources"])):
            texts.setdefault(text, path.relative_to(root).as_posix())
    texts.pop("", None)
    return texts, loose


def _fields(text: str) -> list[str]:
    """Return what is put into a text; {} and {1} alike, as a translation may turn them round."""
    parts = string.Formatter().parse(text)
    return sorted(
        ("" if name.isdigit() else name) + f"!{conversion}:{spec}"
        for _, name, spec, conversion in parts
        if name is not None
    )


def misfit(text: str, translation: str) -> str:
    """Return why a translation does not fit its text, "" where it does."""
    try:
        if _fields(text) != _fields(translation):
            return "other {} than its text"
    except ValueError:
        return "{ or } that stand alone"
    if sorted(_PATTERN.findall(text)) != sorted(_PATTERN.findall(translation)):
        return "other HTML or file endings than its text"
    ends = [(t[: len(t) - len(t.lstrip())], t[len(t.rstrip()) :]) for t in (text, translation)]
    if ends[0] != ends[1]:
        return "other spaces at its ends than its text"
    return "" if text.count("\n") == translation.count("\n") else "other line breaks than its text"


def read(language: str, folder: Path = FOLDER) -> dict[str, str]:
    """Return a language's texts → translations."""
    file = folder / f"{language}.json"
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}


def write(language: str, translations: dict[str, str], texts: dict[str, str], folder: Path = FOLDER) -> None:
    """Write those of texts in use, sorted, one on each line."""
    kept = {text: translations[text] for text in sorted(texts) if translations.get(text)}
    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps(kept, ensure_ascii=False, indent=0) + "\n"
    (folder / f"{language}.json").write_text(content, encoding="utf-8", newline="\n")


def missing(texts: dict[str, str], folder: Path = FOLDER) -> dict[str, dict[str, str]]:
    """Return what is to be translated, by language."""
    wanted = {name: {t: "" for t in texts if not read(name, folder).get(t)} for name in LANGUAGES}
    return {name: open_ for name, open_ in wanted.items() if open_}


def take(file: Path, texts: dict[str, str]) -> list[str]:
    """Add a file's translations; return what was refused, and why."""
    refused = []
    for language, added in json.loads(file.read_text(encoding="utf-8")).items():
        if language not in LANGUAGES:
            refused.append(f"{language}: not among {', '.join(LANGUAGES)}")
            continue
        translations = read(language)
        for text, translation in added.items():
            why = "is said nowhere" if text not in texts else misfit(text, translation)
            if not translation:
                continue
            if why:
                refused.append(f"{language}: {text!r}: {why}")
            else:
                translations[text] = translation
        write(language, translations, texts)
    return refused


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked for; return the exit status."""
    parser = argparse.ArgumentParser(prog="./dev translate", description=__doc__.split("\n", maxsplit=1)[0])
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--missing", action="store_true", help="print what is to be translated, as JSON")
    group.add_argument("--take", type=Path, metavar="FILE", help="add the translations in such a file")
    options = parser.parse_args(arguments)
    texts, loose = plugin_texts()
    for line in loose:
        print(f"not through tr: {line}", file=sys.stderr)
    if options.missing:
        wanted = missing(texts)
        print(json.dumps(wanted, ensure_ascii=False, indent=1))
        return 1 if wanted else 0
    if options.take:
        refused = take(options.take, texts)
        print("\n".join(refused), file=sys.stderr)
        return 1 if refused else 0
    for language in LANGUAGES:
        write(language, read(language), texts)
        print(f"{language}: {len(read(language))} of {len(texts)} texts")
    return 0


if __name__ == "__main__":
    sys.exit(main())
