"""A program parses its command line with argparse where the documented command gives key=value."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import Change, changed, over, text_of
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.menders.place import Place, places
from greenlight.rehearse.observer.record import Raised
from greenlight.review.module import Module

_KEYS = ("results_dir", "run_ids")


class DocumentedArguments(Mender):
    """``results_dir=DIR run_ids='["a"]'`` for ``add_argument("results_dir")`` or ``"--results-dir"``."""

    name: ClassVar[str] = "documented-arguments"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with a parser that is given the values in its own form."""
        refused = raised.root_message.startswith("argparse: ")
        unparsed = raised.root_type == "JSONDecodeError" or raised.type == "JSONDecodeError"
        a_list = raised.root_type == "TypeError" and "the JSON object must be str" in raised.root_message
        if not (refused or unparsed or a_list):
            return None
        for where in places(raised, files):
            path = where.module.path
            if a_list:
                calls = [n for n in where.in_statement() if isinstance(n, ast.Call) and n.args]
                loads = [c for c in calls if where.module.dotted(c.func) == "json.loads"]
                changes = [over(c, f"list({text_of(where.module, c.args[0])})") for c in loads]
                said = f"{path}:{where.line}: the list that was parsed already is taken as it is"
            else:
                if unparsed and not _is_of_arguments(where):
                    continue
                changes = [c for call in where.module.method_calls("parse_args") for c in _given(where.module, call)]
                said = f"{path}: the parser is given the documented key=value arguments in its own form"
                if not changes and unparsed:
                    changes, said = _of_argv(where.module), f"{path}: the value behind = is taken"
            if changes:
                return Mended(changed(files, path, changes), said)
        return None


def _is_of_arguments(where: Place) -> bool:
    """Tell whether the JSON that could not be parsed came from the command line, not from a file."""
    text = text_of(where.module, where.statement) if where.statement is not None else ""
    return "run_ids" in text or "argv" in text


def _given(module: Module, call: ast.Call) -> list[Change]:
    """Return the change that hands a parser its arguments, in the order of its own positional ones."""
    if call.args or call.keywords:
        return []
    forms: list[str] = []
    for added in module.method_calls("add_argument"):
        names = [n for a in added.args if isinstance(n := module.value(a), str)]
        key = next((k for k in _KEYS for n in names if n.lstrip("-").replace("-", "_") == k), None)
        if key is None:
            continue
        options = [n for n in names if n.startswith("-")]
        value = f"given[{key!r}]"
        several = any(k.arg == "nargs" and module.value(k.value) in ("+", "*") for k in added.keywords)
        taken = f'*__import__("json").loads({value})' if several else value
        forms.append(f"{options[-1]!r}, {taken}" if options else taken)
    if not forms:
        return []
    # Options first: one that takes several values would swallow positional ones behind it.
    given = 'dict(a.partition("=")[::2] for a in __import__("sys").argv[1:])'
    text = f"{text_of(module, call.func)}((lambda given: [{', '.join(forms)}])({given}))"
    return [over(call, text)]


def _of_argv(module: Module) -> list[Change]:
    return [
        over(n, f'{text_of(module, n)}.rpartition("=")[2]')
        for n in module.nodes
        if isinstance(n, ast.Subscript)
        and isinstance(n.slice, ast.Constant)
        and n.slice.value in (1, 2)
        and module.dotted(n.value) == "sys.argv"
    ]
