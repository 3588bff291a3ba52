"""A YAML file as rules see it: its values as OmegaConf would read them, and the line of every key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any, TypeAlias

import yaml

KeyPath: TypeAlias = tuple[str, ...]
_MOST_NODES = 50_000


_Fast = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is faster, where PyYAML was built with it


class _Loader(_Fast):  # type: ignore[misc, valid-type]
    """YAML 1.1 as OmegaConf reads it: 1e-3 is a number there."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+|\.[0-9_]+(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+0123456789."),
)
_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, pairs in _Loader.yaml_implicit_resolvers.items()
}


class YamlFile:
    """A parsed YAML file; ``data`` is an empty mapping where it cannot be used.

    Parameters
    ----------
    path
        Relative to the experiment.
    content
        The file's bytes.

    Attributes
    ----------
    data
        Plain dictionaries, lists and scalars; keys are strings as OmegaConf's attribute access sees them.
    error
        Line, column and reason where the file cannot be parsed or is no mapping.
    duplicates
        Keys that stand twice in one mapping: path and the line of the later one.
    """

    def __init__(self, path: str, content: bytes) -> None:
        self.path = path
        self.text = content.decode("utf-8-sig", errors="replace")
        self.lines = self.text.splitlines()
        self.data: dict[str, Any] = {}
        self.error: tuple[int, int, str] | None = None
        self.duplicates: list[tuple[KeyPath, int]] = []
        self._lines: dict[KeyPath, int] = {}
        self._nodes = 0
        try:
            content.decode("utf-8")
            self._load()
        except UnicodeDecodeError as error:
            self.error = (content[: error.start].count(b"\n") + 1, 1, "a byte that is not UTF-8")
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            self.error = (line, column, error.problem or error.context or "not YAML")
        except yaml.YAMLError as error:
            self.error = (1, 1, str(error).partition("\n")[0])
        except RecursionError:
            self.error = (1, 1, "nested too deeply, or an alias that contains itself")
        except ValueError as error:
            self.error = (1, 1, str(error))
        if self.error is not None:
            self.data = {}

    def _load(self) -> None:
        loader = _Loader(self.text)
        try:
            node = loader.get_single_node()
            if node is None:
                return
            data = self._value(loader, node, ())
        finally:
            loader.dispose()
        if not isinstance(data, dict):
            self.error = (1, 1, f"the file is a {type(data).__name__}, not a mapping of keys")
            return
        self.data = data

    def _value(self, loader: yaml.SafeLoader, node: yaml.Node, path: KeyPath) -> Any:
        self._nodes += 1
        if self._nodes > _MOST_NODES:
            raise ValueError(f"its aliases and values expand to more than {_MOST_NODES} nodes")
        if isinstance(node, yaml.MappingNode):
            mapping: dict[str, Any] = {}
            for key_node, value_node in node.value:
                line = key_node.start_mark.line + 1
                if key_node.tag == "tag:yaml.org,2002:merge":
                    for merged in value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]:
                        inner = self._value(loader, merged, path)
                        mapping = {**inner, **mapping} if isinstance(inner, dict) else mapping
                    continue
                key = str(self._value(loader, key_node, ()))
                if key in mapping and (*path, key) in self._lines:
                    self.duplicates.append(((*path, key), line))
                self._lines[(*path, key)] = line
                mapping[key] = self._value(loader, value_node, (*path, key))
            return mapping
        if isinstance(node, yaml.SequenceNode):
            items = []
            for index, item in enumerate(node.value):
                self._lines[(*path, str(index))] = item.start_mark.line + 1
                items.append(self._value(loader, item, (*path, str(index))))
            return items
        return loader.construct_object(node)

    def line(self, *path: str) -> int:
        """Return the line of a key, or of the nearest key above it that stands in the file; 1 where none does."""
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[:-1]
        return 1

    def get(self, *path: str, default: Any = None) -> Any:
        """Return the value at a path of keys."""
        found: Any = self.data
        for key in path:
            if not isinstance(found, dict) or key not in found:
                return default
            found = found[key]
        return found

    @cached_property
    def leaves(self) -> tuple[tuple[KeyPath, Any], ...]:
        """Every value that is no non-empty mapping, with its path; a list is one value."""
        return tuple(_leaves(self.data, ()))


def _leaves(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    else:
        yield path, value
