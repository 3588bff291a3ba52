"""GR101: a documented command ends with an exception or another status than 0."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.rehearse.rehearsal import Act, Rehearsal
from greenlight.rehearse.rule import NotChecked, ObservationRule
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity

_FILES = {"trial": "src/main.py", "full": "src/main.py", "evaluate": "src/evaluate.py"}


class CommandCrashed(ObservationRule):
    """Looks at the exit status and at the exception that ended a process."""

    id = "GR101"
    name = "command-crashed"
    criterion = Criterion.COMPLETE
    severity = Severity.BLOCKER
    sentences = ("1.5",)
    summary = "A documented command crashes: nothing of the budget is left to repair it."
    why = (
        "The commands were performed as they are documented, in a copy of the experiment. Where the cause of a crash "
        "could be mended in that copy, the rehearsal went on, and what crashed next is told as well: the findings of "
        "this rule are the chain in which a user would meet them."
    )
    remedy = "Mend what the exception says, and rehearse again."
    observed = "exit status of every command, and the exception that ended a process, with the experiment's own line"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield one finding for each place and exception, whichever commands met it."""
        unplayed = rehearsal.cast.unplayed
        met: dict[tuple[str, int, str], list[Act]] = {}
        for act in rehearsal.acts:
            if act.crash is None:
                continue
            raised = act.crash.raised
            told = "" if raised is None else raised.root_message
            nobody = next((part for part in unplayed if part.id in told or part.id in act.crash.said), None)
            if nobody is not None:
                raise NotChecked(
                    f"{act.phase} of {act.run_ids[0]} needs the {nobody.kind} {nobody.id}: {nobody.detail}"
                )
            key = (
                (raised.path, raised.line, f"{raised.root_type}: {raised.root_message}")
                if raised is not None
                else ("", 0, _last_line(act.crash.said))
            )
            met.setdefault(key, []).append(act)
        for (path, line, said), acts in met.items():
            first = acts[0]
            runs = sorted({run_id for act in acts for run_id in act.run_ids})
            others = f" and {len(runs) - 1} more" if len(runs) > 1 else ""
            where = f"{first.phase} of {runs[0]}{others}" if len(first.run_ids) == 1 else str(first.phase)
            yield self.on(
                path or _FILES.get(str(first.phase), "src/main.py"),
                line,
                f"{where} ends with exit status {first.status} after {first.seconds:.0f} s: {_cut(said)}",
                f"{self.remedy} (The scratch copy went on after: {first.mended}.)" if first.mended else None,
            )


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "it printed nothing"


def _cut(said: str) -> str:
    text = " ".join(said.split())
    return text if len(text) <= 300 else text[:297] + "..."
