import ast
import hashlib
import operator
import re
from fractions import Fraction

import pytest

from greenlight.assets.arithmetic import DISTRIBUTIONS, Problem, problems, split_of
from greenlight.errors import GreenlightError

COUNT = 1500
ALL = [(name, split) for name in DISTRIBUTIONS for split in ("train", "test")]
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
TIMES = {"twice": 2, "three times": 3, "four times": 4}
N = r"([A-Z]\w+)"
D = r"(\d+)"
T = r"(twice|three times|four times)"


@pytest.fixture(scope="module")
def drawn() -> dict[tuple[str, str], list[Problem]]:
    return {(name, split): list(problems(name, split, COUNT)) for name, split in ALL}


def evaluate(expression: str) -> Fraction:
    def value(node: ast.expr) -> Fraction:
        if isinstance(node, ast.BinOp):
            return OPERATORS[type(node.op)](value(node.left), value(node.right))
        assert isinstance(node, ast.Constant)
        return Fraction(node.value)

    return value(ast.parse(expression, mode="eval").body)


def understood(question: str) -> Fraction:
    """Read the story sentence by sentence and answer its question, without a look at the worked lines."""
    has: dict[str, Fraction] = {}
    hero = ""
    *story, asked = re.split(r"(?<=\.) ", question)
    for sentence in story:
        old = has.get(hero, Fraction(0))
        if m := re.fullmatch(rf"(?:On Monday )?{N} (?:has|starts with) {D} \w+\.", sentence):
            has[m[1]] = Fraction(m[2])
        elif m := re.fullmatch(rf"{N} has {D} (more|fewer) \w+ than {N}\.", sentence):
            has[m[1]] = has[m[4]] + (1 if m[3] == "more" else -1) * int(m[2])
        elif m := re.fullmatch(rf"{N} has {T} as many \w+ as {N}\.", sentence):
            has[m[1]] = has[m[3]] * TIMES[m[2]]
        elif m := re.fullmatch(rf"{N} finds {D} \w+ on Monday and {D} on Tuesday\.", sentence):
            has[m[1]] = Fraction(m[2]) + int(m[3])
        elif m := re.fullmatch(rf"{N} finds {D} \w+ on Monday and {T} as many on Tuesday\.", sentence):
            has[m[1]] = Fraction(m[2]) * (1 + TIMES[m[3]])
        elif m := re.fullmatch(rf"{N} collects {D} \w+ each day for {D} days\.", sentence):
            has[m[1]] = Fraction(m[2]) * int(m[3])
        elif m := re.fullmatch(rf"For {D} days {N} gets {D} \w+ each day\.", sentence):
            has[m[2]] = Fraction(m[1]) * int(m[3])
        elif m := re.fullmatch(rf"{N} (?:has|buys) {D} \w+ (?:of|with) {D} \w+(?: in each \w+)?\.", sentence):
            who = hero if m[1] in ("He", "She") else m[1]
            has[who] = has.get(who, Fraction(0)) + int(m[2]) * int(m[3])
        elif m := re.fullmatch(rf"Then s?he gets {D} \w+ of {D} \w+\.", sentence):
            has[hero] = old + int(m[1]) * int(m[2])
        elif (
            m := re.fullmatch(rf"(?:He|She) (?:buys|finds) {D} more(?: \w+)?\.", sentence)
            or re.fullmatch(rf"[A-Z]\w+ gives (?:him|her) {D} more\.", sentence)
            or re.fullmatch(rf"Then s?he gets {D} \w+ from [A-Z]\w+\.", sentence)
        ):
            has[hero] = old + int(m[1])
        elif (
            m := re.fullmatch(rf"(?:He|She) gives {D} \w+ to [A-Z]\w+\.", sentence)
            or re.fullmatch(rf"(?:He|She) (?:loses|sells) {D} of (?:them|the \w+)\.", sentence)
            or re.fullmatch(rf"Then s?he loses {D} \w+\.", sentence)
        ):
            has[hero] = old - int(m[1])
        elif m := re.fullmatch(rf"(?:A week later|By Friday) s?he has {T} as many(?: \w+)?\.", sentence):
            has[hero] = old * TIMES[m[1]]
        elif re.search(r" (gives|sells|loses) half of ", sentence):
            has[hero] = old / 2
        elif re.search(r" (gives|sells) a third of ", sentence):
            has[hero] = old * Fraction(2, 3)
        elif m := re.fullmatch(rf"(?:He|She) shares all of them equally among {D} friends\.", sentence):
            has["each friend"] = old / int(m[1])
        elif m := re.fullmatch(rf"(?:He|She) puts all \w+ equally into {D} \w+\.", sentence):
            has["each container"] = old / int(m[1])
        elif m := re.fullmatch(rf"(?:He|She) sells all of them for {D} dollars each\.", sentence):
            has["dollars"] = old * int(m[1])
        elif m := re.fullmatch(rf"(?:He|She) wants to have {D} \w+\.", sentence):
            has["need"] = int(m[1]) - old
        else:
            raise AssertionError(f"nobody can read: {sentence}")
        named = re.match(rf"(?:On Monday |For \d+ days )?{N}\b", sentence)
        if named and named[1] in has and " gives " not in sentence:
            hero = named[1]
    if m := re.fullmatch(rf"How many \w+ do {N} and {N} have together\?", asked):
        return has[m[1]] + has[m[2]]
    if m := re.fullmatch(rf"How many more \w+ does {N} have than {N}\?", asked):
        return has[m[1]] - has[m[2]]
    if re.fullmatch(r"How many \w+ does each friend get\?", asked):
        return has["each friend"]
    if re.fullmatch(r"How many \w+ are in each \w+\?", asked):
        return has["each container"]
    if re.fullmatch(r"How many dollars does s?he get\?", asked):
        return has["dollars"]
    if re.fullmatch(r"How many more \w+ does s?he need\?", asked):
        return has["need"]
    m = re.fullmatch(r"How many \w+ does (\w+) have (?:now|in the end)\?", asked)
    assert m, asked
    return has[hero if m[1] in ("he", "she") else m[1]]


@pytest.mark.parametrize(("name", "split"), ALL)
def test_the_answer_is_what_an_independent_reader_of_the_question_finds(drawn, name, split):
    for problem in drawn[name, split]:
        assert problem.answer.endswith(f"\n#### {understood(problem.question)}"), problem


@pytest.mark.parametrize(("name", "split"), ALL)
def test_every_worked_line_is_true_and_the_last_is_the_answer(drawn, name, split):
    for problem in drawn[name, split]:
        *lines, final = problem.answer.split("\n")
        for line in lines:
            match = re.fullmatch(r"[A-Z][A-Za-z ]* (\S+)=<<(\S+)=(\d+)>>(\d+) [a-z ]+\.", line)
            assert match, line
            assert match[1] == match[2], line
            assert match[3] == match[4], line
            assert evaluate(match[2]) == int(match[3]), line
        assert final == f"#### {match[4]}"


@pytest.mark.parametrize(("name", "split"), ALL)
def test_every_operand_is_told_in_the_question_or_worked_out_before(drawn, name, split):
    in_words = {"half": "2", "third": "3", "twice": "2", "three": "3", "four": "4"}
    for problem in drawn[name, split]:
        words = re.findall(r"\w+", problem.question)
        known = {word for word in words if word.isdigit()} | {in_words[word] for word in words if word in in_words}
        for operation, result in re.findall(r"<<(.+?)=(\d+)>>", problem.answer):
            assert set(re.findall(r"\d+", operation)) <= known, problem
            known.add(result)


@pytest.mark.parametrize(("name", "split"), ALL)
def test_steps_and_numbers_keep_to_the_distribution_and_reach_its_edges(drawn, name, split):
    kind = DISTRIBUTIONS[name]
    told = [int(number) for problem in drawn[name, split] for number in re.findall(r"\d+", problem.question)]
    results = [int(number) for problem in drawn[name, split] for number in re.findall(r"=(\d+)>>", problem.answer)]
    assert (min(told), max(told)) == (2, kind.largest_number)
    assert min(results) == 2
    assert 0.9 * kind.largest_result < max(results) <= kind.largest_result
    steps = [problem.answer.count("<<") for problem in drawn[name, split]]
    assert set(steps) == set(kind.steps)
    signs = re.findall(r"<<\d+([-+*/])", "".join(problem.answer for problem in drawn[name, split]))
    assert all(signs.count(sign) > 0.05 * len(signs) for sign in "+-*/")


def test_the_target_is_three_steps_with_numbers_up_to_30_and_the_pretraining_one_to_three_up_to_20():
    kinds = {name: (kind.steps, kind.smallest_number, kind.largest_number) for name, kind in DISTRIBUTIONS.items()}
    assert kinds == {"pretrain": ((1, 2, 3), 2, 20), "main": ((3,), 6, 30)}


def test_no_question_occurs_twice_and_train_and_test_are_disjoint_across_distributions(drawn):
    questions = {key: {problem.question for problem in rows} for key, rows in drawn.items()}
    assert all(len(found) == COUNT for found in questions.values())
    longer = [problem.question for problem in problems("pretrain", "train", 5000)]  # the stories alone repeat at 3,806
    assert len(set(longer)) == len(longer)
    train = questions["main", "train"] | questions["pretrain", "train"]
    test = questions["main", "test"] | questions["pretrain", "test"]
    assert not train & test
    assert {split_of(question) for question in train} == {"train"}
    assert {split_of(question) for question in test} == {"test"}


@pytest.mark.parametrize(
    ("name", "split", "digest"),
    [
        ("main", "train", "d9dec0fb78b448d1d4da32bfb501b1875142da8d64040a601b838fa74fb3aaaa"),
        ("main", "test", "34ebc3c41dd6d3f4568ed9074633be2a042152ace1a6a8444da7732bcdfaac77"),
        ("pretrain", "train", "9a4a3d9a3b0dc1577eece5a62d5d729a59caa6c06ef39d99292299f188db1122"),
        ("pretrain", "test", "05218379174d1332e53ae6e587e2ed9790e402c79ece7e1389c91b47a08940e0"),
    ],
)
def test_the_bytes_never_change(drawn, name, split, digest):
    text = "".join(f"{problem.question}\n{problem.answer}\n" for problem in drawn[name, split])
    assert hashlib.sha256(text.encode()).hexdigest() == digest


def test_a_shorter_series_is_the_beginning_of_a_longer_one(drawn):
    assert list(problems("main", "train", 10)) == drawn["main", "train"][:10]
    assert list(problems("main", "train", 0)) == []


@pytest.mark.parametrize(("name", "split"), ALL)
def test_names_agree_with_their_pronouns_and_nouns_with_their_numbers(drawn, name, split):
    men = {"Adam", "Ben", "Carl", "David", "Eric", "Frank", "Henry", "Tom"}
    for problem in drawn[name, split]:
        story = re.split(r"(?<=\.) ", problem.question)
        pronouns = set(re.findall(r"\b(?:he|she|him|her)\b", problem.question.lower()))
        assert pronouns <= {"he", "him"} or pronouns <= {"she", "her"}, problem
        assert not re.search(r"\b[01] ", problem.question + problem.answer)
        assert all(sentence[0].isupper() for sentence in story)
        partners = re.findall(r"(?:to|from) ([A-Z]\w+)\.", problem.question)
        partners += re.findall(r"([A-Z]\w+) gives (?:him|her) ", problem.question)
        assert all((partner in men) != (pronouns <= {"he", "him"}) for partner in partners), problem
        hero = re.search(r"does ([A-Z]\w+) have", problem.question)
        if hero and pronouns:
            assert (hero[1] in men) == (pronouns <= {"he", "him"}), problem


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(("maths", "train", 1), "'maths'"), (("main", "dev", 1), "'dev'"), (("main", "train", -1), "-1")],
)
def test_an_unknown_distribution_or_split_or_a_negative_count_is_named(arguments, named):
    with pytest.raises(GreenlightError, match=named):
        problems(*arguments)
