"""Tables of the benchmark: printed for people, written as Markdown and JSON with what is needed to make them again."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import rich.table
from rich.console import Console

from greenlight.compare.json_files import write_bytes, write_json
from greenlight.review.registry import all_rules


@dataclass(frozen=True)
class Table:
    """A table with a heading; every cell is text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def as_rich(self) -> rich.table.Table:
        """Return the table for a terminal."""
        shown = rich.table.Table(title=self.title, title_justify="left", caption="\n".join(self.notes) or None)
        for column in self.columns:
            shown.add_column(column, overflow="fold")
        for row in self.rows:
            shown.add_row(*(cell.replace("[", r"\[") for cell in row))
        return shown

    def as_markdown(self) -> str:
        """Return the table for a page."""
        lines = [f"## {self.title}", "", _row(self.columns), _row(["---"] * len(self.columns))]
        lines += [_row(row) for row in self.rows]
        return "\n".join([*lines, "", *(f"{note}  " for note in self.notes), ""])


@dataclass(frozen=True)
class Part:
    """What one action of the benchmark found: tables for people and the same as plain values."""

    name: str
    tables: tuple[Table, ...]
    data: dict[str, Any] = field(default_factory=dict)


def conditions(command: str) -> dict[str, str]:
    """Return where, when and how a report was made."""
    return {
        "machine": f"{_processor()}, {os.cpu_count()} CPUs, {platform.system()} {platform.machine()}",
        "python": sys.version.split()[0],
        "rules": str(len(all_rules())),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
    }


def show(parts: Sequence[Part], console: Console) -> None:
    """Print the tables."""
    for part in parts:
        for table in part.tables:
            console.print(table.as_rich())


def write(parts: Sequence[Part], folder: Path, command: str) -> list[Path]:
    """Write one Markdown page and one JSON file for each part and return their paths.

    Raises
    ------
    GreenlightError
        If the folder cannot be written to.
    """
    said = conditions(command)
    written = []
    for part in parts:
        head = [f"# Review benchmark: {part.name}", "", *(f"- {key}: {value}" for key, value in said.items()), ""]
        page = "\n".join([*head, *(table.as_markdown() for table in part.tables)])
        written.append(write_bytes(folder / f"{part.name}.md", page.encode()))
        content = {"conditions": said, "tables": [asdict(table) for table in part.tables], **part.data}
        written.append(write_json(folder / f"{part.name}.json", content))
    return written


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|").replace("\n", " ") for cell in cells) + " |"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or "unknown processor"
