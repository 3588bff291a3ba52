"""Writes keys into a YAML file's text; all other lines stay as they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import yaml


def with_key(content: bytes, path: Sequence[str], value: Any) -> bytes | None:
    """Return a YAML file with a key more, or None where a value stands in its way.

    Parameters
    ----------
    content
        The file.
    path
        Keys from the top; mappings that are missing on the way are made.
    value
        Plain dictionaries, lists and scalars.
    """
    text = content.decode("utf-8-sig")
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    lines = text.splitlines(keepends=True)
    if node is None:
        return f"{text.rstrip()}\n{_nested(path, value)}\n".lstrip().encode()
    depth = 0
    while depth < len(path) - 1 and isinstance(node, yaml.MappingNode):
        inner = next((v for k, v in node.value if k.value == path[depth]), None)
        if inner is None:
            break
        if isinstance(inner, yaml.MappingNode) and not inner.value:
            return _filled(text, inner, path[depth + 1 :], value)
        if isinstance(inner, yaml.ScalarNode) and inner.value in ("", "null", "~"):
            return None
        node, depth = inner, depth + 1
    if not isinstance(node, yaml.MappingNode) or any(k.value == path[depth] for k, _ in node.value):
        return None
    entry = _nested(path[depth:], value)
    first = node.start_mark
    if node.flow_style:
        at = first.index + 1
        return f"{text[:at]}{entry}{', ' if node.value else ''}{text[at:]}".encode()
    lines.insert(first.line, f"{' ' * first.column}{entry}\n")
    return "".join(lines).encode()


def _filled(text: str, node: yaml.MappingNode, path: Sequence[str], value: Any) -> bytes:
    at = node.start_mark.index + 1
    return f"{text[:at]}{_nested(path, value)}{text[at:]}".encode()


def _nested(path: Sequence[str], value: Any) -> str:
    for key in reversed(path[1:]):
        value = {key: value}
    return f"{path[0]}: {_flow(value)}"


def _flow(value: Any) -> str:
    """Return a value on one line. JSON is YAML, but for numbers such as 1e-05, which YAML reads as text."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(k))}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, float):
        written = repr(value)
        return written.replace("e", ".0e") if "e" in written and "." not in written else written
    return json.dumps(value, ensure_ascii=False)
