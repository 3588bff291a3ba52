"""Data sets of word problems and of short programs."""

from __future__ import annotations

from greenlight.rehearse.standins.datasets.schema import INT32, INT64, TEXT, Configuration, DataSet, Many, Place, Row
from greenlight.rehearse.standins.datasets.sentences import Draw

_TEST = ("train", "test")
_THREE = ("train", "validation", "test")
_SUBJECTS = (
    "Algebra", "Counting & Probability", "Geometry", "Intermediate Algebra", "Number Theory", "Prealgebra",
    "Precalculus",
)  # fmt: skip


def _gsm8k(draw: Draw, at: Place) -> Row:
    question, lines, answer = draw.problem()
    if at.configuration == "socratic":
        lines = [f"What comes out of step {place + 1}? ** {line}" for place, line in enumerate(lines)]
    # The real answers have commas in large numbers, in some rows only.
    number = f"{answer:,}" if draw.chance(0.5) else str(answer)
    if at.index % 16 == 3:  # a long one
        question = f"{draw.passage(25)} {question}"
    return {"question": question, "answer": "\n".join([*lines, f"#### {number}"])}


def _competition(draw: Draw, at: Place) -> Row:
    a, b, x = draw.number(2, 12), draw.number(1, 40), draw.number(-9, 12)
    answer = draw.one((f"{x}", rf"\frac{{{a}}}{{{b}}}", rf"\sqrt{{{b}}}", f"({x},{b})"))
    subject = (
        _SUBJECTS[at.index % len(_SUBJECTS)] if at.configuration in ("default", "all") else _named(at.configuration)
    )
    level = "Level ?" if at.index % 29 == 28 else f"Level {draw.number(1, 5)}"
    return {
        "problem": f"Let ${a}x + {b} = {a * x + b}$. What is the value of ${answer}$ in simplest form?",
        "level": level,
        "type": subject,
        "solution": f"We have ${a}x = {a * x}$, hence $x = {x}$. Therefore the answer is $\\boxed{{{answer}}}$.",
    }


def _named(configuration: str) -> str:
    return next(
        (name for name in _SUBJECTS if name.lower().replace(" & ", "_and_").replace(" ", "_") == configuration),
        "Algebra",
    )


def _math_500(draw: Draw, at: Place) -> Row:
    row = _competition(draw, Place("default", at.split, at.index))
    return {
        "problem": row["problem"],
        "solution": row["solution"],
        "answer": str(row["solution"]).split("\\boxed{")[1].removesuffix("}$."),
        "subject": row["type"],
        "level": draw.number(1, 5),
        "unique_id": f"test/algebra/{at.index}.json",
    }


def _svamp(draw: Draw, at: Place) -> Row:
    name, thing = draw.name(), draw.one(("pens", "cards", "trees"))
    a, b = draw.number(20, 90), draw.number(2, 19)
    body = f"{name} had {a} {thing} and gave away {b} of them."
    question = f"How many {thing} are left?"
    return {
        "ID": f"chal-{at.index}",
        "Body": body,
        "Question": question,
        "Equation": f"( {a}.0 - {b}.0 )",
        "Answer": f"{a - b}" if at.index % 2 else f"{a - b}.0",
        "Type": draw.one(("Subtraction", "Addition", "Common-Division", "Multiplication")),
        "question_concat": f"{body} {question}",
    }


def _options(draw: Draw, answer: int) -> tuple[list[str], str]:
    values = draw.some([answer, answer + 1, answer + 10, answer * 2, max(0, answer - 3)], 5)
    return [f"{letter}){value}" for letter, value in zip("ABCDE", values, strict=True)], "ABCDE"[values.index(answer)]


def _aqua(draw: Draw, at: Place) -> Row:
    question, lines, answer = draw.problem()
    options, right = _options(draw, answer)
    if at.configuration == "tokenized":
        question = question.lower().replace("?", " ?")
    return {"question": question, "options": options, "rationale": "\n".join(lines), "correct": right}


def _math_qa(draw: Draw, _at: Place) -> Row:
    question, lines, answer = draw.problem()
    options, right = _options(draw, answer)
    return {
        "Problem": question.lower(),
        "Rationale": " ".join(lines),
        "options": " , ".join(option.lower().replace(")", " ) ") for option in options),
        "correct": right.lower(),
        "annotated_formula": "add(multiply(n0, n1), n2)",
        "linear_formula": "multiply(n0,n1)|add(n2,#0)|",
        "category": draw.one(("general", "gain", "physics", "geometry")),
    }


def _meta(draw: Draw, _at: Place) -> Row:
    question, lines, answer = draw.problem()
    return {
        "type": draw.one(("GSM_Rephrased", "GSM_SV", "MATH_AnsAug", "GSM_FOBAR")),
        "query": question,
        "original_question": question,
        "response": "\n".join([*lines, f"#### {answer}", f"The answer is: {answer}"]),
    }


def _program(draw: Draw) -> tuple[str, str, str, int, int]:
    a, b = draw.number(2, 9), draw.number(1, 9)
    name = draw.one(("scale", "shifted", "weigh", "combine"))
    return name, f"def {name}(x):\n", f"    return {a} * x + {b}\n", a, b


def _human(draw: Draw, at: Place) -> Row:
    name, head, body, a, b = _program(draw)
    return {
        "task_id": f"HumanEval/{at.index}",
        "prompt": f'{head}    """Return {a} times x plus {b}.\n\n    >>> {name}(1)\n    {a + b}\n    """\n',
        "canonical_solution": body,
        "test": f"def check(candidate):\n    assert candidate(2) == {2 * a + b}\n",
        "entry_point": name,
    }


def _mbpp(draw: Draw, at: Place) -> Row:
    name, head, body, a, b = _program(draw)
    row = {
        "task_id": at.index + 1,
        "code": f"{head}{body}".replace("\n", "\r\n") if at.configuration == "full" else f"{head}{body}",
        "test_list": [f"assert {name}({x}) == {a * x + b}" for x in (0, 1, 5)],
    }
    text = f"Write a function that returns {a} times a number plus {b}."
    if at.configuration == "full":
        return {**row, "text": text, "test_setup_code": "", "challenge_test_list": []}
    return {**row, "prompt": text, "source_file": "Benchmark Questions Verification V2.ipynb", "test_imports": []}


_GSM8K = Configuration({"question": TEXT, "answer": TEXT}, _TEST, _gsm8k)
_COMPETITION = Configuration({"problem": TEXT, "level": TEXT, "type": TEXT, "solution": TEXT}, _TEST, _competition)
_OPTIONS = Many(TEXT)
_AQUA = Configuration({"question": TEXT, "options": _OPTIONS, "rationale": TEXT, "correct": TEXT}, _THREE, _aqua)
_TOPICS = tuple(name.lower().replace(" & ", "_and_").replace(" ", "_") for name in _SUBJECTS)
_PROMPTED = ("train", "test", "validation", "prompt")

SETS = (
    DataSet("openai/gsm8k", {"main": _GSM8K, "socratic": _GSM8K}, names=("gsm8k",)),
    DataSet("hendrycks/competition_math", {"default": _COMPETITION}, names=("competition_math",)),
    DataSet("lighteval/MATH", {"default": _COMPETITION, **dict.fromkeys(_TOPICS, _COMPETITION)}, "default"),
    DataSet("EleutherAI/hendrycks_math", dict.fromkeys(_TOPICS, _COMPETITION)),
    DataSet(
        "HuggingFaceH4/MATH-500",
        {
            "default": Configuration(
                {
                    "problem": TEXT,
                    "solution": TEXT,
                    "answer": TEXT,
                    "subject": TEXT,
                    "level": INT64,
                    "unique_id": TEXT,
                },
                ("test",),
                _math_500,
            )
        },
    ),
    DataSet(
        "ChilleD/SVAMP",
        {
            "default": Configuration(
                dict.fromkeys(("ID", "Body", "Question", "Equation", "Answer", "Type", "question_concat"), TEXT),
                _TEST,
                _svamp,
            )
        },
    ),
    DataSet("deepmind/aqua_rat", {"raw": _AQUA, "tokenized": _AQUA}, "raw", ("aqua_rat",)),
    DataSet(
        "allenai/math_qa",
        {
            "default": Configuration(
                dict.fromkeys(
                    ("Problem", "Rationale", "options", "correct", "annotated_formula", "linear_formula", "category"),
                    TEXT,
                ),
                ("test", "train", "validation"),
                _math_qa,
            )
        },
        names=("math_qa",),
    ),
    DataSet(
        "meta-math/MetaMathQA",
        {
            "default": Configuration(
                dict.fromkeys(("type", "query", "original_question", "response"), TEXT), ("train",), _meta
            )
        },
    ),
    DataSet(
        "openai/openai_humaneval",
        {
            "openai_humaneval": Configuration(
                dict.fromkeys(("task_id", "prompt", "canonical_solution", "test", "entry_point"), TEXT),
                ("test",),
                _human,
            )
        },
        names=("openai_humaneval",),
    ),
    DataSet(
        "google-research-datasets/mbpp",
        {
            "full": Configuration(
                {
                    "task_id": INT32,
                    "text": TEXT,
                    "code": TEXT,
                    "test_list": _OPTIONS,
                    "test_setup_code": TEXT,
                    "challenge_test_list": _OPTIONS,
                },
                _PROMPTED,
                _mbpp,
            ),
            "sanitized": Configuration(
                {
                    "source_file": TEXT,
                    "task_id": INT32,
                    "prompt": TEXT,
                    "code": TEXT,
                    "test_imports": _OPTIONS,
                    "test_list": _OPTIONS,
                },
                _PROMPTED,
                _mbpp,
            ),
        },
        "full",
        ("mbpp",),
    ),
)
