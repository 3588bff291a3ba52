"""Calls of the experiment's own code against Python's own binding of arguments."""

import ast
import inspect

import pytest

from greenlight.review.engines.own_code import Callee, OwnCode, refusal, returns_nothing
from greenlight.review.subject import Subject

SIGNATURES = ["a, b", "a, b=1", "a, *rest", "a, *, k", "a, *, k=1, **more", "a, /, b", "", "*, k"]
CALLS = ["", "1", "1, 2", "1, 2, 3", "1, b=2", "1, k=2", "a=1", "1, a=2", "k=1", "1, 2, z=3", "b=1, a=2"]


@pytest.mark.parametrize("signature", SIGNATURES)
@pytest.mark.parametrize("given", CALLS)
def test_a_call_is_refused_exactly_where_python_refuses_it(signature, given):
    space = {}
    exec(f"def f({signature}): pass", space)
    call = ast.parse(f"f({given})").body[0].value
    arguments = [a.value for a in call.args]
    try:
        inspect.signature(space["f"]).bind(*arguments, **{k.arg: k.value.value for k in call.keywords})
        fits = True
    except TypeError:
        fits = False
    function = ast.parse(f"def f({signature}): pass").body[0]
    assert (refusal(Callee("f", function), call) is None) is fits


def test_open_arguments_are_given_the_benefit_of_the_doubt():
    function = ast.parse("def f(a, b): pass").body[0]
    assert refusal(Callee("f", function), ast.parse("f(*x)").body[0].value) is None
    assert refusal(Callee("f", function), ast.parse("f(**x)").body[0].value) is None


def test_a_name_that_is_bound_twice_or_decorated_by_something_unknown_is_no_callee():
    subject = Subject.of(
        {"src/train.py": "import x\n@x.wrap\ndef f(): pass\nif x:\n    def g(): pass\ng = 1\nf(1)\ng(1)\n"}
    )
    own, module = subject.derived(OwnCode), subject.modules["src/train.py"]
    calls = [node for node in module.nodes if isinstance(node, ast.Call)]
    assert [own.callee(module, call) for call in calls] == [None, None]


def test_a_generator_and_a_function_that_only_raises_do_not_return_nothing():
    for text in ("def f():\n    yield 1", "def f():\n    return 1", "def f():\n    raise ValueError"):
        assert not returns_nothing(ast.parse(text).body[0])
    assert returns_nothing(ast.parse("def f():\n    g = lambda: 1\n    print(g)").body[0])
