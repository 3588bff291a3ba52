"""GR803: a figure is saved on which nothing can be seen."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.rehearse.rehearsal import Phase, Rehearsal
from greenlight.rehearse.rule import NotApplicable, ObservationRule
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity


class FigureShowsNothing(ObservationRule):
    """Looks at what figures hold when they are saved."""

    id = "GR803"
    name = "figure-shows-nothing"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ()
    summary = (
        "A saved figure shows no curve: its points are separated by missing values and have no markers, or it is empty."
    )
    why = (
        "A line is drawn between points that follow each other. Rows of a history hold only what was logged at "
        "that step, so a metric that is logged now and then stands between missing values, and without markers "
        "nothing is drawn."
    )
    remedy = "Drop the rows without the metric before drawing, for instance with `dropna`, or draw markers."
    observed = "lines, bars, images and collections of every set of axes at `Figure.savefig`"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield one finding for each place that saves such a figure."""
        seen = False
        told: set[tuple[str, int]] = set()
        for act in rehearsal.acts:
            if act.phase not in (Phase.EVALUATE, Phase.ALONE):
                continue
            for entry in act.seen.notes.get("figure", ()):
                seen = True
                place = rehearsal.place(entry.get("at", {}))
                name = str(entry.get("path", "")).rpartition("/")[2]
                for axes in entry.get("axes", ()):
                    hidden = int(axes.get("lines_with_points", 0)) - int(axes.get("lines_drawn", 0))
                    others = sum(
                        int(axes.get(kind, 0)) for kind in ("patches", "collections", "images", "texts", "tables")
                    )
                    if hidden > 0 and not axes.get("lines_drawn") and not others and place not in told:
                        told.add(place)
                        said = (
                            f"{name}: nothing of its {hidden} lines is drawn, each point stands between missing values"
                        )
                        yield self.on(place[0] or "src/evaluate.py", place[1], said)
        if not seen:
            raise NotApplicable("no figure of matplotlib was saved")
