"""Goes on after a crash: changes a scratch copy of an experiment so that the statement behind the crash is reached.

A mender knows one general mistake by its exception and by the syntax around the place. What it writes need not keep the
meaning, is shown to nobody as a remedy, and never leaves the scratch copy. One file is one mender; it is found by its
place in this folder.
"""

from __future__ import annotations

from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.menders.registry import all_menders, mend

__all__ = ["Mended", "Mender", "all_menders", "mend"]
