"""GR102: a documented command does not come to its end within the limits."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.rehearse.observer.record import Record
from greenlight.rehearse.rehearsal import Phase, Rehearsal
from greenlight.rehearse.rule import NotChecked, ObservationRule
from greenlight.rehearse.sandbox import Stop
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity

_WORDS = {
    Stop.TIME: "it was still running after {seconds:.0f} s",
    Stop.MEMORY: "it took more than its share of memory, {memory:.1f} GiB",
    Stop.PROCESSES: "it started more processes and threads than it may",
    Stop.DISK: "it wrote more than it may",
}


class LimitReached(ObservationRule):
    """Looks at commands that were ended from outside."""

    id = "GR102"
    name = "limit-reached"
    criterion = Criterion.MODES
    severity = Severity.BLOCKER
    sentences = ()
    summary = "A trial, or an evaluation, does not come to an end with a tiny model and a few rows."
    why = (
        "With stand-ins a trial takes seconds. One that is still running after minutes is not limited, waits for "
        "something, or starts processes without end. A full run without a wall-clock budget can take long for good "
        "reasons: that is told as not checked, and is no finding."
    )
    remedy = "Limit trial mode to one or two batches, and let every loop and every wait have an end."
    observed = "elapsed time, resident memory, processes and bytes written, from outside"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield a finding for each command that reached a limit, but for full runs that only took too long."""
        slow = []
        for act in rehearsal.acts:
            if act.stopped is None:
                continue
            if act.phase is Phase.FULL and act.stopped is Stop.TIME:
                slow.append(f"full run of {act.run_ids[0]} was ended after {act.seconds:.0f} s, {_progress(act.seen)}")
                continue
            told = _WORDS[act.stopped].format(seconds=act.seconds, memory=act.peak_memory_bytes / 2**30)
            path = "src/evaluate.py" if act.phase in (Phase.EVALUATE, Phase.ALONE) else "src/train.py"
            severity = Severity.MAJOR if act.phase is Phase.FULL else None
            yield self.on(path, 1, f"{act.phase} of {', '.join(act.run_ids)}: {told}", severity=severity)
        if slow:
            raise NotChecked("; ".join(slow))


def _progress(seen: Record) -> str:
    steps = sum(int(facts.get("steps", 0)) for facts in seen.facts("optimizer"))
    return f"after {steps} optimizer steps" if steps else "before an optimizer step was counted"
