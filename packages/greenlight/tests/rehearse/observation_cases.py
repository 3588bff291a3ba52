"""Rehearsals made up of observations, for every rule: what it finds, and near misses on which it is silent."""

import dataclasses
import math

from greenlight.contract.submission import Submission
from greenlight.rehearse.cast import Cast
from greenlight.rehearse.observer.record import Raised, Record
from greenlight.rehearse.produced import Produced, read_json
from greenlight.rehearse.rehearsal import Act, Crash, InstallTrouble, Phase, Rehearsal
from greenlight.rehearse.sandbox import Stop
from greenlight.rehearse.tracked import TrackedRun

ONE, TWO = "proposed-a", "comparative-b"
FILES = {
    "src/main.py": b"import subprocess\n",
    "src/train.py": b'x = 1\nstudy.optimize(f)\nrun.summary["final_em"] = 0\n' + b"\n" * 40,
    "src/preprocess.py": b"load(cache_dir='.cache')\n",
    "src/evaluate.py": b'json.dump(x)\n{"gap": 1}\n' + b"\n" * 40,
    "pyproject.toml": b"",
    f"config/runs/{ONE}.yaml": b"optuna:\n  search_space:\n    lr_init:\n      low: 1\n",
    f"config/runs/{TWO}.yaml": b"",
}


def place(line, path="src/train.py"):
    return {"file": f"/w/experiment/{path}", "line": line, "function": "f"}


def act(phase, run_ids=(ONE,), *, status=0, stopped=None, crash=None, **seen):
    record = Record(**{key: value for key, value in seen.items() if key in ("written", "raised", "reached")})
    record = dataclasses.replace(
        record, totals=seen.get("totals", {}), notes={key: tuple(value) for key, value in seen.get("notes", {}).items()}
    )
    return Act(phase, tuple(run_ids), ("uv",), status, 3.0, stopped, record, crash)


def run(run_id=ONE, *, rows=(), summary=None, config=None):
    return TrackedRun("lab", "study", run_id, "finished", config or {}, summary or {}, tuple(rows))


def losses(*values, key="loss"):
    return [{key: value, "_step": step} for step, value in enumerate(values)]


def json_files(**texts):
    files = {f"{name.replace('__', '/')}.json": read_json(text.encode()) for name, text in texts.items()}
    return Produced(dict.fromkeys(files, 1), files)


def rehearsal(*acts, **facts):
    given = {
        "submission": Submission("one", "bundle", FILES),
        "run_ids": (ONE, TWO),
        "cast": Cast((), ()),
        "acts": acts,
        "tracked_after_trial": (),
        "tracked": (),
        "produced": Produced({}, {}),
        "produced_alone": Produced({}, {}),
        "environment": "the current one",
        "install": None,
        "work": "/w",
    }
    return Rehearsal(**(given | facts))


def optimizer(line=5, **facts):
    return ({"type": "Adam", "steps": 8, "parameters": 3, "with_gradient": 3, "moved": 3, "rates": [[0.1]] * 8,
             "at": place(line), "searching": False, "first_rate": 0.1} | facts,)  # fmt: skip


DONE = act(Phase.FULL)
RAISED = Raised("ValueError", "no", "KeyError", "'mask'", "src/train.py", 7, "")

# For each rule: what it must find, and near misses on which it is silent; a string is a part of the message.
SPEAKS = {
    "GR101": [
        (rehearsal(act(Phase.TRIAL, status=1, crash=Crash(RAISED, ""))), "KeyError: 'mask'"),
        (rehearsal(act(Phase.EVALUATE, status=2, crash=Crash(None, "usage: x\nerror: bad"))), "error: bad"),
    ],
    "GR102": [(rehearsal(act(Phase.TRIAL, status=137, stopped=Stop.TIME)), "still running")],
    "GR103": [(rehearsal(install=(InstallTrouble("error: no version", 3),)), "no version")],
    "GR104": [
        (
            rehearsal(
                act(Phase.TRIAL, notes={"warning": [{"category": "FutureWarning", "message": "old", **place(4)}]})
            ),
            "old",
        ),
        (
            rehearsal(dataclasses.replace(act(Phase.TRIAL), deprecations=("`cache_dir` is deprecated! Use `place`",))),
            "`cache_dir` is deprecated",
        ),
    ],
    "GR105": [(rehearsal(act(Phase.FULL, crash=Crash(RAISED, ""))), "status 0 though a process of it crashed here")],
    "GR301": [
        (rehearsal(act(Phase.TRIAL, notes={"mask value": [{"model": "M", "value": 50256, "at": place(4)}]})), "50256")
    ],
    "GR302": [
        (
            rehearsal(
                act(Phase.TRIAL, totals={"labels": ({"with_padding": 3, "with_counted_padding": 3, "at": place(4)},)})
            ),
            "padding",
        )
    ],
    "GR303": [
        (
            rehearsal(act(Phase.FULL, totals={"generate": ({"rows": 8, "rows_padded_right": 7, "at": place(4)},)})),
            "7 of 8",
        )
    ],
    "GR304": [
        (
            rehearsal(
                act(
                    Phase.FULL,
                    totals={"generate": ({"rows": 8},), "labels": ({"batches": 4, "with_end": 0, "at": place(4)},)},
                )
            ),
            "no label of 4",
        )
    ],
    "GR305": [
        (
            rehearsal(act(Phase.TRIAL, written=("/w/experiment/outputs/2026-01-02/03-04-05/.cache/models--a/x",))),
            "outputs/2026-01-02/03-04-05/.cache",
        )
    ],
    "GR401": [(rehearsal(act(Phase.FULL, totals={"optimizer 1": optimizer(with_gradient=0)})), "8 steps")],
    "GR402": [(rehearsal(DONE, tracked=(run(rows=losses(1.0, math.nan)),)), "nan in 1 of 2 rows, first in row 2")],
    "GR403": [(rehearsal(act(Phase.FULL, totals={"optimizer 0": optimizer(moved=0, rates=[[0.0]])})), "rate is 0")],
    "GR404": [
        (
            rehearsal(tracked=(run(ONE, rows=losses(*range(1, 9))), run(TWO, rows=losses(*range(1, 9))))),
            "agrees in all 8 rows",
        )
    ],
    "GR601": [
        (
            rehearsal(
                act(
                    Phase.FULL,
                    totals={"search": ({"trials": 2},)},
                    notes={"wandb init": [{"id": ONE, "searching": True, "disabled": False, "at": place(4)}] * 2},
                )
            ),
            "2 times, under one id",
        )
    ],
    "GR602": [
        (
            rehearsal(
                act(
                    Phase.FULL,
                    totals={"search": ({"trials": 2, "steps_until_its_end": 10},), "steps": ({"all": 10},)},
                )
            ),
            "2 trials took 10 optimizer steps",
        )
    ],
    "GR603": [
        (
            rehearsal(
                act(Phase.FULL, notes={"wandb init": [{"id": "x7", "disabled": False, "at": place(4)}]}),
                tracked=(run("x7"),),
            ),
            "logged as x7",
        )
    ],
    "GR604": [(rehearsal(act(Phase.TRIAL), tracked_after_trial=(run(rows=losses(1.0)),)), "with 1 rows")],
    "GR605": [
        (rehearsal(DONE), "begins no run"),
        (rehearsal(DONE, tracked=(run(summary={"em": 1}),)), "its summary holds em"),
    ],
    "GR606": [
        (
            rehearsal(
                act(Phase.FULL, totals={"forward M": ({"calls": 9, "training": 9},)}),
                tracked=(run(summary={"final_em": 0.0}),),
            ),
            "final_em is 0.0",
        )
    ],
    "GR607": [
        (
            rehearsal(
                act(
                    Phase.FULL,
                    totals={
                        "forward M": ({"calls": 9, "training": 8, "steps_at_last_evaluation": 5},),
                        "steps": ({"all": 8},),
                    },
                ),
                tracked=(run(summary={"final_em": 0.4}),),
            ),
            "3 of 8 optimizer steps",
        )
    ],
    "GR701": [
        (
            rehearsal(
                act(
                    Phase.FULL,
                    totals={
                        "search": ({"params": [{"lr_init": 0.3}, {"lr_init": 0.7}]},),
                        "optimizer 0": optimizer(searching=True),
                    },
                )
            ),
            "lr_init as 0.3, 0.7",
        )
    ],
    "GR801": [
        (rehearsal(produced=json_files(a__metrics='{"x": NaN}')), "NaN"),
        (
            rehearsal(produced=json_files(comparison="{}"), produced_alone=json_files(comparison='{"x": -Infinity}')),
            "-Infinity",
        ),
    ],
    "GR802": [
        (rehearsal(act(Phase.EVALUATE), produced=Produced({"comparison/aggregated_metrics.json": 1, "a.pdf": 1}, {})),
         f"{ONE}/metrics.json"),
    ],
    "GR803": [
        (
            rehearsal(
                act(
                    Phase.EVALUATE,
                    notes={"figure": [{"path": "/w/x.pdf", "axes": [{"lines_with_points": 2, "lines_drawn": 0}],
                                       "at": place(4, "src/evaluate.py")}]},
                )
            ),
            "x.pdf: nothing of its 2 lines",
        )
    ],
    "GR804": [
        (rehearsal(produced=json_files(comparison__aggregated_metrics='{"metrics": {"_step": {}, "em": {}}}')), "_step")
    ],
    "GR805": [
        (rehearsal(produced_alone=json_files(comparison__aggregated_metrics='{"gap": 0.0}')), "gap is 0.0"),
        (
            rehearsal(
                produced_alone=json_files(
                    comparison__aggregated_metrics='{"gap": null, "best_baseline": {"run_id": null, "value": 0.0}}'
                )
            ),
            "best_baseline has a value",
        ),
    ],
    "GR901": [(rehearsal(act(Phase.TRIAL, totals={"optimizer 0": optimizer(steps=3)})), "3 optimizer steps")],
}  # fmt: skip
SILENT = {
    "GR101": [
        rehearsal(act(Phase.TRIAL)),
        rehearsal(act(Phase.TRIAL, crash=Crash(RAISED, ""))),  # GR105's
        rehearsal(act(Phase.TRIAL, status=137, stopped=Stop.TIME)),
    ],
    "GR102": [rehearsal(act(Phase.TRIAL)), rehearsal(act(Phase.FULL, status=137, stopped=Stop.TIME))],
    "GR103": [rehearsal(), rehearsal(install=())],
    "GR104": [
        rehearsal(act(Phase.TRIAL, notes={"warning": [{"category": "UserWarning", "message": "m", **place(4)}]})),
        rehearsal(act(Phase.TRIAL, notes={"warning": [{"category": "FutureWarning", "message": "m", "file": "/lib/a.py",
                                                       "line": 3}]})),
        rehearsal(dataclasses.replace(act(Phase.TRIAL), deprecations=("`another` is deprecated", "it is deprecated"))),
    ],
    "GR105": [rehearsal(DONE), rehearsal(act(Phase.FULL, status=1, crash=Crash(RAISED, "")))],
    "GR301": [rehearsal(act(Phase.TRIAL))],
    "GR302": [
        rehearsal(act(Phase.TRIAL, totals={"labels": ({"with_padding": 3, "with_counted_padding": 0},)})),
        rehearsal(act(Phase.TRIAL, totals={"labels": ({"with_padding": 3, "with_counted_padding": 1},)})),
    ],
    "GR303": [rehearsal(act(Phase.FULL, totals={"generate": ({"rows": 8, "rows_padded_right": 0},)}))],
    "GR304": [
        rehearsal(act(Phase.FULL, totals={"labels": ({"batches": 4, "with_end": 0},)})),
        rehearsal(act(Phase.FULL, totals={"generate": ({"rows": 8},), "labels": ({"batches": 4, "with_end": 2},)})),
    ],
    "GR305": [rehearsal(act(Phase.TRIAL, written=("/w/home/huggingface/models--a/x", "/w/experiment/.cache/models--a/x",
                                                  "/w/experiment/outputs/2026-01-02/03-04-05/main.log")))],
    "GR401": [
        rehearsal(act(Phase.FULL, totals={"optimizer 1": optimizer(with_gradient=1)})),
        rehearsal(act(Phase.TRIAL, totals={"optimizer 1": optimizer(with_gradient=0, steps=1)})),
        rehearsal(act(Phase.TRIAL, totals={"optimizer 1": optimizer(with_gradient=0)}),
                  act(Phase.FULL, totals={"optimizer 1": optimizer()})),
    ],
    "GR402": [rehearsal(DONE, tracked=(run(rows=losses(1.0, 0.5)), run(rows=losses(math.nan, key="gap"))))],
    "GR403": [
        rehearsal(act(Phase.FULL, totals={"optimizer 0": optimizer()})),
        rehearsal(act(Phase.FULL, totals={"optimizer 0": optimizer(moved=0, steps=2)})),
    ],
    "GR404": [
        rehearsal(tracked=(run(ONE, rows=losses(*range(1, 9))), run(TWO, rows=losses(*range(2, 10))))),
        rehearsal(tracked=(run(ONE, rows=losses(1.0, 1.0)), run(TWO, rows=losses(1.0, 1.0)))),
    ],
    "GR601": [
        rehearsal(act(Phase.FULL, totals={"search": ({"trials": 2},)},
                      notes={"wandb init": [{"id": ONE, "searching": True, "disabled": True},
                                            {"id": ONE, "searching": False, "disabled": False}]})),
    ],
    "GR602": [rehearsal(act(Phase.FULL, totals={"search": ({"trials": 2, "steps_until_its_end": 10},),
                                                "steps": ({"all": 15},)}))],
    "GR603": [rehearsal(DONE, tracked=(run(ONE),)), rehearsal(DONE)],
    "GR604": [rehearsal(act(Phase.TRIAL))],
    "GR605": [rehearsal(DONE, tracked=(run(rows=losses(1.0)),))],
    "GR606": [
        rehearsal(act(Phase.FULL, totals={"forward M": ({"calls": 9, "training": 8},)}),
                  tracked=(run(summary={"final_em": 0.0}),)),
        rehearsal(act(Phase.FULL, totals={"forward M": ({"calls": 9, "training": 9},)}),
                  tracked=(run(summary={"final_em": None, "final_loss": 0.0, "embedding": 0, "em": False}),)),
        rehearsal(DONE, tracked=(run(summary={"final_em": 0.0}),)),
    ],
    "GR607": [
        rehearsal(act(Phase.FULL, totals={"forward M": ({"calls": 9, "training": 8, "steps_at_last_evaluation": 8},),
                                          "steps": ({"all": 8},)}), tracked=(run(summary={"final_em": 0.4}),)),
        rehearsal(act(Phase.FULL, totals={"forward M": ({"calls": 9, "training": 8, "steps_at_last_evaluation": 5},),
                                          "steps": ({"all": 8},)}), tracked=(run(summary={"loss": 0.4}),)),
    ],
    "GR701": [
        rehearsal(act(Phase.FULL, totals={"search": ({"params": [{"lr_init": 0.3}, {"lr_init": 0.1}]},),
                                          "optimizer 0": optimizer(searching=True)})),
        rehearsal(act(Phase.FULL, totals={"search": ({"params": [{"outer_lr": 0.3}, {"outer_lr": 0.7}]},),
                                          "optimizer 0": optimizer(searching=True)})),
        rehearsal(act(Phase.FULL, totals={"search": ({"params": [{"lr_init": 0.3}, {"lr_init": 0.7}]},)})),
    ],
    "GR801": [rehearsal(produced=json_files(a='{"x": null}'))],
    "GR802": [rehearsal(act(Phase.EVALUATE), produced=Produced({f"{ONE}/metrics.json": 1, "a.pdf": 1,
                                                                "comparison/aggregated_metrics.json": 1}, {}))],
    "GR803": [
        rehearsal(act(Phase.EVALUATE, notes={"figure": [{"path": "x",
                                                         "axes": [{"lines_with_points": 2, "lines_drawn": 1}]},
                                                        {"path": "y", "axes": [{"lines_with_points": 1, "patches": 3}]},
                                                        {"path": "z", "axes": [{"lines_with_points": 0}]}]})),
    ],
    "GR804": [rehearsal(produced=json_files(comparison__aggregated_metrics='{"metrics": {"em": {}}}'))],
    "GR805": [rehearsal(produced_alone=json_files(
        comparison__aggregated_metrics='{"gap": null, "best_baseline": null, "best_proposed": {"run_id": "a"}}'
    ))],
    "GR901": [rehearsal(act(Phase.TRIAL, totals={"optimizer 0": optimizer(steps=2)}))],
}  # fmt: skip
