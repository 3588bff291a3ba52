import json
import math

import pytest

from greenlight.compare.aggregate import aggregate, gap_percent, run_metrics, write_json
from greenlight.compare.budget import budget_label
from greenlight.compare.records import check_comparable, parse_run_ids, role
from greenlight.errors import GreenlightError

NAME = "Exact-match accuracy at 45 s wall-clock."


def strict(text):
    def refuse(word):
        raise AssertionError(word)

    return json.loads(text, parse_constant=refuse)


def test_the_aggregate_has_exactly_the_prescribed_structure(make_run):
    runs = [
        make_run("proposed-a", [1] * 92 + [0] * 8),
        make_run("proposed-b", [1] * 50 + [0] * 50),
        make_run("comparative-1-a", [1] * 88 + [0] * 12),
        make_run("baseline-a", [1] * 30 + [0] * 70),
    ]
    content = aggregate(runs, primary_metric=NAME, direction="maximize").as_json()
    assert list(content) == ["primary_metric", "metrics", "best_proposed", "best_baseline", "gap"]
    assert content["primary_metric"] == NAME
    assert content["metrics"]["exact_match_at_budget"] == {
        "proposed-a": 0.92,
        "proposed-b": 0.5,
        "comparative-1-a": 0.88,
        "baseline-a": 0.3,
    }
    assert content["best_proposed"] == {"run_id": "proposed-a", "value": 0.92}
    assert content["best_baseline"] == {"run_id": "comparative-1-a", "value": 0.88}
    assert math.isclose(content["gap"], (0.92 - 0.88) / 0.88 * 100)


def test_a_metric_to_be_minimised_reverses_the_gap_and_the_choice(make_run):
    runs = [make_run(name, [1] * right + [0] * (100 - right)) for name, right in (("proposed", 20), ("baseline", 40))]
    runs += [make_run("comparative", [1] * 60 + [0] * 40)]
    content = aggregate(runs, primary_metric="loss", direction="minimize").as_json()
    assert content["best_baseline"]["run_id"] == "baseline"
    assert math.isclose(content["gap"], 50.0)


@pytest.mark.parametrize(
    ("proposed", "baseline", "direction", "gap"),
    [
        (0.92, 0.88, "maximize", 4.545454545454549),
        (0.88, 0.92, "maximize", -4.347826086956526),
        (0.88, 0.92, "minimize", 4.347826086956526),
        (0.5, 0.0, "maximize", None),
        (None, 0.5, "maximize", None),
        (0.5, None, "maximize", None),
    ],
)
def test_the_gap_is_relative_to_the_baseline_and_null_with_a_reason_where_it_means_nothing(
    proposed, baseline, direction, gap
):
    value, reason = gap_percent(proposed, baseline, direction)
    assert (value is None) == (reason is not None) == (gap is None)
    if gap is not None:
        assert math.isclose(value, gap)


def test_a_missing_metric_is_null_with_its_reason_and_never_zero(make_run):
    run = make_run("proposed", summary={"final_loss": math.nan, "peak_memory_mb": math.inf})
    del run.summary["energy_j"]  # the client drops what is null and keeps the reason
    content = run_metrics(run)
    strict(json.dumps(content, allow_nan=False))
    metrics = content["metrics"]
    for name in ("energy_j", "final_loss", "peak_memory_mb"):
        assert metrics[name] is None
        assert content["missing"][name]
    assert content["missing"]["energy_j"] == "no energy counter on this machine"
    totals = aggregate([run, make_run("baseline")], primary_metric=NAME, direction="maximize")
    assert totals.as_json()["metrics"]["final_loss"] == {"proposed": None, "baseline": 0.7}
    assert totals.missing["final_loss"]["proposed"]


def test_without_a_baseline_there_is_no_gap_and_the_reason_is_kept(make_run):
    totals = aggregate([make_run("proposed")], primary_metric=NAME, direction="maximize")
    assert totals.as_json()["best_baseline"] == {"run_id": None, "value": None}
    assert totals.gap is None
    assert {"best_baseline", "gap"} <= totals.reasons.keys()


@pytest.mark.parametrize(
    ("run_id", "expected"),
    [
        ("proposed-iter1-x", "proposed"),
        ("comparative-2-x", "baseline"),
        ("my-baseline", "baseline"),
        ("other", "other"),
    ],
)
def test_the_id_of_a_run_says_what_it_is(run_id, expected):
    assert role(run_id) == expected


@pytest.mark.parametrize(
    ("seconds", "label"), [(1800, "30 min"), (3600, "1 h"), (45, "45 s"), (90, "1.5 min"), (120, "2 min")]
)
def test_a_budget_is_named_in_its_natural_unit(seconds, label):
    assert budget_label(seconds) in (label, label.replace("1 h", "60 min"))


def test_run_ids_are_a_json_list_of_distinct_names():
    assert parse_run_ids('["a", "b"]') == ["a", "b"]
    for text in ("", "a", '"a"', "[]", "[1]", '["a", "a"]', '["../a"]', '{"a": 1}', '["a"'):
        with pytest.raises(GreenlightError, match=r"^[^\n]*run"):
            parse_run_ids(text)


def test_runs_of_different_budgets_or_questions_are_not_compared(make_run):
    check_comparable([make_run("proposed"), make_run("baseline")])
    with pytest.raises(GreenlightError, match=r"45.*60|budget"):
        check_comparable([make_run("proposed"), make_run("baseline", budget_s=60.0)])
    with pytest.raises(GreenlightError, match="question"):
        check_comparable([make_run("proposed"), make_run("baseline", questions=150)])
    other = make_run("baseline")
    other.outcomes["gold"] = "7"
    with pytest.raises(GreenlightError, match="gold"):
        check_comparable([make_run("proposed"), other])


def test_many_runs_of_different_budgets_are_refused_in_one_line_a_person_can_read(make_run):
    runs = [make_run(f"run-{number}", budget_s=45.0 if number % 2 else 60.0) for number in range(20)]
    with pytest.raises(GreenlightError) as raised:
        check_comparable(runs)
    assert str(raised.value) == (
        "runs with different budgets cannot be compared: run-0 and 9 more had 1 min; run-1 and 9 more had 45 s; "
        "name only runs of one budget in run_ids"
    )


def test_a_score_that_contradicts_the_stored_outcomes_is_refused(make_run):
    with pytest.raises(GreenlightError, match="proposed"):
        check_comparable([make_run("proposed", summary={"exact_match_at_budget": 0.99}), make_run("baseline")])


def test_a_failed_write_leaves_the_file_that_was_there(tmp_path):
    target = tmp_path / "a.json"
    write_json(target, {"a": 1})
    with pytest.raises((ValueError, TypeError)):
        write_json(target, {"a": math.nan})
    assert strict(target.read_text()) == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    with pytest.raises(GreenlightError, match=r"a\.json"):
        write_json(target / "below" / "b.json", {})
