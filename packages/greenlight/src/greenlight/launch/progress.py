"""Show how a training command spends its budget, read from the clock file that it refreshes."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

POLL_S = 0.25


def display(console: Console) -> Progress:
    """Return the display: one line a run, its bar filled by the wall clock."""
    return Progress(
        TextColumn("{task.fields[label]:<26}"),
        BarColumn(bar_width=12),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
        console=console,
    )


def follow(process: subprocess.Popen[bytes], clock_file: Path, progress: Progress, task: TaskID) -> int:
    """Refresh a line until the command ends; return its exit status."""
    while process.poll() is None:
        content = _read(clock_file)
        if content:
            progress.update(task, completed=content["elapsed_s"], total=content["budget_s"], state=_state(content))
        time.sleep(POLL_S)
    content = _read(clock_file)
    failed = process.returncode != 0
    state = f"[red]failed, exit {process.returncode}[/red]" if failed else f"done, {_state(content)}"
    progress.update(task, completed=content.get("budget_s", 0) if not failed else None, state=state)
    progress.stop_task(task)
    return process.returncode


def _state(content: dict[str, Any]) -> str:
    if not content.get("elapsed_s"):
        return "measures the start"
    accuracy = content.get("dev_exact_match")
    shown = f", EM {accuracy:.0%}" if isinstance(accuracy, int | float) else ""
    return f"{content['elapsed_s']:.0f}/{content['budget_s']:.0f} s, step {content['step']}{shown}"


def _read(clock_file: Path) -> dict[str, Any]:
    try:
        content = json.loads(clock_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
