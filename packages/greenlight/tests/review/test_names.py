"""The scopes of a file, and the reads of names that have no value."""

import builtins
import symtable
from pathlib import Path

import pytest

import greenlight
from greenlight.review.engines.binding_flow import BindingFlow
from greenlight.review.engines.names import Names
from greenlight.review.subject import Subject

OWN_FILES = sorted(Path(greenlight.__file__).parent.rglob("*.py"))


def names_of(text):
    return Subject.of({"src/train.py": text}).derived(Names).files[0]


def unresolved(text):
    return [name.id for name, _ in names_of(text).unresolved()]


def unbound(text):
    return [(read.name.id, read.cause) for read in Subject.of({"src/train.py": text}).derived(BindingFlow).unbound]


def unresolved_by_symtable(text):
    found, top = set(), set()

    def walk(table):
        for symbol in table.get_symbols():
            if table.get_type() == "module" and (symbol.is_assigned() or symbol.is_imported()):
                top.add(symbol.get_name())
            if symbol.is_declared_global() and symbol.is_assigned():
                top.add(symbol.get_name())
            if symbol.is_referenced() and (symbol.is_global() or table.get_type() == "module"):
                found.add(symbol.get_name())
        for child in table.get_children():
            walk(child)

    walk(symtable.symtable(text, "x.py", "exec"))
    return found - top - set(dir(builtins)) - {"__file__", "__name__"}


@pytest.mark.parametrize(
    "text",
    [
        "def f(a, *b, c=d, **e):\n    return [x for x in a if y(x)] + g\n",
        "class A(B):\n    z = 1\n    def f(self):\n        return z\n    w = z\n",
        "def f():\n    def g():\n        nonlocal n\n        n += 1\n    n = 0\n    return g, m\n",
        "def f():\n    global counter\n    counter = 1\n\ndef g():\n    return counter + other\n",
        "match thing:\n    case {'a': first, **rest}:\n        print(first, rest, other)\n",
        "try:\n    import fast\nexcept ImportError as error:\n    print(error)\nfast, slow\n",
        "print([a := 1, a], (lambda q: q + r)(1))\n",
    ],
)
def test_what_is_unresolved_agrees_with_python_s_own_symbol_table(text):
    assert set(unresolved(text)) == unresolved_by_symtable(text)


@pytest.mark.parametrize("path", OWN_FILES[::9], ids=lambda path: path.stem)
def test_code_that_works_has_no_unresolved_and_no_unbound_names(path):
    text = path.read_text(encoding="utf-8")
    assert unresolved(text) == []
    assert unbound(text) == []


def test_a_star_import_hides_everything():
    assert unresolved("from torch.nn import *\nLinear(unknown)\n") == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("print(x)\nx = 1", [("x", "never")]),
        ("for i in range(3):\n    print(x)\n    x = i", []),
        ("try:\n    x = 1\nexcept ValueError as e:\n    x = 2\nprint(x, e)", [("e", "never")]),
        ("try:\n    x = int(a)\nexcept ValueError:\n    pass\nprint(x)", [("x", "try")]),
        ("try:\n    x = int(a)\nexcept ValueError:\n    return\nprint(x)", []),
        ("if a:\n    x = 1\nprint(x)", [("x", "if")]),
        ("if a:\n    x = 1\nelse:\n    raise ValueError\nprint(x)", []),
        ("if not a:\n    return\nif a:\n    x = 1\nprint(x)", []),
        ("while True:\n    x = 1\n    if a:\n        break\nprint(x)", []),
        ("with a:\n    return 1\nprint(2)", []),
        ("del a\nprint(a)", [("a", "never")]),
    ],
)
def test_a_name_is_unbound_on_a_way_without_an_assignment(body, expected):
    lines = "\n".join("    " + line for line in body.splitlines())
    assert unbound(f"def f(a):\n{lines}\n") == expected
