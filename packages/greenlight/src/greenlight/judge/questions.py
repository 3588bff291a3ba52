"""What only a judge can tell: the sentences of the contract that say so, and whether the code is what was meant."""

from __future__ import annotations

from dataclasses import dataclass

from greenlight.review.catalogue import sentences
from greenlight.review.criteria import Criterion

_MEANT = "The code does what the hypothesis says: each method of a run is the method of that name in the hypothesis"
_NAMED = "Each method is what its name, its run file and the code's own words say that it is (there is no hypothesis)"


@dataclass(frozen=True)
class Question:
    """One question to the judge: the key that it answers with, the sentence that has to hold, and its criterion."""

    key: str
    sentence: str
    criterion: Criterion


def questions(*, has_hypothesis: bool) -> tuple[Question, ...]:
    """Return what a judge is asked: the sentences with ``by = "judge"``, then the fidelity of the methods."""
    own, before = [], ("", "")
    for number, entry in sentences().items():
        criterion = number.partition(".")[0]
        if entry.get("by") == "judge":
            # A sentence such as "Without one, ..." is understood from the one that it stands after.
            context = f"{before[1]}. " if before[0] == criterion else ""
            own.append(Question(number, context + entry["text"], Criterion(int(criterion))))
        before = criterion, entry["text"]
    return (*own, Question("fidelity", _MEANT if has_hypothesis else _NAMED, Criterion.MODEL))
