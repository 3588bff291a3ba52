"""GR302: labels of padding are not -100, so that the loss is taken over it."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.rehearse.rehearsal import Rehearsal
from greenlight.rehearse.rule import NotApplicable, ObservationRule
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity


class PaddingInTheLoss(ObservationRule):
    """Looks at the labels that models are trained with."""

    id = "GR302"
    name = "padding-in-the-loss"
    criterion = Criterion.DATA
    severity = Severity.MAJOR
    sentences = ()
    summary = "The loss counts padding: the model is taught to predict pads, and the loss falls for that alone."
    why = (
        "transformers leaves out labels of -100 and nothing else. In every batch with padding that was seen, "
        "labels at padded places were ordinary ids."
    )
    remedy = "Set labels to -100 wherever the attention mask is 0, best in the collate function."
    observed = "labels, input ids and masks at calls of models in training"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield one finding for each place that trains on padding."""
        told: set[tuple[str, int]] = set()
        seen = False
        for act in rehearsal.acts:
            for facts in act.seen.facts("labels"):
                seen = True
                padded, counted = int(facts.get("with_padding", 0)), int(facts.get("with_counted_padding", 0))
                place = rehearsal.place(facts.get("at", {}))
                if counted and counted == padded and place not in told:
                    told.add(place)
                    batches = "the one batch" if counted == 1 else f"all {counted} batches"
                    said = (
                        f"labels of padding are counted in the loss in {batches} with padding; no label is -100 there"
                    )
                    yield self.on(place[0] or "src/preprocess.py", place[1], said)
        if not seen:
            raise NotApplicable("no model of transformers was trained with labels of the inputs' shape")
