"""The bake-off: methods x initial rates x seeds x tasks under equal budgets.

``uv run python -m benchmarks.planners run`` runs what is missing and writes the report, ``report`` writes it from what
is there, ``list`` names tasks and methods with their options.
"""

import argparse
import dataclasses
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

import graff
from benchmarks.planners import tasks
from benchmarks.planners.clocks import CLOCKS
from benchmarks.planners.grid import Choice, Grid, Method, parsed_seeds
from greenlight.errors import GreenlightError

DEFAULT_RATE = 2e-4
RATES = (1e-4, 2e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 2 for what the user has to mend, 130 after Ctrl-C."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    try:
        if options.action == "cell":
            from benchmarks.planners.runner import answer

            answer(options.order, options.answer)
        elif options.action == "list":
            _list()
        else:
            _bake(options, shlex.join(["python", "-m", "benchmarks.planners", *given]))
    except (GreenlightError, graff.GraffError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: the running cells are lost; the same command goes on with the rest", file=sys.stderr)
        return _INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planners", description=(__doc__ or "").split("\n\n")[0])
    actions = parser.add_subparsers(dest="action", required=True)
    grid = argparse.ArgumentParser(add_help=False)
    add = grid.add_argument
    add("--task", action="append", metavar="NAME[,option=value...]", help="repeat for several (default: arithmetic)")
    add("--methods", nargs="*", metavar="NAME", help="planners with their defaults (default: all that are installed)")
    add("--variant", action="append", default=[], metavar="LABEL=PLANNER[,option=value...]", help="one more method")
    add("--rates", nargs="+", type=float, default=list(RATES), help="initial learning rates (default: %(default)s)")
    add("--seeds", nargs="+", default=["0-5"], metavar="N|N-N", help="default: %(default)s")
    add("--budget", nargs="+", default=["60"], metavar="SECONDS|TASK=SECONDS", help="per cell (default: %(default)s)")
    add("--clock", choices=CLOCKS, default="wall", help="default: %(default)s")
    add("--shares", nargs="*", type=float, default=[0.25, 0.5, 0.75], help="when to evaluate (default: %(default)s)")
    add("--max-grad-norm", type=float, default=1.0, help="default: %(default)s")
    add("--threads", type=int, default=1, help="of each cell (default: %(default)s)")
    add("--reference", default="graff", help="the method whose aims are told (default: %(default)s)")
    add("--default-rate", type=float, default=DEFAULT_RATE, help="the untuned rate (default: %(default)s)")
    add("--out", type=Path, default=Path(__file__).parent / "results", help="default: %(default)s")
    run = actions.add_parser("run", parents=[grid], help="run the missing cells and write the report")
    run.add_argument("--jobs", type=int, default=1, help="cells side by side (default: %(default)s)")
    report = actions.add_parser("report", parents=[grid], help="write the report from the cells that are there")
    report.add_argument("--any-code", action="store_true", help="take cells that other code made; the report says so")
    actions.add_parser("list", help="tasks and methods with their options")
    cell = actions.add_parser("cell", help="run one cell in this process (what `run` starts)")
    cell.add_argument("order", type=Path)
    cell.add_argument("answer", type=Path)
    return parser


def _bake(options: argparse.Namespace, command: str) -> None:
    from benchmarks.planners.board import read_board
    from benchmarks.planners.report import write_report

    grids = list(_grids(options))
    folder = options.out.resolve()
    if options.action == "run":
        from benchmarks.planners.runner import run_cells

        if options.jobs < 1:
            raise GreenlightError(f"--jobs {options.jobs}: at least one cell runs at a time; give 1 or more")
        for grid in grids:
            _say(f"{grid.task.name}: {grid.budget_s:g} s a cell on the {grid.clock} clock")
            run_cells(list(grid.cells()), folder / "cells", jobs=options.jobs, say=_say)
    for grid in grids:
        board = read_board(grid, folder / "cells", any_code=getattr(options, "any_code", False))
        target = folder / "report" / grid.task.name
        found = write_report(
            board, target, reference=options.reference, default_rate=options.default_rate, command=command
        )
        print(f"\n{grid.task.name}, {grid.clock} clock, {grid.budget_s:g} s, {len(board.seeds)} seeds")
        for line in (*board.notes, *found, f"tables and figures: {target}"):
            print(line)


def _grids(options: argparse.Namespace) -> Sequence[Grid]:
    methods = _methods(options.methods, [Method.parsed(text) for text in options.variant])
    grids = []
    for choice in [Choice.parsed(text) for text in options.task or ["arithmetic"]]:
        task = tasks.make(choice.name, choice.options)
        if (reason := task.unavailable()) is not None:
            _say(f"left out: task {choice.name}: {reason}")
            continue
        grids.append(
            Grid(
                task=Choice(choice.name, dataclasses.asdict(task)),
                methods=methods,
                rates=tuple(options.rates),
                seeds=parsed_seeds(options.seeds),
                budget_s=_budget_s(options.budget, choice.name),
                clock=options.clock,
                shares=tuple(options.shares),
                max_grad_norm=options.max_grad_norm,
                threads=options.threads,
            )
        )
    return grids


def _methods(chosen: Sequence[str] | None, variants: Sequence[Method]) -> tuple[Method, ...]:
    wanted = graff.planners.names() if chosen is None else chosen
    kept = []
    for method in [*(Method(name, name) for name in wanted), *variants]:
        reason = _not_installed(method)
        if reason is None:
            kept.append(method)
        else:
            _say(f"left out: method {method.label}: {reason}")
    return tuple(kept)


def _not_installed(method: Method) -> str | None:
    """Make the planner once on a small model; return why its library is missing, or None.

    Raises
    ------
    GraffError
        For an unknown planner or an option that it refuses.
    """
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=DEFAULT_RATE)
    try:
        graff.planners.make(
            method.planner, optimizer=optimizer, model=model, budget=graff.Budget(seconds=1.0), **method.options
        )
    except ImportError as error:
        return str(error)
    except graff.GraffError as error:
        if isinstance(error.__cause__, ImportError):
            return str(error)
        raise
    return None


def _budget_s(texts: Sequence[str], task: str) -> float:
    seconds: dict[str, float] = {}
    for text in texts:
        name, separator, value = text.rpartition("=")
        try:
            seconds[name if separator else ""] = float(value)
        except ValueError as error:
            raise GreenlightError(f"--budget {text}: it is SECONDS or TASK=SECONDS; correct it") from error
    if task not in seconds and "" not in seconds:
        raise GreenlightError(f"--budget {' '.join(texts)}: none for task {task}; add {task}=SECONDS")
    return seconds.get(task, seconds.get("", 0.0))


def _list() -> None:
    for name in tasks.names():
        kind = tasks.task_class(name)
        options = ", ".join(f"{field.name}={field.default}" for field in dataclasses.fields(kind))
        print(f"task {name}: {options}\n  {kind().unavailable() or 'can run here'}")
    for name in graff.planners.names():
        told = ", ".join(f"{key}={parameter.default}" for key, parameter in graff.planners.options(name).items())
        print(f"method {name}: {_not_installed(Method(name, name)) or told}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
