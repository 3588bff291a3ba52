"""What a judge is shown, what it is not shown, and that both are told."""

import pytest

from greenlight.contract.submission import Submission
from greenlight.judge.shown import shown_files
from greenlight.review.finding import Finding, Severity


def made(files, **given):
    return Submission("made", "bundle", {path: text.encode() for path, text in files.items()}, **given)


def user_text(judge):
    return judge.received[-1].body["messages"][1]["content"]


def test_the_contracts_files_come_first_then_the_runs_then_all_others():
    paths = ["a.py", "config/runs/r.yaml", "config/config.yaml", "src/model.py", "src/train.py"]
    shown, left_out = shown_files(made(dict.fromkeys(paths, "x = 1\n")), 10_000)
    assert [file.path for file in shown] == [
        "src/train.py",
        "src/model.py",
        "config/config.yaml",
        "config/runs/r.yaml",
        "a.py",
    ]
    assert left_out == ()


def test_a_long_file_is_cut_at_a_line_and_does_not_hide_what_follows(judge, asked, opinion):
    judge.says()
    long = "".join(f"value_{number} = {number}\n" for number in range(5000))
    answer = asked(made({"src/train.py": long, "src/model.py": "import torch\n"}), budget=4000)
    (cut,) = answer.left_out
    first = int(cut.removeprefix("src/train.py from line ").removesuffix(" of 5000"))
    text = user_text(judge)
    assert f"value_{first - 2} = {first - 2}\n" in text
    assert f"value_{first - 1} = " not in text
    assert f"(lines {first} to 5000 are not shown)" in text
    assert cut in text
    assert "import torch" in text


@pytest.mark.parametrize("budget", [500, 1000, 5000, 20_000])
def test_the_budget_is_kept(judge, asked, budget):
    judge.says()
    files = {f"src/part_{number}.py": "x = 1\n" * 40 * number for number in range(1, 12)}
    answer = asked(made(files), findings=(), budget=budget)
    blocks = [block for block in user_text(judge).split("BEGIN ") if " file " in block.partition("\n")[0]]
    assert 0 < sum(map(len, blocks)) <= budget
    assert answer.left_out


def test_what_does_not_fit_at_all_is_named_and_many_are_counted():
    files = {f"src/part_{number:03}.py": "x = 1\n" * 10 for number in range(100)}
    shown, left_out = shown_files(made(files), 1000)
    assert left_out[0] == f"src/part_{len(shown):03}.py as a whole"
    assert left_out[-1] == f"{100 - len(shown) - 20} more files"


def test_an_opinion_on_what_was_not_shown_is_thrown_away(judge, asked, opinion):
    long = "first_line = 1\n" * 100 + "hidden_line = 2\n"
    judge.says(opinion(path="src/train.py", quote="hidden_line = 2"))
    answer = asked(made({"src/train.py": long}), budget=1000)
    assert (answer.opinions, answer.discarded) == ((), 1)


def test_files_that_could_not_be_read_are_told():
    _, left_out = shown_files(made({"a.py": "x\n"}, unread={"b.py": "it is no regular file"}), 1000)
    assert left_out == ("b.py: it is no regular file",)


def test_without_a_line_to_show_nobody_is_asked(judge, asked):
    judge.says()
    answer = asked(made({"src/train.py": ""}))
    assert "not one line" in answer.failure
    assert judge.received == []


def test_a_long_hypothesis_and_many_findings_are_cut_and_told_even_where_the_judge_fails(judge, asked):
    judge.replies(401)
    findings = [Finding("a.py", n, 1, "GL999", f"message {n}", "r", Severity.MINOR) for n in range(1, 300)]
    answer = asked(made({"a.py": "x = 1\n"}, hypothesis="h" * 30_000), findings=findings)
    assert answer.failure
    assert answer.left_out == ("the hypothesis after its character 20000 of 30000", "99 of 299 findings")
    text = user_text(judge)
    assert "message 200" in text
    assert "message 201" not in text
    assert "h" * 20_000 in text
    assert "h" * 20_001 not in text


def test_without_a_hypothesis_a_method_is_measured_by_what_it_says_it_is(judge, asked):
    judge.says()
    asked(made({"a.py": "x = 1\n"}, hypothesis=" \n"))
    system = judge.received[0].body["messages"][0]["content"]
    assert "- fidelity: Each method is what its name, its run file and the code's own words say" in system
