"""What survives of what a model wrote: opinions with a quote that stands where they say, and clean words."""

import contextlib
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenlight.judge.answer import MOST_OPINIONS, opinions_of
from greenlight.judge.opinion import Unanswered, one_line
from greenlight.judge.questions import questions
from greenlight.judge.shown import Shown
from greenlight.review.criteria import Criterion

QUESTIONS = questions(has_hypothesis=True)


def test_a_quote_that_is_not_in_the_file_is_thrown_away_and_counted(judge, asked, opinion):
    judge.says(opinion(), opinion(quote="return advantage * log_prob.sum()"))
    answer = asked()
    assert [one.quote for one in answer.opinions] == ["return -advantage.detach().mean()"]
    assert (answer.discarded, answer.failure) == (1, None)


def test_a_quote_of_another_file_is_thrown_away(judge, asked, opinion):
    judge.says(opinion(path="src/train.py"), opinion(path="src/absent.py"), opinion(path="../src/model.py"))
    answer = asked()
    assert (answer.opinions, answer.discarded, answer.failure) == ((), 3, None)


@pytest.mark.parametrize("line", [1, 9999, -3, 0, "7", "seven", None, True, 7.0, 10**30, [7]])
def test_a_wrong_line_is_corrected_to_where_the_quote_stands(judge, asked, opinion, line):
    judge.says(opinion(line=line))
    assert [one.line for one in asked().opinions] == [7]


@pytest.mark.parametrize(("named", "line"), [(1, 6), (6, 6), (7, 6), (9, 10), (10, 10), (99, 10)])
def test_a_quote_that_stands_twice_is_the_one_next_to_the_line_that_was_named(judge, asked, opinion, named, line):
    judge.says(opinion(quote="advantage = self.reward(actions)", line=named))
    assert [one.line for one in asked().opinions] == [line]


@pytest.mark.parametrize(
    ("quote", "line"),
    [
        ("  return   -advantage.detach().mean()\t", 7),
        ("    7 |         return -advantage.detach().mean()", 7),
        ("    6 |   advantage = self.reward(actions)\n    7 |   return -advantage.detach().mean()", 6),
        ("import torch\n\n\nclass Reactor(torch.nn.Module):", 1),
    ],
    ids=["white space", "with its number", "two lines with numbers", "over blank lines"],
)
def test_white_space_and_line_numbers_do_not_make_a_quote_wrong(judge, asked, opinion, quote, line):
    judge.says(opinion(quote=quote, line=99))
    assert [one.line for one in asked().opinions] == [line]


@pytest.mark.parametrize("quote", ["", "return", "a = s e l", "import ", "r" * 5000])
def test_a_quote_with_less_than_eight_characters_or_without_measure_is_thrown_away(judge, asked, opinion, quote):
    judge.says(opinion(quote=quote))
    assert (asked().opinions, asked().discarded) == ((), 1)


def test_a_quote_of_eight_characters_is_enough(judge, asked, opinion):
    judge.says(opinion(quote="def loss(", line=5))
    assert [one.line for one in asked().opinions] == [5]


def test_an_opinion_on_what_was_not_asked_is_thrown_away(judge, asked, opinion):
    judge.says(opinion(criterion="5.1"), opinion(criterion=4), opinion(criterion=4.4), opinion(criterion=" Fidelity"))
    answer = asked()
    assert {one.question for one in answer.opinions} == {"4.4", "fidelity"}
    assert {one.criterion for one in answer.opinions} == {Criterion.MODEL}
    assert answer.discarded == 2


@pytest.mark.parametrize(
    "wrapped",
    [
        "```json\n{}\n```",
        "```\n{}\n```",
        "Here it is:\n\n```JSON\n{}\n```\nThat is all.",
        "<think>\n```python\nx = 1\n```\nhm</think>\n{}",
        "First some code\n```python\nx = 1\n```\nand then\n```json\n{}\n```",
    ],
)
def test_json_in_a_fence_or_after_thoughts_is_read(judge, asked, opinion, wrapped):
    judge.writes(wrapped.replace("{}", json.dumps({"opinions": [opinion()]}, indent=1)))
    assert len(asked().opinions) == 1


def test_a_bare_list_is_read(judge, asked, opinion):
    judge.writes(json.dumps([opinion()]))
    assert len(asked().opinions) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("The code looks fine to me.", "is not the JSON"),
        ('{"opinions": [', "is not the JSON"),
        ("[" * 100_000, "is not the JSON"),
        ("```json\n" * 100_000, "is not the JSON"),
        ("{}", "no list of opinions"),
        ("null", "no list of opinions"),
        ("42", "no list of opinions"),
        ('{"opinions": null}', "no list of opinions"),
        ('{"opinions": {"a": 1}}', "no list of opinions"),
        ('{"is_code_ready": true, "code_issue": ""}', "no list of opinions"),
        ("[1]", "no opinion in the form"),
        ('[{"issue": "bad"}]', "no opinion in the form"),
        ('[{"path": ["src/model.py"], "quote": 1, "issue": {}, "suggestion": null, "criterion": []}]', "in the form"),
    ],
)
def test_an_answer_of_another_form_is_no_verdict(judge, asked, content, reason):
    judge.writes(content)
    answer = asked()
    assert reason in answer.failure
    assert answer.opinions == ()


def test_one_entry_of_a_wrong_form_does_not_take_the_others_with_it(judge, asked, opinion):
    judge.says(opinion(), {"path": "src/model.py"}, "text", opinion(issue=" \n"))
    answer = asked()
    assert (len(answer.opinions), answer.discarded, answer.failure) == (1, 3, None)


def test_nothing_to_say_is_an_answer(judge, asked):
    judge.says()
    answer = asked()
    assert (answer.opinions, answer.discarded, answer.failure) == ((), 0, None)


def test_control_characters_escapes_and_line_breaks_stay_out_of_opinions(judge, asked, opinion):
    evil = "one\x1b[31m two\r\n::error::three\x1b]0;title\x07 four\x00\x9b2J\u202efive\u2028six\ud800\u200b"
    judge.says(opinion(issue=evil, suggestion=evil))
    (one,) = asked().opinions
    assert one.issue == one.suggestion == "one two ::error::three four2Jfive six"
    one.issue.encode()


def test_long_texts_are_cut(judge, asked, opinion):
    judge.says(opinion(issue="i" * 10_000, suggestion="s" * 400))
    (one,) = asked().opinions
    assert (len(one.issue), one.issue[-1]) == (400, "…")
    assert one.suggestion == "s" * 400


def test_there_are_at_most_fifty_opinions_and_repetitions_count_once(judge, asked, opinion):
    judge.says(*[opinion(issue=f"issue {number // 2}") for number in range(150)])
    answer = asked()
    assert len(answer.opinions) == MOST_OPINIONS == 50
    assert answer.discarded == 100


def test_megabytes_of_entries_are_counted_in_no_time(opinion):
    file = Shown("src/model.py", ("a" * 100_000,), 1)
    entries = [opinion(quote="a" * 4000), *[opinion(quote="a" * 3999 + "b")] * 900]
    start = time.monotonic()
    kept, discarded = opinions_of(json.dumps(entries), QUESTIONS, [file])
    assert (len(kept), discarded) == (1, 900)
    assert time.monotonic() - start < 5


def test_entries_after_the_two_hundredth_are_counted_and_not_read(judge, asked, opinion):
    made_up = opinion(quote="this stands in no file")
    judge.says(*[made_up] * 199, opinion(), opinion(quote="class Reactor(torch"))
    answer = asked()
    assert ([one.line for one in answer.opinions], answer.discarded) == ([7], 200)


def test_opinions_come_in_order_of_their_places(judge, asked, opinion):
    judge.says(opinion(), opinion(quote="class Reactor"), opinion(path="./src/train.py", quote="def main(cfg):"))
    assert [(one.path, one.line) for one in asked().opinions] == [
        ("src/model.py", 4),
        ("src/model.py", 7),
        ("src/train.py", 3),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["opinions", "path", "quote", "criterion"]), inner),
)
LINES = st.lists(st.text(alphabet="ab \t=(", max_size=12), min_size=1, max_size=8)
FIELDS = ("path", "quote", "issue", "suggestion", "criterion", "line")


@given(st.one_of(st.text(), JSON.map(json.dumps), st.fixed_dictionaries(dict.fromkeys(FIELDS, JSON)).map(json.dumps)))
def test_whatever_is_answered_there_are_opinions_or_a_reason(content):
    kept = ()
    with contextlib.suppress(Unanswered):
        kept, _ = opinions_of(content, QUESTIONS, [Shown("src/model.py", ("import torch",), 1)])
    assert all(one.line == 1 for one in kept)


@given(LINES, st.integers(0, 9), st.integers(1, 3))
def test_a_line_is_found_where_a_slow_search_finds_it(lines, first, count):
    quote = " ".join(" ".join(lines[first : first + count]).split())
    if not quote:
        return
    slow = [
        number
        for number, line in enumerate(lines, start=1)
        for words in [line.split()]
        for skipped in range(len(" ".join(words)))
        if " ".join(" ".join([line, *lines[number:]]).split())[skipped:].startswith(quote)
    ]
    found = Shown("a.py", tuple(lines), len(lines)).line_of(quote, first + 1)
    assert found in slow


@given(st.text(), st.integers(1, 50))
def test_one_line_is_one_line_of_printable_text_within_its_limit(text, limit):
    shown = one_line(text, limit)
    assert len(shown) <= limit
    assert shown.isprintable()
    shown.encode()
