"""Filters, orders and samples against brute force; names and keys against the clock and the disk."""

from __future__ import annotations

import json
import math
import random
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from greenlight.errors import GreenlightError
from greenlight.rehearse.standins.tracker import api_key
from greenlight.rehearse.standins.tracker.filters import arranged, matches, parse
from greenlight.rehearse.standins.tracker.history import dig, plain, thinned
from greenlight.rehearse.standins.tracker.key import Seal
from greenlight.rehearse.standins.tracker.records import Run
from greenlight.rehearse.standins.tracker.runs import RefusedError
from greenlight.rehearse.standins.tracker.services import Services, opened
from greenlight.rehearse.standins.tracker.stream import Chunk, Post

COUNT = 40


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Run]]:
    services = opened(tmp_path_factory.mktemp("filters"))
    draw = random.Random(3)
    for i in range(COUNT):
        config = {
            "lr": {"value": draw.choice([0.1, 0.01, 1])},
            "name": {"value": draw.choice("abc")},
            "on": {"value": draw.random() < 0.5},
        }
        if i % 3:
            config["deep"] = {"value": {"k": draw.randrange(5)}}
        summary: dict[str, Any] = {"loss": draw.choice([draw.random(), math.nan, 3])} if i % 4 else {}
        services.runs.upsert(
            {"config": json.dumps(config), "summary": json.dumps(summary),
             "tags": json.dumps(draw.sample(["x", "y", "z"], i % 3)),
             "group_name": draw.choice(["g", "h"]), "display_name": f"run {i}"},
            number=None,
            path=("e", "p", f"r{i}"),
        )  # fmt: skip
    project = services.runs.project("e", "p")
    assert project is not None
    yield services.runs.of_project(project.id)
    services.database.close()


def config(run: Run, key: str) -> Any:
    return json.loads(run.config).get(key, {}).get("value")


def loss(run: Run) -> Any:
    return json.loads(run.summary).get("loss")


def above(value: Any, bound: float) -> bool:
    return value is not None and not math.isnan(value) and value > bound


CASES: list[tuple[dict[str, Any], Callable[[Run], bool]]] = [
    ({}, lambda run: True),
    ({"state": "running"}, lambda run: True),
    ({"state": {"$ne": "running"}}, lambda run: False),
    ({"config.lr": 0.1}, lambda run: config(run, "lr") == 0.1),
    ({"config.lr.value": {"$lt": 0.5}}, lambda run: config(run, "lr") < 0.5),
    ({"config.on": True}, lambda run: config(run, "on") is True),
    ({"config.lr": True}, lambda run: False),
    ({"config.deep.k": {"$gte": 2, "$lte": 3}}, lambda run: (config(run, "deep") or {}).get("k") in (2, 3)),
    ({"config.deep.k": {"$exists": False}}, lambda run: config(run, "deep") is None),
    ({"config.deep.k": None}, lambda run: config(run, "deep") is None),
    ({"config.name": {"$in": ["a", "c"]}}, lambda run: config(run, "name") in ("a", "c")),
    ({"config.name": {"$nin": ["a"]}}, lambda run: config(run, "name") != "a"),
    ({"summary_metrics.loss": {"$gt": 0.5}}, lambda run: above(loss(run), 0.5)),
    ({"summary_metrics.loss": {"$gt": "a"}}, lambda run: False),
    ({"tags": "x"}, lambda run: "x" in json.loads(run.tags)),
    ({"tags": {"$in": ["y", "z"]}}, lambda run: bool({"y", "z"} & set(json.loads(run.tags)))),
    ({"tags": {"$ne": "x"}}, lambda run: "x" not in json.loads(run.tags)),
    ({"tags.x": True}, lambda run: "x" in json.loads(run.tags)),
    ({"display_name": {"$regex": "^RUN 1", "$options": "i"}}, lambda run: str(run.display_name).startswith("run 1")),
    ({"displayName": "run 7"}, lambda run: run.display_name == "run 7"),
    ({"name": "r7"}, lambda run: run.name == "r7"),
    ({"group": {"$not": {"$eq": "g"}}}, lambda run: run.group_name == "h"),
    ({"$or": [{"config.name": "a"}, {"config.on": True}]}, lambda run: config(run, "name") == "a" or config(run, "on")),
    ({"$and": [{"config.name": "a"}, {"$nor": [{"config.on": True}]}]},
     lambda run: config(run, "name") == "a" and not config(run, "on")),
    ({"$not": {"config.name": "a"}}, lambda run: config(run, "name") != "a"),
    ({"created_at": {"$gt": "2000-01-01"}}, lambda run: True),
    ({"createdAt": {"$lt": "2000-01-01"}}, lambda run: False),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "expected"), CASES, ids=[json.dumps(case[0]) for case in CASES])
def test_a_filter_selects_what_brute_force_selects(
    runs: list[Run], condition: dict[str, Any], expected: Callable[[Run], bool]
) -> None:
    assert [run.name for run in runs if matches(run, condition)] == [run.name for run in runs if expected(run)]


@pytest.mark.parametrize(
    "condition",
    ['{"$where": "1"}', '{"state": {"$near": 1}}', '{"no_such_key": 1}', '{"$or": 3}', '{"$or": [3]}',
     '{"state": {"$in": 3}}',
     '{"name": {"$regex": "("}}', '{"name": {"$regex": 3}}', "[]", "{"],
)  # fmt: skip
def test_a_filter_that_is_not_understood_is_an_error_and_not_an_empty_answer(runs: list[Run], condition: str) -> None:
    with pytest.raises(RefusedError):
        [matches(run, parse(condition)) for run in runs]


def test_orders_are_those_of_python_with_missing_values_last(runs: list[Run]) -> None:
    def names(order: str | None) -> list[str]:
        return [run.name for run in arranged(runs, order)]

    age = [run.name for run in runs]
    assert names(None) == names("+created_at") == names("created_at") == age
    assert names("-created_at") == age[::-1]
    known = [run for run in runs if loss(run) is not None and not math.isnan(loss(run))]
    rest = [run.name for run in runs if run not in known]
    assert names("+summary_metrics.loss") == [run.name for run in sorted(known, key=loss)] + rest
    assert names("-summary_metrics.loss") == [run.name for run in sorted(known, key=loss, reverse=True)] + rest
    assert names("config.lr.value,-config.name") == [
        run.name
        for run in sorted(
            sorted(runs, key=lambda run: config(run, "name"), reverse=True), key=lambda run: config(run, "lr")
        )
    ]
    with pytest.raises(RefusedError, match="no_such_key"):
        arranged(runs, "-no_such_key")


@pytest.mark.parametrize("size", [0, 1, 2, 9, 10, 11, 1000])
@pytest.mark.parametrize("samples", [0, 1, 2, 10, None])
def test_thinning_keeps_order_ends_and_the_wanted_count(size: int, samples: int | None) -> None:
    rows = list(range(size))
    kept = thinned(rows, samples)
    assert kept == sorted(set(kept))
    assert len(kept) == (size if samples is None else min(size, samples))
    if samples is None or samples >= 2:
        assert kept[:1] == rows[:1]
        assert kept[-1:] == rows[-1:]


def test_a_key_reaches_into_nested_values_but_a_literal_key_comes_first() -> None:
    row = {"a": {"b": 1, "c.d": 2}, "a.b": 3, "x/y": {"z": 4}}
    assert [dig(row, key) for key in ("a.b", "a.c.d", "x/y.z", "a.q", "q.a", "a.b.c")] == [3, 2, 4, None, None, None]


def test_values_that_json_lacks_become_words_that_float_reads() -> None:
    odd = [math.nan, math.inf, -math.inf, 1.5, {"a": math.nan}, [math.inf]]
    text = json.dumps(plain(odd), allow_nan=False)
    assert json.loads(text) == ["NaN", "Infinity", "-Infinity", 1.5, {"a": "NaN"}, ["Infinity"]]
    assert math.isnan(float(json.loads(text)[0]))


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    made = opened(tmp_path / "data", crashed_after_s=60.0)
    yield made
    made.database.close()


def test_text_is_stored_as_it_came(services: Services) -> None:
    run, _ = services.runs.upsert({}, number=None, path=("e", "p", "r"))
    odd = (
        '{"_step":0,"big":123456789012345678901234567890,"f":0.1000000000000000055511151231257827,'
        '"n":NaN,"u":"\\ud800\\u0000","ü":1e-400}'
    )
    services.stream.apply(run.id, Post({"wandb-history.jsonl": Chunk(0, [odd])}))
    assert services.history.lines(run.id, 0) == [odd]


def test_columns_are_the_numbers_of_the_rows_from_a_position_on(services: Services) -> None:
    run, _ = services.runs.upsert({}, number=None, path=("e", "p", "r"))
    rows = [{"_step": i, "a": i / 2, "deep": {"b": i}, "text": "t", "flag": i > 1} for i in range(5)]
    rows[3]["late"] = math.nan
    services.stream.apply(run.id, Post({"wandb-history.jsonl": Chunk(0, [json.dumps(row) for row in rows])}))
    found = services.history.columns(run.id, 0, start=1, limit=3)
    assert (found.next, found.numbers) == (4, [1, 2, 3])
    assert found.columns == {
        "_step": [1, 2, 3], "a": [0.5, 1.0, 1.5], "deep.b": [1, 2, 3], "flag": [0.0, 1.0, 1.0],
        "late": [None, None, "NaN"],
    }  # fmt: skip
    assert services.history.columns(run.id, 0, start=5, limit=3).next == 5


def test_a_silent_run_counts_as_crashed_until_it_is_heard_again(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = services.runs.upsert({}, number=None, path=("e", "p", "r"))
    services.stream.apply(run.id, Post())
    heard_s = time.time()
    for silent_s, state in ((50.0, "running"), (120.0, "crashed")):
        monkeypatch.setattr(time, "time", lambda silent_s=silent_s: heard_s + silent_s)
        assert services.runs.by_id(run.id).state == state  # type: ignore[union-attr]
    services.stream.apply(run.id, Post())
    assert services.runs.by_id(run.id).state == "running"  # type: ignore[union-attr]
    assert services.stream.apply(run.id, Post()) is False
    services.runs.stop(run.id)
    assert services.stream.apply(run.id, Post()) is True, "the process of a run learns that it was asked to stop"


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    key = api_key(tmp_path / "new" / "data")
    assert len(key) == 40
    assert int(key, 16) >= 0
    assert api_key(tmp_path / "new" / "data") == key
    assert stat.S_IMODE((tmp_path / "new" / "data" / "api_key").stat().st_mode) == 0o600
    assert api_key(tmp_path / "other") != key


@pytest.mark.parametrize("content", ["", "short", "g" * 40, "ü" * 40])
def test_a_damaged_key_file_is_an_error_that_names_it(tmp_path: Path, content: str) -> None:
    (tmp_path / "api_key").write_text(content, "utf-8")
    with pytest.raises(GreenlightError, match=r"api_key: a key is 40 hexadecimal digits; delete"):
        api_key(tmp_path)


def test_a_signed_ticket_expires_and_belongs_to_its_key() -> None:
    seal = Seal("a" * 40)
    assert seal.read(seal.ticket("get", "x")) is not None
    assert seal.read(seal.ticket("get", "x", life_s=-1)) is None
    assert Seal("b" * 40).read(seal.ticket("get", "x")) is None
    assert Seal("b" * 40).cookie_name != seal.cookie_name
    for damaged in ("", ".", "a.b", "é.é", seal.ticket("get", "x")[:-2]):
        assert seal.read(damaged) is None
