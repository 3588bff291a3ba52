"""A rehearsal as the command line asks for it, by itself or with a review: one document, one verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from greenlight.contract.submission import Submission, submission
from greenlight.data_home import tracker_home
from greenlight.errors import GreenlightError
from greenlight.rehearse.cast import cast, deepened
from greenlight.rehearse.environment import current
from greenlight.rehearse.performing import Patience, Performing
from greenlight.rehearse.preparing import Prepared, prepare
from greenlight.rehearse.rehearsal import Act, Rehearsal
from greenlight.rehearse.rule import ObservationRule, all_rules, outcomes
from greenlight.rehearse.sandbox.box import require
from greenlight.rehearse.shrinking import shrunk_by
from greenlight.rehearse.stage import stage
from greenlight.rehearse.stale import private_folder
from greenlight.rehearse.standins import hub
from greenlight.report.document import Command, Document, Staged
from greenlight.review import baseline
from greenlight.review.engine import judged, run_rule
from greenlight.review.registry import all_rules as all_review_rules
from greenlight.review.registry import matching
from greenlight.review.rule import Rule
from greenlight.review.settings import Settings, settings_for
from greenlight.review.subject import Subject
from greenlight.review.suppression import without_reason


@dataclass(frozen=True)
class Request:
    """What is to be rehearsed, and how.

    Attributes
    ----------
    path
        A folder, a bundle or a recorded prompt.
    run_ids
        The runs; empty for all.
    models, datasets
        Mappings ``ID=FOLDER``.
    reviewed
        Whether the text is reviewed as well: the document and the verdict are those of both.
    install
        Whether the experiment's own environment is installed; otherwise the current one is used.
    confined
        False performs the commands without a sandbox, and with the current environment: what is installed is
        tried out in a sandbox, and its files are those of uv's cache.
    select, ignore
        Ids, names and prefixes of rules, of both kinds.
    baseline
        A file of known findings.
    isolated
        True heeds neither ``[tool.greenlight]`` nor comments.
    patience
        Limits of time.
    """

    path: Path
    run_ids: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    reviewed: bool = False
    install: bool = True
    confined: bool = True
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    baseline: Path | None = None
    isolated: bool = False
    patience: Patience = field(default_factory=Patience)


def rehearsed(request: Request, told: Callable[[str], None], *, colour: bool = False) -> Document:
    """Return the document of a rehearsal.

    Parameters
    ----------
    request
        What is asked for.
    told
        Called with a line about every step that takes time.
    colour
        Whether the reader is a terminal.

    Raises
    ------
    GreenlightError
        For input that cannot be read, an unknown run or rule, a mapping that is none, or where no sandbox can be had.
    """
    subject = submission(request.path)
    settings = settings_for(subject.root) if subject.root and not request.isolated else Settings()
    static, dynamic = _chosen(request, settings)
    run_ids = _runs(subject, request.run_ids)
    mapped = [*map(hub.model, request.models), *map(hub.dataset, request.datasets)]
    if request.confined:
        require()
    parsed = Subject(subject)
    found = [run_rule(rule, parsed) for rule in static]
    performed = perform(subject, run_ids, mapped, request, told)
    found += outcomes(performed, dynamic)
    file = request.baseline or settings.baseline
    known = frozenset() if file is None else baseline.read_baseline(file)
    verdict = judged(parsed, found, known=known, heed_comments=not request.isolated)
    notes = (
        [f"{settings.source} ignores {', '.join(settings.ignore)}; --isolated does not heed that"]
        if settings.ignore
        else []
    )
    if not request.isolated:
        notes += [f"{place} gives no reason and takes nothing out" for place in without_reason(subject)]
    if any(part.player == "stand-in" for part in performed.cast.parts):
        notes.append("what ran on a stand-in shows that the code works; no number of it is a result")
    return Document(verdict, (*static, *dynamic), subject.files, colour, tuple(notes), (), staged_of(performed))


def perform(
    subject: Submission,
    run_ids: Sequence[str],
    mapped: Sequence[hub.Repository],
    request: Request,
    told: Callable[[str], None],
) -> Rehearsal:
    """Return what was seen when the commands of an experiment were performed."""
    home = tracker_home().parent
    played = cast(subject.files, mapped, home / "stand-ins")
    if request.install and request.confined:
        prepared = prepare(subject, home / "environments", told)
    else:
        prepared = Prepared(current(), subject.files)
    with (
        private_folder() as folder,
        stage(
            prepared.files,
            folder / "w",
            played.repositories,
            environment=prepared.environment,
            confined=request.confined,
        ) as place,
    ):
        return Performing(subject, prepared.files, run_ids, place, request.patience, told).perform(
            played, prepared.environment.note, prepared.trouble, confined=request.confined,
            deepen=lambda: deepened(played, home / "stand-ins"),
        )  # fmt: skip


def _runs(subject: Submission, asked: Sequence[str]) -> tuple[str, ...]:
    import difflib

    known = list(subject.run_files)
    if not known:
        raise GreenlightError(
            f"{subject.name}: it has no run file, and a rehearsal performs runs; add config/runs/ID.yaml"
        )
    for run_id in asked:
        if run_id not in known:
            close = difflib.get_close_matches(run_id, known, n=1)
            nearest = f"did you mean {close[0]}?" if close else f"there is {', '.join(known[:3])}"
            raise GreenlightError(f"--run {run_id}: no file of that name in config/runs; {nearest}")
    return tuple(dict.fromkeys(asked)) or tuple(known)


def _chosen(request: Request, settings: Settings) -> tuple[tuple[Rule, ...], tuple[ObservationRule, ...]]:
    static = all_review_rules() if request.reviewed else ()
    dynamic = all_rules()
    selected = _matching(request.select or (settings.select if request.reviewed else ()), dynamic)
    ignored = _matching((*request.ignore, *settings.ignore), dynamic)

    def keeps(key: str) -> bool:
        return (not selected or key in selected) and key not in ignored

    chosen = tuple(r for r in static if keeps(r.id)), tuple(r for r in dynamic if keeps(r.id))
    if not any(chosen):
        raise GreenlightError("no rule is left to run: every selected rule is ignored; change --select or --ignore")
    return chosen


def _matching(patterns: Sequence[str], dynamic: Sequence[ObservationRule]) -> frozenset[str]:
    found: set[str] = set()
    for pattern in patterns:
        own_rules = {r.id for r in dynamic if r.id.startswith(pattern.upper()) or r.name == pattern.lower()}
        found |= own_rules or matching((pattern,))
    return frozenset(found)


def staged_of(rehearsal: Rehearsal) -> Staged:
    """Return what a report says about the commands."""
    return Staged(
        tuple(_command(act) for act in rehearsal.acts),
        tuple((part.kind, part.id, str(part.player), part.detail) for part in rehearsal.cast.parts),
        rehearsal.environment,
        shrunk_by(act.shrinking for act in rehearsal.acts),
        rehearsal.confined,
    )


def _command(act: Act) -> Command:
    ended = f"exit {act.status}" if act.stopped is None else f"ended from outside: {act.stopped}"
    if act.crash is not None and act.crash.raised is not None:
        ended += f", {act.crash.raised.root_type}"
    if act.excused is not None:
        ended += f", {act.excused}"
    return Command(
        str(act.phase),
        act.run_ids,
        " ".join(act.command),
        ended,
        round(act.seconds, 2),
        act.peak_memory_bytes,
        act.mended,
    )
