"""GR305: every run downloads into a cache of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator

from greenlight.rehearse.rehearsal import Rehearsal
from greenlight.rehearse.rule import ObservationRule
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity

_PLACE = re.compile(
    r"/((?:outputs|multirun)/\d{4}-\d\d-\d\d/\d\d-\d\d-\d\d/[^/]+)/.*(?:models--|datasets--|blobs|snapshots|\.arrow|\.lock)"
)
_READERS = ("src/preprocess.py", "src/model.py", "src/train.py")


class CacheOfEveryRun(ObservationRule):
    """Looks at where downloads are written."""

    id = "GR305"
    name = "cache-of-every-run"
    criterion = Criterion.DATA
    severity = Severity.MAJOR
    sentences = ()
    summary = "The cache lies in the folder that Hydra makes for each run: every run downloads everything again."
    why = (
        "A relative cache folder is relative to the working directory, and Hydra changes that to "
        "`outputs/DATE/TIME`. With real models the download eats the budget, and the disk fills."
    )
    remedy = "Make the cache folder absolute, from the experiment's own place, or use the default of the libraries."
    observed = "files written below `outputs/DATE/TIME` in folders of the Hugging Face cache"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield one finding."""
        for act in rehearsal.acts:
            for path in act.seen.written:
                found = _PLACE.search(path)
                if found:
                    yield self.on(
                        *rehearsal.line_of(["cache_dir"], _READERS),
                        f"{act.phase} writes its downloads to {found[1]}, another folder in every run",
                    )
                    return
