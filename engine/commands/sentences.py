"""The form of what a user reads of an error: one line, one sentence, of a length that can be read."""

from __future__ import annotations

import re

from engine.raster.cloud.told_address import redacted

LONGEST = 390  # signs
_KEPT = 60  # of a long word, such as a path
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def one_sentence(text: str) -> str:
    """Return a text as one line that ends with a period; what is too long is left out in its middle."""
    text = redacted(text.encode("utf-8", "replace").decode("utf-8"))
    line = " ".join(_CONTROLS.sub(" ", text).split())
    if len(line) > LONGEST:
        line = _shortened(line)
    line = line.rstrip(" .:;,")
    return f"{line}." if line else "The run failed without saying why."


def shown(value: object, longest: int = _KEPT) -> str:
    """Return a value as a sentence may repeat it: not longer than a person reads."""
    try:
        text = str(value)
    except ValueError:  # an integer of thousands of digits
        return "a number of thousands of digits"
    text = " ".join(_CONTROLS.sub(" ", text.encode("utf-8", "replace").decode("utf-8")).split())
    return text if len(text) <= longest else f"{text[: longest // 2]}…{text[-longest // 2 + 1 :]}"


def _shortened(line: str) -> str:
    """Shorten the longest words first, then the middle of the line."""
    words = line.split(" ")
    for index in sorted(range(len(words)), key=lambda i: -len(words[i])):
        if len(" ".join(words)) <= LONGEST or len(words[index]) <= _KEPT:
            break
        words[index] = f"{words[index][: _KEPT // 3]}…{words[index][-_KEPT * 2 // 3 :]}"
    line = " ".join(words)
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]}…{line[-LONGEST // 2 + 1 :]}"
