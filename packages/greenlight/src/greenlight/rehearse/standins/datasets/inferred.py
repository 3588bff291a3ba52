"""Guess the columns of a data set that nobody knows from the code that reads it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from greenlight.rehearse.standins.datasets.png import picture
from greenlight.rehearse.standins.datasets.schema import (
    INT64,
    TEXT,
    Column,
    Configuration,
    DataSet,
    Groups,
    Image,
    Place,
    Row,
)
from greenlight.rehearse.standins.datasets.sentences import Draw

_ROWS = frozenset(
    {
        "example",
        "examples",
        "ex",
        "exs",
        "row",
        "rows",
        "sample",
        "samples",
        "item",
        "items",
        "batch",
        "record",
        "data_point",
    }
)
_MAPPING = frozenset({"map", "filter"})
_NAMING = frozenset(
    {"remove_columns", "rename_column", "rename_columns", "select_columns", "cast_column", "class_encode_column"}
)
# What tokenizers and processors make; a data set of the hub does not hold it.
_MADE = frozenset(
    {"input_ids", "attention_mask", "token_type_ids", "pixel_values", "special_tokens_mask", "decoder_input_ids"}
)
_INTEGERS = re.compile(r"(?:\w+_)?(?:label|labels|target|class|label_id|label_idx)")
_IMAGES = frozenset({"image", "img", "picture"})
_SPLITS = ("train", "validation", "test")
_SPLIT = re.compile(r"\w+")


@dataclass(frozen=True)
class Reading:
    """What code says about a data set.

    Parameters
    ----------
    columns
        Names that it reads, in the order of the lines; for each the names that it reads inside of it.
    configurations
        Names under which it loads the set.
    splits
        Names of splits that it asks for, beside the usual ones.
    """

    columns: tuple[tuple[str, tuple[str, ...]], ...]
    configurations: tuple[str, ...]
    splits: tuple[str, ...]


def read(dataset_id: str, source: str) -> Reading:
    """Return what the code says; nothing where it does not parse.

    Parameters
    ----------
    dataset_id
        The id, to tell its ``load_dataset`` from others.
    source
        Python code, usually ``src/preprocess.py``.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return Reading((), (), ())
    loads = [call for call in ast.walk(tree) if isinstance(call, ast.Call) and _called(call) == "load_dataset"]
    names, splits = _asked(dataset_id, loads)
    held = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and node.value in loads
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    splits += [key for base, key, _ in _subscripts(tree) if isinstance(base, ast.Name) and base.id in held]
    return Reading(
        _columns(tree, held, set(splits) | set(_SPLITS)), tuple(dict.fromkeys(names)), tuple(dict.fromkeys(splits))
    )


def inferred(dataset_id: str, source_text: str, configurations: Sequence[str] = ()) -> DataSet:
    """Return a data set with the columns that the code reads: texts, but integers for labels and images for images.

    Parameters
    ----------
    dataset_id
        Its id.
    source_text
        Python code, usually ``src/preprocess.py``; where it reads nothing, the columns are ``text`` and ``label``.
    configurations
        Names of configurations that the run files give; with those in the code, and ``default`` where there are none.
    """
    reading = read(dataset_id, source_text)
    columns = {name: _kind(name, inner) for name, inner in reading.columns} or {"text": TEXT, "label": INT64}
    splits = tuple(dict.fromkeys((*_SPLITS, *reading.splits)))
    names = tuple(dict.fromkeys((*configurations, *reading.configurations))) or ("default",)
    return DataSet(dataset_id, dict.fromkeys(names, Configuration(columns, splits, _row_of(columns))), names[0])


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _asked(dataset_id: str, loads: Sequence[ast.Call]) -> tuple[list[str], list[str]]:
    """Return the configurations and splits that calls of ``load_dataset`` name for this set."""
    names: list[str] = []
    splits: list[str] = []
    for call in loads:
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        path = _text(call.args[0] if call.args else given.get("path"))
        if path not in (None, dataset_id):
            continue
        name = _text(call.args[1] if len(call.args) > 1 else given.get("name"))
        names += [name] if name else []
        for part in (_text(given.get("split")) or "").split("+"):
            found = _SPLIT.match(part)
            splits += [found[0]] if found and found[0] != "all" else []
    return names, splits


def _subscripts(tree: ast.AST) -> Iterator[tuple[ast.expr, str, ast.Subscript | ast.Call]]:
    """Yield the base and the key of every ``base["key"]`` that is read and every ``base.get("key")``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            key = _text(node.slice)
            if key is not None:
                yield node.value, key, node
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "get"
            and node.args
        ):
            key = _text(node.args[0])
            if key is not None:
                yield node.func.value, key, node


def _mapped(tree: ast.AST) -> tuple[set[str], list[ast.Lambda]]:
    """Return the names of functions, and the lambdas, that are given to ``map`` and ``filter``."""
    names: set[str] = set()
    lambdas: list[ast.Lambda] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _MAPPING:
            for given in (*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg == "function")):
                if isinstance(given, ast.Lambda):
                    lambdas.append(given)
                elif isinstance(given, ast.Name | ast.Attribute):
                    names.add(given.id if isinstance(given, ast.Name) else given.attr)
    return names, lambdas


def _row_names(tree: ast.AST, held: set[str]) -> set[str]:
    """Return the names of variables that hold a row or a batch of rows."""
    mapped, lambdas = _mapped(tree)
    found = set(_ROWS)
    for one in lambdas:
        found.update(argument.arg for argument in one.args.args[:1])
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in mapped:
            found.update([argument.arg for argument in node.args.args if argument.arg != "self"][:1])
        elif isinstance(node, ast.For | ast.comprehension) and isinstance(node.target, ast.Name):
            if isinstance(node.iter, ast.Name | ast.Subscript | ast.Attribute):
                found.add(node.target.id)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript) and _text(node.value.slice) is None:
            found.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return found - held


def _columns(tree: ast.AST, held: set[str], splits: set[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    rows = _row_names(tree, held)
    made: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            written = [_text(key) for key in node.keys]
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            written = [_text(node.slice)]
        else:
            continue
        for name in filter(None, written):
            made[name] = min(node.lineno, made.get(name, node.lineno))
    read: list[tuple[int, int, str]] = []
    inside: dict[str, dict[str, None]] = {}
    for base, key, place in _subscripts(tree):
        if _is_row(base, rows, held, splits):
            read.append((place.lineno, place.col_offset, key))
        elif isinstance(base, ast.Subscript) and _is_row(base.value, rows, held, splits):
            column = _text(base.slice)
            if column is not None:
                inside.setdefault(column, {})[key] = None
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _NAMING:
            read += [(node.lineno, node.col_offset, named) for named in _named(node)]
    kept = dict.fromkeys(
        key
        for line, _, key in sorted(read)
        if key not in _MADE and key not in splits and key.isidentifier() and made.get(key, line) >= line
    )
    return tuple((key, tuple(inside.get(key, ()))) for key in kept)


def _is_row(base: ast.expr, rows: set[str], held: set[str], splits: set[str]) -> bool:
    if isinstance(base, ast.Name):
        return base.id in rows
    if isinstance(base, ast.Attribute):
        return base.attr == "features"
    if isinstance(base, ast.Subscript):  # data[i]["column"], data["train"]["column"]
        key = _text(base.slice)
        if key is None:
            return not isinstance(base.value, ast.Subscript)
        return key in splits and isinstance(base.value, ast.Name) and base.value.id in held
    return False


def _named(call: ast.Call) -> Iterator[str]:
    """Yield the columns that a call names: the first of a renaming, all of a list."""
    for given in (
        *call.args[:1],
        *(k.value for k in call.keywords if k.arg in ("column_names", "original_column_name", "column")),
    ):
        if isinstance(given, ast.List | ast.Tuple):
            yield from (name for name in map(_text, given.elts) if name)
        elif isinstance(given, ast.Dict):
            yield from (name for name in map(_text, (key for key in given.keys if key)) if name)
        else:
            name = _text(given)
            if name:
                yield name


def _kind(name: str, inner: tuple[str, ...]) -> Column:
    if inner:
        return Groups({key: _kind(key, ()) if key != "label" else TEXT for key in inner})
    if name.lower() in _IMAGES:
        return Image()
    return INT64 if _INTEGERS.fullmatch(name.lower()) else TEXT


def _row_of(columns: dict[str, Column]) -> Callable[[Draw, Place], Row]:
    def row(draw: Draw, at: Place) -> Row:
        return {name: _value(draw, at, name, column) for name, column in columns.items()}

    return row


def _value(draw: Draw, at: Place, name: str, column: Column) -> object:
    if isinstance(column, Groups):
        count = draw.number(2, 4)
        return {key: [_value(draw, at, key, kind) for _ in range(count)] for key, kind in column.of.items()}
    if isinstance(column, Image):
        return picture(draw, at.index % 2, draw.number(60, 160), draw.number(60, 160))
    if column == INT64:
        return at.index % 2
    if "question" in name or name in ("query", "problem", "prompt"):
        return draw.problem()[0]
    if name in ("answer", "solution", "target_text"):
        return str(draw.problem()[2])
    return "" if at.index % 31 == 30 else draw.passage(draw.length(2))
