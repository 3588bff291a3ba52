"""Any input is survived: no rule crashes, whatever stands in the files."""

import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenlight.contract.experiment import FILES
from greenlight.contract.submission import Submission
from greenlight.review.engine import review
from greenlight.review.registry import all_rules
from greenlight.review.verdict import State

FRAGMENTS = [
    (path, text) for rule in all_rules() for example in (*rule.valid, *rule.invalid) for path, text in example.items()
]
PATHS = (*FILES, "config/runs/proposed-a.yaml", "config/runs/comparative-1-a.yaml", "src/other.py")
YAML_BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(8)
)


def crashes(files):
    verdict = review(Submission("x", "bundle", files), all_rules())
    return [reason for c in verdict.criteria if c.state is State.CHECKER_ERROR for reason in c.reasons]


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00",
        b"a\0b: 1",
        b"\xef\xbb\xbfx = 1\n",
        b"x = " + b"(" * 5000 + b")" * 5000,
        b"x = " + b"-" * 50_000 + b"1",
        b"x = a" + b".b" * 20_000,
        b"if x:\n" + b"".join(b" " * i + b"if x:\n" for i in range(1, 90)) + b" " * 90 + b"pass\n",
        b"x: " * 3000,
        b"[" * 3000,
        b"- " * 3000 + b"a",
        YAML_BOMB.encode(),
        b"a: &a {b: *a}\n",
        b"a: 1\na: 2\na: {a: 1, a: 2}\n",
        b"? [1, 2]\n: 3\n? {a: b}\n: 4\n",
        b"a: !!python/object/apply:os.system ['true']\n",
        b"a: 2026-13-45\nb: 0o9\nc: 1__0\nd: =\ne: 1:61:61\n",
        "x = 'größe \U0001f600'\r\ny = f'{x!r:>{10}}'\r".encode(),
        b"\n" * 100_000 + b"x = 1\n",
    ],
    ids=lambda content: repr(content[:24]),
)
def test_no_rule_crashes_on_strange_bytes_in_any_file(content):
    assert crashes(dict.fromkeys(PATHS, content)) == []


def test_a_file_of_a_hundred_thousand_lines_is_reviewed_in_seconds():
    lines = "".join(f"def f{i}(x):\n    y = x + {i}\n    return y\n\n" for i in range(25_000)).encode()
    began = time.process_time()
    assert crashes({"src/train.py": lines, "src/main.py": b"import src.train\n"}) == []
    assert time.process_time() - began < 60.0


def test_files_that_import_each_other_and_themselves_are_survived():
    circle = b"""
from src.train import *
from .model import a
import src.main
a = a.b(a)
a.c = a
def f(cfg): return f(f(cfg))
"""
    assert crashes({path: circle for path in FILES if path.endswith(".py")}) == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_no_rule_crashes_on_examples_that_were_cut_shuffled_and_spliced(seed):
    """Experiments are made of every rule's own examples, which hold what rules look for, and then damaged."""
    chance = random.Random(seed)
    files = {}
    for path, text in chance.sample(FRAGMENTS, 8):
        lines = text.splitlines(keepends=True)
        for _ in range(chance.randrange(4)):
            if lines:
                place = chance.randrange(len(lines))
                what = chance.randrange(4)
                if what == 0:
                    del lines[place]
                elif what == 1:
                    lines.insert(place, chance.choice(lines))
                elif what == 2:
                    lines[place] = lines[place].replace(
                        chance.choice("()[]:=,."), chance.choice(["", "(", "=", "*", "x"]), 1
                    )
                else:
                    lines[place:] = []
        files[path] = "".join(lines).encode()
    assert crashes(files) == []
