"""Defects that are known to stand in recorded bundles, the places they stand at, and the rules that name them."""

from __future__ import annotations

import fnmatch
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from greenlight.errors import GreenlightError
from greenlight.review.finding import Finding

TABLE = Path(__file__).resolve().parent / "truth_rules.toml"
NEAR = 3  # lines that a finding may be away from the recorded ones: a decorator and its function, a call and its end
_PLACE = re.compile(
    r"(?P<path>run YAML|src/\*(?:\.py)?|[\w./-]+\.(?:py|toml|yaml))(?::(?P<lines>\d+(?:-\d+)?(?:, ?\d+(?:-\d+)?)*))?"
)


@dataclass(frozen=True)
class Place:
    """A path, possibly with ``*``, and ranges of lines; no range means the whole file."""

    path: str
    lines: tuple[tuple[int, int], ...] = ()

    def holds(self, finding: Finding) -> bool:
        """Say whether a finding stands here; one on a file's first line is about the whole file."""
        if not fnmatch.fnmatch(finding.path, self.path):
            return False
        last = finding.end_line or finding.line
        return (
            not self.lines
            or finding.line == 1
            or any(finding.line <= end + NEAR and last >= start - NEAR for start, end in self.lines)
        )


@dataclass(frozen=True)
class Defect:
    """One known defect.

    Attributes
    ----------
    id, bundle, loc, title, severity
        As recorded.
    detect, detect_also
        How it can be found: S by reading, D by running, J by judging the meaning.
    off_the_shelf
        The public tools that tell it.
    reviewer_claim
        The claim of the recorded reviewer that names it, if one does.
    """

    id: str
    bundle: int
    loc: str
    title: str
    severity: str
    detect: str
    detect_also: str
    off_the_shelf: tuple[str, ...]
    reviewer_claim: str | None

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Where it stands."""
        return places(self.loc)

    @property
    def is_static(self) -> bool:
        """Whether it can be found by reading, alone or besides another way."""
        return "S" in (self.detect, *re.findall(r"\b[SDJ]\b", self.detect_also))


@dataclass(frozen=True)
class Naming:
    """The rules that name a defect, further places at which they may tell it, and words of which they use one."""

    rules: tuple[str, ...] = ()
    also_at: tuple[Place, ...] = ()
    says: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judgement:
    """What a reader decided about a finding that matches no known defect."""

    bundle: int
    rule: str
    path: str
    is_true: bool
    because: str


def places(loc: str) -> tuple[Place, ...]:
    """Return the places that a recorded location names.

    Examples
    --------
    >>> [place.path for place in places("src/main.py:10, src/train.py:222 / run YAML eval_split: test")]
    ['src/main.py', 'src/train.py', 'config/runs/*']
    >>> places("src/train.py:32,167")[0].lines
    ((32, 32), (167, 167))
    """
    found = []
    for match in _PLACE.finditer(loc):
        ranges = [part.strip().partition("-") for part in (match["lines"] or "").split(",") if part.strip()]
        path = {"run YAML": "config/runs/*", "src/*": "src/*.py"}.get(match["path"], match["path"])
        found.append(Place(path, tuple((int(first), int(last or first)) for first, _, last in ranges)))
    return tuple(found)


def read_defects(path: Path) -> tuple[Defect, ...]:
    """Return the known defects of a truth file.

    Raises
    ------
    GreenlightError
        If it cannot be read or is no list of defects.
    """
    names = ("id", "bundle", "loc", "title", "severity", "detect", "detect_also", "off_the_shelf", "reviewer_claim")
    defects = []
    for number, row in enumerate(read_list(path)):
        absent = [name for name in names if name not in row]
        if absent:
            raise GreenlightError(f"{path}: entry {number} has no {absent[0]}; it is a list of defects")
        values = {name: row[name] for name in names}
        defects.append(Defect(**(values | {"off_the_shelf": tuple(row["off_the_shelf"])})))
    return tuple(defects)


def read_list(path: Path) -> list[dict[str, Any]]:
    """Return a JSON list of objects.

    Raises
    ------
    GreenlightError
        If the file is none.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise GreenlightError(f"{path}: cannot be read ({error}); name a JSON list") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise GreenlightError(f"{path}: no list of objects; name a JSON list")
    return rows


def read_table(path: Path = TABLE) -> tuple[Mapping[str, tuple[Naming, ...]], tuple[Judgement, ...]]:
    """Return, by the defect's id, the rules of each kind that name it, and the judgements about other findings."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    naming: dict[str, tuple[Naming, ...]] = {}
    for kind in ("defects", "rehearsal"):
        for key, entry in content.get(kind, {}).items():
            one = Naming(
                tuple(entry.get("rules", ())),
                tuple(place for loc in entry.get("also_at", ()) for place in places(loc)),
                tuple(entry.get("says", ())),
            )
            naming[key] = (*naming.get(key, ()), one)
    judged = tuple(
        Judgement(row["bundle"], row["rule"], row["path"], row["is_true"], row["because"])
        for row in content.get("judged", ())
    )
    return naming, judged
