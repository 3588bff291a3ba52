"""Everything that a finished grid says, written into a folder and told in a few lines."""

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.planners import figures, table
from benchmarks.planners.aims import Aim, aims
from benchmarks.planners.board import Board
from benchmarks.planners.evidence import Duel
from greenlight.compare.json_files import write_bytes, write_json


def write_report(board: Board, folder: Path, *, reference: str, default_rate: float, command: str) -> tuple[Aim, ...]:
    """Write the tables, figures and tests of one task and return its aims.

    Parameters
    ----------
    board
        The cells.
    folder
        Gets ``summary.md``, ``summary.csv``, ``cells.csv``, ``significance.json`` and the figures.
    reference, default_rate
        As for :func:`benchmarks.planners.aims.aims`.
    command
        What makes these files again; written into the summary.

    Raises
    ------
    GreenlightError
        If the folder cannot be written to.
    """
    found = aims(board, reference, default_rate)
    made = table.rows(board, default_rate)
    parts = [
        f"# Planners on {board.grid.task.name}\n",
        _conditions(board, command),
        "## Aims\n\n" + "\n".join(f"```\n{aim}\n```" for aim in found) + "\n",
        "## Methods\n\n" + table.summary_markdown(board, made, default_rate),
    ]
    if board.scored:
        axis = board.measure.axis
        parts.append(f"## Test {axis} by initial rate, mean over seeds\n\n" + table.rates_markdown(board))
        parts.append(
            f"## Best of n rates: expected test {axis} of the best on development questions\n\n"
            + table.best_of_markdown(board)
        )
    failures = table.failures_markdown(board)
    parts.append("## Cells that failed\n\n" + (failures or "None.\n"))
    write_bytes(folder / "summary.md", "\n".join(parts).encode())
    write_bytes(folder / "summary.csv", table.summary_csv(made).encode())
    write_bytes(folder / "cells.csv", table.cells_csv(board).encode())
    write_json(folder / "significance.json", {aim.title: [_duel(duel) for duel in aim.duels] for aim in found})
    figures.draw(board, reference, folder)
    return found


def _conditions(board: Board, command: str) -> str:
    grid = board.grid
    machines = sorted({str(o.machine.get("processor", "unknown")) for o in board.outcomes.values()})
    devices = sorted({str(o.machine.get("device", "unknown")) for o in board.outcomes.values()})
    dates = sorted(str(o.machine["finished"]) for o in board.outcomes.values() if "finished" in o.machine)
    versions = sorted({str(o.machine["torch"]) for o in board.outcomes.values() if "torch" in o.machine})
    options = ", ".join(f"{key}={value}" for key, value in grid.task.options.items()) or "defaults"
    unit = "steps" if grid.clock == "steps" else "s"
    lines = [
        f"- clock: **{grid.clock}**, budget {grid.budget_s:g} {unit}, evaluations included; "
        f"evaluated at {', '.join(f'{share:g}' for share in grid.shares)} and 1 of it",
        f"- {len(board.methods)} methods x {len(board.rates)} rates ({', '.join(f'{r:g}' for r in board.rates)}) x "
        f"{len(board.seeds)} seeds ({', '.join(map(str, board.seeds))}); task options: {options}",
        f"- machine: {'; '.join(machines)}; device: {'; '.join(devices)}; {grid.threads} thread(s); "
        f"torch {'; '.join(versions)}; cells finished {' to '.join(sorted({*dates[:1], *dates[-1:]}))}",
        f"- report of {datetime.now(UTC).isoformat(timespec='seconds')}",
        f"- command: `{command}`",
        *(f"- **{note}**" for note in board.notes),
    ]
    return "\n".join(lines) + "\n"


def _duel(duel: Duel) -> dict[str, Any]:
    return {
        "first": duel.first,
        "first_rate": duel.first_rate,
        "second": duel.second,
        "second_rate": duel.second_rate,
        "difference": dataclasses.asdict(duel.difference),
        "t_test": duel.t_test.as_json(),
        "signed_rank": duel.signed_rank.as_json(),
        "per_seed": [finding.as_json() for finding in duel.per_seed],
    }
