"""Reading YAML files of keys and values: plain data, no key twice, nothing that a person would not write."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from engine.commands.sentences import shown
from engine.errors import InputError
from engine.files.sizes import size_text
from engine.files.system_errors import system_reason

MOST_BYTES = 2_000_000
DEEPEST = 40  # lists and keys inside each other
MOST_VALUES = 200_000  # with what stands behind every alias
MOST_DIGITS = 400


class _Refused(yaml.YAMLError):
    """What this reader refuses, in words of ours."""

    def __init__(self, problem: str, mark: Any) -> None:
        super().__init__(problem)
        self.problem, self.problem_mark = problem, mark


class _PlainLoader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error, as is what would cost time or memory without end."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._sizes: dict[int, int] = {}  # of the nodes that are whole, by their identity

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()
        self._depth += 1
        if self._depth > DEEPEST:
            raise _Refused(f"more than {DEEPEST} lists or keys stand inside each other", event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is not None:
            self._count(node, event)
        return node

    def _count(self, node: yaml.Node, event: yaml.Event) -> None:
        if isinstance(event, yaml.AliasEvent):
            if id(node) not in self._sizes:
                raise _Refused("an alias leads back to what it stands in", event.start_mark)
            return
        inside = node.value if isinstance(node, yaml.CollectionNode) else ()
        size = 1
        for part in inside:
            for each in part if isinstance(part, tuple) else (part,):
                size += self._sizes.get(id(each), 1)
        if size > MOST_VALUES:
            raise _Refused(f"it holds more than {MOST_VALUES} values", event.start_mark)
        self._sizes[id(node)] = size

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if isinstance(node, yaml.ScalarNode) and node.tag.endswith(":int") and len(node.value) > MOST_DIGITS:
            raise _Refused(f"the number {shown(node.value, 20)} has too many digits", node.start_mark)
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:
            what = shown(getattr(node, "value", ""), 40)
            raise _Refused(f"{what} is no number or date that there is", node.start_mark) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise _Refused("a list or keys cannot be the name of a key", key_node.start_mark)
            if key in seen:
                raise _Refused(f"key {shown(key)} stands twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML file of keys and values.

    Raises:
        InputError: no such file, no YAML, a key that stands twice, no keys, or more than a person writes.
    """
    data = parse_yaml(_text(Path(path)), f"The file {path}")
    if not isinstance(data, dict):
        raise InputError(f"The file {path} holds no keys.")
    return data


def parse_yaml(text: str, label: str) -> Any:
    """Return what a YAML text holds.

    Raises:
        InputError: beginning with `label`; it names the line.
    """
    try:
        return yaml.load(text, Loader=_PlainLoader)  # nosec B506: a SafeLoader, plain data only
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        problem = "it is no YAML: look at indents, colons, quotes and brackets there"
        if isinstance(error, _Refused):
            problem = error.problem
        elif isinstance(error, yaml.reader.ReaderError):
            problem = "it holds signs that are no text"
        raise InputError(f"{label} is wrong{where}: {problem}.") from error


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is no file: name the YAML file.")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            limit = size_text(MOST_BYTES)
            raise InputError(f"The file {path} is larger than {limit}: it is no configuration.")
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"The file {path} cannot be read: it is no UTF-8 text.") from error
    except OSError as error:
        raise InputError(f"The file {path} cannot be read: {system_reason(error)}.") from error
    except ValueError as error:  # a name with a null in it
        raise InputError(f"The file {shown(path)} cannot be read: check its name.") from error
