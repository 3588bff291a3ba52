"""GR401: an optimizer steps, and none of its parameters ever gets a gradient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from greenlight.rehearse.rehearsal import Rehearsal
from greenlight.rehearse.rule import NotApplicable, ObservationRule
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity


class OptimizerWithoutGradient(ObservationRule):
    """Looks at the gradients that optimizers step with."""

    id = "GR401"
    name = "optimizer-without-gradient"
    criterion = Criterion.MODEL
    severity = Severity.MAJOR
    sentences = ()
    summary = (
        "An optimizer steps over parameters that never receive a gradient: what it should learn stays as it began."
    )
    why = (
        "All steps of the run were watched. No parameter of this optimizer had a gradient other than zero at any "
        "of them, so its steps did nothing (or weight decay alone), whatever its learning rate is set to."
    )
    remedy = (
        "Let the loss depend on these parameters: no `.item()`, `.detach()`, `float()` or `torch.no_grad()` on the way."
    )
    observed = "gradients of all parameters before each of the first 50 steps of every optimizer"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield one finding for each place at which such an optimizer steps."""
        steps: dict[_Which, int] = {}
        learnt: set[_Which] = set()
        for act in rehearsal.acts:
            for facts in act.seen.facts("optimizer"):
                place = rehearsal.place(facts.get("at", {}))
                which = _Which(act.run_ids, place, str(facts.get("type")), int(facts.get("parameters", 0)))
                steps[which] = max(steps.get(which, 0), int(facts.get("steps", 0)))
                if facts.get("with_gradient"):
                    learnt.add(which)
        if not steps:
            raise NotApplicable("no optimizer of torch took a step")
        told: set[tuple[str, int]] = set()
        for which, count in steps.items():
            if which not in learnt and count >= 2 and which.place[0] and which.place not in told:
                told.add(which.place)
                said = f"in {which.run_ids[0]} {which.kind} takes {count} steps, and none of its {which.parameters} "
                yield self.on(*which.place, said + "parameters ever has a gradient")


@dataclass(frozen=True)
class _Which:
    """An optimizer of a run, as far as it can be told from others: two of the same line and size are one."""

    run_ids: tuple[str, ...]
    place: tuple[str, int]
    kind: str
    parameters: int
