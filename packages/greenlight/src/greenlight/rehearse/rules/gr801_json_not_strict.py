"""GR801: a JSON file that evaluate wrote is no JSON."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.rehearse.rehearsal import Rehearsal
from greenlight.rehearse.rule import NotChecked, ObservationRule
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity


class JsonNotStrict(ObservationRule):
    """Reads every JSON file of the results folder with a strict parser."""

    id = "GR801"
    name = "json-not-strict"
    criterion = Criterion.EVALUATION
    severity = Severity.MINOR
    sentences = ()
    summary = "A result file holds NaN or Infinity, or is cut off: strict parsers refuse it."
    why = (
        "JSON (RFC 8259) has no NaN and no Infinity. Python writes them all the same, and the next program, in "
        "another language, fails at that file."
    )
    remedy = "Write a missing value as null with its reason beside it, and pass `allow_nan=False` to `json.dump`."
    observed = "all files with the ending .json below the results folders"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield one finding for each name of a file."""
        files = [*rehearsal.produced.json.items(), *rehearsal.produced_alone.json.items()]
        if not files:
            raise NotChecked("evaluate left no JSON file")
        told: dict[str, list[str]] = {}
        for path, file in files:
            if file.trouble is not None:
                told.setdefault(f"{path.rpartition('/')[2]}: {file.trouble}", []).append(path)
        for said, paths in told.items():
            others = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
            place = rehearsal.line_of(["json.dump"], ("src/evaluate.py",))
            yield self.on(*place, f"{paths[0]}{others}: {said.partition(': ')[2]}")
