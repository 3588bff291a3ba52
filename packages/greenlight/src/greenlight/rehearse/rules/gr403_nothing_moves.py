"""GR403: an optimizer steps, and no parameter changes."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.rehearse.rehearsal import Phase, Rehearsal
from greenlight.rehearse.rule import ObservationRule
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity


class NothingMoves(ObservationRule):
    """Looks at parameters before the first and after later steps of optimizers."""

    id = "GR403"
    name = "nothing-moves"
    criterion = Criterion.MODEL
    severity = Severity.MAJOR
    sentences = ()
    summary = "The optimizer takes steps and every one of its parameters stays as it was."
    why = (
        "Sums of all parameters were compared before the first step and after the 2nd, 5th, 20th and 50th. None "
        "had changed, although gradients were there: a learning rate of zero, or a step that is undone."
    )
    remedy = "Let the learning rate be above zero at these steps, and do not write parameters back."
    observed = "sums of absolute values of all parameters, and learning rates at every step"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield one finding for each place."""
        told: set[tuple[str, int]] = set()
        for act in rehearsal.last(Phase.FULL):
            for facts in act.seen.facts("optimizer"):
                place = rehearsal.place(facts.get("at", {}))
                still = int(facts.get("steps", 0)) >= 5 and facts.get("with_gradient") and not facts.get("moved")
                if still and place[0] and place not in told:
                    told.add(place)
                    rates = [max(rates, default=0.0) for rates in facts.get("rates", [])]
                    said = f"{facts.get('type')} takes {facts.get('steps')} steps and no parameter changes"
                    yield self.on(*place, f"{said}; its learning rate is {max(rates, default=0.0):g} at most")
