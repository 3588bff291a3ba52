"""GL105: a name is read where nothing has been assigned to it."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.binding_flow import BindingFlow
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_WHY_NOT = {
    "while": "the loop in line {line} alone assigns it, and does so no time when its budget is spent at the start",
    "if": "the condition in line {line} alone assigns it, and nothing does where it is false",
    "try": "the try in line {line} alone assigns it, and the handler goes on without a value",
}


class UnboundName(Rule):
    """A local name is read before, or without, an assignment."""

    id = "GL105"
    name = "unbound-name"
    criterion = Criterion.COMPLETE
    severity = Severity.MAJOR
    sentences = ("1.2",)
    summary = "A name is read on a way to which nothing has been assigned to it, which ends the run."
    why = (
        "Python decides for a whole function that a name is local; reading it before its assignment is an "
        "UnboundLocalError. A budget that is over before the first step, a handler that swallows the exception, and a "
        "condition without an else leave a name without a value just as well."
    )
    remedy = "Assign a value before the block, or read the name only where it has one."
    valid = (
        {
            "src/train.py": """
                import time

                def train(steps, budget, mode):
                    loss = None
                    start = time.time()
                    while time.time() - start < budget:
                        loss = steps.run()
                    if mode == "trial":
                        count = 1
                    elif mode == "full":
                        count = 100
                    else:
                        raise ValueError(mode)
                    try:
                        rate = steps.rate
                    except AttributeError:
                        rate = 0.0
                    try:
                        name = steps.name
                    except KeyError as error:
                        print(error)
                        raise
                    if mode == "full":
                        run = open("log")
                    if mode == "full":
                        run.write(name)
                    for step in range(count):
                        if step > 0:
                            print(previous)
                        previous = rate
                    return loss
            """
        },
    )
    invalid = (
        {
            "src/train.py": """
                import time

                def train(step, budget):
                    start = time.monotonic()
                    while time.monotonic() - start < budget:
                        loss = step()
                    return {"final_loss": loss.item()}
            """
        },
        {
            "src/preprocess.py": """
                def load(read):
                    try:
                        rows = read()
                    except OSError as error:
                        print("cannot read", error)
                    return len(rows)

                def count(total):
                    total = total + offset
                    offset = 1
                    return total
            """
        },
        {
            "src/evaluate.py": """
                def report(mode, tracker):
                    if mode == "full":
                        run = tracker.start()
                    run.finish()
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each such name of a function."""
        for read in subject.derived(BindingFlow).unbound:
            name = read.name.id
            if read.cause == "never":
                yield self.at(
                    read.module,
                    read.name,
                    f"{name} is read before it is assigned: it is local, since this scope assigns it elsewhere",
                    f"assign {name} before this line, or give the local variable another name",
                    severity=Severity.BLOCKER,
                )
                continue
            line = read.block.lineno if read.block is not None else read.name.lineno
            yield self.at(
                read.module,
                read.name,
                f"{name} may have no value here: {_WHY_NOT[read.cause].format(line=line)}",
                f"set {name} before line {line}, or say here what happens without it",
                severity=Severity.MINOR if read.cause == "while" else Severity.MAJOR,
                confidence="likely" if read.cause == "if" else "proven",
            )
