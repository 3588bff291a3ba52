"""The same experiments given to ruff, pyright and uv: what they say, how long it takes, what of it is known."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.review.originals import folders
from benchmarks.review.report import Part, Table
from benchmarks.review.truth import Defect, read_defects
from greenlight.contract.submission import Submission, submission
from greenlight.review.engine import review
from greenlight.review.finding import Finding, Severity
from greenlight.review.registry import all_rules

TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Message:
    """What a tool says about one place."""

    path: str
    line: int
    code: str
    text: str

    def as_finding(self) -> Finding:
        """Return it in the form that places are compared in."""
        return Finding(self.path, self.line, 1, self.code, self.text, "", Severity.MINOR)


@dataclass(frozen=True)
class Said:
    """All that a tool says about one experiment.

    Attributes
    ----------
    tool, subject
        Which tool on which experiment.
    messages
        What it said; empty where it was not run.
    seconds
        Wall-clock time of the process; None where it was not run.
    not_run
        Why it was not run, or did not come to an end.
    known
        Ids of the defects that the truth says this tool tells, and the ones of them at whose place it spoke.
    """

    tool: str
    subject: str
    messages: tuple[Message, ...] = ()
    seconds: float | None = None
    not_run: str | None = None
    known: tuple[str, ...] = ()
    hit: tuple[str, ...] = ()


def measure(prompts: Sequence[Path] = (), truth: Path | None = None) -> Part:
    """Give every recorded prompt and every original to the review and to each tool."""
    subjects = {f"bundle {number}": submission(path) for number, path in enumerate(prompts, start=1)}
    subjects |= {name: submission(folder) for name, folder in folders().items()}
    defects = read_defects(truth) if truth else ()
    said = []
    for number, (name, handed_in) in enumerate(subjects.items(), start=1):
        known = [defect for defect in defects if number <= len(prompts) and defect.bundle == number]
        with _laid_out(handed_in) as folder:
            said += [_asked(tool, name, ask, folder, known) for tool, ask in TOOLS.items()]
    rows = tuple(
        (
            one.subject,
            one.tool,
            one.not_run or str(len(one.messages)),
            "" if one.seconds is None else f"{one.seconds:.2f}",
            f"{len(one.hit)} of {len(one.known)}: {', '.join(one.hit)}" if one.known else "",
        )
        for one in said
    )
    columns = ("experiment", "tool", "messages", "seconds", "of the defects that the truth grants it")
    notes = ("Times are of whole processes, but for the review, which is timed inside (see the action `time`).",)
    return Part("tools", (Table("Other tools on the same files", columns, rows, notes),), {"said": _plain(said)})


def _asked(
    tool: str, subject: str, ask: Callable[[Path], list[Message] | str], folder: Path, known: Sequence[Defect]
) -> Said:
    started = time.perf_counter()
    try:
        answer = ask(folder)
    except subprocess.TimeoutExpired:
        answer = f"no answer in {TIMEOUT_S:g} s"
    seconds = time.perf_counter() - started
    if isinstance(answer, str):
        return Said(tool, subject, not_run=answer)
    granted = [defect for defect in known if any(_is_by(name, tool) for name in defect.off_the_shelf)]
    hit = [
        defect.id
        for defect in granted
        if any(place.holds(message.as_finding()) for message in answer for place in defect.places)
    ]
    return Said(tool, subject, tuple(answer), seconds, known=tuple(d.id for d in granted), hit=tuple(hit))


def ask_review(folder: Path) -> list[Message]:
    """Return the findings of the review."""
    found = review(submission(folder), all_rules(), heed_comments=False).findings
    return [Message(f.path, f.line, f.rule, f.message) for f in found]


def ask_ruff(folder: Path) -> list[Message] | str:
    """Return what ruff says with its default rules."""
    program = _program("ruff")
    if program is None:
        return "not installed"
    done = _run([*program, "check", "--isolated", "--no-cache", "--output-format=json", "."], folder)
    if done.returncode not in (0, 1):
        return f"exit {done.returncode}: {_first_line(done.stderr)}"
    return [
        Message(
            _relative(row["filename"], folder), (row["location"] or {}).get("row", 1), str(row["code"]), row["message"]
        )
        for row in json.loads(done.stdout)
    ]


def ask_pyright(folder: Path) -> list[Message] | str:
    """Return what pyright says as an error, with its default settings, where it is installed."""
    program = _program("pyright")
    if program is None:
        return "not installed"
    done = _run([*program, "--outputjson", "src"], folder)
    try:
        rows = json.loads(done.stdout)["generalDiagnostics"]
    except (ValueError, KeyError):
        return f"exit {done.returncode}: {_first_line(done.stderr or done.stdout)}"
    return [
        Message(
            _relative(row["file"], folder), row["range"]["start"]["line"] + 1, row.get("rule", "error"), row["message"]
        )
        for row in rows
        if row["severity"] == "error"
    ]


def ask_uv(folder: Path) -> list[Message] | str:
    """Return why uv cannot resolve the package, if it cannot."""
    program = _program("uv")
    if program is None:
        return "not installed"
    done = _run([*program, "sync", "--dry-run", "--no-progress"], folder)
    if done.returncode == 0:
        return []
    # Without the package index nothing is known about the package.
    if any(word in done.stderr for word in ("dns error", "Could not connect", "Connection refused", "timed out")):
        return "no package index in reach"
    reason = next((line for line in done.stderr.splitlines() if "error" in line or "\u00d7" in line), done.stderr)
    return [Message("pyproject.toml", 1, f"exit {done.returncode}", reason.strip())]


TOOLS: Mapping[str, Callable[[Path], list[Message] | str]] = {
    "greenlight": ask_review,
    "ruff": ask_ruff,
    "pyright": ask_pyright,
    "uv": ask_uv,
}


def _is_by(recorded: str, tool: str) -> bool:
    """Say whether a recorded tool is this one, and sees the defect before another one is mended."""
    return recorded.split()[0] == tool and "(after" not in recorded


def _program(name: str) -> list[str] | None:
    """Return the command of a tool: beside this interpreter, on PATH, or in the cache of uvx."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is not None:
        return [found]
    uvx = shutil.which("uvx")
    if uvx is None:
        return None
    cached = [uvx, "--offline", name]
    return cached if _run([*cached, "--version"], Path.cwd()).returncode == 0 else None


@contextmanager
def _laid_out(handed_in: Submission) -> Iterator[Path]:
    """Yield the experiment's folder, or for a prompt a folder of its own with its files."""
    if handed_in.root is not None:
        yield handed_in.root
        return
    with tempfile.TemporaryDirectory(prefix="review-bench-") as name:
        folder = Path(name).resolve()
        for path, content in handed_in.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        yield folder


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, stdin=subprocess.DEVNULL
    )


def _relative(path: str, folder: Path) -> str:
    absolute = Path(path)
    return absolute.relative_to(folder).as_posix() if absolute.is_relative_to(folder) else path


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "no message")


def _plain(said: Sequence[Said]) -> list[dict[str, object]]:
    return [asdict(one) for one in said]
