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
    sentences = ("1.1", "9.3")
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
        after_rough: set[tuple[str, int, str]] = set()
        rough = False
        for act in rehearsal.acts:
            if act.crash is None or act.is_through:
                continue
            raised = act.crash.raised
            told = "" if raised is None else raised.root_message
            nobody = next((part for part in unplayed if part.id in told or part.id in act.crash.said), None)
            if nobody is not None:
                raise NotChecked(
                    f"{act.phase} of {act.run_ids[0]} needs the {nobody.kind} {nobody.id}: {nobody.detail}"
                )
            words = _last_line(act.crash.said) if raised is None else f"{raised.root_type}: {raised.root_message}"
            words = rehearsal.plain(words, act.run_ids)
            key = ("", 0, words) if raised is None else (raised.path, raised.line, words)
            if not key[0] and raised is not None:
                # Such as a module that is not found: the parent tells which of its lines started the child.
                parent = next((one for one in act.seen.raised if one.path), None)
                key = (raised.program, 0, key[2]) if parent is None else (parent.path, parent.line, key[2])
            if rough and key not in met:
                after_rough.add(key)
            met.setdefault(key, []).append(act)
            rough = rough or act.rough
        for (path, line, said), acts in met.items():
            first = acts[0]
            mended = next((act.mended for act in acts if act.mended), None)
            yield self.on(
                path or _FILES.get(str(first.phase), "src/main.py"),
                line,
                f"{rehearsal.told(acts)} ends with exit status {first.status} after {first.seconds:.0f} s: {said}",
                f"{self.remedy} (The scratch copy went on after: {mended}.)" if mended else None,
                confidence="likely" if (path, line, said) in after_rough else "proven",
            )


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "it printed nothing"
