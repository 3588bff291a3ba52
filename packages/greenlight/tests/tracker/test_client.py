"""The unmodified client writes, several processes at once, and wandb.Api reads all of it back."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

CRASHED_AFTER_S = 5.0
ROWS = [500, 500, 500, 10_000]

EVERYTHING = """
import sys, wandb, math
from pathlib import Path
run = wandb.init(entity="lab", project="demo", id="full", name="a full run", group="g1", job_type="train",
    notes="two words", tags=["red", "blue"], config={"lr": 0.1, "deep": {"a": {"b": [1, 2]}}, "big": 2**60},
    settings=wandb.Settings(x_stats_sampling_interval=0.5))
assert run.url == sys.argv[1] + "/lab/demo/runs/full", run.url
run.define_metric("loss", summary="min")
for i in range(30):
    row = {"loss": (i - 10) ** 2 / 7, "text": f"word {i}", "deep": {"x": i, "y": {"z": -i}}, "flag": i % 2 == 0}
    if i == 3: row["odd"] = math.nan
    if i == 4: row["odd"] = math.inf
    if i == 5: row["odd"] = -math.inf
    run.log(row)
run.log({"late": 1}, step=100)
run.log({"table": wandb.Table(columns=["q", "n"], data=[["<b>", 1], ["ü", 2.5]])})
import numpy
run.log({"picture": wandb.Image(numpy.zeros((4, 4, 3), dtype=numpy.uint8))})
Path("kept").mkdir(exist_ok=True); Path("kept/saved.txt").write_text("saved text")
run.save("kept/saved.txt", base_path=".")
model = wandb.Artifact("weights", type="model", metadata={"k": 1}); model.add_file("kept/saved.txt", name="dir/w.txt")
run.log_artifact(model, aliases=["best"])
run.summary["best"] = 0.25; run.summary["nested"] = {"p": 1}
run.config.update({"later": True})
print("said on stdout"); print("said on stderr", file=sys.stderr)
run.finish()
"""

ROW_WRITER = """
import sys, wandb
name, rows = sys.argv[1], int(sys.argv[2])
run = wandb.init(entity="lab", project="many", id=name, config={"name": name},
    settings=wandb.Settings(x_disable_stats=True, x_disable_machine_info=True, x_file_stream_transmit_interval=1))
for i in range(rows):
    run.log({"v": i, "name": name})
run.finish(exit_code=3 if name == "w0" else 0)
"""

READER = """
import json, sys, wandb
from pathlib import Path
api, out = wandb.Api(), {}
run = api.run("lab/demo/full")
def copy(value): return json.loads(json.dumps(value))
names = ["state", "name", "id", "group", "job_type", "notes", "tags", "entity", "project", "url"]
out["plain"] = copy([getattr(run, name) for name in names])
out["config"], out["summary"] = copy(run.config), copy(run.summary._json_dict)
out["history"] = run.history(pandas=False); out["frame"] = list(run.history(samples=7).shape)
out["sampled"] = run.history(keys=["loss", "deep.y.z"], samples=5, pandas=False)
out["scan"] = list(run.scan_history()); out["scan_small"] = list(run.scan_history(page_size=40))
out["scan_keys"] = list(run.scan_history(keys=["loss", "odd"]))
out["scan_range"] = list(run.scan_history(min_step=5, max_step=8))
out["files"] = {f.name: f.size for f in run.files(per_page=2)}
out["pattern"] = [f.name for f in run.files(pattern="%.txt")]
out["saved"] = run.file("kept/saved.txt").download(root="dl", replace=True).read()
out["artifacts"] = {a.name: [a.type, a.aliases, a.metadata] for a in run.logged_artifacts()}
table = api.artifact("lab/demo/run-full-table:latest").get("table")
out["table"] = [table.columns, table.data]
weights = api.artifact("lab/demo/weights:best"); folder = weights.download(root="dlw")
out["weights"] = Path(folder, "dir/w.txt").read_text()
out["maker"] = weights.logged_by().id
out["log"] = [line.content for line in run.console_logs(per_page=2)]
out["log_tail"] = [line.content for line in run.console_logs(last=1)]
out["system"] = sorted(run.system_metrics); out["events"] = len(run.history(stream="system", pandas=False))
out["metadata"] = run.metadata["executable"]
out["projects"] = sorted(p.name for p in api.projects("lab"))
out["many"] = {r.id: [r.state, [[row["_step"], row["v"], row["name"]] for row in r.scan_history()]]
    for r in api.runs("lab/many", filters={"display_name": {"$regex": "^w"}}, order="+config.name", per_page=2)}
long = api.run("lab/many/w3"); out["long"] = [len(long.history(samples=10 ** 6, pandas=False)), long.lastHistoryStep]
out["length"] = len(api.runs("lab/many"))
def ids(**k): return [r.id for r in api.runs("lab/many", **k)]
out["failed"] = ids(filters={"state": "failed"})
out["by_config"] = ids(filters={"config.name": {"$in": ["w1", "w2"]}})
out["by_summary"] = ids(filters={"$and": [{"summary_metrics.v": {"$gt": 1000}}, {"$or": [{"state": "finished"}]}]})
out["ordered"] = ids(order="-config.name")
def fails(call):
    try: call(); return "no error"
    except Exception as error: return f"{type(error).__name__}: {error}"
out["no_run"] = fails(lambda: api.run("lab/demo/absent"))
out["no_project"] = fails(lambda: list(api.runs("lab/absent")))
out["bad_filter"] = fails(lambda: ids(filters={"state": {"$near": 1}}))
run.summary["added"] = 7; run.summary.update(); run.config["new"] = "c"
run.tags.append("green"); run.notes = "other"; run.name = "renamed"
run.update()
again = wandb.Api().run("lab/demo/full")
out["changed"] = [again.summary["added"], again.summary["best"], again.config["new"], again.config["lr"]]
out["changed"] += [again.tags, again.notes, again.name, again.state]
up = Path("up.bin"); up.write_bytes(b"x" * 100_000); out["upload"] = again.upload_file("up.bin").size
again.file("up.bin").delete(); out["deleted_file"] = [f.name for f in again.files(names=["up.bin"])]
api.run("lab/many/w3").delete(); out["after_delete"] = fails(lambda: wandb.Api().run("lab/many/w3"))
print(json.dumps(out))
"""


@pytest.fixture(scope="module")
def read(tracker: Any) -> dict[str, Any]:
    writers = [tracker.start(EVERYTHING, tracker.base)]
    writers += [tracker.start(ROW_WRITER, f"w{i}", str(rows)) for i, rows in enumerate(ROWS)]
    for process in writers:
        tracker.finish(process)
    facts: dict[str, Any] = json.loads(tracker.run(READER).splitlines()[-1])
    return facts


def test_what_init_was_given_is_read_back(read: dict[str, Any], tracker: Any) -> None:
    assert read["plain"][:9] == [
        "finished", "a full run", "full", "g1", "train", "two words", ["red", "blue"], "lab", "demo",
    ]  # fmt: skip
    assert read["plain"][9] == f"{tracker.base}/lab/demo/runs/full"
    assert read["config"] == {"lr": 0.1, "deep": {"a": {"b": [1, 2]}}, "big": 2**60, "later": True}


def test_the_summary_holds_the_last_values_the_users_own_and_define_metric(read: dict[str, Any]) -> None:
    summary = read["summary"]
    assert summary["best"] == 0.25
    assert summary["nested"] == {"p": 1}
    assert summary["loss"] == {"min": 0}
    assert summary["deep"] == {"x": 29, "y": {"z": -29}}
    assert summary["odd"] == -math.inf


def test_history_is_read_back_exactly_with_nan_and_infinities(read: dict[str, Any]) -> None:
    rows = [row for row in read["scan"] if "loss" in row]
    assert len(read["history"]) == len(read["scan"])
    assert [row["loss"] for row in rows] == [(i - 10) ** 2 / 7 for i in range(30)]
    assert [row["text"] for row in rows] == [f"word {i}" for i in range(30)]
    assert [row["deep"] for row in rows] == [{"x": i, "y": {"z": -i}} for i in range(30)]
    assert math.isnan(rows[3]["odd"])
    assert [rows[4]["odd"], rows[5]["odd"]] == [math.inf, -math.inf]
    assert [row["_step"] for row in read["scan"]] == [*range(30), 100, 101]


def test_scan_history_gives_every_row_in_pages_by_keys_and_in_a_range(read: dict[str, Any]) -> None:
    assert [row["_step"] for row in read["scan_small"]] == [row["_step"] for row in read["scan"]]
    assert [row["_step"] for row in read["scan_range"]] == [5, 6, 7]
    assert [row["_step"] for row in read["scan_keys"]] == [3, 4, 5]
    assert [str(float(row["odd"])) for row in read["scan_keys"]] == ["nan", "inf", "-inf"]


def test_sampled_history_keeps_first_and_last_and_reaches_into_nested_keys(read: dict[str, Any]) -> None:
    assert read["frame"][0] == 7
    assert len(read["sampled"]) == 5
    assert [read["sampled"][i]["_step"] for i in (0, -1)] == [0, 29]
    assert all(row["deep.y.z"] == -row["_step"] for row in read["sampled"])


def test_files_tables_images_and_artifacts_are_downloaded_again(read: dict[str, Any]) -> None:
    assert read["saved"] == "saved text"
    assert read["files"]["kept/saved.txt"] == 10
    assert any(name.startswith("media/images/picture_") for name in read["files"])
    assert any(name.startswith("media/table/table_") for name in read["files"])
    assert {"output.log", "config.yaml", "wandb-metadata.json"} <= set(read["files"])
    assert sorted(read["pattern"]) == ["kept/saved.txt", "requirements.txt"]
    assert read["artifacts"]["run-full-table:v0"][0] == "run_table"
    assert read["artifacts"]["weights:v0"] == ["model", ["best", "latest"], {"k": 1}]
    assert read["table"] == [["q", "n"], [["<b>", 1], ["ü", 2.5]]]
    assert read["weights"] == "saved text"
    assert read["maker"] == "full"


def test_console_output_and_system_metrics_are_kept(read: dict[str, Any]) -> None:
    assert [line for line in read["log"] if line.startswith("said")] == ["said on stdout", "said on stderr"]
    assert len(read["log_tail"]) == 1
    assert any(key.startswith("system.") for key in read["system"])
    assert read["events"] >= 1
    assert "python" in read["metadata"]


def test_four_processes_at_once_lose_and_double_no_row(read: dict[str, Any]) -> None:
    assert list(read["many"]) == ["w0", "w1", "w2", "w3"]
    for (name, (state, rows)), count in zip(read["many"].items(), ROWS, strict=True):
        assert rows == [[i, i, name] for i in range(count)]
        assert state == ("failed" if name == "w0" else "finished")


def test_ten_thousand_rows_are_read_back_every_one(read: dict[str, Any]) -> None:
    assert len(read["many"]["w3"][1]) == 10_000
    assert read["long"] == [10_000, 9_999]


def test_runs_are_filtered_ordered_and_paged(read: dict[str, Any]) -> None:
    assert read["length"] == 4
    assert read["failed"] == ["w0"]
    assert sorted(read["by_config"]) == ["w1", "w2"]
    assert read["by_summary"] == ["w3"]
    assert read["ordered"] == ["w3", "w2", "w1", "w0"]
    assert read["projects"] == ["demo", "many"]


def test_what_is_missing_or_wrong_gives_the_clients_own_clear_error(read: dict[str, Any]) -> None:
    assert "Could not find run <Run lab/demo/absent" in read["no_run"]
    assert "Could not find project absent" in read["no_project"]
    assert "operator $near: known are $eq" in read["bad_filter"]


def test_the_api_changes_and_deletes(read: dict[str, Any]) -> None:
    assert read["changed"] == [7, 0.25, "c", 0.1, ["red", "blue", "green"], "other", "renamed", "finished"]
    assert read["upload"] == 100_000
    assert read["deleted_file"] == []
    assert "Could not find run" in read["after_delete"]


RESUMED = """
import os, signal, sys, time, wandb
mode, rows = sys.argv[1], int(sys.argv[2])
run = wandb.init(entity="lab", project="again", id="r", resume="allow", config={mode: 1},
    settings=wandb.Settings(x_disable_stats=True, x_disable_machine_info=True, x_file_stream_transmit_interval=1))
print(run.starting_step, run.resumed, flush=True)
for i in range(rows):
    run.log({"v": run.starting_step + i, "by": mode}); time.sleep(0.01)
if mode.startswith("kill"):
    os.kill(os.getpid(), signal.SIGKILL)
run.finish()
for resume, name in (("never", "r"), ("must", "absent")):
    try: wandb.init(entity="lab", project="again", id=name, resume=resume)
    except wandb.errors.UsageError as error: print(resume, "refused", flush=True)
"""

RUN_STATE = (
    'query Q { project(name: "again", entityName: "lab")'
    ' { run(name: "%s") { state config historyLineCount history } } }'
)


def test_a_killed_run_crashes_and_resumes_without_gap_or_double_row(
    tracker: Any, eventually: Callable[..., Any]
) -> None:
    def state() -> dict[str, Any]:
        project = tracker.graphql(RUN_STATE % "r")["project"]
        return project["run"] if project and project["run"] else {"historyLineCount": 0}

    killed = tracker.start(RESUMED, "kill", "250")
    assert killed.stdout.readline().split() == ["0", "False"]
    eventually(lambda: state()["historyLineCount"] > 0)
    assert state()["state"] == "running"
    tracker.finish(killed, -9)
    known = state()["historyLineCount"]
    assert known >= 50
    eventually(lambda: state()["state"] == "crashed")

    output = tracker.run(RESUMED, "go", "40").splitlines()
    assert output == [f"{known} True", "never refused", "must refused"]

    resumed = tracker.graphql(RUN_STATE % "r")["project"]["run"]
    rows = [json.loads(line) for line in resumed["history"]]
    assert [row["_step"] for row in rows] == list(range(known + 40))
    assert [row["v"] for row in rows] == list(range(known + 40))
    assert [row["by"] for row in rows] == ["kill"] * known + ["go"] * 40
    assert resumed["state"] == "finished"
    assert {"kill", "go"} <= set(json.loads(resumed["config"]))
