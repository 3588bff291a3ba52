"""The result of a statistical procedure: numbers and the sentence that says what they mean, or why there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

ALPHA = 0.05
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Finding:
    """What one procedure found about one subject.

    Attributes
    ----------
    method
        Name of the procedure.
    subject
        What it was applied to: a run, or ``A against B``.
    n
        Number of observations (questions or seeds) that it used.
    estimate
        The estimated quantity: a proportion, or the difference A - B.
    interval
        The 95 % interval of the estimate, not corrected for the number of comparisons.
    statistic, p_value
        Of the test, two-sided.
    p_holm
        The p-value after Holm's correction over all tests of the same kind in the comparison.
    verdict
        One sentence; where the procedure could not be applied, "not applicable, because ...".
    not_applicable
        The reason alone, or None where the procedure was applied.
    """

    method: str
    subject: str
    n: int
    estimate: float | None = None
    interval: tuple[float, float] | None = None
    statistic: float | None = None
    p_value: float | None = None
    p_holm: float | None = None
    verdict: str = ""
    not_applicable: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the finding as a JSON object without the entries that are empty."""
        entries: dict[str, Any] = {
            "method": self.method,
            "subject": self.subject,
            "n": self.n,
            "estimate": self.estimate,
            "interval": None if self.interval is None else list(self.interval),
            "statistic": self.statistic,
            "p_value": self.p_value,
            "p_holm": self.p_holm,
            "verdict": self.verdict,
            "not_applicable": self.not_applicable,
        }
        return {name: value for name, value in entries.items() if value is not None}


def not_applicable(method: str, subject: str, n: int, reason: str, estimate: float | None = None) -> Finding:
    """Return the finding of a procedure that could not be applied."""
    verdict = f"{method}: not applicable, because {reason}."
    return Finding(method, subject, n, estimate=estimate, verdict=verdict, not_applicable=reason)


def holm(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings with `p_holm` and the last sentence of the verdict filled in, in the order given.

    The family is every finding that has a p-value. Source: Holm (1979), A simple sequentially rejective multiple
    test procedure, Scandinavian Journal of Statistics 6, 65-70.
    """
    from statsmodels.stats.multitest import multipletests

    tested = [index for index, finding in enumerate(findings) if finding.p_value is not None]
    corrected = list(findings)
    if not tested:
        return corrected
    p_values = multipletests([findings[index].p_value for index in tested], alpha=ALPHA, method="holm")[1]
    for index, p_holm in zip(tested, p_values, strict=True):
        finding = findings[index]
        over = f", {number(float(p_holm))} after Holm's correction over {len(tested)} pairs" if len(tested) > 1 else ""
        decision = "more than noise" if p_holm < ALPHA else "not distinguishable from noise"
        verdict = f"{finding.verdict} p = {number(finding.p_value)}{over}: {decision} at the 5 % level."
        corrected[index] = replace(finding, p_holm=float(p_holm), verdict=verdict)
    return corrected


def number(p_value: float | None) -> str:
    """Return a p-value as it is written in a sentence.

    >>> [number(p) for p in (0.5, 0.0312, 0.00004)]
    ['0.50', '0.031', '< 0.0001']
    """
    if p_value is None:
        return "none"
    if p_value < 0.0001:
        return "< 0.0001"
    return f"{p_value:.2f}" if p_value >= 0.1 else f"{p_value:.2g}"
