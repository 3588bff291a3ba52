"""GR701: a learning rate that the search samples never reaches an optimizer."""

from __future__ import annotations

import re
from collections.abc import Iterator

from greenlight.rehearse.rehearsal import Rehearsal
from greenlight.rehearse.rule import NotApplicable, ObservationRule
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity

# Names of an optimizer's own rate. One of a controller or an outer loop may drive something that is no optimizer.
_RATE = re.compile(
    r"(?:(?:adapter|lora|model|base|peak|max|init|initial|optimizer|optim|training)[_.])*(?:lr|learning_rate)(?:_init|_max|_peak)?"
)


class SampledRateUnused(ObservationRule):
    """Looks at the rates of optimizers in the trials of a search."""

    id = "GR701"
    name = "sampled-rate-unused"
    criterion = Criterion.CONFIGURATION
    severity = Severity.MAJOR
    sentences = ("7.4",)
    summary = "The search samples a learning rate that no optimizer is made with: all its trials train the same."
    why = (
        "In every trial the sampled value was compared with the rates that optimizers were made with and stepped "
        "with. None had it."
    )
    remedy = "Write the sampled value to the key that the optimizer's rate is read from."
    observed = "parameters of trials, and constructor rates and rates at all steps of optimizers during the search"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield one finding for each parameter."""
        seen = False
        told: set[str] = set()
        for act in rehearsal.acts:
            rates = {
                float(rate)
                for facts in act.seen.facts("optimizer")
                if facts.get("searching")
                for rate in [facts.get("first_rate"), *(r for row in facts.get("rates", []) for r in row)]
                if isinstance(rate, int | float)
            }
            for facts in act.seen.facts("search"):
                trials = [params for params in facts.get("params") or [] if isinstance(params, dict)]
                seen = seen or len(trials) > 1
                names = sorted({name for params in trials for name in params if _RATE.fullmatch(name.lower())})
                for name in names if rates and len(trials) > 1 else ():
                    values = [float(p[name]) for p in trials if isinstance(p.get(name), int | float)]
                    reached = any(abs(value - rate) <= 1e-6 * abs(value) for value in values for rate in rates)
                    if len(set(values)) > 1 and not reached and name not in told:
                        told.add(name)
                        sampled, used = (
                            ", ".join(f"{v:.3g}" for v in values[:3]),
                            ", ".join(f"{r:.3g}" for r in sorted(rates)[:3]),
                        )
                        said = f"the search samples {name} as {sampled}, and optimizers have the rates {used}"
                        paths = (*rehearsal.submission.run_files.values(), "src/train.py")
                        place = rehearsal.line_of([f" {name}:", f'"{name}"', f"'{name}'"], paths)
                        yield self.on(*place, said, confidence="likely")
        if not seen:
            raise NotApplicable("no search of two trials was made")
