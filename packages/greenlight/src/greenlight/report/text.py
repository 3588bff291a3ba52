"""For people: findings by file, the line with a caret, the remedy, and the nine criteria."""

from __future__ import annotations

import io
from itertools import groupby

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from greenlight.report.document import Document, Staged
from greenlight.review.finding import Finding, Severity
from greenlight.review.verdict import State

NAME = "text"
_COLOURS = {Severity.BLOCKER: "bold red", Severity.MAJOR: "red", Severity.MINOR: "yellow"}
_STATES = {
    State.PASS: "green",
    State.FAIL: "bold red",
    State.NOT_APPLICABLE: "dim",
    State.NOT_CHECKED: "yellow",
    State.CHECKER_ERROR: "bold magenta",
}
_WIDTH = 100  # of a line of code that is shown


def render(document: Document) -> str:
    """Return the report for a terminal, in colour where the document says so."""
    file = io.StringIO()
    console = Console(
        file=file, force_terminal=document.colour, no_color=not document.colour, width=120, highlight=False, emoji=False
    )
    verdict = document.verdict
    for path, findings in groupby(verdict.findings, key=lambda finding: finding.path):
        console.print(f"[bold]{escape(path)}[/bold]")
        for finding in findings:
            _print_finding(console, finding, document)
        console.print()
    for opinion in document.opinions:
        console.print(
            f"[bold]{escape(opinion.path)}[/bold]:{opinion.line} [cyan]opinion[/]: {escape(opinion.issue)}",
            soft_wrap=True,
        )
        console.print(f"        [dim]|[/dim] {escape(opinion.quote)}", soft_wrap=True)
        console.print(f"        [dim]=[/dim] {escape(opinion.suggestion)}\n", soft_wrap=True)
    if document.staged is not None:
        _print_staged(console, document.staged)
    console.print(_criteria(document))
    for note in document.notes:
        console.print(escape(note), style="dim", soft_wrap=True)
    console.print(_conclusion(document), soft_wrap=True)
    return file.getvalue()


def _print_finding(console: Console, finding: Finding, document: Document) -> None:
    rule = document.by_id.get(finding.rule)
    name = f" {rule.name}" if rule else ""
    likely = "" if finding.confidence == "proven" else f" ({finding.confidence})"
    console.print(
        f"  {finding.line}:{finding.column} [{_COLOURS[finding.severity]}]{finding.severity}[/] "
        f"[bold]{finding.rule}[/bold]{escape(name)}{likely}: {escape(finding.message)}",
        soft_wrap=True,
    )
    code = document.line(finding.path, finding.line)
    if code.strip():
        shown, caret = _underlined(code, finding)
        console.print(f"  [dim]{finding.line:>5} |[/dim] {escape(shown)}", soft_wrap=True)
        console.print(f"        [dim]|[/dim] [{_COLOURS[finding.severity]}]{caret}[/]", soft_wrap=True)
    console.print(f"        [dim]=[/dim] {escape(finding.remedy)}", soft_wrap=True)


def _underlined(code: str, finding: Finding) -> tuple[str, str]:
    """Return a line of code, cut around the place where it is long, and the carets below it."""
    start = min(finding.column - 1, len(code))
    is_one_line = finding.end_line == finding.line and finding.end_column is not None
    end = min(len(code.rstrip()), finding.end_column - 1) if is_one_line and finding.end_column else start + 1
    code = "".join(" " if c == "\t" or not c.isprintable() else c for c in code)
    cut = 0
    if len(code) > _WIDTH:
        cut = max(0, start - 40)
        code = code[cut : cut + _WIDTH]
    if finding.column == 1 and not is_one_line:
        start = len(code) - len(code.lstrip())
        end = len(code.rstrip())
        cut = 0
    width = max(1, min(end - cut, len(code)) - (start - cut))
    return code.rstrip(), " " * (start - cut) + "^" * width


def _print_staged(console: Console, staged: Staged) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("command", "runs", "ended"):
        table.add_column(name, overflow="fold")
    table.add_column("s", justify="right")
    for command in staged.commands:
        runs = command.runs if len(command.runs) < 3 else (command.runs[0], f"and {len(command.runs) - 1} more")
        ended = f"[{'green' if command.ended == 'exit 0' else 'bold red'}]{escape(command.ended)}[/]"
        ended += f"; went on after: {escape(command.mended)}" if command.mended else ""
        table.add_row(command.phase, escape(", ".join(runs)), ended, f"{command.seconds:.1f}")
    console.print(table)
    for kind, key, served, detail in staged.parts:
        console.print(f"[dim]{kind}[/dim] {escape(key)}: {escape(served)} ({escape(detail)})", soft_wrap=True)
    console.print(f"[dim]environment[/dim] {escape(staged.environment)}", soft_wrap=True)
    if staged.shrunk:
        console.print(f"[dim]full runs were shrunk[/dim] {escape(staged.shrunk)}", soft_wrap=True)
    if not staged.confined:
        console.print("[yellow]without a sandbox[/]", soft_wrap=True)
    console.print()


def _criteria(document: Document) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", justify="right")
    table.add_column("criterion")
    table.add_column("state")
    table.add_column("findings", justify="right")
    table.add_column("", overflow="fold")
    for c in document.verdict.criteria:
        reasons = "; ".join(c.reasons) if c.state is not State.FAIL else ""
        table.add_row(
            str(int(c.criterion)),
            c.criterion.title,
            f"[{_STATES[c.state]}]{c.state}[/]",
            str(c.findings or ""),
            escape(reasons),
        )
    return table


def _conclusion(document: Document) -> str:
    verdict = document.verdict
    aside = [
        text
        for count, text in (
            (verdict.suppressed, f"{verdict.suppressed} suppressed by comments"),
            (verdict.known, f"{verdict.known} in the baseline"),
        )
        if count
    ]
    counted = f"{len(verdict.findings)} finding{'' if len(verdict.findings) == 1 else 's'}"
    fixable = sum(1 for finding in verdict.findings if finding.edits)
    if fixable:
        aside.append(f"{fixable} can be mended by --fix")
    aside += [f"not checked, though asked for: {reason}" for reason in verdict.unanswered]
    told = f" ({', '.join(aside)})" if aside else ""
    if verdict.is_code_ready:
        return f"\n[bold green]ready[/]: {counted} by {len(document.rules)} rules{escape(told)}"
    return f"\n[bold red]not ready[/]: {counted} by {len(document.rules)} rules{escape(told)}"
