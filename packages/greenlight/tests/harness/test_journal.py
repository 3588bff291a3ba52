import json
import math

from greenlight.harness.journal import ClockFile, Journal, write_rows


def test_rows_come_back_in_order_without_the_line_that_a_crash_cut_short(tmp_path):
    journal = Journal(tmp_path / "history.jsonl")
    for step in range(3):
        journal.append(step, {"loss": float(step)})
    with (tmp_path / "history.jsonl").open("a") as file:
        file.write('{"step": 3, "lo')
    assert [row["step"] for row in journal.rows()] == [0, 1, 2]
    journal.cut_after(1)
    journal.append(2, {"loss": 9.0})
    assert [(row["step"], row["loss"]) for row in journal.rows()] == [(0, 0.0), (1, 1.0), (2, 9.0)]


def test_a_non_finite_number_is_kept_in_strict_json(tmp_path):
    journal = Journal(tmp_path / "history.jsonl")
    journal.append(0, {"a": math.nan, "b": math.inf, "c": {"d": -math.inf}})

    def refuse(name):
        raise AssertionError(name)

    row = json.loads((tmp_path / "history.jsonl").read_text(), parse_constant=refuse)
    assert row == {"step": 0, "a": "NaN", "b": "Infinity", "c": {"d": "-Infinity"}}


def test_rows_are_written_as_json_lines_and_replace_what_was_there(tmp_path):
    path = tmp_path / "outcomes.jsonl"
    path.write_text("left over")
    write_rows(path, iter([{"id": "a", "correct": True, "said": None}, {"id": "b", "loss": math.nan}]))
    assert path.read_text() == '{"id": "a", "correct": true, "said": null}\n{"id": "b", "loss": "NaN"}\n'


def test_a_run_without_rows_has_none(tmp_path):
    assert list(Journal(tmp_path / "history.jsonl").rows()) == []


def test_the_clock_file_is_written_at_most_once_in_its_interval_unless_asked_to(tmp_path):
    clock = ClockFile(tmp_path / "clock.json", every_s=1000)
    assert clock.elapsed_s() == 0.0
    clock.write(1.0, 10.0, 1)
    clock.write(2.0, 10.0, 2)
    assert clock.elapsed_s() == 1.0
    clock.write(3.0, 10.0, 3, now=True, loss=math.nan)
    assert clock.read() == {"elapsed_s": 3.0, "budget_s": 10.0, "step": 3, "loss": "NaN"}
    (tmp_path / "clock.json").write_text("{")
    assert clock.elapsed_s() == 0.0
    assert [path.name for path in tmp_path.iterdir()] == ["clock.json"]
