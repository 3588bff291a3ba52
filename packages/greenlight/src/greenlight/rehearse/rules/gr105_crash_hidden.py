"""GR105: a process that runs the experiment's code crashes, and the command ends with status 0 all the same."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.rehearse.rehearsal import Act, Rehearsal
from greenlight.rehearse.rule import ObservationRule
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity


class CrashHidden(ObservationRule):
    """Looks at exceptions that ended processes of commands that report success."""

    id = "GR105"
    name = "crash-hidden"
    criterion = Criterion.COMPLETE
    severity = Severity.BLOCKER
    sentences = ("1.1",)
    summary = "A process of the experiment crashes and the command still ends with status 0: nobody is told."
    why = (
        "A process that the command started with a file of the experiment was ended by an exception. Whoever waits for "
        "the exit status, a person, a script or a scheduler, takes the run for done. `@hydra.main` drops what the "
        "decorated function returns, so that `return process.returncode` does not reach the shell."
    )
    remedy = "Pass the failure on: `subprocess.run(..., check=True)`, or `sys.exit(status)` where the child has failed."
    observed = "exceptions that ended Python processes of a command with exit status 0"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield one finding for each place and exception."""
        met: dict[tuple[str, int, str], list[Act]] = {}
        for act in rehearsal.acts:
            if act.is_through and act.crash is not None and act.crash.raised is not None:
                raised = act.crash.raised
                said = rehearsal.plain(f"{raised.root_type}: {raised.root_message}", act.run_ids)
                met.setdefault((raised.path or raised.program, raised.line, said), []).append(act)
        for (path, line, said), acts in met.items():
            mended = next((act.mended for act in acts if act.mended), None)
            yield self.on(
                path,
                line,
                f"{rehearsal.told(acts)} ends with exit status 0 though a process of it crashed here: {said}",
                f"{self.remedy} (The scratch copy went on after: {mended}.)" if mended else None,
            )
