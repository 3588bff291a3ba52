"""GR301: an attention mask holds other values than 0 and 1."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.rehearse.rehearsal import Rehearsal
from greenlight.rehearse.rule import ObservationRule
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity


class MaskIsNoMask(ObservationRule):
    """Looks at the masks that models of transformers are called with."""

    id = "GR301"
    name = "mask-is-no-mask"
    criterion = Criterion.DATA
    severity = Severity.MAJOR
    sentences = ()
    summary = "The attention mask is padded with something else than 0: padding is attended to as if it were text."
    why = (
        "A mask is 1 for text and 0 for padding. One that was padded with the id of the padding token says "
        '"attend" for every pad, and whatever the model computes depends on how long the other rows of the batch '
        "are."
    )
    remedy = "Pad every column with its own value: input ids with the padding id, masks with 0, labels with -100."
    observed = "values of integer attention masks at calls of transformers' models"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield one finding for each place that calls a model with such a mask."""
        told: set[tuple[str, int]] = set()
        for act in rehearsal.acts:
            for entry in act.seen.notes.get("mask value", ()):
                path, line = rehearsal.place(entry.get("at", {}))
                if (path, line) not in told:
                    told.add((path, line))
                    said = f"the attention mask that {entry.get('model')} is called with holds {entry.get('value')}"
                    yield self.on(path or "src/preprocess.py", line, f"{said}; a mask is 0 and 1")
