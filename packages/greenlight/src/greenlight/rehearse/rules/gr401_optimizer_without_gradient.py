"""GR401: an optimizer steps, and none of its parameters ever gets a gradient."""

from __future__ import annotations

from collections.abc import Iterator

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
        steps: dict[tuple[str, int], int] = {}
        learnt: set[tuple[str, int]] = set()
        facts_of: dict[tuple[str, int], tuple[str, int]] = {}
        for act in rehearsal.acts:
            for key, entries in act.seen.totals.items():
                for facts in entries if key.startswith("optimizer") else ():
                    place = rehearsal.place(facts.get("at", {}))
                    steps[place] = max(steps.get(place, 0), int(facts.get("steps", 0)))
                    facts_of[place] = (str(facts.get("type")), int(facts.get("parameters", 0)))
                    if facts.get("with_gradient"):
                        learnt.add(place)
        if not steps:
            raise NotApplicable("no optimizer of torch took a step")
        for place, count in steps.items():
            if place not in learnt and count >= 2 and place[0]:
                kind, parameters = facts_of[place]
                yield self.on(
                    *place, f"{kind} takes {count} steps, and none of its {parameters} parameters ever has a gradient"
                )
