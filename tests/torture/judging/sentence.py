"""Whether an error is one sentence that a person can act on."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tests.torture.case import Finding

LONGEST = 600
# What only a program says: tracebacks, classes, libraries' and systems' own words.
_MACHINE = (
    r"Traceback",
    r"Something unexpected",
    r"\b[A-Z][A-Za-z]*(?:Error|Exception|Interrupt)\b",
    r"\bline \d+, in\b",
    r"(?<!gdal_edit)\.py\b(?!\S)",
    r"\b0x[0-9a-f]{4,}",
    r"\b[Ee]rrno\b",
    r"\[Errno",
    r"<class |<function |<module |object at ",
    r"\bNoneType\b|\bndarray\b|\bdtype\b|\bPydantic|pydantic\b|\bnumpy\b|\btorch\.|\brasterio\b|\bxarray\b|\bh5py\b",
    r"has no attribute|positional argument|unexpected keyword|not subscriptable|not iterable|unhashable",
    r"not supported between instances|could not convert string|invalid literal|unsupported operand",
    r"object is not callable|must be real number|can't convert|cannot unpack|out of range: ",
    r"\bCPLE_|\bTIFF[A-Z]\w+|IReadBlock|RasterIO|libtiff|_TIFF|NetCDF: |HDF error|\bH5\w+\(",
    r"Expecting value|Extra data|mapping values are not|while scanning|while parsing|expected <block",
    r"\bUnicode\w*|surrogates not allowed|codec can't",
    r"broadcast|tensor a \(|size of tensor|state_dict|Header[A-Z]\w+|Metadata[A-Z]\w+",
    r"\bstd::|\bSIG[A-Z]{3,}\b|Segmentation|core dumped|free\(\)|Aborted",
    r"validation errors? for|Input should be|\[type=",
)
_PATTERN = re.compile("|".join(_MACHINE))


def check_sentence(message: str, names: Sequence[str] = ()) -> list[Finding]:
    """Return what is wrong with an error's message.

    Args:
        message: what the user reads; on the command line all of standard error but warnings.
        names: of these words the message must say one; none: any will do.
    """
    text = message.strip()
    found = []
    if not text:
        return [Finding("sentence", "no word of what is wrong")]
    if "\n" in text:
        found.append(Finding("sentence", f"{len(text.splitlines())} lines: {text[-600:]!r}"))
    if not text.endswith("."):
        found.append(Finding("sentence", f"does not end with a period: {text[-200:]!r}"))
    if len(text) > LONGEST:
        found.append(Finding("sentence", f"{len(text)} characters: {text[:300]!r}…"))
    if machine := _PATTERN.search(text):
        found.append(Finding("sentence", f"a program's words ({machine[0]!r}): {text[:400]!r}"))
    if any(ord(sign) < 32 and sign != "\n" for sign in text):
        found.append(Finding("sentence", f"control characters: {text[:300]!r}"))
    if names and not any(name.casefold() in text.casefold() for name in names if name):
        found.append(Finding("sentence", f"names none of {', '.join(names)[:120]}: {text[:400]!r}"))
    return found
