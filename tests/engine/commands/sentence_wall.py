"""What every sentence for a user must be; used by the tests that feed commands with wrong input."""

from __future__ import annotations

import re

FORBIDDEN = re.compile(
    r"Traceback|unexpected|\w+Error\b|\w+Exception\b|Errno|^Error|<class|\bat 0x|pydantic|rasterio\b|"
    r"GDALError|CPLE_|codec can't|errors\.pydantic|https?://errors|NoneType|object has no|"
    r"invalid literal|could not convert|Input should be|\bint\(\)|For further information",
    re.MULTILINE,
)
LONGEST = 400


def check(text: str, *words: str) -> None:
    """Assert that a text is one sentence of plain words that names what is wrong."""
    lines = [line for line in text.splitlines() if not line.startswith("Warning: ")]
    assert len(lines) == 1, text
    sentence = lines[0]
    assert sentence.endswith("."), sentence
    assert len(sentence) < LONGEST, sentence
    assert not (FORBIDDEN.search(sentence)), sentence
    for word in words:
        assert word in sentence, (word, sentence)
