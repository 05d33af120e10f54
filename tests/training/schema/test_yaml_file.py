"""YAML as people and others write it: read, or refused in a sentence that names file and line."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

import pytest

from engine.errors import InputError
from tests.engine.commands.sentence_wall import check
from training.schema import yaml_file
from training.schema.yaml_file import parse_yaml, read_yaml


def test_plain_data_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: [1, 2.5, true, null, text]\nb: &x {c: 2001-02-03}\nd: *x\n", encoding="utf-8")
    day = dt.date(2001, 2, 3)
    assert read_yaml(path) == {"a": [1, 2.5, True, None, "text"], "b": {"c": day}, "d": {"c": day}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\na: 2\n", ["line 2", "key a stands twice"]),
        ("a: 1\n b: 2\n", ["line 2", "indents"]),
        ("a: [1, 2\n", ["line"]),
        ("a: 'open\n", ["line"]),
        ("a: 2001-13-45\n", ["line 1", "2001-13-45", "no number or date"]),
        (f"a: {'9' * 5000}\n", ["line 1", "too many digits"]),
        ("a: 0x" + "f" * 5000 + "\n", ["too many digits"]),
        ("[" * 20_000, ["inside each other"]),
        ("a: " + "{a: " * 20_000, ["inside each other"]),
        ("? [1, 2]\n: 3\n", ["cannot be the name of a key"]),
        ("? {a: 1}\n: 3\n", ["cannot be the name of a key"]),
        ("a: &x [*x]\n", ["leads back"]),
        ("a: !!python/object/apply:os.system ['true']\n", ["line 1"]),
        ("a: \x07\n", ["no text"]),
        ("just words", ["holds no keys"]),
        ("- 1\n- 2\n", ["holds no keys"]),
        ("", ["holds no keys"]),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text, encoding="utf-8")
    begun = time.monotonic()
    with pytest.raises(InputError) as caught:
        read_yaml(path)
    check(str(caught.value), "a.yaml", *words)
    assert time.monotonic() - begun < 20  # once, nesting took time without end


def test_aliases_cannot_make_a_file_explode() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(InputError, match="more than 200000 values"):
        parse_yaml("\n".join(lines), "The file x")


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: caf\xe9\n")
    (tmp_path / "long.yaml").write_text("a: 1\n" * 9)
    (tmp_path / "folder.yaml").mkdir()
    for name, words in (
        ("none.yaml", "no such file"),
        ("latin.yaml", "UTF-8"),
        ("folder.yaml", "is no file"),
    ):
        with pytest.raises(InputError) as caught:
            read_yaml(tmp_path / name)
        check(str(caught.value), name, words)
    monkeypatch.setattr(yaml_file, "MOST_BYTES", 20)
    with pytest.raises(InputError, match="larger than 20 bytes"):
        read_yaml(tmp_path / "long.yaml")
    with pytest.raises(InputError):
        read_yaml("a\0b.yaml")
